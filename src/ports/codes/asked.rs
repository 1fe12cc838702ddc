//! What the stores are asked, and what they answer.

use std::time::Duration;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::Witness;
use super::limits::ClientTags;
use crate::domain::{AddressTag, ChallengeId, CodeKind, LimitTag, Slot};

/// What is kept for one code, and the mail that takes it to its owner.
///
/// Short and long variants come together, because only the store knows, in the step that issues the code, whether the
/// address has used up its budget of wrong guesses.
#[derive(Debug, Clone)]
pub struct IssueCode<'a> {
    /// The sending, and with it the place where the code waits.
    pub send: CountSend<'a>,
    /// The challenge's id.
    pub challenge: ChallengeId,
    /// Keyed hash of the short code.
    pub short_mac: &'a str,
    /// Keyed hash of the long code.
    pub long_mac: &'a str,
    /// Keyed hash of the link's secret.
    pub link_mac: &'a str,
    /// Keyed hash of the secret by which the mail's reader [ends](super::Codes::stop) the challenge; empty for none.
    pub stop_mac: &'a str,
    /// Sealed: what verifying needs to know.
    pub context: &'a [u8],
    /// Sealed: the mail with the short code.
    pub short_job: &'a [u8],
    /// Sealed: the mail with the long code.
    pub long_job: &'a [u8],
    /// How it stands with the limits and with a code that still waits.
    pub how: Issue,
}

/// How a code is issued.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Issue {
    /// Within the limits, in place of any earlier one.
    New,
    /// Within the limits, in place of one that still waits, whose context is kept.
    Replacement,
    /// The sending was [counted](super::Codes::count_send) before.
    Counted,
}

/// A sending that counts against limits: of a code, or ahead of one.
#[derive(Debug, Clone, Copy)]
pub struct CountSend<'a> {
    /// Whose mailbox.
    pub address: AddressTag,
    /// The device that asks, where its owner has signed in to this mailbox's account with it before: it has a code of its
    /// own and some mails that only it can use. Of the same partition as the address.
    pub device: Option<AddressTag>,
    /// For which site.
    pub site: &'a str,
    /// For what.
    pub slot: Slot,
    /// Mails an hour that the site may send.
    pub site_mails_per_hour: u32,
    /// The mail host.
    pub host: LimitTag,
    /// The client that counts; `None` where none does.
    pub client: Option<ClientTags>,
    /// Who asks, for the record; `None` leaves it unsaid.
    pub witness: Option<&'a Witness<'a>>,
}

impl CountSend<'_> {
    /// The name under which the code waits: the address's, or that of a device that has one of its own.
    pub(super) fn place(&self) -> AddressTag {
        self.device.unwrap_or(self.address)
    }
}

/// A proof that we do not mail, to be kept as a code is: claimed by its link's secret, and by a short code if it has one.
#[derive(Debug, Clone)]
pub struct KeepProof<'a> {
    /// What names the secret.
    pub tag: AddressTag,
    /// On which site.
    pub site: &'a str,
    /// For what.
    pub slot: Slot,
    /// The challenge that it goes on from.
    pub challenge: ChallengeId,
    /// Keyed hash of the secret.
    pub link_mac: &'a str,
    /// Keyed hash of a short code that proves the same.
    pub short_mac: Option<&'a str>,
    /// Sealed: what claiming it needs to know.
    pub context: &'a [u8],
    /// How long it is kept.
    pub life: Duration,
    /// Who confirmed what it goes on from, for the record; `None` leaves it unsaid.
    pub witness: Option<&'a Witness<'a>>,
}

/// What became of a request for a code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Issued {
    /// The mail is queued.
    Queued(CodeKind),
    /// The sending is counted.
    Counted,
    /// Nothing is waiting that could be replaced.
    NothingToReplace,
    /// The address has had its mails; the next is possible after this long.
    TooSoon(Duration),
    /// Its owner did not ask for the codes of before: strangers get none for this long.
    Cooling(Duration),
    /// The site has sent its mails for this hour.
    SiteBudget(Duration),
    /// The mail host has had its mails for this hour.
    HostBudget(Duration),
    /// The client, or its network, has asked for its codes.
    ClientLimited(Duration),
}

