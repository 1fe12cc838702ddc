//! Whether the log is still what was signed: link after link, row after row.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Datelike, Utc};
use serde_json::Value;
use uuid::Uuid;

use super::{ChainHead, ChainLink, ChainRow, Checkpoint, is_equal, links, parts_of};
use crate::domain::{AuditAction, KeyRing};

/// Faults that are listed one by one; more are counted.
const MOST_FAULTS: usize = 1000;
/// Rows without an address that are remembered until it is known from when on addresses must be there.
const MOST_CLEARED: usize = 1000;

/// Something that is not as it was signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditFault {
    /// What is wrong.
    pub kind: FaultKind,
    /// With which link.
    pub seq: Option<i64>,
    /// With which event.
    pub event: Option<Uuid>,
    /// When that happened.
    pub at: Option<DateTime<Utc>>,
}

/// What can be wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FaultKind {
    /// A row says something else than when it was signed.
    AlteredRow,
    /// A row is gone.
    RemovedRow,
    /// A link is not the one that was made.
    AlteredLink,
    /// Links are gone, up to and including this one.
    RemovedLinks(i64),
    /// A row was not signed for more than a minute.
    UnsignedRow,
    /// More names were blanked in this month than accounts were forgotten.
    BlankedNames(String),
    /// The beginning of the chain is not one that we signed.
    AlteredCheckpoint,
    /// The chain ends before the head that was noted, or begins after it.
    NoSuchHead,
    /// The chain had another link where the head was noted.
    OtherHead,
}

impl FaultKind {
    /// The word for it in a report for programs.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::AlteredRow => "altered_row",
            Self::RemovedRow => "removed_row",
            Self::AlteredLink => "altered_link",
            Self::RemovedLinks(_) => "removed_links",
            Self::UnsignedRow => "unsigned_row",
            Self::BlankedNames(_) => "blanked_names",
            Self::AlteredCheckpoint => "altered_checkpoint",
            Self::NoSuchHead => "no_such_head",
            Self::OtherHead => "other_head",
        }
    }
}

/// What an inspection found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditReport {
    /// Rows that were compared.
    pub rows: u64,
    /// Of those, rows of which an account was forgotten.
    pub forgotten: u64,
    /// Links whose rows were dropped with their month.
    pub dropped: u64,
    /// Where the chain ends: to be noted elsewhere.
    pub head: ChainHead,
    /// What is wrong, in order of the chain.
    pub faults: Vec<AuditFault>,
    /// How many more there are.
    pub more_faults: u64,
}

impl AuditReport {
    /// Whether everything is as it was signed.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.faults.is_empty()
    }
}

/// An inspection under way.
pub struct Inspection<'k> {
    keys: &'k KeyRing,
    head: ChainHead,
    /// What the link at the head would be by what its row says, where it is something else: one of the two was altered,
    /// and the next link tells which.
    doubt: Option<Doubt>,
    /// After a gap there is nothing to go on from.
    lost: bool,
    dropped_before: Option<DateTime<Utc>>,
    noted: Option<ChainHead>,
    seen_noted: bool,
    cleared_before: Option<DateTime<Utc>>,
    cleared: BTreeSet<(DateTime<Utc>, i64, Uuid)>,
    /// Names that are gone, and that were put on record as forgotten, by month.
    names: BTreeMap<String, (u64, u64)>,
    report: AuditReport,
}

struct Doubt {
    expected: Vec<[u8; 32]>,
    fault: AuditFault,
}

impl<'k> Inspection<'k> {
    /// An inspection from a place in the chain on. `noted` is a head that must be met on the way.
    #[must_use]
    pub fn new(
        keys: &'k KeyRing,
        from: ChainHead,
        checkpoint: Option<(&Checkpoint, &[u8])>,
        noted: Option<ChainHead>,
    ) -> Self {
        let report =
            AuditReport { rows: 0, forgotten: 0, dropped: 0, head: from, faults: Vec::new(), more_faults: 0 };
        let mut inspection = Self {
            keys,
            head: from,
            doubt: None,
            lost: false,
            dropped_before: checkpoint.map(|(checkpoint, _)| checkpoint.dropped_before),
            noted,
            seen_noted: false,
            cleared_before: None,
            cleared: BTreeSet::new(),
            names: BTreeMap::new(),
            report,
        };
        if checkpoint.is_some_and(|(checkpoint, mac)| !checkpoint.is_signed_by(keys, mac)) {
            inspection.fault(FaultKind::AlteredCheckpoint, None, None);
        }
        inspection.compare_noted(&from);
        inspection
    }

    /// Looks at the next link and at the row it signs, if that is there.
    pub fn look_at(&mut self, link: &ChainLink, row: Option<&ChainRow>) {
        if link.seq != self.head.seq + 1 {
            self.settle(None);
            let gap = (self.head.seq + 1, link.seq - 1);
            self.fault(FaultKind::RemovedLinks(gap.1), Some(gap.0), None);
            self.lost = true;
        }
        if let Some(row) = row {
            self.compare(link, row);
        } else {
            // What the link says of the row cannot be checked without it, but it still joins the next link.
            self.settle(None);
            self.lost = false;
            if self.dropped_before.is_some_and(|before| link.event_at < before) {
                self.report.dropped += 1;
            } else {
                self.fault(FaultKind::RemovedRow, Some(link.seq), Some((link.event_id, link.event_at)));
            }
        }
        self.head = ChainHead::behind(link);
        self.compare_noted(&self.head.clone());
    }

