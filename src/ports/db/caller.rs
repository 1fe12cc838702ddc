//! A transaction in the name of a token's bearer: PostgreSQL sees the caller's role and claims, and its policies decide.
//!
//! The identity is set for this one transaction and gone with it, so a connection that goes back to the pool, or one that
//! a pooler shares out by transaction, never carries it on. It is exactly what a PostgREST beside us would set.

use std::net::IpAddr;

use sqlx::postgres::PgConnection;

use super::pool::Connection;
use super::{Bearer, Db, db_error, is_broken_connection};
use crate::ports::PortError;

/// The caller's transaction. Dropped without [`commit`](CallerTx::commit), it never happened.
pub struct CallerTx {
    connection: Connection,
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
pub enum Admitted {
    /// The session lives.
    Yes(CallerTx),
    /// There is no such account any more.
    NoUser,
    /// The session was ended or has outlived its longest life.
    NoSession,
    /// The account is banned.
    Banned,
}

impl Db {
    /// Begins a transaction as the bearer of a token, whose session must still exist.
    ///
    /// One statement looks at the session and takes on the identity.
    pub async fn admit(&self, bearer: &Bearer<'_>, identity: &Identity<'_>) -> Result<Admitted, PortError> {
        let begin = || self.begin_as(bearer, identity);
        let (connection, verdict) = match begin().await {
            Err(error) if is_broken_connection(&error) => begin().await,
            first => first,
        }
        .map_err(db_error)?;
        match verdict.as_str() {
            "ok" => Ok(Admitted::Yes(CallerTx { connection })),
            "no_user" => Ok(Admitted::NoUser),
            "banned" => Ok(Admitted::Banned),
            _ => Ok(Admitted::NoSession),
        }
    }

    async fn begin_as(
        &self,
        bearer: &Bearer<'_>,
        identity: &Identity<'_>,
    ) -> sqlx::Result<(Connection, String)> {
        self.within_deadline(async {
            let mut connection = self.pool.acquire().await?;
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
                .fetch_one(&mut *connection)
                .await
            };
            match verdict.await {
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
        self.connection.commit().await.map_err(db_error)
    }

    /// The connection, for the statements of this folder.
    pub(super) fn connection(&mut self) -> &mut PgConnection {
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
