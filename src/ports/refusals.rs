//! Refusals that happen before any I/O, counted in memory: putting each on record would do a flooder's work.
//!
//! Each minute they become one event for each kind, site and client, with their number.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, Utc};
use serde_json::json;
use uuid::Uuid;

use super::limits::Act;
use crate::domain::{ActorKind, AuditAction, AuditEvent, client_line};

/// Kinds, sites and clients told apart in a minute; what comes then is counted without its client.
const MOST_TOLD_APART: usize = 10_000;

/// What is refused without looking anywhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// The client has had its share.
    Limited(Act),
    /// A text that cannot be a code, or a link of ours.
    MalformedCode,
    /// A refresh token that we did not make for this site.
    ForeignToken,
}

/// Refusals since the last time they were put on record.
#[derive(Debug, Default)]
pub struct Refusals {
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    counts: HashMap<(Refusal, String, Option<IpAddr>), u64>,
    /// Made into events, and not yet known to be on record.
    waiting: Vec<AuditEvent>,
}

impl Refusals {
    /// Counts a refusal.
    pub fn count(&self, refusal: Refusal, site: &str, client: IpAddr) {
        let mut held = self.lock();
        let key = (refusal, site.to_owned(), Some(client_line(client).addr()));
        let is_new = !held.counts.contains_key(&key);
        let key = if is_new && held.counts.len() >= MOST_TOLD_APART { (key.0, key.1, None) } else { key };
        *held.counts.entry(key).or_default() += 1;
    }

    /// What is to be put on record: the same events again until they are [on record](Self::on_record).
    pub fn events(&self, now: DateTime<Utc>) -> Vec<AuditEvent> {
        let mut held = self.lock();
        if held.waiting.is_empty() {
            let counts = std::mem::take(&mut held.counts);
            held.waiting = counts.into_iter().map(|(key, count)| event(key, count, now)).collect();
        }
        held.waiting.clone()
    }

    /// Forgets the events that were put on record.
    pub fn on_record(&self) {
        self.lock().waiting.clear();
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        // Nothing here panics halfway through a change.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn event(
    (refusal, site, client): (Refusal, String, Option<IpAddr>),
    count: u64,
    now: DateTime<Utc>,
) -> AuditEvent {
    let (action, details) = match refusal {
        Refusal::Limited(act) => {
            (AuditAction::RequestLimited, json!({"limit": act.as_str(), "count": count}))
        }
        Refusal::MalformedCode => (AuditAction::CodeRefused, json!({"reason": "malformed", "count": count})),
        Refusal::ForeignToken => (AuditAction::RefreshRefused, json!({"count": count})),
    };
    AuditEvent {
        id: Uuid::new_v4(),
        created_at: now,
        actor_kind: ActorKind::User,
        actor_id: None,
        action,
        session_id: None,
        site: Some(site),
        ip: client.map(|client| match client {
            IpAddr::V4(client) => client.to_string(),
            IpAddr::V6(line) => format!("{line}/64"),
        }),
        agent: None,
        details,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_of_a_client_are_one_event_and_none_is_lost_or_told_twice() {
        let refusals = Refusals::default();
        let at = DateTime::from_timestamp(1_795_220_476, 0).unwrap();
        let (one, line) = ("192.0.2.1".parse().unwrap(), "2001:db8:1:2:3::1".parse().unwrap());
        for _ in 0..3 {
            refusals.count(Refusal::Limited(Act::Verify), "reader", one);
        }
        refusals.count(Refusal::Limited(Act::Verify), "reader", line);
        let told = refusals.events(at);
        refusals.count(Refusal::MalformedCode, "reader", one);
        assert_eq!(refusals.events(at), told, "not on record yet");
        let sums: u64 = told.iter().filter_map(|event| event.details["count"].as_u64()).sum();
        assert_eq!((told.len(), sums), (2, 4));
        assert!(told.iter().any(|event| event.ip.as_deref() == Some("2001:db8:1:2::/64")), "{told:?}");
        refusals.on_record();
        assert_eq!(refusals.events(at).len(), 1);
        refusals.on_record();
        assert_eq!(refusals.events(at), []);
    }

    #[test]
    fn a_flood_of_clients_is_counted_to_the_last_without_telling_all_of_them_apart() {
        let refusals = Refusals::default();
        let clients = u32::try_from(MOST_TOLD_APART).unwrap() + 500;
        for client in 0..clients {
            refusals.count(Refusal::ForeignToken, "reader", IpAddr::V4(client.into()));
        }
        let told = refusals.events(DateTime::UNIX_EPOCH);
        let sum: u64 = told.iter().filter_map(|event| event.details["count"].as_u64()).sum();
        assert_eq!((told.len(), sum), (MOST_TOLD_APART + 1, u64::from(clients)));
    }
}
