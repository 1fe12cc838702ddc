//! Mail, as administrators see it and act on it.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::Actor;
use crate::domain::{AddressTag, MailFailureRecord, MailSuppression, Page};
use crate::ports::db::Db;
use crate::ports::{Dependency, PortError};

/// What waits in the outbox.
#[derive(Debug, Clone, Default)]
pub struct OutboxLook {
    /// How many mails.
    pub waiting: i64,
    /// How many of them a worker has in hand or has tried.
    pub in_hand: i64,
    /// When the oldest was queued.
    pub oldest_at: Option<DateTime<Utc>>,
    /// When one that was tried is tried again.
    pub next_try_at: Option<DateTime<Utc>>,
    /// The oldest of them, sealed.
    pub jobs: Vec<Vec<u8>>,
}

impl Db {
    /// How the outbox stands, with at most so many of its oldest mails.
    pub async fn look_at_outbox(&self, most: i64) -> Result<OutboxLook, PortError> {
        let row = self
            .run(|sql| {
                let statement = sqlx::query!(
                    r#"select count(*) as "waiting!", count(*) filter (where attempts > 0) as "in_hand!",
                              min(created_at) as oldest_at,
                              min(due_at) filter (where attempts > 0 and due_at > now()) as next_try_at,
                              array(select o.sealed from auth.mail_outbox o order by o.created_at limit $1) as "jobs!"
                         from auth.mail_outbox"#,
                    most,
                );
                Box::pin(statement.fetch_one(sql))
            })
            .await?;
        Ok(OutboxLook {
            waiting: row.waiting,
            in_hand: row.in_hand,
            oldest_at: row.oldest_at,
            next_try_at: row.next_try_at,
            jobs: row.jobs,
        })
    }

    /// Mails that did not leave, newest first.
    pub async fn list_mail_failures(
        &self,
        site: Option<&str>,
        reason: Option<&str>,
        page: Page,
    ) -> Result<Vec<MailFailureRecord>, PortError> {
        let rows = self
            .read(|sql| {
                let statement = sqlx::query!(
                    "select f.id, f.site, f.mail, f.reason, f.address_tag, f.domain, f.created_at,
                            case when f.sealed is not null or exists (
                              select from auth.mail_outbox o where o.id = f.mail_id) then f.mail_id end as mail_id
                       from auth.mail_failures f
                      where ($1::text is null or f.site = $1) and ($2::text is null or f.reason = $2)
                        and ($3::uuid is null or (f.created_at, f.id) < (
                          select a.created_at, a.id from auth.mail_failures a where a.id = $3))
                      order by f.created_at desc, f.id desc limit $4",
                    site,
                    reason,
                    page.after,
                    page.limit,
                );
                Box::pin(statement.fetch_all(sql))
            })
            .await?;
        rows.into_iter()
            .map(|row| {
                Ok(MailFailureRecord {
                    id: row.id,
                    site: row.site,
                    mail: row.mail,
                    reason: row.reason,
                    address_tag: tag(&row.address_tag)?,
                    domain: row.domain,
                    mail_id: row.mail_id,
                    created_at: row.created_at,
                })
            })
            .collect()
    }

