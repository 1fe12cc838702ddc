//! Mails that do not leave are put on record, and addresses that get none are passed over.

use uuid::Uuid;

use super::Flows;
use super::library::LibraryMail;
use crate::domain::{EmailAddress, MailFailure, Site};
use crate::ports::PortError;
use crate::ports::db::{FailedMail, OutboxMail};
use crate::telemetry::causes;

/// A mail that a worker has in hand.
pub(super) struct About<'a> {
    /// What it is about.
    pub mail: &'static str,
    /// It was not tried before.
    pub is_first_try: bool,
    /// Its place in the outbox, and what is to be written.
    pub kept: Option<(Uuid, &'a [u8])>,
}

impl<'a> About<'a> {
    pub(super) fn in_outbox(mail: &'a OutboxMail, job: &LibraryMail) -> Self {
        let word = match job {
            LibraryMail::Invitation { .. } => "invitation",
            LibraryMail::AccessRequested { .. } => "access_requested",
            LibraryMail::AccessDecided { .. } => "access_decided",
            LibraryMail::StaffChanged { .. } => "staff_changed",
            LibraryMail::AddressChanged { .. } => "address_changed",
            LibraryMail::AccountInvitation { .. } => "account_invitation",
        };
        Self { mail: word, is_first_try: mail.attempts <= 1, kept: Some((mail.id, &mail.sealed)) }
    }
}

impl Flows {
    /// Whether an address gets no mail.
    pub(super) async fn gets_no_mail(&self, to: &EmailAddress) -> Result<bool, PortError> {
        let tags: Vec<_> = self.keys.address_tags(to).collect();
        self.db.is_suppressed(&tags).await
    }

    /// Puts a mail on record that did not leave. Where that fails, mail goes on without.
    pub(super) async fn note_failure(
        &self,
        site: &Site,
        to: &EmailAddress,
        about: &About<'_>,
        reason: MailFailure,
    ) {
        let failed = FailedMail {
            site: &site.id,
            mail: about.mail,
            reason,
            address: self.keys.address_tag(to),
            domain: to.domain(),
            kept: about.kept,
        };
        if let Err(error) = self.db.note_failed_mail(&failed).await {
            tracing::warn!(
                error = %causes(&error),
                site = site.id,
                "a mail that did not leave could not be put on record"
            );
        }
    }
}
