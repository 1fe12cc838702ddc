//! Mail, as whoever runs the server sees it: what waits, what did not leave, and who gets none.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::AddressTag;

/// Why a mail did not leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MailFailure {
    /// Not at the first try: it is tried again.
    Deferred,
    /// The mail server refused it for good, for what it is or who sends it.
    Refused,
    /// The mail server refused its address for good.
    Bounced,
    /// It was tried for a day.
    Expired,
    /// Its address gets no mail.
    Suppressed,
}

impl MailFailure {
    /// The word in the database and on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Deferred => "deferred",
            Self::Refused => "refused",
            Self::Bounced => "bounced",
            Self::Expired => "expired",
            Self::Suppressed => "suppressed",
        }
    }

    /// Whether the mail may be kept for another try: it was given up, and not because its address gets none.
    #[must_use]
    pub fn is_kept(self) -> bool {
        matches!(self, Self::Refused | Self::Bounced | Self::Expired)
    }
}

/// A mail that did not leave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MailFailureRecord {
    /// Names the record.
    pub id: Uuid,
    /// The site in whose name it was to go out.
    pub site: String,
    /// What it was about.
    pub mail: String,
    /// A word of [`MailFailure`].
    pub reason: String,
    /// Whose address, by its keyed hash.
    pub address_tag: AddressTag,
    /// The address's domain.
    pub domain: String,
    /// Names the mail, if it can be tried again.
    pub mail_id: Option<Uuid>,
    /// When.
    pub created_at: DateTime<Utc>,
}

/// An address that gets no mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MailSuppression {
    /// Names the record.
    pub id: Uuid,
    /// Whose address, by its keyed hash.
    pub address_tag: AddressTag,
    /// The address's domain.
    pub domain: String,
    /// `administrator` or `bounced`.
    pub reason: String,
    /// What an administrator had to say.
    pub note: Option<String>,
    /// Since when.
    pub since: DateTime<Utc>,
    /// Until when; `None`: until it is lifted.
    pub ends_at: Option<DateTime<Utc>>,
}

/// How a queue of mails stands.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MailQueue {
    /// Mails that have not left.
    pub waiting: u64,
    /// Those among them that a worker has in hand or has tried.
    pub in_hand: u64,
    /// When the oldest was queued.
    pub oldest_at: Option<DateTime<Utc>>,
    /// When one is tried again, where that is known.
    pub next_try_at: Option<DateTime<Utc>>,
    /// How many of the oldest there are for each site.
    pub by_site: Vec<(String, u64)>,
}
