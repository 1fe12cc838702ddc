//! What only the auth API's wire asks of an administrator: pages by number, invitations, links, tokens of `service_role`.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::Value;
use uuid::Uuid;

use super::users::AccountRow;
use super::{Actor, AddressMark, CreationTx};
use crate::domain::{Account, AuditEntry, AuditQuestion, EmailAddress, NumberedPage, UserId, UserMetadata};
use crate::ports::PortError;
use crate::ports::db::{ActError, Db};

/// An invitation to an account, and the mail that takes it.
#[derive(Debug, Clone)]
pub struct InviteUser<'a> {
    /// The account's id, if it is made now.
    pub id: UserId,
    /// Whom.
    pub email: &'a EmailAddress,
    /// For the audit log.
    pub mark: AddressMark,
    /// Of the new account, or merged into that of one that nobody has used yet.
    pub metadata: &'a UserMetadata,
    /// In whose name.
    pub site: &'a str,
    /// Sealed: the mail. Without it nothing is sent.
    pub mail: Option<&'a [u8]>,
}

impl Db {
    /// A page of accounts by creation, and how many there are: exactly up to 100,000, beyond that about.
    pub async fn list_accounts_by_number(
        &self,
        filter: Option<&str>,
        oldest_first: bool,
        page: NumberedPage,
    ) -> Result<(Vec<Account>, i64), PortError> {
        let rows = if oldest_first {
            self.read(|sql| {
                let statement = sqlx::query_as!(
                    AccountRow,
                    r#"select id as "id?", email as "email?", email_confirmed_at, last_sign_in_at,
                              raw_app_meta_data as "app_metadata?", raw_user_meta_data as "user_metadata?",
                              created_at as "created_at?", updated_at as "updated_at?", case when isfinite(banned_until) then banned_until
                                   when banned_until > now() then '9999-12-31 23:59:59+00' end as banned_until, invited_at,
                              deleted_at, version as "version?"
                         from auth.users
                        where $1::text is null or strpos(email, $1) > 0
                           or strpos(lower(raw_user_meta_data ->> 'full_name'), $1) > 0
                        order by created_at, id limit $2 offset $3"#,
                    filter,
                    page.size,
                    page.offset(),
                );
                Box::pin(statement.fetch_all(sql))
            })
            .await?
        } else {
            self.read(|sql| {
                let statement = sqlx::query_as!(
                    AccountRow,
                    r#"select id as "id?", email as "email?", email_confirmed_at, last_sign_in_at,
                              raw_app_meta_data as "app_metadata?", raw_user_meta_data as "user_metadata?",
                              created_at as "created_at?", updated_at as "updated_at?", case when isfinite(banned_until) then banned_until
                                   when banned_until > now() then '9999-12-31 23:59:59+00' end as banned_until, invited_at,
                              deleted_at, version as "version?"
                         from auth.users
                        where $1::text is null or strpos(email, $1) > 0
                           or strpos(lower(raw_user_meta_data ->> 'full_name'), $1) > 0
                        order by created_at desc, id desc limit $2 offset $3"#,
                    filter,
                    page.size,
                    page.offset(),
                );
                Box::pin(statement.fetch_all(sql))
            })
            .await?
        };
        let total = self
            .read(|sql| {
                let statement = sqlx::query_scalar!(
                    r#"select case when counted > 100000 and $1::text is null
                              then greatest(counted, (select reltuples::bigint from pg_class
                                                       where oid = 'auth.users'::regclass))
                              else counted end as "total!"
                         from (select count(*) as counted
                                 from (select from auth.users
                                        where $1::text is null or strpos(email, $1) > 0
                                           or strpos(lower(raw_user_meta_data ->> 'full_name'), $1) > 0
                                        limit 100001) as found) as bounded"#,
                    filter,
                );
                Box::pin(statement.fetch_one(sql))
            })
            .await?;
        let accounts = rows.into_iter().map(AccountRow::into_account).collect::<Result<_, _>>()?;
        Ok((accounts, total))
    }

    /// A page of the audit log, newest first, and how many entries there are: exactly up to 100,000.
    pub async fn list_audit_by_number(
        &self,
        filter: &AuditQuestion,
        page: NumberedPage,
    ) -> Result<(Vec<AuditEntry>, i64), PortError> {
        let actions = filter.actions.as_deref();
        let author = filter.author.as_deref();
        let rows = self
            .read(|sql| {
                let statement = sqlx::query_as!(
                    AuditEntry,
                    r#"select a.id, a.created_at, a.actor_kind, a.actor_id, actor.email as "actor_email?", a.action,
                              a.target_id, target.email as "target_email?", a.site, host(a.ip) as ip
                         from auth.audit_log a
                         left join auth.users actor on actor.id = a.actor_id and a.actor_kind = 'user'
                         left join auth.users target on target.id = a.target_id
                        where ($1::text[] is null or a.action = any($1))
                          and ($2::text is null or strpos(coalesce(actor.email, a.actor_kind), $2) > 0)
                        order by a.created_at desc, a.id desc limit $3 offset $4"#,
                    actions,
                    author,
                    page.size,
                    page.offset(),
                );
                Box::pin(statement.fetch_all(sql))
            })
            .await?;
        let total = self
            .read(|sql| {
                let statement = sqlx::query_scalar!(
                    r#"select count(*) as "total!"
                         from (select from auth.audit_log a
                                 left join auth.users actor on actor.id = a.actor_id and a.actor_kind = 'user'
                                where ($1::text[] is null or a.action = any($1))
                                  and ($2::text is null or strpos(coalesce(actor.email, a.actor_kind), $2) > 0)
                                limit 100001) as found"#,
                    actions,
                    author,
                );
                Box::pin(statement.fetch_one(sql))
            })
            .await?;
        Ok((rows, total))
    }

