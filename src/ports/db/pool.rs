//! Connections on hand: what was used a moment ago is used again without a word to PostgreSQL.
//!
//! sqlx makes the connections, counts them and lets none grow too old, but sends a ping each time one comes back,
//! because it cannot know how its last statement ended. We do: after an answer that was read to its end, the
//! connection goes on a stack of our own. Wherever else a statement was left (cut off by its client, out of time, lost)
//! the connection is brought to rest first, or given up. It is also why no transaction stays open behind a request
//! that was cut off while it began one: sqlx 0.9 does not end those.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use sqlx::error::DatabaseError;
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgConnection, PgDatabaseError, PgSeverity};
use sqlx::{AssertSqlSafe, Connection as _, PgPool, Postgres};
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::pooler::{Pooler, StatementLimits};
use crate::telemetry::DbCounts;

/// An idle connection is tried before use only after this long: under load no round trip is spent on it, and after a
/// quiet time, or a restart of PostgreSQL, no request meets a dead one.
pub(super) const TRUSTED_IDLE: Duration = Duration::from_millis(500);
/// After so long a connection goes back to sqlx, to be tried, replaced when it is old, closed when it is not needed.
const TURN: Duration = Duration::from_secs(30);

/// SQLSTATE of a write to a database that takes none: a standby, or one that was told so. What a connection was told when
/// it was made, it keeps.
pub(super) const READ_ONLY: &str = "25006";

/// As many requests, for each connection, may wait while the pool is stalled. Who comes to more is told so at once.
const STALLED_QUEUE: u32 = 2;

/// What everything that gives a connection back upholds: it ends the value.
const IN_USE: &str = "a connection in use is there";

/// How many connections there may be, and how long anybody waits.
#[derive(Debug, Clone, Copy)]
pub(super) struct PoolLimits {
    /// Connections, at most.
    pub size: u32,
    /// How long a request waits for one.
    pub acquire_timeout: Duration,
    /// How long a connection may take to come to rest before it is given up.
    pub rest_timeout: Duration,
    /// What stands between us and PostgreSQL.
    pub pooler: Pooler,
    /// How long a statement may go on.
    pub statement: StatementLimits,
}

/// The connections of one database.
#[derive(Debug, Clone)]
pub(super) struct Pool {
    shared: Arc<Shared>,
}

/// How the pool stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolStanding {
    /// Connections there may be.
    pub most: u32,
    /// Connections that are open.
    pub open: u32,
    /// Connections in use, or being brought to rest after it.
    pub in_use: u32,
    /// Requests that wait for one.
    pub waited_for: u32,
}

/// A request that waits for a connection; dropped, it no longer does.
struct Waiting<'a> {
    all: &'a AtomicU32,
    /// How many waited before it.
    before: u32,
}

impl<'a> Waiting<'a> {
    fn begin(all: &'a AtomicU32) -> Self {
        Self { all, before: all.fetch_add(1, Ordering::Relaxed) }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.all.fetch_sub(1, Ordering::Relaxed);
    }
}

#[derive(Debug)]
struct Shared {
    sqlx: PgPool,
    /// One for each connection there may be. A permit is kept until its connection has come to rest.
    permits: Arc<Semaphore>,
    idle: Mutex<VecDeque<Idle>>,
    limits: PoolLimits,
    waiting: AtomicU32,
    /// When a request last got a permit.
    last_turn: Mutex<Instant>,
    counts: DbCounts,
}

#[derive(Debug)]
struct Held {
    connection: PoolConnection<Postgres>,
    since: Instant,
}

#[derive(Debug)]
struct Idle {
    held: Held,
    /// Until when it is used without being tried.
    trusted_until: Instant,
    since: Instant,
}

/// A connection in use. Dropped, it is brought to rest in the background.
#[derive(Debug)]
pub(super) struct Connection {
    held: Option<Held>,
    in_transaction: bool,
    /// Already being brought to rest; if that is cut off too, with the runtime, the connection is given up.
    coming_to_rest: bool,
    permit: Option<OwnedSemaphorePermit>,
    shared: Arc<Shared>,
}

impl Pool {
    pub(super) fn new(sqlx: PgPool, limits: PoolLimits, counts: DbCounts) -> Self {
        let permits =
            Arc::new(Semaphore::new(usize::try_from(limits.size).unwrap_or(Semaphore::MAX_PERMITS)));
        let (idle, waiting) = (Mutex::default(), AtomicU32::new(0));
        let last_turn = Mutex::new(Instant::now());
        Self { shared: Arc::new(Shared { sqlx, permits, idle, limits, waiting, last_turn, counts }) }
    }

