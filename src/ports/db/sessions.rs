//! `auth.sessions`: recognising, refreshing and ending them, each in one statement. Opening has its own file.

use std::net::IpAddr;
use std::sync::atomic::{AtomicU32, Ordering};

use chrono::{DateTime, Utc};

use super::Db;
use super::answer::Answer;
use crate::domain::{RefreshToken, SessionId, SignOutScope, User, UserId};
use crate::ports::PortError;

/// Who presents an access token: what is left to ask the database about it.
#[derive(Debug, Clone, Copy)]
pub struct Bearer<'a> {
    /// The token's subject.
    pub user: UserId,
    /// The token's session.
    pub session: SessionId,
    /// The site it was issued for and presented on.
    pub site: &'a str,
}

/// What the database says of an access token's bearer.
#[derive(Debug, Clone, PartialEq)]
pub enum Recognised {
    /// The session lives and its owner may use it.
    User(Box<User>),
    /// There is no such account any more.
    NoUser,
    /// The session was ended or has outlived its longest life.
    NoSession,
    /// The account is banned.
    Banned,
    /// The change would make the account's metadata too large.
    TooMuch,
}

/// A refresh token's claim, and how long a session of its site may pause.
#[derive(Debug, Clone, Copy)]
pub struct RefreshSession<'a> {
    /// What the token proves.
    pub token: RefreshToken,
    /// The site it was presented on.
    pub site: &'a str,
    /// The longest pause between refreshes, in seconds.
    pub idle_secs: f64,
    /// Shown to the owner in the list of sessions.
    pub user_agent: Option<&'a str>,
    /// Shown to the owner in the list of sessions.
    pub ip: Option<IpAddr>,
}

/// What became of a refresh.
#[derive(Debug, Clone, PartialEq)]
pub enum Refreshed {
    /// The counter of the one successor that all callers with this token get, and when the session was opened.
    Session(u32, DateTime<Utc>, Box<User>),
    /// There is no such session.
    NoSession,
    /// It was not refreshed in time.
    Idle,
    /// It has reached its longest life.
    TooOld,
    /// The account is banned.
    Banned,
    /// The token was older than the previous one: the session was ended as stolen.
    Reused,
    /// The token was overtaken while this call waited for its turn.
    Overtaken,
}

/// Whether there was a session to sign out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignedOut {
    /// So many sessions were ended.
    Ended(i64),
    /// The caller's own session does not exist.
    NoSession,
}

impl Recognised {
    pub(super) fn from_answer(answer: Option<Answer>) -> Result<Self, PortError> {
        let Some(answer) = answer else { return Ok(Self::NoUser) };
        match answer.verdict.as_str() {
            "ok" => answer.user().map(Self::User),
            "no_session" => Ok(Self::NoSession),
            "banned" => Ok(Self::Banned),
            "too_much" => Ok(Self::TooMuch),
            _ => Err(answer.unknown_verdict()),
        }
    }
}

impl Db {
    /// Whether the bearer of an access token still has a session, and who it is.
    pub async fn recognise(&self, caller: &Bearer<'_>) -> Result<Recognised, PortError> {
        let answer = self
            .run(|sql| {
                let statement = sqlx::query_as!(
                    Answer,
                    r#"select case when s.id is null or s.not_after <= now() then 'no_session'
                                   when u.banned_until > now() then 'banned' else 'ok' end as "verdict!",
                              null::integer as counter, null::timestamptz as opened_at,
                              u.id as "id?", u.email as "email?", u.email_confirmed_at as "email_confirmed_at?",
                              u.last_sign_in_at as "last_sign_in_at?", u.raw_app_meta_data as "app_metadata?",
                              u.raw_user_meta_data as "user_metadata?", u.created_at as "created_at?",
                              u.updated_at as "updated_at?", c.new_email as "new_email?",
                              c.requested_at as "email_change_sent_at?"
                         from auth.users u
                         left join auth.sessions s on s.id = $2 and s.user_id = u.id and s.site = $3
                         left join auth.email_changes c on c.user_id = u.id and c.expires_at > now()
                        where u.id = $1"#,
                    caller.user.0,
                    caller.session.0,
                    caller.site,
                );
                Box::pin(statement.fetch_optional(sql))
            })
            .await?;
        Recognised::from_answer(answer)
    }