    /// Invites somebody: to a new account, or to one that nobody has used yet. `None` if the account is used already.
    pub async fn invite_account(
        &self,
        actor: &Actor<'_>,
        invite: &InviteUser<'_>,
    ) -> Result<Option<UserId>, ActError> {
        let statement = sqlx::query_scalar!(
            r#"with invited as (
                 insert into auth.users (id, email, raw_user_meta_data, invited_at)
                 values ($1, $2, $3::jsonb, now())
                     on conflict (email) do update
                    set invited_at = excluded.invited_at,
                        raw_user_meta_data = users.raw_user_meta_data || excluded.raw_user_meta_data
                  where users.email_confirmed_at is null
                 returning id, raw_user_meta_data
               ), told as (
                 insert into auth.mail_outbox (sealed) select $4 from invited where $4::bytea is not null
               ), noted as (
                 insert into auth.audit_log (actor_kind, actor_id, action, target_id, site, ip, agent, details)
                 select $5, $6, 'user_invited', id, $7, $8::text::inet, $9,
                        jsonb_build_object('email', $10::jsonb, 'new',
                          jsonb_build_object('user_metadata', raw_user_meta_data - 'email'))
                   from invited
               )
               select id from invited"#,
            invite.id.0,
            invite.email.as_str(),
            Value::Object(invite.metadata.as_object().clone()),
            invite.mail,
            actor.kind(),
            actor.id(),
            invite.site,
            actor.ip(),
            actor.agent,
            invite.mark.as_value(),
        );
        let id = self.run_once(|sql| Box::pin(statement.fetch_optional(sql))).await?;
        Ok(id.map(UserId))
    }

    /// Begins a change of address on behalf of an administrator, or goes on with one to the same address, so that both of
    /// its codes fit together. `None` if another account has the address.
    pub async fn begin_email_change_for(
        &self,
        actor: &Actor<'_>,
        user: UserId,
        site: &str,
        new_email: &EmailAddress,
        life: Duration,
    ) -> Result<Option<Uuid>, PortError> {
        self.run(|sql| {
            let statement = sqlx::query_scalar!(
                "with noted as (
                   insert into auth.email_changes as c (user_id, id, site, new_email, expires_at)
                   select u.id, $2, $3, $4, now() + make_interval(secs => $5)
                     from auth.users u
                    where u.id = $1 and not exists (select from auth.users o where o.email = $4 and o.id <> u.id)
                       on conflict (user_id) do update
                      set id = case when c.new_email = excluded.new_email and c.site = excluded.site
                                     and c.expires_at > now() then c.id else excluded.id end,
                          current_proven_at = case when c.new_email = excluded.new_email and c.site = excluded.site
                                     and c.expires_at > now() then c.current_proven_at end,
                          new_proven_at = case when c.new_email = excluded.new_email and c.site = excluded.site
                                     and c.expires_at > now() then c.new_proven_at end,
                          session_id = null, site = excluded.site, new_email = excluded.new_email,
                          requested_at = now(), expires_at = excluded.expires_at
                   returning c.id, c.user_id
                 ), logged as (
                   insert into auth.audit_log (actor_kind, actor_id, action, target_id, site, ip, agent)
                   select $6, $7, 'email_change_asked', user_id, $3, $8::text::inet, $9 from noted
                 )
                 select id from noted",
                user.0,
                Uuid::new_v4(),
                site,
                new_email.as_str(),
                life.as_secs_f64(),
                actor.kind(),
                actor.id(),
                actor.ip(),
                actor.agent,
            );
            Box::pin(statement.fetch_optional(sql))
        })
        .await
    }

    /// Notes that an administrator gets a code and a link of an account into their own hands.
    pub async fn note_link(
        &self,
        actor: &Actor<'_>,
        user: UserId,
        site: &str,
        kind: &str,
    ) -> Result<(), PortError> {
        self.run(|sql| {
            let statement = sqlx::query!(
                "insert into auth.audit_log (actor_kind, actor_id, action, target_id, site, ip, agent, details)
                 values ($1, $2, 'link_generated', $3, $4, $5::text::inet, $6, jsonb_build_object('kind', $7::text))",
                actor.kind(),
                actor.id(),
                user.0,
                site,
                actor.ip(),
                actor.agent,
                kind,
            );
            Box::pin(statement.execute(sql))
        })
        .await
        .map(drop)
    }
}

impl CreationTx {
    /// Notes that a token of the role `service_role` was made.
    pub async fn note_service_role_token(
        &mut self,
        actor: &Actor<'_>,
        id: Uuid,
        site: &str,
        expires_at: DateTime<Utc>,
    ) -> Result<(), ActError> {
        sqlx::query!(
            "insert into auth.audit_log (actor_kind, actor_id, action, target_id, site, ip, agent, details)
             values ($1, $2, 'service_role_token_made', $3, $4, $5::text::inet, $6,
                     jsonb_build_object('expires_at', $7::timestamptz))",
            actor.kind(),
            actor.id(),
            id,
            site,
            actor.ip(),
            actor.agent,
            expires_at,
        )
        .execute(self.connection())
        .await?;
        Ok(())
    }
}