    /// A connection at rest: the one used last, or a new one.
    pub(super) async fn acquire(&self) -> sqlx::Result<Connection> {
        let began = Instant::now();
        let acquired = self.acquire_patiently();
        let acquired = tokio::time::timeout(self.shared.limits.acquire_timeout, acquired)
            .await
            .unwrap_or(Err(sqlx::Error::PoolTimedOut));
        self.shared.counts.waited(began.elapsed());
        acquired
    }

    /// How it stands now.
    pub(super) fn standing(&self) -> PoolStanding {
        let shared = &self.shared;
        let free = u32::try_from(shared.permits.available_permits()).unwrap_or(u32::MAX);
        PoolStanding {
            most: shared.limits.size,
            open: shared.sqlx.size(),
            in_use: shared.limits.size.saturating_sub(free),
            waited_for: shared.waiting.load(Ordering::Relaxed),
        }
    }

    async fn acquire_patiently(&self) -> sqlx::Result<Connection> {
        let permits = Arc::clone(&self.shared.permits);
        let waiting = Waiting::begin(&self.shared.waiting);
        let is_queue_full = waiting.before >= STALLED_QUEUE.saturating_mul(self.shared.limits.size);
        if is_queue_full && self.shared.is_stalled() {
            return Err(sqlx::Error::PoolTimedOut);
        }
        let permit = permits.acquire_owned().await.map_err(|_| sqlx::Error::PoolClosed)?;
        drop(waiting);
        let shared = Arc::clone(&self.shared);
        *shared.last_turn() = Instant::now();
        let mut connection = Connection {
            held: None,
            in_transaction: false,
            coming_to_rest: false,
            permit: Some(permit),
            shared,
        };
        loop {
            let Some(idle) = self.shared.idle().pop_back() else { break };
            connection.held = Some(idle.held);
            if Instant::now() < idle.trusted_until || connection.postgres().ping().await.is_ok() {
                return Ok(connection);
            }
            connection.discard();
        }
        // By itself: whoever waited long for a turn has little time left to make one, and so has the next. What one of them
        // has begun is there for another.
        let making = tokio::spawn(async move {
            let new = connection.shared.sqlx.acquire().await?;
            connection.held = Some(Held { connection: new, since: Instant::now() });
            Ok(connection)
        });
        making.await.unwrap_or(Err(sqlx::Error::WorkerCrashed))
    }

    /// Closes every connection, waiting for those in use.
    pub(super) async fn close(&self) {
        // From here on nothing is put on the stack, and what is on it is closed as it falls back to sqlx.
        let closed = self.shared.sqlx.close();
        self.shared.permits.close();
        drop(std::mem::take(&mut *self.shared.idle()));
        closed.await;
    }
}

impl Shared {
    fn idle(&self) -> MutexGuard<'_, VecDeque<Idle>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn last_turn(&self) -> MutexGuard<'_, Instant> {
        self.last_turn.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether nobody gets a connection, for a good part of the time that there is. A mere crowd does not make it so, however
    /// long each of it waits: sent away, it would come back, and keep the server from serving it.
    fn is_stalled(&self) -> bool {
        self.last_turn().elapsed() > self.limits.acquire_timeout / 4
    }

    /// Puts a connection at rest on the stack; what has lain there for long, or had its turn, goes back to sqlx.
    fn put_back(&self, held: Held) {
        let now = Instant::now();
        let mut leaving = Vec::new();
        let mut idle = self.idle();
        if self.sqlx.is_closed() || held.since.elapsed() > TURN {
            leaving.push(held);
        } else {
            idle.push_back(Idle { held, trusted_until: now + TRUSTED_IDLE, since: now });
        }
        while idle.front().is_some_and(|oldest| oldest.since.elapsed() > TURN) {
            leaving.extend(idle.pop_front().map(|oldest| oldest.held));
        }
        drop(idle);
        drop(leaving);
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        // sqlx pings what falls back to it, in a task; nobody waits for that any more, and there may be no runtime left.
        for idle in self.idle().drain(..) {
            drop(idle.held.connection.detach());
        }
    }
}

impl Connection {
    /// Ends the use of a connection after an answer that was read to its end.
    pub(super) fn give_back(mut self) {
        if !self.in_transaction {
            self.put_back();
        }
    }