    /// Moves a session's counter on, once for all callers that present the same token.
    ///
    /// The token just handed out moves the counter; the one before it gets what its first use got, because answers are
    /// lost and tabs race; anything older was kept by somebody who should not have it, and ends the session. A token ahead
    /// of the row is one whose refresh a failover forgot: its MAC says that we handed it out, so the row follows it.
    pub async fn refresh_session(&self, refresh: &RefreshSession<'_>) -> Result<Refreshed, PortError> {
        // A counter beyond the column was never handed out.
        let Ok(counter) = i32::try_from(refresh.token.counter) else { return Ok(Refreshed::NoSession) };
        let answer = self
            .run(|sql| {
                let statement = sqlx::query_as!(
                    Answer,
                    r#"with seen as (
                         select s.id as session_id, s.refresh_counter, s.created_at as opened_at, u.*,
                                s.not_after <= now() as too_old,
                                coalesce(s.refreshed_at, s.created_at) + make_interval(secs => $4) <= now() as idle,
                                coalesce(u.banned_until > now(), false) as banned
                           from auth.sessions s join auth.users u on u.id = s.user_id
                          where s.id = $1 and s.site = $3
                       ), moved as (
                         update auth.sessions s
                            set refresh_counter = greatest(s.refresh_counter, $2::integer + 1),
                                refreshed_at = now(), user_agent = $5, ip = $6::text::inet
                           from seen
                          where s.id = seen.session_id and not (seen.too_old or seen.idle or seen.banned)
                            and s.refresh_counter - $2 <= 1
                         returning s.refresh_counter
                       ), stolen as (
                         delete from auth.sessions s using seen
                          where s.id = seen.session_id and seen.refresh_counter - $2 > 1
                         returning s.id, s.user_id
                       ), logged as (
                         insert into auth.audit_log (actor_id, action, target_id, session_id, site, ip, agent, details)
                         select user_id, 'refresh_token_reused', user_id, id, $3, $6::text::inet, left($5, 256),
                                jsonb_build_object('presented', $2::integer)
                           from stolen
                       )
                       select case when exists (select from stolen) then 'reused' when seen.too_old then 'too_old'
                                   when seen.idle then 'idle' when seen.banned then 'banned'
                                   when moved.refresh_counter is null then 'overtaken' else 'ok' end as "verdict!",
                              moved.refresh_counter as "counter?", seen.opened_at as "opened_at?",
                              seen.id as "id?", seen.email as "email?",
                              seen.email_confirmed_at as "email_confirmed_at?",
                              seen.last_sign_in_at as "last_sign_in_at?", seen.raw_app_meta_data as "app_metadata?",
                              seen.raw_user_meta_data as "user_metadata?", seen.created_at as "created_at?",
                              seen.updated_at as "updated_at?", null::text as new_email,
                              null::timestamptz as email_change_sent_at
                         from seen left join moved on true"#,
                    refresh.token.session.0,
                    counter,
                    refresh.site,
                    refresh.idle_secs,
                    refresh.user_agent,
                    refresh.ip.map(|ip| ip.to_string()),
                );
                Box::pin(statement.fetch_optional(sql))
            })
            .await?;
        let Some(answer) = answer else { return Ok(Refreshed::NoSession) };
        let counter = answer.counter.and_then(|counter| u32::try_from(counter).ok());
        match (answer.verdict.as_str(), counter.zip(answer.opened_at)) {
            ("ok", Some((counter, opened_at))) => Ok(Refreshed::Session(counter, opened_at, answer.user()?)),
            ("reused", _) => Ok(Refreshed::Reused),
            ("too_old", _) => Ok(Refreshed::TooOld),
            ("idle", _) => Ok(Refreshed::Idle),
            ("banned", _) => Ok(Refreshed::Banned),
            ("overtaken", _) => Ok(Refreshed::Overtaken),
            _ => Err(answer.unknown_verdict()),
        }
    }

    /// Ends sessions of the caller on the caller's site, and audits it.
    pub async fn sign_out(
        &self,
        caller: &Bearer<'_>,
        scope: SignOutScope,
        (ip, agent): (Option<IpAddr>, Option<&str>),
    ) -> Result<SignedOut, PortError> {
        let sent = AtomicU32::new(0);
        let ended = self
            .run(|sql| {
                sent.fetch_add(1, Ordering::Relaxed);
                let statement = sqlx::query_scalar!(
                    r#"with own as (
                         select id, user_id, site from auth.sessions where id = $1 and user_id = $2 and site = $3
                       ), ended as (
                         delete from auth.sessions s using own
                          where s.user_id = own.user_id and s.site = own.site
                            and case $4::text when 'local' then s.id = own.id when 'others' then s.id <> own.id
                                              else true end
                         returning s.id
                       ), logged as (
                         insert into auth.audit_log (actor_id, action, target_id, session_id, site, ip, agent, details)
                         select user_id, 'logout', user_id, id, site, $5::text::inet, left($6, 256),
                                jsonb_build_object('scope', $4::text, 'ended', (select count(*) from ended))
                           from own
                       )
                       select (select count(*) from ended) as "ended!" from own"#,
                    caller.session.0,
                    caller.user.0,
                    caller.site,
                    scope.as_str(),
                    ip.map(|ip| ip.to_string()),
                    agent,
                );
                Box::pin(statement.fetch_optional(sql))
            })
            .await?;
        Ok(match ended {
            Some(ended) => SignedOut::Ended(ended),
            // Sent again because the answer was lost: what is not there any more has been ended, and was counted by nobody.
            None if sent.into_inner() > 1 => SignedOut::Ended(0),
            None => SignedOut::NoSession,
        })
    }

    /// Removes sessions that ended by age long ago and changes of address that nobody finished, and makes room for the
    /// months of audit to come.
    pub async fn sweep(&self) -> Result<u64, PortError> {
        // Kept for a month after their end: the list of sessions and support questions look back that far.
        let swept = self
            .run(|sql| {
                let statement = sqlx::query!(
                    "delete from auth.sessions where id in (
                       select id from auth.sessions where not_after < now() - interval '30 days' limit 10000)"
                );
                Box::pin(statement.execute(sql))
            })
            .await?;
        self.sweep_email_changes().await?;
        self.run(|sql| Box::pin(sqlx::query!("select auth.prepare_audit_partitions()").execute(sql))).await?;
        Ok(swept.rows_affected())
    }
}