    /// Notes a row that has no link though it should.
    pub fn unsigned(&mut self, event: Uuid, at: DateTime<Utc>) {
        self.fault(FaultKind::UnsignedRow, None, Some((event, at)));
    }

    /// The outcome.
    #[must_use]
    pub fn finish(mut self) -> AuditReport {
        self.settle(None);
        let (cleared, before) = (std::mem::take(&mut self.cleared), self.cleared_before);
        for (at, seq, event) in cleared {
            if before.is_none_or(|before| at >= before) {
                self.fault(FaultKind::AlteredRow, Some(seq), Some((event, at)));
            }
        }
        for (month, (gone, forgotten)) in std::mem::take(&mut self.names) {
            if gone > forgotten {
                self.fault(FaultKind::BlankedNames(month), None, None);
            }
        }
        if let Some(noted) = self.noted.filter(|_| !self.seen_noted) {
            self.fault(FaultKind::NoSuchHead, Some(noted.seq), None);
        }
        self.report.head = self.head;
        self.report
    }

    fn compare(&mut self, link: &ChainLink, row: &ChainRow) {
        self.report.rows += 1;
        let event = Some((row.id, row.created_at));
        let joins = |before: &[u8; 32]| {
            links(self.keys, before, link.seq, row, &link.parts).any(|own| is_equal(&own, &link.link))
        };
        let stored = joins(&self.head.link);
        let by_row = !stored && self.doubt.as_ref().is_some_and(|doubt| doubt.expected.iter().any(joins));
        let is_sound = stored || by_row || self.lost;
        let expected = links(self.keys, &self.head.link, link.seq, row, &link.parts).collect();
        self.settle(Some(by_row));
        self.lost = false;
        if !is_sound {
            let fault = AuditFault {
                kind: FaultKind::AlteredRow,
                seq: Some(link.seq),
                event: Some(row.id),
                at: Some(row.created_at),
            };
            self.doubt = Some(Doubt { expected, fault });
        }
        if !self.compare_parts(link, row) && is_sound {
            self.fault(FaultKind::AlteredRow, Some(link.seq), event);
        }
        self.read_records(row);
    }

    /// Whether each part is there as it was signed, or gone for a reason.
    fn compare_parts(&mut self, link: &ChainLink, row: &ChainRow) -> bool {
        let parts = parts_of(row);
        let same: Vec<bool> =
            (0..super::PARTS).map(|part| parts.is_as_signed(self.keys, part, &link.parts)).collect();
        let gone = |part: usize| !same[part] && parts.values[part].is_none();
        let (actor_gone, target_gone) = (gone(0), gone(1));
        let names = u64::from(actor_gone) + u64::from(target_gone);
        if names > 0 {
            self.report.forgotten += 1;
            self.names.entry(month_of(row.created_at)).or_default().0 += names;
        }
        let others = [3, 4].map(|part| gone(part) && !actor_gone);
        if others.contains(&true) {
            self.cleared.insert((row.created_at, link.seq, row.id));
            // The youngest matter: what is older was cleared if they were.
            if self.cleared.len() > MOST_CLEARED {
                self.cleared.pop_first();
            }
        }
        (same[0] || actor_gone)
            && (same[1] || target_gone)
            && (same[2] || (gone(2) && actor_gone))
            && (same[3] || gone(3))
            && (same[4] || gone(4))
            && same[5]
            && (same[6] || (row.other == "{}" && names > 0))
    }

    /// Takes in what the log says of its own blanks.
    fn read_records(&mut self, row: &ChainRow) {
        let details = || serde_json::from_str::<Value>(&row.other).unwrap_or_default();
        if row.action == AuditAction::AuditAddressesCleared.as_str() {
            let before = details()["before"].as_str().and_then(|text| text.parse().ok());
            self.cleared_before = self.cleared_before.max(before);
        } else if row.action == AuditAction::PersonalDataForgotten.as_str()
            && let Some(months) = details()["months"].as_object()
        {
            for (month, names) in months {
                self.names.entry(month.clone()).or_default().1 += names.as_u64().unwrap_or(0);
            }
        }
    }

    /// Decides a doubt: where the next link joins what the row says, the link itself was altered.
    fn settle(&mut self, joins_by_row: Option<bool>) {
        let Some(Doubt { mut fault, .. }) = self.doubt.take() else { return };
        if joins_by_row == Some(true) {
            fault.kind = FaultKind::AlteredLink;
        }
        self.add(fault);
    }

    fn compare_noted(&mut self, head: &ChainHead) {
        if let Some(noted) = self.noted.filter(|noted| noted.seq == head.seq) {
            self.seen_noted = true;
            if noted.link != head.link {
                self.fault(FaultKind::OtherHead, Some(head.seq), None);
            }
        }
    }

    fn fault(&mut self, kind: FaultKind, seq: Option<i64>, event: Option<(Uuid, DateTime<Utc>)>) {
        let (event, at) = event.unzip();
        self.add(AuditFault { kind, seq, event, at });
    }

    fn add(&mut self, fault: AuditFault) {
        if self.report.faults.len() < MOST_FAULTS {
            self.report.faults.push(fault);
        } else {
            self.report.more_faults += 1;
        }
    }
}

fn month_of(at: DateTime<Utc>) -> String {
    format!("{:04}-{:02}", at.year(), at.month())
}

#[cfg(test)]
mod tests;
