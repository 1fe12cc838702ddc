//! `auth.email_changes`: a change of address is asked for, seen, withdrawn. Proving it has its own file.

use std::net::IpAddr;
use std::time::Duration;

use uuid::Uuid;

use super::answer::Answer;
use super::{Bearer, Db, Recognised};
use crate::domain::{EmailAddress, Locale, PendingEmail, UserId};
use crate::ports::PortError;

/// A change of address to be noted.
#[derive(Debug, Clone, Copy)]
pub struct BeginEmailChange<'a> {
    /// Who asks, with which session, where.
    pub caller: Bearer<'a>,
    /// Names the change.
    pub id: Uuid,
    /// The address to come.
    pub new_email: &'a EmailAddress,
    /// How long both halves may take.
    pub life: Duration,
    /// Where the request came from, for the audit log.
    pub ip: IpAddr,
    /// What the client calls itself, for the audit log.
    pub agent: Option<&'a str>,
}

/// What became of a wish to change one's address.
#[derive(Debug, Clone, PartialEq)]
pub enum BegunEmailChange {
    /// It is noted, in place of any earlier one; or the caller may not.
    Judged(Recognised),
    /// Another account has the address.
    Taken,
}

/// A change of address whose codes are to be sent again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaitingEmailChange {
    /// The change.
    pub id: Uuid,
    /// Whose.
    pub user: UserId,
    /// The address to come.
    pub new_email: EmailAddress,
    /// The present address is proven.
    pub current_proven: bool,
    /// The address to come is proven.
    pub new_proven: bool,
    /// The language the owner has chosen.
    pub locale: Option<Locale>,
}

