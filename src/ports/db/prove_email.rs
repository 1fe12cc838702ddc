//! The statement behind each half of a change of address: the first is noted, the second is the change itself.

use std::net::IpAddr;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::answer::Answer;
use super::{Db, db_error};
use crate::domain::{ChallengeId, EmailAddress, SessionId, Slot, User, UserId};
use crate::ports::PortError;

/// A half of a change of address that was proven.
#[derive(Debug, Clone, Copy)]
pub struct ProveEmail<'a> {
    /// Whose account.
    pub user: UserId,
    /// Which change.
    pub change: Uuid,
    /// The site where it was asked for.
    pub site: &'a str,
    /// Which half.
    pub slot: Slot,
    /// The address that the account had when it was asked for, and must still have.
    pub current: &'a EmailAddress,
    /// The address to come.
    pub new: &'a EmailAddress,
    /// The code that proved it.
    pub challenge: ChallengeId,
    /// The new session's longest life, in seconds.
    pub max_secs: f64,
    /// Shown to the owner in the list of sessions.
    pub user_agent: Option<&'a str>,
    /// Shown to the owner in the list of sessions.
    pub ip: IpAddr,
    /// Sealed: the mail that tells the old address.
    pub notice: &'a [u8],
}

/// What became of a proven half.
#[derive(Debug, Clone, PartialEq)]
pub enum ProvenEmail {
    /// It is noted; the other half is still to come.
    First,
    /// The address is changed: the one session there is now, when it was opened, and its owner.
    Changed(SessionId, DateTime<Utc>, Box<User>),
    /// Another account got the address meanwhile.
    Taken,
    /// The change was taken back, replaced, or took too long.
    Gone,
    /// The account is banned.
    Banned,
}

impl Db {
    /// Notes a half, or makes the change if the other was noted before: address, one new session in place of all others,
    /// notice and audit row, all or nothing. The unique address decides between accounts.
    pub async fn prove_email(&self, proven: &ProveEmail<'_>) -> Result<ProvenEmail, PortError> {
        let session = SessionId(Uuid::new_v4());
        // The lock makes two halves that come at once take turns; the second sees what the first has noted.
        let statement = sqlx::query_as!(
            Answer,
            r#"with change as (
                 select c.user_id, c.current_proven_at, c.new_proven_at from auth.email_changes c
                  where c.user_id = $1 and c.id = $2 and c.site = $3 and c.new_email = $6 and c.expires_at > now()
                    for update
               ), person as (
                 select u.id, coalesce(u.banned_until > now(), false) as banned,
                        case $4::text when 'email_change_current' then change.new_proven_at is not null
                                      else change.current_proven_at is not null end as whole
                   from change join auth.users u on u.id = change.user_id
                  where u.email = $5
               ), noted as (
                 update auth.email_changes c
                    set current_proven_at = case $4::text when 'email_change_current' then now() else c.current_proven_at end,
                        new_proven_at = case $4::text when 'email_change_new' then now() else c.new_proven_at end
                   from person
                  where c.user_id = person.id and not person.banned and not person.whole
                 returning c.user_id
               ), moved as (
                 update auth.users u
                    set email = $6, email_confirmed_at = now(), last_sign_in_at = now(),
                        raw_user_meta_data = u.raw_user_meta_data || jsonb_build_object('email', $6::text)
                   from person
                  where u.id = person.id and not person.banned and person.whole
                 returning u.*
               ), ended as (
                 delete from auth.sessions s using moved where s.user_id = moved.id returning s.id
               ), done as (
                 delete from auth.email_changes c using moved where c.user_id = moved.id
               ), opened as (
                 insert into auth.sessions (id, user_id, site, challenge_id, not_after, user_agent, ip)
                 select $7, id, $3, $8, now() + make_interval(secs => $9), $10, $11::text::inet from moved
                 returning id, user_id
               ), told as (
                 insert into auth.mail_outbox (sealed) select $12 from moved
               ), logged as (
                 insert into auth.audit_log (actor_id, action, target_id, session_id, site, ip, agent, details)
                 select user_id, 'user_modified', user_id, id, $3, $11::text::inet, left($10, 256),
                        jsonb_build_object('fields', '["email"]'::jsonb, 'ended', (select count(*) from ended))
                   from opened
               ), logged_half as (
                 insert into auth.audit_log (actor_id, action, target_id, site, ip, agent, details)
                 select user_id, 'email_change_proven', user_id, $3, $11::text::inet, left($10, 256),
                        jsonb_build_object('purpose', $4::text)
                   from noted
               )
               select case when moved.id is not null then 'ok' when exists (select from noted) then 'first'
                           when (select banned from person) then 'banned' else 'gone' end as "verdict!",
                      null::integer as counter, now() as opened_at,
                      moved.id as "id?", moved.email as "email?", moved.email_confirmed_at as "email_confirmed_at?",
                      moved.last_sign_in_at as "last_sign_in_at?", moved.raw_app_meta_data as "app_metadata?",
                      moved.raw_user_meta_data as "user_metadata?", moved.created_at as "created_at?",
                      moved.updated_at as "updated_at?", null::text as new_email,
                      null::timestamptz as email_change_sent_at
                 from (values (1)) as always (row) left join moved on true"#,
            proven.user.0,
            proven.change,
            proven.site,
            proven.slot.as_str(),
            proven.current.as_str(),
            proven.new.as_str(),
            session.0,
            proven.challenge.0,
            proven.max_secs,
            proven.user_agent,
            proven.ip.to_string(),
            proven.notice,
        );
        // Never sent twice from here, as when a session is opened.
        let answer = match self.run_once(|sql| Box::pin(statement.fetch_one(sql))).await {
            Ok(answer) => answer,
            Err(sqlx::Error::Database(error)) => {
                return match error.constraint() {
                    // The profile has a copy of the address, as unique as the address itself.
                    Some("users_email_key" | "user_profiles_email_key") => Ok(ProvenEmail::Taken),
                    Some("sessions_challenge_id_key") => Ok(ProvenEmail::Gone),
                    _ => Err(db_error(sqlx::Error::Database(error))),
                };
            }
            Err(error) => return Err(db_error(error)),
        };
        match answer.verdict.as_str() {
            "ok" => match answer.opened_at {
                Some(opened_at) => Ok(ProvenEmail::Changed(session, opened_at, answer.user()?)),
                None => Err(answer.unknown_verdict()),
            },
            "first" => Ok(ProvenEmail::First),
            "banned" => Ok(ProvenEmail::Banned),
            "gone" => Ok(ProvenEmail::Gone),
            _ => Err(answer.unknown_verdict()),
        }
    }
}
