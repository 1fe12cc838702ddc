//! `auth.mail_outbox`: taking mails, finishing them, putting them off.

use std::time::Duration;

use uuid::Uuid;

use super::Db;
use crate::domain::{EmailAddress, Locale};
use crate::ports::PortError;

/// Whom a mail goes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recipient {
    /// The account's address.
    pub email: EmailAddress,
    /// The language its owner prefers, where known.
    pub locale: Option<Locale>,
}

impl Recipient {
    fn of(email: &str, language: Option<&str>) -> Option<Self> {
        let email = EmailAddress::parse(email).ok()?;
        Some(Self { email, locale: language.and_then(Locale::parse) })
    }
}

/// A mail taken from the outbox: this worker's until its lease ends.
#[derive(Debug, Clone, PartialEq)]
pub struct OutboxMail {
    /// Which one.
    pub id: Uuid,
    /// What to write, sealed.
    pub sealed: Vec<u8>,
    /// How often it was taken, this time included.
    pub attempts: i32,
    /// Seconds since it was queued.
    pub age_secs: f64,
}

impl Db {
    /// Takes the mail that is due longest and keeps it from others for `lease`; of two workers, each gets another.
    pub async fn take_mail(&self, lease: Duration) -> Result<Option<OutboxMail>, PortError> {
        self.run(|sql| {
            let statement = sqlx::query_as!(
                OutboxMail,
                r#"update auth.mail_outbox
                      set due_at = now() + make_interval(secs => $1), attempts = attempts + 1
                    where id = (select id from auth.mail_outbox where due_at <= now()
                                 order by due_at limit 1 for update skip locked)
                returning id, sealed, attempts,
                          extract(epoch from now() - created_at)::double precision as "age_secs!""#,
                lease.as_secs_f64(),
            );
            Box::pin(statement.fetch_optional(sql))
        })
        .await
    }

    /// How many mails wait, and the seconds since the oldest of them was queued.
    pub async fn outbox_standing(&self) -> Result<(i64, f64), PortError> {
        let row = self
            .run(|sql| {
                let statement = sqlx::query!(
                    r#"select count(*) as "depth!",
                              coalesce(extract(epoch from now() - min(created_at)), 0)::double precision as "age_secs!"
                         from auth.mail_outbox"#
                );
                Box::pin(statement.fetch_one(sql))
            })
            .await?;
        Ok((row.depth, row.age_secs))
    }

    /// Sent, or never to be sent: gone.
    pub async fn finish_mail(&self, id: Uuid) -> Result<(), PortError> {
        self.run(|sql| Box::pin(sqlx::query!("delete from auth.mail_outbox where id = $1", id).execute(sql)))
            .await
            .map(drop)
    }

    /// Not now: due again after `pause`.
    pub async fn put_off_mail(&self, id: Uuid, pause: Duration) -> Result<(), PortError> {
        self.run(|sql| {
            let statement = sqlx::query!(
                "update auth.mail_outbox set due_at = now() + make_interval(secs => $2) where id = $1",
                id,
                pause.as_secs_f64(),
            );
            Box::pin(statement.execute(sql))
        })
        .await
        .map(drop)
    }

    /// Puts these mails in the place of one, all or nothing.
    pub async fn replace_mail(&self, id: Uuid, sealed: &[Vec<u8>]) -> Result<(), PortError> {
        self.run(|sql| {
            let statement = sqlx::query!(
                "with done as (delete from auth.mail_outbox where id = $1 returning id)
                 insert into auth.mail_outbox (sealed) select each.sealed from done, unnest($2::bytea[]) as each (sealed)",
                id,
                sealed,
            );
            Box::pin(statement.execute(sql))
        })
        .await
        .map(drop)
    }

    /// An account, as a recipient. `None` if it is gone.
    pub async fn find_recipient(&self, user: Uuid) -> Result<Option<Recipient>, PortError> {
        let row = self
            .run(|sql| {
                let statement = sqlx::query!(
                    r#"select u.email, p.interface ->> 'preferred_language' as "language"
                         from auth.users u left join public.user_preferences p on p.id = u.id where u.id = $1"#,
                    user,
                );
                Box::pin(statement.fetch_optional(sql))
            })
            .await?;
        Ok(row.and_then(|row| Recipient::of(&row.email, row.language.as_deref())))
    }

    /// An address, as a recipient: in its account's language if it has one.
    pub async fn find_recipient_by_email(&self, email: &str) -> Result<Option<Recipient>, PortError> {
        let Ok(email) = EmailAddress::parse(email) else { return Ok(None) };
        let account = self.find_account_for_mail(&email).await?;
        Ok(Some(Recipient { email, locale: account.and_then(|account| account.locale) }))
    }

    /// Who hears of an access request: the library's owners and managers.
    pub async fn access_request_deciders(&self, library: Uuid) -> Result<Vec<Recipient>, PortError> {
        let rows = self
            .run(|sql| {
                let statement = sqlx::query!(
                    r#"select u.email, p.interface ->> 'preferred_language' as "language"
                         from auth.access_request_deciders($1) as decider (id)
                         join auth.users u on u.id = decider.id
                         left join public.user_preferences p on p.id = u.id"#,
                    library,
                );
                Box::pin(statement.fetch_all(sql))
            })
            .await?;
        Ok(rows.iter().filter_map(|row| Recipient::of(&row.email, row.language.as_deref())).collect())
    }

    /// Ends invitations that have run out.
    pub async fn expire_invitations(&self) -> Result<(), PortError> {
        self.run(|sql| Box::pin(sqlx::query_scalar!("select auth.expire_invitations()").fetch_one(sql)))
            .await
            .map(drop)
    }
}