    /// Has a mail tried again now: one that waits in the outbox, or one that was given up and kept. `false` if it is neither.
    pub async fn retry_mail(&self, actor: &Actor<'_>, id: Uuid) -> Result<bool, PortError> {
        let retried = self
            .run(|sql| {
                let statement = sqlx::query!(
                    "with hastened as (
                       update auth.mail_outbox set due_at = now() where id = $1 returning id
                     ), kept as (
                       delete from auth.mail_failures where mail_id = $1 and sealed is not null returning mail_id, sealed
                     ), queued as (
                       insert into auth.mail_outbox (id, sealed)
                       select mail_id, sealed from kept where not exists (select from hastened) limit 1
                       on conflict (id) do nothing
                       returning id
                     )
                     insert into auth.audit_log (actor_kind, actor_id, action, target_id, ip, agent)
                     select $2, $3, 'mail_retried', id, $4::text::inet, left($5, 256)
                       from (select id from hastened union select id from queued) as mail",
                    id,
                    actor.kind(),
                    actor.id(),
                    actor.ip(),
                    actor.agent,
                );
                Box::pin(statement.execute(sql))
            })
            .await?;
        Ok(retried.rows_affected() > 0)
    }

    /// Addresses that get no mail, newest first.
    pub async fn list_suppressions(&self, page: Page) -> Result<Vec<MailSuppression>, PortError> {
        let rows = self
            .read(|sql| {
                let statement = sqlx::query_as!(
                    SuppressionRow,
                    r#"select id, address_tag, domain, reason as "reason!", note, since as "since!", ends_at
                         from auth.mail_suppressions s
                        where reason is not null and coalesce(ends_at > now(), true)
                          and ($1::uuid is null or (since, id) < (
                            select a.since, a.id from auth.mail_suppressions a where a.id = $1))
                        order by since desc, id desc limit $2"#,
                    page.after,
                    page.limit,
                );
                Box::pin(statement.fetch_all(sql))
            })
            .await?;
        rows.into_iter().map(MailSuppression::try_from).collect()
    }

    /// Lets no more mail go to an address.
    pub async fn suppress_mail(
        &self,
        actor: &Actor<'_>,
        address: AddressTag,
        domain: &str,
        note: Option<&str>,
    ) -> Result<MailSuppression, PortError> {
        self.run(|sql| {
            let statement = sqlx::query_as!(
                SuppressionRow,
                r#"with suppressed as (
                     insert into auth.mail_suppressions as s (address_tag, domain, reason, note, since)
                     values ($1, $2, 'administrator', $3, now())
                     on conflict (address_tag) do update
                     set reason = 'administrator', note = excluded.note, ends_at = null,
                         since = case when coalesce(s.ends_at > now(), s.reason is not null) then s.since else now() end
                     returning id, address_tag, domain, reason, note, since, ends_at
                   ), noted as (
                     insert into auth.audit_log (actor_kind, actor_id, action, ip, agent, details)
                     select $4, $5, 'mail_suppressed', $6::text::inet, left($7, 256),
                            jsonb_build_object('address', encode(address_tag, 'hex'), 'domain', domain, 'note', note)
                       from suppressed
                   )
                   select id, address_tag, domain, reason as "reason!", note, since as "since!", ends_at
                     from suppressed"#,
                &address.0[..],
                domain,
                note,
                actor.kind(),
                actor.id(),
                actor.ip(),
                actor.agent,
            );
            Box::pin(statement.fetch_one(sql))
        })
        .await?
        .try_into()
    }

    /// Lets mail go to an address again, and forgets what its mail server refused. `false` if it was let.
    pub async fn lift_suppression(&self, actor: &Actor<'_>, address: AddressTag) -> Result<bool, PortError> {
        let lifted = self
            .run(|sql| {
                let statement = sqlx::query!(
                    "with lifted as (
                       delete from auth.mail_suppressions
                        where address_tag = $1 and reason is not null and coalesce(ends_at > now(), true)
                       returning address_tag, domain, reason
                     )
                     insert into auth.audit_log (actor_kind, actor_id, action, ip, agent, details)
                     select $2, $3, 'mail_suppression_lifted', $4::text::inet, left($5, 256),
                            jsonb_build_object('address', encode(address_tag, 'hex'), 'domain', domain, 'reason', reason)
                       from lifted",
                    &address.0[..],
                    actor.kind(),
                    actor.id(),
                    actor.ip(),
                    actor.agent,
                );
                Box::pin(statement.execute(sql))
            })
            .await?;
        Ok(lifted.rows_affected() > 0)
    }
}

struct SuppressionRow {
    id: Uuid,
    address_tag: Vec<u8>,
    domain: String,
    reason: String,
    note: Option<String>,
    since: DateTime<Utc>,
    ends_at: Option<DateTime<Utc>>,
}

impl TryFrom<SuppressionRow> for MailSuppression {
    type Error = PortError;

    fn try_from(row: SuppressionRow) -> Result<Self, PortError> {
        Ok(Self {
            id: row.id,
            address_tag: tag(&row.address_tag)?,
            domain: row.domain,
            reason: row.reason,
            note: row.note,
            since: row.since,
            ends_at: row.ends_at,
        })
    }
}

fn tag(bytes: &[u8]) -> Result<AddressTag, PortError> {
    let tag = bytes.try_into().map(AddressTag);
    tag.map_err(|_| PortError::unexpected(Dependency::Database, "an address has a name that is no tag"))
}