impl Db {
    /// Notes a change of address on behalf of a session of its owner.
    pub async fn begin_email_change(
        &self,
        begin: &BeginEmailChange<'_>,
    ) -> Result<BegunEmailChange, PortError> {
        let answer = self
            .run(|sql| {
                let statement = sqlx::query_as!(
                    Answer,
                    r#"with seen as (
                         select u.*, coalesce(u.banned_until > now(), false) as banned,
                                s.id is not null and s.not_after > now() as live,
                                exists (select from auth.users o where o.email = $5 and o.id <> u.id) as taken
                           from auth.users u
                           left join auth.sessions s on s.id = $2 and s.user_id = u.id and s.site = $3
                          where u.id = $1
                       ), noted as (
                         insert into auth.email_changes (user_id, id, session_id, site, new_email, expires_at)
                         select seen.id, $4, $2, $3, $5, now() + make_interval(secs => $6)
                           from seen where seen.live and not seen.banned and not seen.taken
                             on conflict (user_id) do update
                            set id = excluded.id, session_id = excluded.session_id, site = excluded.site,
                                new_email = excluded.new_email, current_proven_at = null, new_proven_at = null,
                                requested_at = excluded.requested_at, expires_at = excluded.expires_at
                         returning user_id, new_email, requested_at
                       ), logged as (
                         insert into auth.audit_log (actor_id, action, target_id, session_id, site, ip, agent)
                         select user_id, 'email_change_asked', user_id, $2, $3, $7::text::inet, left($8, 256)
                           from noted
                       )
                       select case when not seen.live then 'no_session' when seen.banned then 'banned'
                                   when seen.taken then 'taken' else 'ok' end as "verdict!",
                              null::integer as counter, null::timestamptz as opened_at,
                              seen.id as "id?", seen.email as "email?", seen.email_confirmed_at as "email_confirmed_at?",
                              seen.last_sign_in_at as "last_sign_in_at?", seen.raw_app_meta_data as "app_metadata?",
                              seen.raw_user_meta_data as "user_metadata?", seen.created_at as "created_at?",
                              seen.updated_at as "updated_at?", noted.new_email as "new_email?",
                              noted.requested_at as "email_change_sent_at?"
                         from seen left join noted on true"#,
                    begin.caller.user.0,
                    begin.caller.session.0,
                    begin.caller.site,
                    begin.id,
                    begin.new_email.as_str(),
                    begin.life.as_secs_f64(),
                    begin.ip.to_string(),
                    begin.agent,
                );
                Box::pin(statement.fetch_optional(sql))
            })
            .await?;
        match answer {
            Some(answer) if answer.verdict == "taken" => Ok(BegunEmailChange::Taken),
            answer => Recognised::from_answer(answer).map(BegunEmailChange::Judged),
        }
    }

    /// The change that the owner of an address has asked for on a site, with its time anew. `None` if there is none.
    pub async fn renew_email_change(
        &self,
        current: &EmailAddress,
        site: &str,
        life: Duration,
    ) -> Result<Option<WaitingEmailChange>, PortError> {
        let row = self
            .run(|sql| {
                let statement = sqlx::query!(
                    r#"with renewed as (
                         update auth.email_changes c set expires_at = now() + make_interval(secs => $3)
                           from auth.users u
                          where u.id = c.user_id and u.email = $1 and c.site = $2 and c.expires_at > now()
                         returning c.id, c.user_id, c.new_email, c.current_proven_at, c.new_proven_at
                       )
                       select renewed.id, renewed.user_id, renewed.new_email,
                              renewed.current_proven_at is not null as "current_proven!",
                              renewed.new_proven_at is not null as "new_proven!",
                              p.interface ->> 'preferred_language' as language
                         from renewed left join public.user_preferences p on p.id = renewed.user_id"#,
                    current.as_str(),
                    site,
                    life.as_secs_f64(),
                );
                Box::pin(statement.fetch_optional(sql))
            })
            .await?;
        // An address that we could not have written is as good as none.
        Ok(row.and_then(|row| {
            Some(WaitingEmailChange {
                id: row.id,
                user: UserId(row.user_id),
                new_email: EmailAddress::parse(&row.new_email).ok()?,
                current_proven: row.current_proven,
                new_proven: row.new_proven,
                locale: row.language.as_deref().and_then(Locale::parse),
            })
        }))
    }

    /// The change of address that a person has asked for, on any site. `None` if there is none, or its time is over.
    pub async fn email_change_of(&self, user: UserId) -> Result<Option<PendingEmail>, PortError> {
        let row = self
            .run(|sql| {
                let statement = sqlx::query!(
                    r#"select new_email, requested_at, current_proven_at is not null as "current_proven!",
                              new_proven_at is not null as "new_proven!"
                         from auth.email_changes where user_id = $1 and expires_at > now()"#,
                    user.0,
                );
                Box::pin(statement.fetch_optional(sql))
            })
            .await?;
        Ok(row.and_then(|row| {
            Some(PendingEmail {
                email: EmailAddress::parse(&row.new_email).ok()?,
                sent_at: row.requested_at,
                current_proven: row.current_proven,
                new_proven: row.new_proven,
            })
        }))
    }

    /// Takes this change back: it could not be mailed, or came too late.
    pub async fn drop_email_change(&self, user: UserId, id: Uuid) -> Result<(), PortError> {
        self.run(|sql| {
            let statement =
                sqlx::query!("delete from auth.email_changes where user_id = $1 and id = $2", user.0, id);
            Box::pin(statement.execute(sql))
        })
        .await
        .map(drop)
    }

    /// A person takes their change back, whatever was proven of it. Whether there was one.
    pub async fn cancel_email_change(
        &self,
        user: UserId,
        site: &str,
        (ip, agent): (IpAddr, Option<&str>),
    ) -> Result<bool, PortError> {
        self.run(|sql| {
            let statement = sqlx::query!(
                "with gone as (
                   delete from auth.email_changes where user_id = $1 returning user_id
                 )
                 insert into auth.audit_log (actor_id, action, target_id, site, ip, agent)
                 select user_id, 'email_change_cancelled', user_id, $2, $3::text::inet, left($4, 256) from gone",
                user.0,
                site,
                ip.to_string(),
                agent,
            );
            Box::pin(statement.execute(sql))
        })
        .await
        .map(|done| done.rows_affected() > 0)
    }

    /// Removes changes whose time is over.
    pub(super) async fn sweep_email_changes(&self) -> Result<(), PortError> {
        self.run(|sql| {
            let statement =
                sqlx::query!("delete from auth.email_changes where expires_at < now() - interval '1 day'");
            Box::pin(statement.execute(sql))
        })
        .await
        .map(drop)
    }
}
