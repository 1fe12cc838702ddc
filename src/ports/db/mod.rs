//! PostgreSQL: all the SQL there is, a file a table.
//!
//! Each operation on the sign-in path is one statement, which is also its transaction: what it reads, writes and
//! audits happens together or not at all. That also makes every operation safe to repeat, so a connection that broke
//! under one is replaced and the statement is sent once more.
//!
//! Network addresses travel as text: the binary form of `inet` names address families by the numbers of the system that
//! PostgreSQL was built for, and the embedded one's differ.

mod accounts;
mod admin;
mod answer;
mod audit;
mod caller;
mod cookie_sessions;
mod delete_account;
mod demo;
mod email_changes;
#[cfg(feature = "embedded")]
mod embedded;
mod exports;
mod gate;
mod imports;
mod invitations;
mod libraries;
mod mail;
mod migrate;
mod open_session;
mod outbox;
mod owner;
mod pool;
mod pooler;
mod profiles;
mod prove_email;
mod replica;
mod rules;
mod sessions;
mod signing_keys;
mod supabase;
mod vault;
mod wrong_guesses;

use std::pin::Pin;
use std::str::FromStr;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use secrecy::ExposeSecret;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tracing::Instrument as _;

pub use accounts::{AccountForMail, UserChange};
pub use admin::{
    Actor, AddressMark, ChangeUser, Creation, CreationTx, InviteUser, LibraryChange, LibraryFilter,
    LiveServiceKey, NewLibrary, NewServiceKey, NewUser, Repeated, StaffFilter, StaffUpdate,
};
pub use audit::{Extended, InspectedPage, Window};
pub use caller::{Admitted, CallerTx, Identity};
pub use cookie_sessions::{Continued, CookieClaim, EndSessions};
pub use delete_account::DeletedAccount;
pub use demo::DemoError;
pub use email_changes::{BeginEmailChange, BegunEmailChange, WaitingEmailChange};
#[cfg(feature = "embedded")]
pub use embedded::EmbeddedPostgres;
pub use gate::{AtGate, GateClaim};
pub use imports::{ImportState, ImportTaken, ImportTx};
pub use invitations::NewInvitation;
pub use mail::FailedMail;
pub use migrate::MigrateError;
pub use open_session::{OpenSession, Opened};
pub use outbox::{OutboxMail, Recipient};
pub use owner::Owner;
pub use pool::PoolStanding;
pub use pooler::{Pooler, StatementLimits};
pub use prove_email::{ProveEmail, ProvenEmail};
pub use rules::ActError;
pub use sessions::{Bearer, Recognised, RefreshSession, Refreshed, SignedOut};
pub use signing_keys::{KeyActor, NewSigningKey, RevokedKey, StoredSigningKey};
pub use supabase::SupabaseUsers;
pub use vault::{SealedRow, VAULT_PAGE, Vault, VaultTable};

use self::pool::{Connection, Pool, PoolLimits, READ_ONLY, TRUSTED_IDLE};
use self::pooler::UnexpectedPooler;
use self::replica::Replica;
use super::{Dependency, PortError};
use crate::telemetry::{DbCounts, traces};

/// How to reach PostgreSQL and how long to wait for it.
#[derive(Debug, Clone)]
pub struct DbSettings {
    /// `postgres://user:password@host:port/database`
    pub url: secrecy::SecretString,
    /// Connections kept, at most.
    pub pool_size: u32,
    /// How long a request waits for a connection.
    pub acquire_timeout: Duration,
    /// How long a statement may go on.
    pub limits: StatementLimits,
    /// What stands between us and PostgreSQL.
    pub pooler: Pooler,
    /// Connections are kept for as long as they work, because making one is slow: the embedded database.
    pub keep_open: bool,
}

/// A statement on its way.
type Running<'c, T> = Pin<Box<dyn Future<Output = sqlx::Result<T>> + Send + 'c>>;

/// A pool of connections under the server's own login role.
#[derive(Debug, Clone)]
pub struct Db {
    pool: Pool,
    replica: Option<Replica>,
    deadline: Duration,
    counts: DbCounts,
}

impl Db {
    /// Prepares a pool; connections are made when needed.
    ///
    /// # Errors
    /// If the URL cannot be read.
    pub fn new(settings: &DbSettings, counts: DbCounts) -> Result<Self, PortError> {
        let options = connect_options(settings.url.expose_secret())?;
        let options = settings.pooler.connect_options(options, settings.limits);
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
        let deadline = settings.acquire_timeout + settings.limits.statement_timeout;
        let limits = PoolLimits {
            size: settings.pool_size,
            acquire_timeout: settings.acquire_timeout,
            rest_timeout: deadline,
            pooler: settings.pooler,
            statement: settings.limits,
        };
        Ok(Self { pool: Pool::new(pool, limits, counts.clone()), replica: None, deadline, counts })
    }

