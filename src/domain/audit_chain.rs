//! The chain over the audit log: each row is signed after the one before it, so that nothing is changed or removed
//! unnoticed. The files: this one signs, `inspection` looks whether all of it is still as it was signed.
//!
//! What a row says about people is not signed itself, but by keyed digests of each part, which are kept beside the link.
//! So the law's forgetting leaves the chain whole: a part that is gone is told from one that was replaced. The digests
//! take the event's id in, and their key is not in the database, so nobody finds a value by trying.

mod inspection;

use std::fmt;

use aws_lc_rs::constant_time;
use chrono::{DateTime, Utc};
use uuid::Uuid;

pub use self::inspection::{AuditFault, AuditReport, FaultKind, Inspection};
use super::KeyRing;

/// Bytes of a digest of a part: 128 bits.
const DIGEST: usize = 16;
/// Parts of a row that may be gone one day.
const PARTS: usize = 7;

/// A row of the log, as it is signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChainRow {
    /// Names the event.
    pub id: Uuid,
    /// When it happened, to the microsecond.
    pub created_at: DateTime<Utc>,
    /// Never gone.
    pub actor_kind: String,
    /// Never gone.
    pub action: String,
    /// Never gone.
    pub site: Option<String>,
    /// Gone with the account.
    pub actor_id: Option<Uuid>,
    /// Gone with the account.
    pub target_id: Option<Uuid>,
    /// Gone with the account of the actor.
    pub session_id: Option<Uuid>,
    /// Gone with the account of the actor, or after some time.
    pub ip: Option<String>,
    /// Gone with the account of the actor, or after some time.
    pub agent: Option<String>,
    /// Of the details, what stays: JSON as PostgreSQL writes it.
    pub lasting: String,
    /// Of the details, what goes with an account: JSON as PostgreSQL writes it.
    pub other: String,
}

/// A place in the chain: the number of a link, and the link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChainHead {
    /// How many rows were signed up to here.
    pub seq: i64,
    /// What the next link goes on from.
    pub link: [u8; 32],
}

/// A link, as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChainLink {
    /// Its number, without a gap.
    pub seq: i64,
    /// The row it signs.
    pub event_id: Uuid,
    /// When that happened.
    pub event_at: DateTime<Utc>,
    /// The digests of that row's parts.
    pub parts: Vec<u8>,
    /// The signature over the link before and all of this.
    pub link: Vec<u8>,
}

/// Where the chain begins once months were dropped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// The last link that is gone.
    pub head: ChainHead,
    /// Rows of events before this are gone.
    pub dropped_before: DateTime<Utc>,
}

impl ChainHead {
    /// Before the first link.
    pub const START: Self = Self { seq: 0, link: [0; 32] };

    /// Reads a head as it was noted. `None` for everything else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (seq, link) = text.split_once(':')?;
        let link = data_encoding::HEXLOWER_PERMISSIVE.decode(link.as_bytes()).ok()?;
        Some(Self { seq: seq.parse().ok().filter(|seq| *seq >= 0)?, link: link.try_into().ok()? })
    }

    /// Signs the row that comes next.
    #[must_use]
    pub fn sign(&self, keys: &KeyRing, row: &ChainRow) -> ChainLink {
        let parts = parts_of(row).concat_digests(keys);
        let seq = self.seq + 1;
        let link = links(keys, &self.link, seq, row, &parts).next().unwrap_or_default().to_vec();
        ChainLink { seq, event_id: row.id, event_at: row.created_at, parts, link }
    }

    /// The place behind a link.
    #[must_use]
    pub fn behind(link: &ChainLink) -> Self {
        Self { seq: link.seq, link: link.link.as_slice().try_into().unwrap_or_default() }
    }
}

impl fmt::Display for ChainHead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.seq, data_encoding::HEXLOWER.encode(&self.link))
    }
}

impl Checkpoint {
    /// The signature that lets the chain begin here.
    #[must_use]
    pub fn mac(&self, keys: &KeyRing) -> [u8; 32] {
        self.macs(keys).next().unwrap_or_default()
    }

    /// Whether this installation signed it.
    #[must_use]
    pub fn is_signed_by(&self, keys: &KeyRing, mac: &[u8]) -> bool {
        self.macs(keys).any(|own| is_equal(&own, mac))
    }

    fn macs(&self, keys: &KeyRing) -> impl Iterator<Item = [u8; 32]> {
        let (seq, before) = (self.head.seq.to_be_bytes(), micros(self.dropped_before));
        keys.audit_macs(&[b"checkpoint", &seq, &self.head.link, &before]).collect::<Vec<_>>().into_iter()
    }
}

/// The parts of a row that may be gone one day, in the order of their digests.
struct Parts<'a> {
    event: &'a Uuid,
    values: [Option<Vec<u8>>; PARTS],
}

fn parts_of(row: &ChainRow) -> Parts<'_> {
    let id = |id: Option<Uuid>| id.map(|id| id.as_bytes().to_vec());
    let text = |text: &Option<String>| text.as_ref().map(|text| text.as_bytes().to_vec());
    Parts {
        event: &row.id,
        values: [
            id(row.actor_id),
            id(row.target_id),
            id(row.session_id),
            text(&row.ip),
            text(&row.agent),
            Some(row.lasting.as_bytes().to_vec()),
            Some(row.other.as_bytes().to_vec()),
        ],
    }
}

impl Parts<'_> {
    /// The digests of one part, under each master.
    fn digests<'k>(&self, keys: &'k KeyRing, part: usize) -> impl Iterator<Item = [u8; 32]> + use<'k> {
        let index = [u8::try_from(part).unwrap_or(u8::MAX)];
        let value = self.values[part].as_deref();
        let present = [u8::from(value.is_some())];
        let given: [&[u8]; 5] = [b"part", self.event.as_bytes(), &index, &present, value.unwrap_or_default()];
        keys.audit_macs(&given).collect::<Vec<_>>().into_iter()
    }

    fn concat_digests(&self, keys: &KeyRing) -> Vec<u8> {
        (0..PARTS)
            .flat_map(|part| self.digests(keys, part).next().unwrap_or_default()[..DIGEST].to_vec())
            .collect()
    }

    /// Whether a part is as it was when it was signed.
    fn is_as_signed(&self, keys: &KeyRing, part: usize, signed: &[u8]) -> bool {
        let signed = signed.get(part * DIGEST..(part + 1) * DIGEST).unwrap_or_default();
        self.digests(keys, part).any(|own| is_equal(&own[..DIGEST], signed))
    }
}

/// What the link of a row may be, under each master.
fn links(
    keys: &KeyRing,
    before: &[u8; 32],
    seq: i64,
    row: &ChainRow,
    parts: &[u8],
) -> impl Iterator<Item = [u8; 32]> {
    let site = row.site.as_deref();
    let has_site = [u8::from(site.is_some())];
    keys.audit_macs(&[
        b"link",
        before,
        &seq.to_be_bytes(),
        row.id.as_bytes(),
        &micros(row.created_at),
        row.actor_kind.as_bytes(),
        row.action.as_bytes(),
        &has_site,
        site.unwrap_or_default().as_bytes(),
        parts,
    ])
    .collect::<Vec<_>>()
    .into_iter()
}

fn micros(at: DateTime<Utc>) -> [u8; 8] {
    at.timestamp_micros().to_be_bytes()
}

fn is_equal(own: &[u8], given: &[u8]) -> bool {
    constant_time::verify_slices_are_equal(own, given).is_ok()
}