    /// Ends the use of a connection after an error: at rest, to be brought to rest, or lost.
    pub(super) fn give_back_after(mut self, error: &sqlx::Error) {
        match error {
            sqlx::Error::Io(_) | sqlx::Error::Protocol(_) | sqlx::Error::WorkerCrashed => self.discard(),
            // Past a mere error, PostgreSQL hangs up.
            sqlx::Error::Database(error) if !is_mere_error(error.as_ref()) => self.discard(),
            sqlx::Error::Database(error) if error.code().as_deref() == Some(READ_ONLY) => self.discard_all(),
            sqlx::Error::Database(_) | sqlx::Error::RowNotFound => self.give_back(),
            _ => {}
        }
    }

    /// Begins what one statement needs around it: where the pooler takes no prepared statements along, a transaction.
    pub(super) async fn begin_statement(&mut self) -> sqlx::Result<()> {
        if self.keeps_statements() { Ok(()) } else { self.begin().await }
    }

    /// Ends the use of a connection after the answer of one statement was read to its end.
    pub(super) async fn end_statement(self) -> sqlx::Result<()> {
        if self.in_transaction {
            return self.commit().await;
        }
        self.give_back();
        Ok(())
    }

    /// Whether a statement can be prepared once and be used again.
    pub(super) fn keeps_statements(&self) -> bool {
        self.shared.limits.pooler.keeps_statements()
    }

    /// The connection as sqlx has it, for which every statement would be one to prepare.
    pub(super) fn postgres(&mut self) -> &mut PgConnection {
        &mut self.held.as_mut().expect(IN_USE).connection
    }

    /// Begins a transaction. Until [`commit`](Self::commit) has said that it is kept, it ends with this value.
    pub(super) async fn begin(&mut self) -> sqlx::Result<()> {
        self.in_transaction = true;
        let limits = self.shared.limits;
        let begin = AssertSqlSafe(limits.pooler.begin(limits.statement));
        sqlx::raw_sql(begin).execute(self.postgres()).await.map(drop)
    }

    /// Keeps what the transaction did.
    pub(super) async fn commit(mut self) -> sqlx::Result<()> {
        sqlx::raw_sql("commit").execute(self.postgres()).await?;
        self.in_transaction = false;
        self.put_back();
        Ok(())
    }

    fn put_back(&mut self) {
        if let Some(held) = self.held.take() {
            self.shared.put_back(held);
        }
    }

    /// Gives a broken connection up. Those that lie idle may have broken with it, and are tried before they are used.
    fn discard(&mut self) {
        if let Some(held) = self.held.take() {
            drop(held.connection.detach());
            let now = Instant::now();
            self.shared.idle().iter_mut().for_each(|idle| idle.trusted_until = now);
        }
    }

    /// Gives a connection up, and those that lie idle with it: whatever made this one useless did so to all of them.
    fn discard_all(&mut self) {
        let idle = std::mem::take(&mut *self.shared.idle());
        for idle in idle {
            drop(idle.held.connection.detach());
        }
        self.discard();
    }

    /// Reads what is still to come of an unfinished statement, and ends the transaction if there is one.
    async fn come_to_rest(&mut self) -> sqlx::Result<()> {
        if self.in_transaction {
            sqlx::raw_sql("rollback").execute(self.postgres()).await?;
            self.in_transaction = false;
            return Ok(());
        }
        self.postgres().ping().await
    }
}

fn is_mere_error(error: &dyn DatabaseError) -> bool {
    let severity = error.try_downcast_ref::<PgDatabaseError>().map(PgDatabaseError::severity);
    matches!(severity, Some(PgSeverity::Error))
}

impl Drop for Connection {
    fn drop(&mut self) {
        let Some(held) = self.held.take() else { return };
        let runtime = match Handle::try_current() {
            Ok(runtime) if !self.coming_to_rest => runtime,
            _ => return drop(held.connection.detach()),
        };
        let mut unfinished = Self {
            held: Some(held),
            in_transaction: self.in_transaction,
            coming_to_rest: true,
            permit: self.permit.take(),
            shared: Arc::clone(&self.shared),
        };
        runtime.spawn(async move {
            let rest_timeout = unfinished.shared.limits.rest_timeout;
            match tokio::time::timeout(rest_timeout, unfinished.come_to_rest()).await {
                Ok(Ok(())) => unfinished.put_back(),
                _ => unfinished.discard(),
            }
        });
    }
}
