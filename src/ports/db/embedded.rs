//! PostgreSQL inside this process, for trying Doorcode and for development: real PostgreSQL 17, one connection,
//! data kept in a folder.

use std::path::Path;
use std::thread;

use pglite_oxide::PgliteServer;
use secrecy::SecretString;

use crate::ports::{Dependency, PortError};

/// The role the server uses on the embedded database; the same rights as in production.
const LOGIN_ROLE: &str = "doorcode";

/// A running embedded PostgreSQL. Stop it with [`EmbeddedPostgres::stop`], after every connection to it was closed.
#[derive(Debug)]
pub struct EmbeddedPostgres {
    server: PgliteServer,
}

impl EmbeddedPostgres {
    /// Starts on the data in `folder`, which is made if missing.
    ///
    /// # Errors
    /// If the folder cannot be used, or another process runs on it.
    pub async fn start(folder: &Path) -> Result<Self, PortError> {
        let folder = folder.to_owned();
        let server = on_plain_thread(move || {
            std::fs::create_dir_all(&folder)?;
            PgliteServer::builder().path(folder).database("postgres").start()
        })
        .await?;
        Ok(Self { server })
    }

    /// For `migrate`: the superuser that owns the tables.
    #[must_use]
    pub fn owner_url(&self) -> SecretString {
        self.server.database_url().into()
    }

    /// For the server: a role that owns nothing.
    #[must_use]
    pub fn login_url(&self) -> SecretString {
        self.server.database_url().replacen("postgres@", &format!("{LOGIN_ROLE}@"), 1).into()
    }

    /// Writes everything out and stops.
    ///
    /// # Errors
    /// If the database could not be closed cleanly; it recovers at its next start.
    pub async fn stop(self) -> Result<(), PortError> {
        on_plain_thread(move || self.server.shutdown()).await
    }
}

/// The embedded database brings an async runtime of its own, which must not start inside ours.
async fn on_plain_thread<T: Send + 'static>(
    work: impl FnOnce() -> anyhow::Result<T> + Send + 'static,
) -> Result<T, PortError> {
    let (send, receive) = tokio::sync::oneshot::channel();
    thread::Builder::new()
        .name("embedded-postgres".to_owned())
        .spawn(move || drop(send.send(work())))
        .map_err(|error| PortError::unavailable(Dependency::Database, error))?;
    let outcome = receive.await.map_err(|error| PortError::unavailable(Dependency::Database, error))?;
    outcome.map_err(|error| PortError::unavailable(Dependency::Database, error))
}
