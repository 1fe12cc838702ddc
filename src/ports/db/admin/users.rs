//! `auth.users`, as administrators look at accounts and change them.

use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::{Actor, CreationTx};
use crate::domain::{
    Account, AccountChange, AccountPlan, AccountSearch, AddressTag, Ban, EmailAddress, MAX_METADATA, Page,
    User, UserId,
};
use crate::ports::db::{ActError, Db};
use crate::ports::{Dependency, PortError};

/// What the audit log keeps of an address: enough to tell two apart, and nobody's name.
#[derive(Debug, Clone)]
pub struct AddressMark {
    /// The mail provider.
    pub domain: String,
    /// A keyed hash of the whole.
    pub tag: String,
}

impl AddressMark {
    pub(super) fn as_value(&self) -> Value {
        json!({"domain": self.domain, "tag": self.tag})
    }
}

/// An account to be, with all that its statement needs.
#[derive(Debug, Clone)]
pub struct NewUser<'a> {
    /// Names it.
    pub id: UserId,
    /// What it is to be.
    pub plan: &'a AccountPlan,
    /// For the audit log.
    pub mark: AddressMark,
}

/// A change of an account, with all that its statement needs.
#[derive(Debug, Clone)]
pub struct ChangeUser<'a> {
    /// Which account.
    pub id: UserId,
    /// The version that the change was made on.
    pub version: i32,
    /// What is to change.
    pub change: &'a AccountChange,
    /// Both addresses, where it changes, for the audit log.
    pub marks: Option<(AddressMark, AddressMark)>,
    /// Sealed: the mail that tells the address that was.
    pub notice: Option<Vec<u8>>,
}

/// The columns of an account. All are there; the macro cannot know it of a function's rows. A ban without an end, which SQL
/// can write and a client cannot read, ends in the year 9999.
pub(super) struct AccountRow {
    pub(super) id: Option<Uuid>,
    pub(super) email: Option<String>,
    pub(super) email_confirmed_at: Option<DateTime<Utc>>,
    pub(super) last_sign_in_at: Option<DateTime<Utc>>,
    pub(super) app_metadata: Option<Value>,
    pub(super) user_metadata: Option<Value>,
    pub(super) created_at: Option<DateTime<Utc>>,
    pub(super) updated_at: Option<DateTime<Utc>>,
    pub(super) banned_until: Option<DateTime<Utc>>,
    pub(super) invited_at: Option<DateTime<Utc>>,
    pub(super) deleted_at: Option<DateTime<Utc>>,
    pub(super) version: Option<i32>,
}

impl AccountRow {
    pub(super) fn into_account(self) -> Result<Account, PortError> {
        let missing = || PortError::unexpected(Dependency::Database, "an account without its columns");
        let email = EmailAddress::parse(self.email.as_deref().unwrap_or_default())
            .map_err(|error| PortError::unexpected(Dependency::Database, error))?;
        Ok(Account {
            user: User {
                id: UserId(self.id.ok_or_else(missing)?),
                email,
                email_confirmed_at: self.email_confirmed_at,
                last_sign_in_at: self.last_sign_in_at,
                app_metadata: object(self.app_metadata),
                user_metadata: object(self.user_metadata),
                created_at: self.created_at.ok_or_else(missing)?,
                updated_at: self.updated_at.ok_or_else(missing)?,
                email_change: None,
            },
            banned_until: self.banned_until,
            invited_at: self.invited_at,
            deleted_at: self.deleted_at,
            version: self.version.ok_or_else(missing)?,
        })
    }
}

impl Db {
    /// The accounts that meet every condition, in the order of their addresses where a prefix is asked for, else newest
    /// first.
    pub async fn find_accounts(&self, search: &AccountSearch, page: Page) -> Result<Vec<Account>, PortError> {
        let rows = self
            .run(|sql| {
                let statement = sqlx::query_as!(
                    AccountRow,
                    "select id, email, email_confirmed_at, last_sign_in_at, raw_app_meta_data as app_metadata,
                            raw_user_meta_data as user_metadata, created_at, updated_at, case when isfinite(banned_until) then banned_until
                                   when banned_until > now() then '9999-12-31 23:59:59+00' end as banned_until, invited_at,
                            deleted_at, version
                       from auth.find_accounts($1, $2, $3, $4, $5, $6, $7, $8)",
                    search.id.map(|id| id.0),
                    search.prefix.as_ref().map(crate::domain::AddressPrefix::as_str),
                    search.library.as_deref(),
                    search.seen_after,
                    search.seen_before,
                    search.banned,
                    page.after,
                    page.limit,
                );
                Box::pin(statement.fetch_all(sql))
            })
            .await?;
        rows.into_iter().map(AccountRow::into_account).collect()
    }