/// A code that its owner did not ask for.
#[derive(Debug, Clone, Copy)]
pub struct StopCode<'a> {
    /// Whose mailbox.
    pub address: AddressTag,
    /// Under which name it waits: the address's, or that of a known device.
    pub place: AddressTag,
    /// On which site.
    pub site: &'a str,
    /// For what.
    pub slot: Slot,
    /// Keyed hash of the secret in its mail.
    pub stop_mac: &'a str,
    /// Who ends it, for the record.
    pub witness: &'a Witness<'a>,
}

/// What somebody presents as proof.
#[derive(Debug, Clone)]
pub struct ClaimCode<'a> {
    /// Whose mailbox.
    pub address: AddressTag,
    /// The device that presents it, as in [`CountSend::device`].
    pub device: Option<AddressTag>,
    /// On which site.
    pub site: &'a str,
    /// For what.
    pub slot: Slot,
    /// A code or a link, as its keyed hash.
    pub proof: Proof<'a>,
    /// The client that a wrong proof counts for; `None` where none does.
    pub client: Option<ClientTags>,
    /// Who presents it, for the record of a refusal; `None` leaves it unsaid.
    pub witness: Option<&'a Witness<'a>>,
    /// That nothing waits here is no refusal yet: it is looked for elsewhere.
    pub missing_is_no_news: bool,
}

impl ClaimCode<'_> {
    /// As [`CountSend::place`].
    pub(super) fn place(&self) -> AddressTag {
        self.device.unwrap_or(self.address)
    }
}

/// A proof, as the store can compare it.
#[derive(Debug, Clone, Copy)]
pub enum Proof<'a> {
    /// Keyed hash of a typed code.
    Code(CodeKind, &'a str),
    /// Keyed hash of a link's secret.
    Link(&'a str),
}

/// What became of a claim.
#[derive(Debug, Clone, PartialEq)]
pub enum Claimed {
    /// The proof is right; its holder may open the one session.
    Claim(Claim),
    /// Wrong. Callers learn no more.
    Refused,
    /// Nothing to be right about, which callers are told no differently.
    Missing,
    /// The client, or its network, has presented too many that were wrong. Nothing was compared.
    ClientLimited(Duration),
}

/// A proven challenge, kept from others until it is [spent or given back](super::Codes::end_claim) or the lease runs out.
#[derive(Debug, Clone, PartialEq)]
pub struct Claim {
    /// The challenge.
    pub challenge: ChallengeId,
    /// Sealed: what was kept with it.
    pub context: Vec<u8>,
    pub(super) place: AddressTag,
    pub(super) site: String,
    pub(super) slot: Slot,
    pub(super) by_code: bool,
    pub(super) holder: Uuid,
}

/// How a claim ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClaimEnd {
    /// A session was opened, or can never be: the code is gone.
    Spent,
    /// The session could not be opened now: the code works again.
    Unused,
}

/// A mail taken from the queue. Until it is [done](super::Codes::mail_done) it is kept from other workers for a while.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueuedMail {
    /// The sealed job.
    pub job: Vec<u8>,
    pub(super) partition: u16,
    pub(super) id: String,
}

/// How many mails wait or are being sent, and for how long the oldest has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct QueueStanding {
    /// How many.
    pub depth: u64,
    /// Zero if there is none.
    pub oldest_age: Duration,
}

/// What is in the mail queue.
#[derive(Debug, Clone, Default)]
pub struct QueueLook {
    /// Mails that have not left.
    pub waiting: u64,
    /// How many of them a worker has.
    pub in_hand: u64,
    /// When the oldest was queued.
    pub oldest_at: Option<DateTime<Utc>>,
    /// The oldest of them, sealed.
    pub jobs: Vec<Vec<u8>>,
}

/// How long a taken mail is kept from other workers. A worker that still has it [renews](super::Codes::mail_renew) earlier.
pub const MAIL_LEASE: Duration = Duration::from_secs(60);
