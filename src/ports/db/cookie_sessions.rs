//! Sessions of browsers that carry a cookie, and a person's list of all their sessions.

use std::net::IpAddr;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::Db;
use super::answer::Answer;
use crate::domain::{Locale, OwnSession, SessionId, User, UserId};
use crate::ports::PortError;

/// A cookie that was found in order, and how long a session of its site may pause.
#[derive(Debug, Clone, Copy)]
pub struct CookieClaim<'a> {
    /// The session it names.
    pub session: SessionId,
    /// The site it was sent to.
    pub site: &'a str,
    /// The longest pause, in seconds.
    pub idle_secs: f64,
    /// Shown to the owner in the list of sessions.
    pub user_agent: Option<&'a str>,
    /// Shown to the owner in the list of sessions.
    pub ip: IpAddr,
}

/// The session that a cookie stands for.
#[derive(Debug, Clone, PartialEq)]
pub struct Continued {
    /// When it was opened.
    pub opened_at: DateTime<Utc>,
    /// Its owner.
    pub user: User,
    /// The language the owner has chosen.
    pub locale: Option<Locale>,
}

impl Db {
    /// Finds the session of a cookie and notes that it was used. `None` once it is over, or its owner banned.
    ///
    /// The note is made at most once a minute, which is fine enough for a limit of minutes at least: most looks at a
    /// session write nothing.
    pub async fn continue_session(&self, claim: &CookieClaim<'_>) -> Result<Option<Continued>, PortError> {
        let row = self
            .run(|sql| {
                let statement = sqlx::query!(
                    r#"with seen as (
                         select s.id as session_id, s.created_at as opened_at,
                                coalesce(s.refreshed_at, s.created_at) as seen_at, u.*
                           from auth.sessions s join auth.users u on u.id = s.user_id
                          where s.id = $1 and s.site = $2 and s.not_after > now()
                            and coalesce(s.refreshed_at, s.created_at) + make_interval(secs => $3) > now()
                            and coalesce(u.banned_until <= now(), true)
                       ), noted as (
                         update auth.sessions s set refreshed_at = now(), user_agent = $4, ip = $5::text::inet
                           from seen
                          where s.id = seen.session_id and seen.seen_at < now() - interval '1 minute'
                       )
                       select seen.opened_at as "opened_at!", seen.id as "id!", seen.email as "email!",
                              seen.email_confirmed_at, seen.last_sign_in_at,
                              seen.raw_app_meta_data as "app_metadata!", seen.raw_user_meta_data as "user_metadata!",
                              seen.created_at as "created_at!", seen.updated_at as "updated_at!",
                              p.interface ->> 'preferred_language' as language
                         from seen left join public.user_preferences p on p.id = seen.id"#,
                    claim.session.0,
                    claim.site,
                    claim.idle_secs,
                    claim.user_agent,
                    claim.ip.to_string(),
                );
                Box::pin(statement.fetch_optional(sql))
            })
            .await?;
        let Some(row) = row else { return Ok(None) };
        let locale = row.language.as_deref().and_then(Locale::parse);
        let opened_at = row.opened_at;
        let answer = Answer {
            verdict: "ok".to_owned(),
            counter: None,
            opened_at: Some(row.opened_at),
            id: Some(row.id),
            email: Some(row.email),
            email_confirmed_at: row.email_confirmed_at,
            last_sign_in_at: row.last_sign_in_at,
            app_metadata: Some(row.app_metadata),
            user_metadata: Some(row.user_metadata),
            created_at: Some(row.created_at),
            updated_at: Some(row.updated_at),
            new_email: None,
            email_change_sent_at: None,
        };
        Ok(Some(Continued { opened_at, user: *answer.user()?, locale }))
    }

    /// A person's sessions that live, on every site, the last used one first. At most 100.
    pub async fn sessions_of(&self, user: UserId) -> Result<Vec<OwnSession>, PortError> {
        let rows = self
            .run(|sql| {
                let statement = sqlx::query!(
                    r#"select id, site, user_agent, host(ip) as ip, created_at,
                              coalesce(refreshed_at, created_at) as "seen_at!"
                         from auth.sessions
                        where user_id = $1 and not_after > now()
                        order by coalesce(refreshed_at, created_at) desc, id
                        limit 100"#,
                    user.0,
                );
                Box::pin(statement.fetch_all(sql))
            })
            .await?;
        let sessions = rows.into_iter().map(|row| OwnSession {
            id: SessionId(row.id),
            site: row.site,
            user_agent: row.user_agent,
            ip: row.ip,
            opened_at: row.created_at,
            seen_at: row.seen_at,
        });
        Ok(sessions.collect())
    }

    /// Ends sessions of a person on every site, and audits it: one of them, or all but the caller's, or all.
    ///
    /// Answers how many were ended. The caller's own session must live, so that a request that was overtaken by a sign-out
    /// does nothing.
    pub async fn end_sessions(
        &self,
        (user, session): (UserId, SessionId),
        which: EndSessions,
        (ip, agent): (IpAddr, Option<&str>),
    ) -> Result<i64, PortError> {
        let (scope, one) = match which {
            EndSessions::One(id) => ("one", Some(id.0)),
            EndSessions::Others => ("others", None),
            EndSessions::All => ("all", None::<Uuid>),
        };
        self.run(|sql| {
            let statement = sqlx::query_scalar!(
                r#"with own as (
                     select id, user_id, site from auth.sessions where id = $1 and user_id = $2
                   ), ended as (
                     delete from auth.sessions s using own
                      where s.user_id = own.user_id
                        and case $3::text when 'one' then s.id = $4 when 'others' then s.id <> own.id else true end
                     returning s.id
                   ), logged as (
                     insert into auth.audit_log (actor_id, action, target_id, session_id, site, ip, agent, details)
                     select user_id, 'sessions_ended', user_id, id, site, $5::text::inet, left($6, 256),
                            jsonb_build_object('scope', $3::text, 'ended', (select count(*) from ended))
                       from own
                      where exists (select from ended)
                   )
                   select count(*) as "ended!" from ended"#,
                session.0,
                user.0,
                scope,
                one,
                ip.to_string(),
                agent,
            );
            Box::pin(statement.fetch_one(sql))
        })
        .await
    }

    /// Everything that is kept about a person, as one JSON object.
    pub async fn personal_data(&self, user: UserId) -> Result<serde_json::Value, PortError> {
        self.run(|sql| {
            let statement = sqlx::query_scalar!(r#"select auth.personal_data($1) as "data!""#, user.0);
            Box::pin(statement.fetch_one(sql))
        })
        .await
    }
}

/// Which of their sessions a person ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndSessions {
    /// This one.
    One(SessionId),
    /// All but the one that asks.
    Others,
    /// All.
    All,
}
