//! A connection under the role that owns the tables, for what is done once: migrating, filling, encrypting anew.

use std::time::{Duration, Instant};

use secrecy::{ExposeSecret, SecretString};
use sqlx::postgres::PgConnection;
use sqlx::{ConnectOptions, Connection as _};

use super::{connect_options, db_error};
use crate::ports::{Dependency, PortError};

/// SQLSTATE of a PostgreSQL that is starting or stopping: `cannot_connect_now`.
const CANNOT_CONNECT_NOW: &str = "57P03";
/// How long PostgreSQL may say so. After a crash it first repeats what its log holds.
const LONGEST_START: Duration = Duration::from_secs(60);
/// Between two tries of it.
const TRY_AGAIN: Duration = Duration::from_millis(200);

/// The owner of the tables, at work.
#[derive(Debug)]
pub struct Owner {
    pub(super) connection: PgConnection,
}

/// A pooler answered, which cannot be used for this.
#[derive(Debug, thiserror::Error)]
#[error(
    "database.owner_url leads to a pooler: migrations need PostgreSQL itself, so name its own host and port there"
)]
struct ThroughPooler(#[source] sqlx::Error);

impl Owner {
    /// Connects to a PostgreSQL that answers within `patience`. One that says that it is starting has up to a minute.
    ///
    /// # Errors
    /// If the database is out of reach or refuses.
    pub async fn connect(url: &SecretString, patience: Duration) -> Result<Self, PortError> {
        // "already exists, skipping" on every start is not news.
        let options = connect_options(url.expose_secret())?.options([("client_min_messages", "warning")]);
        let began = Instant::now();
        let mut is_told = false;
        loop {
            let answer = tokio::time::timeout(patience, options.connect()).await;
            match answer.map_err(|elapsed| PortError::unavailable(Dependency::Database, elapsed))? {
                Ok(connection) => return Ok(Self { connection }),
                Err(error) if is_starting(&error) && began.elapsed() < LONGEST_START => {
                    if !is_told {
                        tracing::info!("PostgreSQL is starting: waiting for it");
                        is_told = true;
                    }
                    tokio::time::sleep(TRY_AGAIN).await;
                }
                Err(error) if is_pooler(&error) => {
                    return Err(PortError::unexpected(Dependency::Database, ThroughPooler(error)));
                }
                Err(error) => return Err(db_error(error)),
            }
        }
    }

    /// Ends the connection.
    pub async fn close(self) {
        // The work is done; a farewell that gets lost changes nothing.
        let _ = self.connection.close().await;
    }
}

fn is_starting(error: &sqlx::Error) -> bool {
    error.as_database_error().is_some_and(|error| error.code().as_deref() == Some(CANNOT_CONNECT_NOW))
}

/// Only a pooler minds what a connection is told when it is made.
fn is_pooler(error: &sqlx::Error) -> bool {
    error.as_database_error().is_some_and(|error| error.message().contains("startup parameter"))
}
