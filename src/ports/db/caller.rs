//! A transaction in the name of a token's bearer: PostgreSQL sees the caller's role and claims, and its policies decide.
//!
//! The identity is set for this one transaction and gone with it, so a connection that goes back to the pool, or one that
//! a pooler shares out by transaction, never carries it on. It is exactly what a PostgREST beside us would set.

use std::net::IpAddr;
use std::time::Instant;

use serde_json::Value;
use tracing::Instrument as _;

use super::pool::Connection;
use super::{Bearer, Db, db_error, is_broken_connection};
use crate::ports::PortError;
use crate::telemetry::{DbCounts, traces};

/// The caller's transaction. Dropped without [`commit`](CallerTx::commit), it never happened.
pub struct CallerTx {
    connection: Connection,
    began: Instant,
    counts: DbCounts,
}

/// What PostgreSQL is told about a caller.
#[derive(Debug, Clone, Copy)]
pub struct Identity<'a> {
    /// The token's claims, as JSON.
    pub claims: &'a str,
    /// Where the request came from.
    pub ip: IpAddr,
    /// What the client calls itself.
    pub user_agent: Option<&'a str>,
}

/// Whether a caller may go on at all, before any policy is asked.
pub enum Admitted<T> {
    /// The session lives.
    Yes(T),
    /// There is no such account any more.
    NoUser,
    /// The session was ended or has outlived its longest life.
    NoSession,
    /// The account is banned.
    Banned,
}

impl<T> Admitted<T> {
    /// By the word of a statement; `admitted` is there if the word is `ok`.
    fn from_verdict(verdict: &str, admitted: Option<T>) -> Self {
        match (verdict, admitted) {
            ("ok", Some(admitted)) => Self::Yes(admitted),
            ("no_user", _) => Self::NoUser,
            ("banned", _) => Self::Banned,
            _ => Self::NoSession,
        }
    }
}

impl Db {
    /// Begins a transaction as the bearer of a token, whose session must still exist.
    ///
    /// One statement looks at the session and takes on the identity.
    pub async fn admit(
        &self,
        bearer: &Bearer<'_>,
        identity: &Identity<'_>,
    ) -> Result<Admitted<CallerTx>, PortError> {
        let begin = || self.begin_as(bearer, identity);
        let (connection, verdict) = match begin().await {
            Err(error) if is_broken_connection(&error) => begin().await,
            first => first,
        }
        .map_err(db_error)?;
        let transaction = CallerTx { connection, began: Instant::now(), counts: self.counts.clone() };
        Ok(Admitted::from_verdict(&verdict, Some(transaction)))
    }

    /// What a bearer may do where, fresh from the tables, by the same rules as the policies.
    ///
    /// The one question that applications ask again and again, so it is one statement, which is also its transaction: it
    /// looks at the session, takes on the identity and then asks. That is open to questions to a function only: what a
    /// statement itself reads is planned, and its policies chosen, before the statement can change its role. The
    /// function is called for each row of `identity`, of which there is one if the session lives, and none otherwise.
    pub async fn permissions(
        &self,
        bearer: &Bearer<'_>,
        identity: &Identity<'_>,
    ) -> Result<Admitted<Value>, PortError> {
        let row = self
            .run(|sql| {
                let statement = sqlx::query!(
                    r#"with bearer as materialized (
                         select case when u.id is null then 'no_user'
                                     when s.id is null or s.not_after <= now() then 'no_session'
                                     when u.banned_until > now() then 'banned' else 'ok' end as verdict
                           from (values ($1::uuid)) as token (sub)
                           left join auth.users u on u.id = token.sub
                           left join auth.sessions s on s.id = $2 and s.user_id = u.id and s.site = $3
                       ), identity as materialized (
                         select set_config('request.jwt.claims', $4, true) as claims,
                                set_config('request.ip', $5, true) as ip,
                                set_config('request.user_agent', $6, true) as user_agent,
                                set_config('role', 'authenticated', true) as role
                           from bearer where verdict = 'ok'
                       )
                       select bearer.verdict as "verdict!",
                              (select auth.my_permissions() from identity
                                where claims is not null and role = 'authenticated') as permissions
                         from bearer"#,
                    bearer.user.0,
                    bearer.session.0,
                    bearer.site,
                    identity.claims,
                    identity.ip.to_string(),
                    identity.user_agent.unwrap_or_default(),
                );
                Box::pin(statement.fetch_one(sql))
            })
            .await?;
        Ok(Admitted::from_verdict(&row.verdict, row.permissions))
    }

    async fn begin_as(
        &self,
        bearer: &Bearer<'_>,
        identity: &Identity<'_>,
    ) -> sqlx::Result<(Connection, String)> {
        self.within_deadline(async {
            let mut connection = self.pool.acquire().await?;
            let began = Instant::now();
            let verdict = async {
                connection.begin().await?;
                sqlx::query_scalar!(
                    r#"with bearer as materialized (
                         select case when u.id is null then 'no_user'
                                     when s.id is null or s.not_after <= now() then 'no_session'
                                     when u.banned_until > now() then 'banned' else 'ok' end as verdict
                           from (values ($1::uuid)) as token (sub)
                           left join auth.users u on u.id = token.sub
                           left join auth.sessions s on s.id = $2 and s.user_id = u.id and s.site = $3
                       )
                       select bearer.verdict as "verdict!"
                         from bearer,
                              set_config('request.jwt.claims', $4, true) as claims,
                              set_config('request.ip', $5, true) as ip,
                              set_config('request.user_agent', $6, true) as user_agent,
                              set_config('role', 'authenticated', true) as role"#,
                    bearer.user.0,
                    bearer.session.0,
                    bearer.site,
                    identity.claims,
                    identity.ip.to_string(),
                    identity.user_agent.unwrap_or_default(),
                )
                .fetch_one(&mut connection)
                .await
            };
            let verdict = verdict.instrument(traces::statement("begin_as")).await;
            self.counts.statement("begin_as", began.elapsed());
            match verdict {
                Ok(verdict) => Ok((connection, verdict)),
                Err(error) => {
                    connection.give_back_after(&error);
                    Err(error)
                }
            }
        })
        .await
    }
}

impl CallerTx {
    /// Keeps what was done.
    pub async fn commit(self) -> Result<(), PortError> {
        let kept = self.connection.commit().instrument(traces::statement("commit")).await;
        // From here on it is over for the caller, whichever statements it was made of.
        self.counts.statement("caller_transaction", self.began.elapsed());
        kept.map_err(db_error)
    }

    /// The connection, for the statements of this folder.
    pub(super) fn connection(&mut self) -> &mut Connection {
        &mut self.connection
    }

    /// Queues a mail that goes out if, and only if, this transaction is kept.
    ///
    /// The server itself does that: it steps out of the caller's role for the statement, and nothing of the caller's can
    /// follow in this transaction.
    pub async fn queue_mail_and_commit(mut self, sealed: &[u8]) -> Result<(), PortError> {
        sqlx::query!(
            r#"with server as materialized (select set_config('role', 'none', true) as role)
               select role as "role!" from server"#
        )
        .fetch_one(self.connection())
        .await
        .map_err(db_error)?;
        sqlx::query!("insert into auth.mail_outbox (sealed) values ($1)", sealed)
            .execute(self.connection())
            .await
            .map_err(db_error)?;
        self.commit().await
    }
}
