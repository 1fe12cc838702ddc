//! `auth.users`: accounts, as their owners change them and as mails need them.

use std::net::IpAddr;

use super::answer::Answer;
use super::{Bearer, Db, Recognised};
use crate::domain::{EmailAddress, Locale, MAX_METADATA, UserMetadata};
use crate::ports::PortError;

/// What a mail to an account's owner depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AccountForMail {
    /// The language its owner prefers, where known.
    pub locale: Option<Locale>,
}

/// What a person changes on their account.
#[derive(Debug, Clone)]
pub struct UserChange {
    /// Merged into what is there, field by field; null removes a field.
    pub metadata: UserMetadata,
    /// Where the request came from, for the audit log.
    pub ip: Option<IpAddr>,
    /// What the client calls itself, for the audit log.
    pub agent: Option<String>,
}

impl Db {
    /// The account of an address, for a mail to it. `None` if it has none.
    pub async fn find_account_for_mail(
        &self,
        email: &EmailAddress,
    ) -> Result<Option<AccountForMail>, PortError> {
        let language = self
            .run(|sql| {
                let statement = sqlx::query_scalar!(
                    r#"select p.interface ->> 'preferred_language' as "language"
                         from auth.users u
                         left join public.user_preferences p on p.id = u.id
                        where u.email = $1"#,
                    email.as_str(),
                );
                Box::pin(statement.fetch_optional(sql))
            })
            .await?;
        Ok(language.map(|tag| AccountForMail { locale: tag.as_deref().and_then(Locale::parse) }))
    }

    /// Whether an address has an account: for sites that say so.
    pub async fn has_account(&self, email: &EmailAddress) -> Result<bool, PortError> {
        self.run(|sql| {
            let statement = sqlx::query_scalar!(
                r#"select exists (select from auth.users where email = $1) as "known!""#,
                email.as_str(),
            );
            Box::pin(statement.fetch_one(sql))
        })
        .await
    }

    /// Changes an account on behalf of a session of its owner, and audits it.
    pub async fn update_user(
        &self,
        caller: &Bearer<'_>,
        change: &UserChange,
    ) -> Result<Recognised, PortError> {
        let metadata = serde_json::Value::Object(change.metadata.as_object().clone());
        let limit = i32::try_from(MAX_METADATA).unwrap_or(i32::MAX);
        let answer = self
            .run(|sql| {
                let statement = sqlx::query_as!(
                    Answer,
                    r#"with seen as (
                         select u.id, coalesce(u.banned_until > now(), false) as banned,
                                s.id is not null and s.not_after > now() as live,
                                (u.raw_user_meta_data || $4::jsonb) - array(
                                  select key from jsonb_each($4::jsonb) where value = 'null') as metadata
                           from auth.users u
                           left join auth.sessions s on s.id = $2 and s.user_id = u.id and s.site = $3
                          where u.id = $1
                       ), changed as (
                         update auth.users u set raw_user_meta_data = seen.metadata
                           from seen
                          where u.id = seen.id and seen.live and not seen.banned
                            and octet_length(seen.metadata::text) <= $6
                         returning u.*
                       ), logged as (
                         insert into auth.audit_log (actor_id, action, target_id, session_id, site, ip, agent, details)
                         select id, 'user_modified', id, $2, $3, $5::text::inet, left($7, 256),
                                jsonb_build_object('fields', (select jsonb_agg(key) from jsonb_each($4::jsonb)))
                           from changed
                       )
                       select case when not seen.live then 'no_session' when seen.banned then 'banned'
                                   when changed.id is null then 'too_much' else 'ok' end as "verdict!",
                              null::integer as counter, null::timestamptz as opened_at,
                              changed.id as "id?", changed.email as "email?",
                              changed.email_confirmed_at as "email_confirmed_at?",
                              changed.last_sign_in_at as "last_sign_in_at?",
                              changed.raw_app_meta_data as "app_metadata?",
                              changed.raw_user_meta_data as "user_metadata?",
                              changed.created_at as "created_at?", changed.updated_at as "updated_at?",
                              c.new_email as "new_email?", c.requested_at as "email_change_sent_at?"
                         from seen left join changed on true
                         left join auth.email_changes c on c.user_id = changed.id and c.expires_at > now()"#,
                    caller.user.0,
                    caller.session.0,
                    caller.site,
                    metadata,
                    change.ip.map(|ip| ip.to_string()),
                    limit,
                    change.agent,
                );
                Box::pin(statement.fetch_optional(sql))
            })
            .await?;
        Recognised::from_answer(answer)
    }
}
