//! Mail: what waits, what did not leave, which addresses get none.

use std::collections::BTreeMap;

use serde::Deserialize;
use uuid::Uuid;

use super::{AdminCaller, AdminError, Flows};
use crate::domain::fields::{self, FieldError};
use crate::domain::keys::Sealed;
use crate::domain::{AddressTag, EmailAddress, MailFailureRecord, MailQueue, MailSuppression, Page};
use crate::flows::Part;
use crate::ports::db::ActError;

/// Of a queue that is longer, the oldest so many are told apart by site.
const MOST_OPENED: u16 = 1000;

/// Of a sealed job, all that is of interest here.
#[derive(Deserialize)]
struct JobSite {
    site: String,
}

impl Flows {
    /// How the queue of codes and the outbox stand.
    ///
    /// # Errors
    /// An [`AdminError`].
    pub async fn mail_queues(&self) -> Result<(MailQueue, MailQueue), AdminError> {
        let look = self.codes.look_at_mail(MOST_OPENED).await?;
        let codes = MailQueue {
            waiting: look.waiting,
            in_hand: look.in_hand,
            oldest_at: look.oldest_at,
            next_try_at: None,
            by_site: by_site(look.jobs.iter().map(|job| self.open::<JobSite>(Sealed::MailJob, "", job).ok())),
        };
        let look = self.db.look_at_outbox(i64::from(MOST_OPENED)).await?;
        let sites = look.jobs.iter().map(|job| self.open_outbox_job(job).ok());
        let outbox = MailQueue {
            waiting: u64::try_from(look.waiting).unwrap_or(0),
            in_hand: u64::try_from(look.in_hand).unwrap_or(0),
            oldest_at: look.oldest_at,
            next_try_at: look.next_try_at,
            by_site: by_site(sites.map(|job| job.map(|job| JobSite { site: job.site }))),
        };
        Ok((codes, outbox))
    }

    /// Mails that did not leave, newest first.
    ///
    /// # Errors
    /// An [`AdminError`].
    pub async fn mail_failures(
        &self,
        site: Option<&str>,
        reason: Option<&str>,
        page: Page,
    ) -> Result<Part<MailFailureRecord>, AdminError> {
        Ok(Part::of(self.db.list_mail_failures(site, reason, page).await?, page, |failure| failure.id))
    }

    /// Has a mail tried again now.
    ///
    /// # Errors
    /// An [`AdminError`]; [`ActError::Missing`] if it is neither in the outbox nor kept. A code's mail never is: whoever
    /// wants the code asks for another.
    pub async fn retry_mail(&self, caller: &AdminCaller, id: Uuid) -> Result<(), AdminError> {
        if !self.db.retry_mail(&caller.actor(), id).await? {
            return Err(ActError::Missing.into());
        }
        self.outbox_filled.notify_one();
        Ok(())
    }

    /// What stands for an address in lists and in the audit log: its keyed hash and its domain.
    ///
    /// # Errors
    /// [`AdminError::Email`] if it is none.
    pub fn name_address(&self, email: &str) -> Result<(AddressTag, String), AdminError> {
        let email = EmailAddress::parse(email)?;
        Ok((self.keys.address_tag(&email), email.domain().to_owned()))
    }

    /// Addresses that get no mail, newest first.
    ///
    /// # Errors
    /// An [`AdminError`].
    pub async fn mail_suppressions(&self, page: Page) -> Result<Part<MailSuppression>, AdminError> {
        Ok(Part::of(self.db.list_suppressions(page).await?, page, |suppression| suppression.id))
    }

    /// Lets no more mail go to an address. Whoever asks for a code for it is answered as ever.
    ///
    /// # Errors
    /// An [`AdminError`].
    pub async fn suppress_mail(
        &self,
        caller: &AdminCaller,
        address: AddressTag,
        domain: &str,
        note: Option<&str>,
    ) -> Result<MailSuppression, AdminError> {
        let rule = "must be the part of the address after the @";
        let named = EmailAddress::parse(&format!("x@{domain}"));
        let named = named.map_err(|_| FieldError { field: "domain", rule })?;
        let note = note.map(|note| fields::line("note", note, 500, "must be 1 to 500 printable characters"));
        let note = note.transpose()?;
        Ok(self.db.suppress_mail(&caller.actor(), address, named.domain(), note.as_deref()).await?)
    }

    /// Lets mail go to an address again.
    ///
    /// # Errors
    /// An [`AdminError`]; [`ActError::Missing`] if it was let.
    pub async fn lift_suppression(
        &self,
        caller: &AdminCaller,
        address: AddressTag,
    ) -> Result<(), AdminError> {
        if self.db.lift_suppression(&caller.actor(), address).await? {
            Ok(())
        } else {
            Err(ActError::Missing.into())
        }
    }
}

/// How many jobs there are for each site; those that cannot be opened are for none.
fn by_site(jobs: impl Iterator<Item = Option<JobSite>>) -> Vec<(String, u64)> {
    let mut sites = BTreeMap::new();
    for job in jobs.flatten() {
        *sites.entry(job.site).or_insert(0) += 1;
    }
    sites.into_iter().collect()
}
