//! A read replica for what administrators look through: lists, figures, the audit log.
//!
//! It is never asked who may do what, and shows nothing older than the primary would. Before each read the primary is
//! asked, in a word, how far its log reached; the replica is read once it has come so far. So whoever has changed something,
//! here or through another replica of the server, sees it. A replica that is down, or does not come so far in time, is left
//! alone for a while, and the primary is read.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::pool::Connection;
use super::{Db, DbSettings, Running, is_unavailable};
use crate::ports::PortError;
use crate::telemetry::causes;

/// How long a replica that could not be read is left alone.
const REST: Duration = Duration::from_secs(5);
/// How long to wait before it is asked again how far it is.
const PAUSE: Duration = Duration::from_millis(10);

/// A copy of the database that may be behind.
#[derive(Debug, Clone)]
pub(super) struct Replica {
    db: Box<Db>,
    /// How long a read waits for it to catch up.
    patience: Duration,
    /// Until when it is left alone.
    resting_until: Arc<Mutex<Option<Instant>>>,
}

/// Why a replica was not read.
#[derive(Debug, thiserror::Error)]
enum Unread {
    #[error("it is too far behind")]
    Behind,
    #[error("the primary did not say how far it is")]
    PrimaryAway,
    #[error("it failed")]
    Failed(#[from] sqlx::Error),
}

impl Db {
    /// The same database, with a replica to read from. Connections to it are made when needed.
    ///
    /// # Errors
    /// If the URL cannot be read.
    pub fn with_replica(self, settings: &DbSettings, patience: Duration) -> Result<Self, PortError> {
        let db = Box::new(Self::new(settings, self.counts.clone())?);
        Ok(Self { replica: Some(Replica { db, patience, resting_until: Arc::default() }), ..self })
    }

    /// The same database without its replica: for a read that decides something.
    pub(super) fn primary(&self) -> Self {
        Self { replica: None, ..self.clone() }
    }

    /// Runs a statement that reads, on the replica if there is one that can answer for the primary.
    pub(super) async fn read<T>(
        &self,
        statement: impl Fn(&mut Connection) -> Running<'_, T>,
    ) -> Result<T, PortError> {
        if let Some(replica) = &self.replica
            && let Some(answer) = replica.read(self, &statement).await
        {
            return Ok(answer);
        }
        self.run(statement).await
    }
}

impl Replica {
    /// Closes every connection.
    pub(super) async fn close(&self) {
        self.db.pool.close().await;
    }

    async fn read<T, S>(&self, primary: &Db, statement: &S) -> Option<T>
    where
        S: Fn(&mut Connection) -> Running<'_, T>,
    {
        if self.is_resting() {
            return None;
        }
        let unread = match self.try_to_read(primary, statement).await {
            Ok(answer) => return Some(answer),
            Err(unread) => unread,
        };
        let is_its_own = match &unread {
            Unread::Behind => true,
            Unread::PrimaryAway => false,
            Unread::Failed(error) => is_unavailable(error),
        };
        if is_its_own {
            *self.resting_until.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now() + REST);
            tracing::warn!(
                error = %causes(&unread),
                rest_secs = REST.as_secs(),
                "the read replica is left alone for a while, and the primary is read"
            );
        }
        None
    }

    async fn try_to_read<T, S>(&self, primary: &Db, statement: &S) -> Result<T, Unread>
    where
        S: Fn(&mut Connection) -> Running<'_, T>,
    {
        let reached = primary.log_position().await.map_err(|_| Unread::PrimaryAway)?;
        let deadline = Instant::now() + self.patience;
        while !self.has_come_to(&reached).await? {
            if Instant::now() >= deadline {
                return Err(Unread::Behind);
            }
            tokio::time::sleep(PAUSE).await;
        }
        Ok(self.db.run_once(statement).await?)
    }

    fn is_resting(&self) -> bool {
        let until = *self.resting_until.lock().unwrap_or_else(PoisonError::into_inner);
        until.is_some_and(|until| Instant::now() < until)
    }

    /// Whether everything up to a place in the primary's log can be seen. A replica that was promoted never can say so.
    async fn has_come_to(&self, position: &str) -> sqlx::Result<bool> {
        self.db
            .run_once(|sql| {
                let statement = sqlx::query_scalar!(
                    r#"select pg_is_in_recovery() and coalesce(pg_last_wal_replay_lsn() >= $1::text::pg_lsn, false) as "come!""#,
                    position,
                );
                Box::pin(statement.fetch_one(sql))
            })
            .await
    }
}

impl Db {
    /// How far everything that was committed by now reaches in the log of changes.
    async fn log_position(&self) -> Result<String, PortError> {
        self.run(|sql| {
            let statement = sqlx::query_scalar!(r#"select pg_current_wal_flush_lsn()::text as "position!""#);
            Box::pin(statement.fetch_one(sql))
        })
        .await
    }
}