    /// Whether PostgreSQL answers and its schema is the one this server was built with; what time it has.
    ///
    /// # Errors
    /// [`PortError`] if it does not answer, or if a migration is missing.
    pub async fn check(&self) -> Result<DateTime<Utc>, PortError> {
        migrate::check_schema(self).await
    }

    /// How the pool of connections stands.
    #[must_use]
    pub fn connections(&self) -> PoolStanding {
        self.pool.standing()
    }

    /// Closes every connection, waiting for those in use.
    pub async fn close(&self) {
        if let Some(replica) = &self.replica {
            replica.close().await;
        }
        self.pool.close().await;
    }

    /// Runs one statement within its deadline; once more if the connection broke under it.
    async fn run<T>(&self, statement: impl Fn(&mut Connection) -> Running<'_, T>) -> Result<T, PortError> {
        match self.run_once(&statement).await {
            Err(error) if is_broken_connection(&error) => self.run_once(&statement).await,
            first => first,
        }
        .map_err(|error| {
            // What was out of reach is counted where that showed.
            if !is_unavailable(&error) {
                self.counts.failed(false);
            }
            db_error(error)
        })
    }

    /// Runs one statement within its deadline.
    async fn run_once<T, S>(&self, statement: S) -> sqlx::Result<T>
    where
        S: FnOnce(&mut Connection) -> Running<'_, T>,
    {
        self.within_deadline(async {
            let mut connection = self.pool.acquire().await?;
            let began = Instant::now();
            let name = name_of::<S>();
            let outcome = async {
                connection.begin_statement().await?;
                statement(&mut connection).await
            };
            let outcome = outcome.instrument(traces::statement(name)).await;
            let outcome = match outcome {
                Ok(answer) => connection.end_statement().await.map(|()| answer),
                Err(error) => {
                    connection.give_back_after(&error);
                    Err(error)
                }
            };
            self.counts.statement(name, began.elapsed());
            outcome
        })
        .await
    }

    async fn within_deadline<T>(&self, work: impl Future<Output = sqlx::Result<T>>) -> sqlx::Result<T> {
        let done = tokio::time::timeout(self.deadline, work).await.unwrap_or(Err(sqlx::Error::PoolTimedOut));
        if done.as_ref().is_err_and(is_unavailable) {
            self.counts.failed(true);
        }
        done
    }
}

/// What a statement is called in metrics and traces: the function that its closure stands in.
///
/// From the name that the compiler gives a closure's type, `…::refresh_session::{{closure}}::{{closure}}`: so no name can be
/// forgotten or given twice. How the compiler writes it is not promised; a test would tell.
fn name_of<S>() -> &'static str {
    let parts = std::any::type_name::<S>().rsplit("::");
    parts.into_iter().find(|part| !part.starts_with('{')).unwrap_or("statement")
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
            let code = error.code().unwrap_or_default();
            // admin_shutdown, crash_shutdown, serialization_failure, deadlock_detected; a connection to what is a standby by
            // now; and connection exceptions, by which a pooler says that it has lost its own.
            matches!(&*code, "57P01" | "57P02" | "40001" | "40P01" | READ_ONLY) || code.starts_with("08")
        }
        _ => false,
    }
}

/// The database did not answer, or cannot now.
fn is_unavailable(error: &sqlx::Error) -> bool {
    match error {
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
                || code == READ_ONLY
        }),
        _ => false,
    }
}

fn db_error(error: sqlx::Error) -> PortError {
    let error = match UnexpectedPooler::shown_by(error) {
        Ok(pooler) => return PortError::unexpected(Dependency::Database, pooler),
        Err(error) => error,
    };
    if is_unavailable(&error) {
        PortError::unavailable(Dependency::Database, error)
    } else {
        PortError::unexpected(Dependency::Database, error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_statement_has_the_name_of_its_function() {
        fn name<S: FnOnce() -> usize>(_: &S) -> &'static str {
            name_of::<S>()
        }
        async fn find_nobody(length: usize) -> &'static str {
            let statement = || length;
            name(&statement)
        }
        assert_eq!(find_nobody(0).await, "find_nobody");
        assert_eq!(name_of::<&dyn Send>(), "Send");
    }
}
