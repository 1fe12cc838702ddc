//! PostgreSQL: all the SQL there is, a file a table.
//!
//! Each operation on the sign-in path is one statement, which is also its transaction: what it reads, writes and
//! audits happens together or not at all. That also makes every operation safe to repeat, so a connection that broke
//! under one is replaced and the statement is sent once more.
//!
//! Network addresses travel as text: the binary form of `inet` names address families by the numbers of the system that
//! PostgreSQL was built for, and the embedded one's differ.

mod accounts;
mod answer;
mod caller;
mod cookie_sessions;
mod demo;
#[cfg(feature = "embedded")]
mod embedded;
mod gate;
mod invitations;
mod libraries;
mod migrate;
mod open_session;
mod outbox;
mod profiles;
mod rules;
mod sessions;
mod signing_keys;

use std::future::Future;
use std::str::FromStr;
use std::time::Duration;

use secrecy::ExposeSecret;
use sqlx::PgPool;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

pub use accounts::{AccountForMail, UserChange};
pub use caller::{Admitted, CallerTx, Identity};
pub use cookie_sessions::{Continued, CookieClaim, EndSessions};
pub use demo::{DemoError, fill_demo};
#[cfg(feature = "embedded")]
pub use embedded::EmbeddedPostgres;
pub use gate::{AtGate, GateClaim};
pub use invitations::NewInvitation;
pub use migrate::{MigrateError, migrate};
pub use open_session::{OpenSession, Opened};
pub use outbox::{OutboxMail, Recipient};
pub use rules::ActError;
pub use sessions::{Bearer, Recognised, RefreshSession, Refreshed, SignedOut};
pub use signing_keys::StoredSigningKey;

use super::{Dependency, PortError};

/// How to reach PostgreSQL and how long to wait for it.
#[derive(Debug, Clone)]
pub struct DbSettings {
    /// `postgres://user:password@host:port/database`
    pub url: secrecy::SecretString,
    /// Connections kept, at most.
    pub pool_size: u32,
    /// How long a request waits for a connection.
    pub acquire_timeout: Duration,
    /// How long a statement may run.
    pub statement_timeout: Duration,
    /// Connections are kept for as long as they work, because making one is slow: the embedded database.
    pub keep_open: bool,
}

/// A pool of connections under the server's own login role.
#[derive(Debug, Clone)]
pub struct Db {
    pool: PgPool,
    deadline: Duration,
}

/// An idle connection is tried before use only after this long: under load no round trip is spent on it, and after a
/// quiet time, or a restart of PostgreSQL, no request meets a dead one.
const TRUSTED_IDLE: Duration = Duration::from_millis(500);

impl Db {
    /// Prepares a pool; connections are made when needed.
    ///
    /// # Errors
    /// If the URL cannot be read.
    pub fn new(settings: &DbSettings) -> Result<Self, PortError> {
        let options = connect_options(settings.url.expose_secret())?
            .options([("statement_timeout", format!("{}ms", settings.statement_timeout.as_millis()))]);
        let mut pool = PgPoolOptions::new();
        if settings.keep_open {
            pool = pool.idle_timeout(None).max_lifetime(None);
        }
        let pool = pool
            .max_connections(settings.pool_size)
            .acquire_timeout(settings.acquire_timeout)
            .test_before_acquire(false)
            .before_acquire(|connection, meta| {
                Box::pin(async move {
                    if meta.idle_for > TRUSTED_IDLE {
                        sqlx::Connection::ping(connection).await?;
                    }
                    Ok(true)
                })
            })
            .connect_lazy_with(options);
        Ok(Self { pool, deadline: settings.acquire_timeout + settings.statement_timeout })
    }

    /// Whether PostgreSQL answers and its schema is the one this server was built with.
    ///
    /// # Errors
    /// [`PortError`] if it does not answer, or if a migration is missing.
    pub async fn check(&self) -> Result<(), PortError> {
        migrate::check_schema(self).await
    }

    /// Closes every connection, waiting for those in use.
    pub async fn close(&self) {
        self.pool.close().await;
    }

    /// Runs one statement within its deadline; once more if the connection broke under it.
    async fn run<T, F, Fut>(&self, statement: F) -> Result<T, PortError>
    where
        F: Fn() -> Fut,
        Fut: Future<Output = sqlx::Result<T>>,
    {
        match self.within_deadline(statement()).await {
            Err(error) if is_broken_connection(&error) => self.within_deadline(statement()).await,
            first => first,
        }
        .map_err(db_error)
    }

    async fn within_deadline<T>(&self, statement: impl Future<Output = sqlx::Result<T>>) -> sqlx::Result<T> {
        tokio::time::timeout(self.deadline, statement).await.unwrap_or(Err(sqlx::Error::PoolTimedOut))
    }
}

/// Reads a database URL.
fn connect_options(url: &str) -> Result<PgConnectOptions, PortError> {
    // The error of a bad URL may quote it, password and all; it is dropped on purpose.
    PgConnectOptions::from_str(url)
        .map(|options| options.application_name("doorcode"))
        .map_err(|_| PortError::unexpected(Dependency::Database, "the database URL cannot be read"))
}

/// The connection is gone, by the network's or the server's doing, or a rival transaction was put first.
fn is_broken_connection(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_) | sqlx::Error::WorkerCrashed => true,
        sqlx::Error::Database(error) => {
            // admin_shutdown, crash_shutdown, serialization_failure, deadlock_detected
            matches!(error.code().as_deref(), Some("57P01" | "57P02" | "40001" | "40P01"))
        }
        _ => false,
    }
}

fn db_error(error: sqlx::Error) -> PortError {
    let unavailable = match &error {
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed
        | sqlx::Error::Protocol(_) => true,
        sqlx::Error::Database(error) => error.code().is_some_and(|code| {
            // Connection exceptions, insufficient resources (a full disk too), operator intervention (a cancelled
            // statement, a shutdown, still starting), rival transactions, a lock not to be had, a read-only standby.
            ["08", "53", "57", "40"].iter().any(|class| code.starts_with(class))
                || code == "55P03"
                || code == "25006"
        }),
        _ => false,
    };
    if unavailable {
        PortError::unavailable(Dependency::Database, error)
    } else {
        PortError::unexpected(Dependency::Database, error)
    }
}
