//! The statement behind every sign-in: account, session and audit row, all or nothing.

use chrono::{DateTime, Utc};
use std::net::IpAddr;
use uuid::Uuid;

use super::answer::Answer;
use super::{Db, db_error, is_broken_connection, is_unavailable};
use crate::domain::{ChallengeId, EmailAddress, Locale, SessionId, User, UserId, UserMetadata};
use crate::ports::PortError;

/// All that opening a session needs.
#[derive(Debug, Clone)]
pub struct OpenSession<'a> {
    /// The proven address.
    pub email: &'a EmailAddress,
    /// The code that proved it.
    pub challenge: ChallengeId,
    /// The site.
    pub site: &'a str,
    /// An account may be made if there is none.
    pub may_create: bool,
    /// An account that somebody has used may be used. One that nobody has proven yet always may.
    pub may_use_existing: bool,
    /// For a new account only.
    pub metadata: &'a UserMetadata,
    /// For a new account only.
    pub locale: Locale,
    /// The session's longest life, in seconds.
    pub max_secs: f64,
    /// Shown to the owner in the list of sessions.
    pub user_agent: Option<&'a str>,
    /// Shown to the owner in the list of sessions.
    pub ip: Option<IpAddr>,
}

/// What became of a request to open a session.
#[derive(Debug, Clone, PartialEq)]
pub enum Opened {
    /// The session, when it was opened, and its owner.
    Session(SessionId, DateTime<Utc>, Box<User>),
    /// There is no account, or there is one where there should not be.
    NoAccount,
    /// The account is banned.
    Banned,
    /// The code has opened a session before.
    AlreadyUsed,
}

impl Db {
    /// Finds or makes the account and opens the session. The unique challenge decides races; the answer to a statement whose
    /// connection broke is found out, so that nobody is refused the session that they have just opened.
    pub async fn open_session(&self, open: &OpenSession<'_>) -> Result<Opened, PortError> {
        let first = self.try_open_session(open).await?;
        // Two first sign-ins of one new address on two sites: the second met a row that its snapshot did not show.
        if first == Opened::NoAccount && open.may_create && open.may_use_existing {
            return self.try_open_session(open).await;
        }
        Ok(first)
    }

    async fn try_open_session(&self, open: &OpenSession<'_>) -> Result<Opened, PortError> {
        let session = SessionId(Uuid::new_v4());
        let metadata = serde_json::Value::Object(open.metadata.as_object().clone());
        let statement = || {
            sqlx::query_as!(
                Answer,
                r#"with existing as (
                 select id, coalesce(banned_until > now(), false) as banned,
                        email_confirmed_at is not null as proven from auth.users where email = $1
               ), created as (
                 insert into auth.users (id, email, email_confirmed_at, last_sign_in_at, locale, raw_user_meta_data)
                 select $2, $1, now(), now(), $9, $8::jsonb || jsonb_build_object(
                          'sub', $2::uuid, 'email', $1::text, 'email_verified', true, 'phone_verified', false)
                  where $6::boolean and not exists (select from existing)
                     on conflict (email) do nothing
                 returning *
               ), used as (
                 update auth.users u
                    set last_sign_in_at = now(), email_confirmed_at = coalesce(u.email_confirmed_at, now()),
                        raw_user_meta_data = case when existing.proven then u.raw_user_meta_data
                            else u.raw_user_meta_data || jsonb_build_object('email_verified', true) end
                   from existing
                  where u.id = existing.id and ($7::boolean or not existing.proven) and not existing.banned
                 returning u.*
               ), account as (
                 select * from created union all select * from used
               ), opened as (
                 insert into auth.sessions (id, user_id, site, challenge_id, not_after, user_agent, ip)
                 select $3, id, $5, $4, now() + make_interval(secs => $10), $11, $12::text::inet from account
                 returning id, user_id
               ), logged as (
                 insert into auth.audit_log (actor_id, action, target_id, session_id, site, ip, agent)
                 select user_id, case when (select proven from existing) then 'login' else 'user_signedup' end,
                        user_id, id, $5, $12::text::inet, left($11, 256)
                   from opened
               )
               select case when account.id is not null then 'ok'
                           when (select banned from existing) then 'banned' else 'no_account' end as "verdict!",
                      null::integer as counter, now() as opened_at,
                      account.id as "id?", account.email as "email?",
                      account.email_confirmed_at as "email_confirmed_at?",
                      account.last_sign_in_at as "last_sign_in_at?", account.raw_app_meta_data as "app_metadata?",
                      account.raw_user_meta_data as "user_metadata?", account.created_at as "created_at?",
                      account.updated_at as "updated_at?", null::text as new_email,
                      null::timestamptz as email_change_sent_at
                 from (values (1)) as always (row) left join account on true"#,
                open.email.as_str(),
                UserId::new().0,
                session.0,
                open.challenge.0,
                open.site,
                open.may_create,
                open.may_use_existing,
                metadata,
                open.locale.tag(),
                open.max_secs,
                open.user_agent,
                open.ip.map(|ip| ip.to_string()),
            )
        };
        let answer = match self.run_once(|sql| Box::pin(statement().fetch_one(sql))).await {
            Err(error) if is_broken_connection(&error) => {
                let second = self.run_once(|sql| Box::pin(statement().fetch_one(sql))).await;
                // The first may have been committed and only its answer lost: then the second met its session or its account.
                match second {
                    Ok(answer) if answer.verdict == "ok" => Ok(answer),
                    Err(error) if is_unavailable(&error) => Err(error),
                    second => self.find_opened(session).await.transpose().unwrap_or(second),
                }
            }
            first => first,
        };
        let answer = match answer {
            Ok(answer) => answer,
            Err(sqlx::Error::Database(error)) if error.constraint() == Some("sessions_challenge_id_key") => {
                return Ok(Opened::AlreadyUsed);
            }
            Err(error) => return Err(db_error(error)),
        };
        match answer.verdict.as_str() {
            "ok" => match answer.opened_at {
                Some(opened_at) => Ok(Opened::Session(session, opened_at, answer.user()?)),
                None => Err(answer.unknown_verdict()),
            },
            "banned" => Ok(Opened::Banned),
            "no_account" => Ok(Opened::NoAccount),
            _ => Err(answer.unknown_verdict()),
        }
    }

    /// What opening a session would have answered, if it is there.
    async fn find_opened(&self, session: SessionId) -> sqlx::Result<Option<Answer>> {
        let statement = sqlx::query_as!(
            Answer,
            r#"select 'ok' as "verdict!", null::integer as counter, s.created_at as opened_at, u.id as "id?",
                      u.email as "email?", u.email_confirmed_at as "email_confirmed_at?",
                      u.last_sign_in_at as "last_sign_in_at?", u.raw_app_meta_data as "app_metadata?",
                      u.raw_user_meta_data as "user_metadata?", u.created_at as "created_at?",
                      u.updated_at as "updated_at?", null::text as new_email,
                      null::timestamptz as email_change_sent_at
                 from auth.sessions s join auth.users u on u.id = s.user_id
                where s.id = $1"#,
            session.0,
        );
        self.run_once(|sql| Box::pin(statement.fetch_optional(sql))).await
    }
}