    /// An account, whatever has become of it. `None` if there is none.
    pub async fn find_account(&self, id: UserId) -> Result<Option<Account>, PortError> {
        let search = AccountSearch { id: Some(id), ..AccountSearch::default() };
        Ok(self.find_accounts(&search, Page { limit: 1, after: None }).await?.pop())
    }

    /// The account of an address. `None` if there is none.
    pub async fn find_account_by_email(&self, email: &EmailAddress) -> Result<Option<Account>, PortError> {
        let row = self
            .run(|sql| {
                let statement = sqlx::query_as!(
                    AccountRow,
                    r#"select id as "id?", email as "email?", email_confirmed_at, last_sign_in_at,
                              raw_app_meta_data as "app_metadata?", raw_user_meta_data as "user_metadata?",
                              created_at as "created_at?", updated_at as "updated_at?", case when isfinite(banned_until) then banned_until
                                   when banned_until > now() then '9999-12-31 23:59:59+00' end as banned_until, invited_at,
                              deleted_at, version as "version?"
                         from auth.users where email = $1"#,
                    email.as_str(),
                );
                Box::pin(statement.fetch_optional(sql))
            })
            .await?;
        row.map(AccountRow::into_account).transpose()
    }

    /// Changes an account and audits it. A ban, and another address, end all its sessions.
    ///
    /// # Errors
    /// [`ActError::Missing`] if there is no such account, or only a husk; [`ActError::Stale`] if it is another version by
    /// now; [`ActError::Duplicate`] if another account has the address; [`ActError::OutOfBounds`] if the metadata would
    /// become too large.
    pub async fn change_account(&self, actor: &Actor<'_>, ask: &ChangeUser<'_>) -> Result<(), ActError> {
        let AccountChange { email, is_confirmed, user_metadata, app_metadata, ban } = ask.change;
        let user_metadata = user_metadata.as_ref().map(|some| Value::Object(some.as_object().clone()));
        let app_metadata = app_metadata.as_ref().map(|some| Value::Object(some.as_object().clone()));
        let limit = i32::try_from(MAX_METADATA).unwrap_or(i32::MAX);
        let (old_mark, new_mark) = ask.marks.as_ref().map(|(a, b)| (a.as_value(), b.as_value())).unzip();
        // Not sent again where the connection breaks: if the first sending was done, the second would be called stale.
        let statement = sqlx::query_scalar!(
            r#"with seen as (
                 select u.id, u.version,
                        coalesce($3, u.email) as email,
                        case when $4::boolean is not null then case when $4 then coalesce(u.email_confirmed_at, now()) end
                             when $3 <> u.email then null else u.email_confirmed_at end as email_confirmed_at,
                        (u.raw_user_meta_data || coalesce($5::jsonb, '{}')) - array(
                          select key from jsonb_each($5::jsonb) where value = 'null') as user_metadata,
                        (u.raw_app_meta_data || coalesce($6::jsonb, '{}')) - array(
                          select key from jsonb_each($6::jsonb) where value = 'null') as app_metadata,
                        case when $7::boolean then $8 else u.banned_until end as banned_until,
                        $3 <> u.email as moves
                   from auth.users u where u.id = $1 and u.deleted_at is null
               ), fit as (
                 -- What says the same as the columns keeps saying it.
                 select id, email, email_confirmed_at, banned_until, moves, app_metadata,
                        user_metadata
                        || case when moves and user_metadata ? 'email'
                                then jsonb_build_object('email', email) else '{}' end
                        || case when email_confirmed_at is not null and $4 or user_metadata ? 'email_verified'
                                then jsonb_build_object('email_verified', email_confirmed_at is not null)
                                else '{}' end as user_metadata
                   from seen
                  where octet_length(user_metadata::text) <= $9 and octet_length(app_metadata::text) <= $9
               ), changed as (
                 update auth.users u
                    set email = fit.email, email_confirmed_at = fit.email_confirmed_at,
                        raw_user_meta_data = fit.user_metadata,
                        raw_app_meta_data = fit.app_metadata || '{"provider": "email", "providers": ["email"]}',
                        banned_until = fit.banned_until
                   from fit where u.id = fit.id and u.version = $2
                 returning u.id, u.banned_until, u.raw_user_meta_data, u.raw_app_meta_data, fit.moves
               ), ended as (
                 delete from auth.sessions s using changed c
                  where s.user_id = c.id and (c.moves or ($7 and c.banned_until > now()))
                 returning s.id
               ), cancelled as (
                 delete from auth.email_changes e using changed c where e.user_id = c.id and c.moves
               ), told as (
                 insert into auth.mail_outbox (sealed) select $12 from changed where moves and $12::bytea is not null
               ), logged as (
                 insert into auth.audit_log (actor_kind, actor_id, action, target_id, ip, agent, details)
                 select $13, $14, 'user_changed', c.id, $15::text::inet, $16,
                        jsonb_build_object('ended', (select count(*) from ended),
                          'old', jsonb_strip_nulls(jsonb_build_object('email', $10::jsonb,
                            'email_confirmed_at', case when $4 is not null or c.moves then to_jsonb(u.email_confirmed_at) end,
                            'user_metadata', case when $5 is not null then u.raw_user_meta_data - 'email' end,
                            'app_metadata', case when $6 is not null then u.raw_app_meta_data end,
                            'banned_until', case when $7 then to_jsonb(u.banned_until) end)),
                          'new', jsonb_strip_nulls(jsonb_build_object('email', $11::jsonb,
                            'is_confirmed', $4::boolean,
                            'user_metadata', case when $5 is not null then c.raw_user_meta_data - 'email' end,
                            'app_metadata', case when $6 is not null then c.raw_app_meta_data end,
                            'banned_until', case when $7 then to_jsonb(c.banned_until) end)))
                   from changed c join auth.users u on u.id = c.id
               )
               select case when exists (select from changed) then 'ok'
                           when (select version from seen) <> $2 then 'stale'
                           when exists (select from seen) and not exists (select from fit) then 'too_much'
                           when exists (select from seen) then 'stale' else 'missing' end as "verdict!""#,
            ask.id.0,
            ask.version,
            email.as_ref().map(EmailAddress::as_str),
            *is_confirmed,
            user_metadata,
            app_metadata,
            ban.is_some(),
            ban.and_then(Ban::until),
            limit,
            old_mark,
            new_mark,
            ask.notice.as_deref(),
            actor.kind(),
            actor.id(),
            actor.ip(),
            actor.agent,
        );
        let verdict = self.run_once(|sql| Box::pin(statement.fetch_one(sql))).await?;
        match verdict.as_str() {
            "ok" => Ok(()),
            "stale" => Err(ActError::Stale),
            "missing" => Err(ActError::Missing),
            _ => Err(ActError::OutOfBounds("metadata".to_owned())),
        }
    }

    /// Deletes an account: whole, or down to a husk that keeps its id.
    ///
    /// # Errors
    /// [`ActError::Missing`], [`ActError::Stale`]; [`ActError::LastOwner`] if a library would lose its last active owner.
    pub async fn remove_account(
        &self,
        actor: &Actor<'_>,
        id: UserId,
        version: Option<i32>,
        leave_husk: bool,
    ) -> Result<(), ActError> {
        // Not sent again where the connection breaks: the second sending would find nobody.
        let statement = sqlx::query_scalar!(
            r#"select auth.remove_account($1, $2, $3, $4, $5, $6::text::inet, $7) as "removed!""#,
            id.0,
            version,
            leave_husk,
            actor.kind(),
            actor.id(),
            actor.ip(),
            actor.agent,
        );
        let removed = self.run_once(|sql| Box::pin(statement.fetch_one(sql))).await?;
        if removed { Ok(()) } else { Err(ActError::Missing) }
    }
}

