//! Wrong guesses at six-digit codes, as they are remembered beyond the code store.

use std::time::Duration;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{AddressTag, AuditAction, AuditEvent};

/// A wrong guess.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WrongGuess {
    /// That of its event.
    pub id: Uuid,
    /// At whose code.
    pub address: AddressTag,
    /// By a device whose owner has signed in with it.
    pub by_known_device: bool,
    /// When.
    pub at: DateTime<Utc>,
}

impl WrongGuess {
    /// The guess that an event tells of; `None` if it tells of something else.
    #[must_use]
    pub fn of(event: &AuditEvent) -> Option<Self> {
        let detail = |name: &str| event.details.get(name)?.as_str();
        let by_known_device = match (event.action, detail("reason")?) {
            (AuditAction::CodeRefused, "wrong") => false,
            (AuditAction::CodeRefused, "wrong_known") => true,
            _ => return None,
        };
        let address = AddressTag::parse(detail("address")?)?;
        Some(Self { id: event.id, address, by_known_device, at: event.created_at })
    }
}

/// An address that has used up its wrong guesses of thirty days.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpentAddress {
    /// Which.
    pub address: AddressTag,
    /// For how long its codes are long.
    pub left: Duration,
}

/// What is remembered of an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RememberedGuesses {
    /// Which.
    pub address: AddressTag,
    /// Guesses of the last day by devices that nobody knows, the newest last.
    pub by_strangers: Vec<DateTime<Utc>>,
    /// Guesses of the last day by known devices.
    pub by_known_devices: Vec<DateTime<Utc>>,
    /// For how long its codes are long; zero if they are not.
    pub spent_for: Duration,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::ActorKind;

    fn event(action: AuditAction, details: serde_json::Value) -> AuditEvent {
        AuditEvent {
            id: Uuid::from_u128(1),
            created_at: DateTime::UNIX_EPOCH,
            actor_kind: ActorKind::User,
            actor_id: None,
            action,
            session_id: None,
            site: None,
            ip: None,
            agent: None,
            details,
        }
    }

    #[test]
    fn t04_only_a_code_that_was_compared_and_wrong_is_a_guess() {
        let address = AddressTag([7; 16]);
        let tag = address.to_hex();
        let of =
            |action, reason: &str| WrongGuess::of(&event(action, json!({"reason": reason, "address": tag})));
        assert_eq!(of(AuditAction::CodeRefused, "wrong").map(|guess| guess.address), Some(address));
        assert!(of(AuditAction::CodeRefused, "wrong_known").is_some_and(|guess| guess.by_known_device));
        for reason in ["wrong_long", "wrong_link", "wrong_length", "none_waiting", "in_use", "tripped"] {
            assert_eq!(of(AuditAction::CodeRefused, reason), None, "{reason}");
        }
        assert_eq!(of(AuditAction::ProofRefused, "wrong"), None);
        assert_eq!(WrongGuess::of(&event(AuditAction::CodeRefused, json!({"reason": "wrong"}))), None);
    }
}
