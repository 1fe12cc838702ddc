//! `auth.mail_failures` and `auth.mail_suppressions`, as the workers write and ask them.

use uuid::Uuid;

use super::Db;
use crate::domain::{AddressTag, MailFailure};
use crate::ports::PortError;

/// A mail that did not leave, for the record.
#[derive(Debug, Clone, Copy)]
pub struct FailedMail<'a> {
    /// The site in whose name it was to go out.
    pub site: &'a str,
    /// What it was about.
    pub mail: &'a str,
    /// Why.
    pub reason: MailFailure,
    /// Whose address, by its keyed hash.
    pub address: AddressTag,
    /// The address's domain.
    pub domain: &'a str,
    /// Its place in the outbox, and what was to be written.
    pub kept: Option<(Uuid, &'a [u8])>,
}

impl Db {
    /// Whether an address, by any of the names it may have, gets no mail.
    pub async fn is_suppressed(&self, address: &[AddressTag]) -> Result<bool, PortError> {
        let tags: Vec<Vec<u8>> = address.iter().map(|tag| tag.0.to_vec()).collect();
        self.run(|sql| {
            let statement = sqlx::query_scalar!(
                r#"select exists (
                     select from auth.mail_suppressions
                      where address_tag = any($1) and reason is not null and coalesce(ends_at > now(), true)
                   ) as "suppressed!""#,
                &tags,
            );
            Box::pin(statement.fetch_one(sql))
        })
        .await
    }

    /// Puts a mail on record that did not leave.
    ///
    /// An address that is refused twice within a day gets no mail for the next one: whatever is wrong with the mailbox,
    /// mail servers think ill of those who go on.
    pub async fn note_failed_mail(&self, failed: &FailedMail<'_>) -> Result<(), PortError> {
        let (mail_id, sealed) = failed.kept.unzip();
        let sealed = sealed.filter(|_| failed.reason.is_kept());
        self.run(|sql| {
            let statement = sqlx::query!(
                "with noted as (
                   insert into auth.mail_failures (site, mail, reason, address_tag, domain, mail_id, sealed)
                   values ($1, $2, $3, $4, $5, $6, $7)
                 ), bounced as (
                   insert into auth.mail_suppressions as s (address_tag, domain, last_bounce_at)
                   select $4, $5, now() where $3 = 'bounced'
                   on conflict (address_tag) do update
                   set last_bounce_at = now(),
                       (reason, since, ends_at) = (
                         select case when suspect then 'bounced' else s.reason end,
                                case when suspect then now() else s.since end,
                                case when suspect then now() + interval '24 hours' else s.ends_at end
                           from (select s.last_bounce_at > now() - interval '24 hours'
                                        and (s.reason is null or coalesce(s.ends_at <= now(), false)) as suspect) as judged)
                   returning since
                 )
                 insert into auth.audit_log (actor_kind, action, site, details)
                 select 'system', done.action, $1,
                        jsonb_build_object('address', encode($4, 'hex'), 'domain', $5::text, 'mail', $2::text)
                   from (select 'mail_address_suspected' as action from bounced where since = now()
                         union all
                         select 'mail_dropped' where $3 = 'suppressed') as done",
                failed.site,
                failed.mail,
                failed.reason.as_str(),
                &failed.address.0[..],
                failed.domain,
                mail_id,
                sealed,
            );
            Box::pin(statement.execute(sql))
        })
        .await
        .map(drop)
    }

    /// Forgets failures that are older than 30 days or beyond the newest 10,000, and refusals that count no more.
    pub async fn sweep_mail_records(&self) -> Result<(), PortError> {
        self.run(|sql| {
            let statement = sqlx::query!(
                "with old as (
                   delete from auth.mail_failures f
                    where f.created_at < now() - interval '30 days'
                       or f.created_at < (select n.created_at from auth.mail_failures n
                                           order by n.created_at desc offset 10000 limit 1)
                 )
                 delete from auth.mail_suppressions
                  where (reason is null or ends_at < now()) and last_bounce_at < now() - interval '24 hours'"
            );
            Box::pin(statement.execute(sql))
        })
        .await
        .map(drop)
    }
}
