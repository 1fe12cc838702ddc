//! A pooler between us and PostgreSQL, which may give every transaction to another of its connections.
//!
//! Behind one, nothing may be left on a connection that the next transaction counts on: no setting of the session, which
//! is why the limits of time come with each transaction or with the login role, and no prepared statement, unless the
//! pooler takes those along. Without them a statement is described to PostgreSQL anew each time, in one round trip, and
//! run in the next; what holds the two together is a transaction.

use std::fmt::Write as _;
use std::pin::Pin;
use std::time::Duration;

use futures_core::Stream;
use sqlx::error::BoxDynError;
use sqlx::postgres::{
    PgArguments, PgConnectOptions, PgQueryResult, PgRow, PgStatement, PgTypeInfo, Postgres,
};
use sqlx::{Describe, Either, Execute, Executor, SqlStr};

use super::pool::Connection;

/// What stands between us and PostgreSQL.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Pooler {
    /// Nothing, or one that leaves a connection to us for as long as we like.
    #[default]
    None,
    /// One that hands its connections out by transaction.
    Transaction,
    /// The same, and it knows our prepared statements on whichever connection it gives us.
    Prepared,
}

/// How long PostgreSQL lets a statement go on.
#[derive(Debug, Clone, Copy)]
pub struct StatementLimits {
    /// How long a statement may run.
    pub statement_timeout: Duration,
    /// How long it may wait for a lock.
    pub lock_timeout: Duration,
}

impl StatementLimits {
    pub(super) fn settings(self) -> [(&'static str, String); 2] {
        [("statement_timeout", self.statement_timeout), ("lock_timeout", self.lock_timeout)]
            .map(|(name, limit)| (name, format!("{}ms", limit.as_millis())))
    }
}

impl Pooler {
    /// What is said when a connection is made.
    pub(super) fn connect_options(
        self,
        options: PgConnectOptions,
        limits: StatementLimits,
    ) -> PgConnectOptions {
        match self {
            Self::None => options.options(limits.settings()),
            // PgBouncer hangs up on both. The digits are about numbers as text, and ours travel in binary form.
            Self::Transaction | Self::Prepared => options.extra_float_digits(None),
        }
    }

    /// What begins a transaction.
    pub(super) fn begin(self, limits: StatementLimits) -> String {
        let mut begin = "begin".to_owned();
        if self == Self::Transaction {
            for (name, limit) in limits.settings() {
                // Writing to a string cannot fail.
                let _ = write!(begin, "; set local {name} = '{limit}'");
            }
        }
        begin
    }

    /// Whether a statement can be prepared once and be used again.
    pub(super) fn keeps_statements(self) -> bool {
        self != Self::Transaction
    }
}

/// A statement that may be told not to leave a name behind.
struct Told<E> {
    statement: E,
    keep: bool,
}

impl<'q, E: Execute<'q, Postgres>> Execute<'q, Postgres> for Told<E> {
    fn sql(self) -> SqlStr {
        self.statement.sql()
    }

    fn statement(&self) -> Option<&PgStatement> {
        self.statement.statement()
    }

    fn take_arguments(&mut self) -> Result<Option<PgArguments>, BoxDynError> {
        self.statement.take_arguments()
    }

    fn persistent(&self) -> bool {
        self.keep && self.statement.persistent()
    }
}

type Answer<'e, T> = Pin<Box<dyn Future<Output = sqlx::Result<T>> + Send + 'e>>;
type Answers<'e, T> = Pin<Box<dyn Stream<Item = sqlx::Result<T>> + Send + 'e>>;

impl<'c> Executor<'c> for &'c mut Connection {
    type Database = Postgres;

    fn fetch_many<'e, 'q, E>(self, statement: E) -> Answers<'e, Either<PgQueryResult, PgRow>>
    where
        'c: 'e,
        E: Execute<'q, Postgres>,
        'q: 'e,
        E: 'q,
    {
        let keep = self.keeps_statements();
        self.postgres().fetch_many(Told { statement, keep })
    }

    fn fetch_optional<'e, 'q, E>(self, statement: E) -> Answer<'e, Option<PgRow>>
    where
        'c: 'e,
        E: Execute<'q, Postgres>,
        'q: 'e,
        E: 'q,
    {
        let keep = self.keeps_statements();
        self.postgres().fetch_optional(Told { statement, keep })
    }

    fn prepare_with<'e>(self, sql: SqlStr, parameters: &'e [PgTypeInfo]) -> Answer<'e, PgStatement>
    where
        'c: 'e,
    {
        self.postgres().prepare_with(sql, parameters)
    }

    fn describe<'e>(self, sql: SqlStr) -> Answer<'e, Describe<Postgres>>
    where
        'c: 'e,
    {
        self.postgres().describe(sql)
    }
}

/// The database answers, and what answers is a pooler that was not expected, or cannot do what was expected.
#[derive(Debug, thiserror::Error)]
#[error(
    "there is a pooler in between which does not take this: set database.pooler to pgbouncer (DOORCODE__DATABASE__POOLER)"
)]
pub(super) struct UnexpectedPooler(#[source] sqlx::Error);

impl UnexpectedPooler {
    /// Whether an error shows that; if not, the error as it was.
    pub(super) fn shown_by(error: sqlx::Error) -> Result<Self, sqlx::Error> {
        let is_pooler = error.as_database_error().is_some_and(|refusal| {
            // By PgBouncer's words: its code, protocol_violation, says little. Then the prepared statement that is unknown, or
            // known already, on the connection we were given; on one of our own that cannot be.
            refusal.message().starts_with("unsupported startup parameter")
                || matches!(refusal.code().as_deref(), Some("26000" | "42P05"))
        });
        if is_pooler { Ok(Self(error)) } else { Err(error) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: StatementLimits = StatementLimits {
        statement_timeout: Duration::from_secs(2),
        lock_timeout: Duration::from_millis(500),
    };

    #[test]
    fn behind_a_pooler_nothing_is_asked_for_that_outlives_a_transaction() {
        let options = |pooler: Pooler| pooler.connect_options(PgConnectOptions::new(), LIMITS);
        let asked = Some("-c statement_timeout=2000ms -c lock_timeout=500ms");
        assert_eq!(options(Pooler::None).get_options(), asked);
        assert_eq!(options(Pooler::Transaction).get_options(), None);
        assert_eq!(options(Pooler::Prepared).get_options(), None);
        assert_eq!(
            Pooler::Transaction.begin(LIMITS),
            "begin; set local statement_timeout = '2000ms'; set local lock_timeout = '500ms'"
        );
        assert_eq!(Pooler::None.begin(LIMITS), "begin");
    }
}
