//! Events that wait in memory.

use std::collections::{HashSet, VecDeque};

use uuid::Uuid;

use super::{Held, MemoryCodes};
use crate::domain::{AuditAction, AuditEvent, Slot};
use crate::ports::codes::events::About;
use crate::ports::codes::{WaitingEvents, Witness};

/// Taken at once.
const BATCH: usize = 500;

/// What waits, and how many found no room.
#[derive(Debug, Default)]
pub(super) struct Events {
    waiting: VecDeque<AuditEvent>,
    dropped: u64,
}

impl MemoryCodes {
    /// Puts an event on record, in the step of the act itself.
    pub(super) fn note(
        &self,
        held: &mut Held,
        witness: Option<&Witness<'_>>,
        (site, slot): (&str, Slot),
        action: AuditAction,
        outcome: &str,
    ) {
        if let Some(witness) = witness {
            self.tell(held, About::of(witness, site, slot), action, outcome);
        }
    }

    /// Puts an event on record, with what is known of it.
    pub(super) fn tell(&self, held: &mut Held, about: About, action: AuditAction, outcome: &str) {
        if held.events.waiting.len() >= self.limits.events_waiting as usize {
            held.events.dropped += 1;
            return;
        }
        let event = about.event((Uuid::new_v4(), self.clock.now()), action, outcome);
        held.events.waiting.push_back(event);
    }

    pub(in crate::ports::codes) fn events_pile_up(&self) -> bool {
        self.lock().events.waiting.len() > self.limits.events_waiting as usize / 2
    }

    pub(in crate::ports::codes) fn take_events(&self) -> WaitingEvents {
        let mut held = self.lock();
        let events = &mut held.events;
        if events.dropped > 0 && events.waiting.len() < self.limits.events_waiting as usize {
            let at = (Uuid::new_v4(), self.clock.now());
            let dropped = std::mem::take(&mut events.dropped).to_string();
            let event = About::default().event(at, AuditAction::AuditEventsDropped, &dropped);
            events.waiting.push_back(event);
        }
        WaitingEvents {
            events: events.waiting.iter().take(BATCH).cloned().collect(),
            ..WaitingEvents::default()
        }
    }

    pub(in crate::ports::codes) fn events_done(&self, taken: &WaitingEvents) {
        let done: HashSet<Uuid> = taken.events.iter().map(|event| event.id).collect();
        self.lock().events.waiting.retain(|event| !done.contains(&event.id));
    }
}
