//! What was found at the gate in the last second, in a map with an end.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use chrono::{DateTime, Utc};

use super::{Credential, Passage};
use crate::domain::Site;

/// How old an answer may be: a sign-out, a ban and a removed staff record bind within this time.
const REMEMBERED: Duration = Duration::from_secs(1);
/// Most credentials that are remembered at once; past it the database is asked each time. With a token each, 2 MB.
const MOST: usize = 1024;

/// What was found about a credential.
#[derive(Clone)]
pub(super) struct Found {
    pub(super) passage: Option<Arc<Passage>>,
    from: DateTime<Utc>,
    until: DateTime<Utc>,
}

pub(super) type Slot = Arc<tokio::sync::Mutex<Option<Found>>>;

/// What was found in the last second, by a hash of site and credential.
#[derive(Default)]
pub struct GateMemory {
    slots: Mutex<HashMap<[u8; 32], Slot>>,
}

impl fmt::Debug for GateMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("GateMemory(…)")
    }
}

/// The hash that a credential is remembered by: what is kept in memory opens nothing.
pub(super) fn key_of(site: &Site, credential: Credential<'_>) -> Option<[u8; 32]> {
    let (kind, text) = match credential {
        Credential::Nobody => return None,
        Credential::Token(text) => ("token", text),
        Credential::Cookie(text) => ("cookie", text),
    };
    // A site's id has no zero octet.
    let hash = digest(&SHA256, format!("{}\0{kind}\0{text}", site.id).as_bytes());
    hash.as_ref().try_into().ok()
}

impl Found {
    /// What was found at `now` about a credential that ends by itself at `ends_at`.
    pub(super) fn new(
        passage: Option<Arc<Passage>>,
        now: DateTime<Utc>,
        ends_at: Option<DateTime<Utc>>,
    ) -> Self {
        let until = now + REMEMBERED;
        Self { passage, from: now, until: ends_at.map_or(until, |end| end.min(until)) }
    }

    pub(super) fn is_fresh(&self, now: DateTime<Utc>) -> bool {
        // A clock that was set back must not make an answer last.
        self.from <= now && now < self.until
    }
}

impl GateMemory {
    /// What was found in the last second. Nobody waits here.
    pub(super) fn find(&self, key: &[u8; 32], now: DateTime<Utc>) -> Option<Found> {
        let slot = self.slots().get(key).cloned()?;
        let found = slot.try_lock().ok()?;
        found.as_ref().filter(|found| found.is_fresh(now)).cloned()
    }

    /// The place of a credential. `None` if all are taken.
    pub(super) fn slot(&self, key: [u8; 32], now: DateTime<Utc>) -> Option<Slot> {
        let mut slots = self.slots();
        if slots.len() >= MOST && !slots.contains_key(&key) {
            // Whoever waits for a slot holds it too.
            slots.retain(|_, slot| {
                Arc::strong_count(slot) > 1
                    || slot
                        .try_lock()
                        .is_ok_and(|found| found.as_ref().is_some_and(|found| found.is_fresh(now)))
            });
        }
        if slots.len() >= MOST && !slots.contains_key(&key) {
            return None;
        }
        Some(Arc::clone(slots.entry(key).or_default()))
    }

    fn slots(&self) -> std::sync::MutexGuard<'_, HashMap<[u8; 32], Slot>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_000_000 + seconds, 0).expect("a time")
    }

    fn key(number: usize) -> [u8; 32] {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&number.to_be_bytes());
        key
    }

    fn remember(memory: &GateMemory, number: usize, now: DateTime<Utc>) -> bool {
        let Some(slot) = memory.slot(key(number), now) else { return false };
        let mut found = slot.try_lock().expect("nobody else has it");
        *found = Some(Found::new(None, now, None));
        true
    }

    #[test]
    fn t29_what_was_found_is_remembered_for_a_second_and_not_before_it_was_found() {
        let memory = GateMemory::default();
        assert!(remember(&memory, 1, at(0)));
        assert!(memory.find(&key(1), at(0)).is_some());
        assert!(memory.find(&key(1), at(1) - Duration::from_millis(1)).is_some());
        assert!(memory.find(&key(1), at(1)).is_none());
        assert!(memory.find(&key(1), at(-1)).is_none(), "the clock was set back");
        assert!(memory.find(&key(2), at(0)).is_none());
        let ends_soon = Found::new(None, at(0), Some(at(0) + Duration::from_millis(300)));
        assert!(ends_soon.is_fresh(at(0)) && !ends_soon.is_fresh(at(0) + Duration::from_millis(300)));
    }

    #[test]
    fn the_memory_has_an_end_and_room_again_a_second_later() {
        let memory = GateMemory::default();
        assert!((0..MOST).all(|number| remember(&memory, number, at(0))));
        assert!(!remember(&memory, MOST, at(0)), "it is full");
        assert!(remember(&memory, 0, at(0)), "who is in it stays");
        let waited_for = memory.slot(key(1), at(0)).expect("a slot");
        assert!(remember(&memory, MOST, at(1)));
        assert_eq!(memory.slots().len(), 2, "the new one, and the one that somebody waits for");
        drop(waited_for);
    }
}