impl CreationTx {
    /// Makes an account, and with it, by a trigger, its profile and preferences.
    ///
    /// # Errors
    /// [`ActError::Duplicate`] if another account has the address or the id.
    pub async fn insert_account(&mut self, actor: &Actor<'_>, new: &NewUser<'_>) -> Result<(), ActError> {
        let plan = new.plan;
        sqlx::query!(
            "with made as (
               insert into auth.users
                   (id, email, email_confirmed_at, raw_user_meta_data, raw_app_meta_data, banned_until)
               values ($1, $2, case when $3::boolean then now() end,
                       $4::jsonb || case when $3 then jsonb_build_object('email_verified', true) else '{}' end,
                       $5::jsonb || '{\"provider\": \"email\", \"providers\": [\"email\"]}', $6)
               returning id, email_confirmed_at, raw_user_meta_data, raw_app_meta_data, banned_until
             )
             insert into auth.audit_log (actor_kind, actor_id, action, target_id, ip, agent, details)
             select $8, $9, 'user_created', id, $10::text::inet, $11,
                    jsonb_build_object('new', jsonb_strip_nulls(jsonb_build_object('email', $7::jsonb,
                      'email_confirmed_at', email_confirmed_at, 'user_metadata', raw_user_meta_data - 'email',
                      'app_metadata', raw_app_meta_data, 'banned_until', banned_until)))
               from made",
            new.id.0,
            plan.email.as_str(),
            plan.is_confirmed,
            Value::Object(plan.user_metadata.as_object().clone()),
            Value::Object(plan.app_metadata.as_object().clone()),
            plan.banned_until,
            new.mark.as_value(),
            actor.kind(),
            actor.id(),
            actor.ip(),
            actor.agent,
        )
        .execute(self.connection())
        .await?;
        Ok(())
    }

    /// The account that was made, as it stands now.
    pub async fn read_account(&mut self, id: UserId) -> Result<Account, ActError> {
        let row = sqlx::query_as!(
            AccountRow,
            r#"select id as "id?", email as "email?", email_confirmed_at, last_sign_in_at,
                      raw_app_meta_data as "app_metadata?", raw_user_meta_data as "user_metadata?",
                      created_at as "created_at?", updated_at as "updated_at?", case when isfinite(banned_until) then banned_until
                                   when banned_until > now() then '9999-12-31 23:59:59+00' end as banned_until, invited_at,
                      deleted_at, version as "version?"
                 from auth.users where id = $1"#,
            id.0,
        )
        .fetch_optional(self.connection())
        .await?;
        Ok(row.ok_or(ActError::Missing)?.into_account()?)
    }

    /// Notes that the limits of an account's address are lifted, and says which address that is. `None` if there is no
    /// such account.
    pub async fn note_unlock(
        &mut self,
        actor: &Actor<'_>,
        id: UserId,
    ) -> Result<Option<EmailAddress>, ActError> {
        let email = sqlx::query_scalar!(
            "with noted as (
               insert into auth.audit_log (actor_kind, actor_id, action, target_id, ip, agent)
               select $2, $3, 'user_unlocked', id, $4::text::inet, $5 from auth.users where id = $1
               returning target_id
             )
             select u.email from auth.users u join noted on noted.target_id = u.id",
            id.0,
            actor.kind(),
            actor.id(),
            actor.ip(),
            actor.agent,
        )
        .fetch_optional(self.connection())
        .await?;
        // Written by us, so it can be read.
        Ok(email.and_then(|email| EmailAddress::parse(&email).ok()))
    }

    /// Forgets the wrong guesses at an address, by any of the names it may have.
    pub async fn forget_wrong_guesses(&mut self, address: &[AddressTag]) -> Result<(), ActError> {
        let tags: Vec<Vec<u8>> = address.iter().map(|tag| tag.0.to_vec()).collect();
        sqlx::query!("delete from auth.wrong_guesses where address_tag = any($1)", &tags)
            .execute(self.connection())
            .await?;
        Ok(())
    }
}

/// The columns are checked to hold objects.
fn object(value: Option<Value>) -> Map<String, Value> {
    match value {
        Some(Value::Object(object)) => object,
        _ => Map::new(),
    }
}
