//! What the store puts on record, in the very step that does it, until the database has it.

use std::net::IpAddr;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::domain::{ActorKind, AddressTag, AuditAction, AuditEvent, SessionId, Slot, UserId};

/// Who is behind a request, for the record.
#[derive(Debug, Clone, Copy)]
pub struct Witness<'a> {
    /// Where it came from.
    pub ip: IpAddr,
    /// What the client calls itself.
    pub agent: Option<&'a str>,
    /// Whose session asks, if one does.
    pub caller: Option<(UserId, SessionId)>,
    /// Whose mailbox it is about, by its keyed hash.
    pub address: Option<AddressTag>,
    /// Where that mailbox is.
    pub domain: Option<&'a str>,
}

/// Events taken from the store. They stay there until they are [done](super::Codes::events_done).
#[derive(Debug, Clone, Default)]
pub struct WaitingEvents {
    /// Those that can be read.
    pub events: Vec<AuditEvent>,
    pub(super) partition: u16,
    pub(super) entries: Vec<String>,
}

/// What is known of an event before it is known what became of it.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct About {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    site: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ip: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    agent: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    actor: Option<Uuid>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    session: Option<Uuid>,
    #[serde(default)]
    details: Map<String, Value>,
}

impl About {
    pub(super) fn of(witness: &Witness<'_>, site: &str, slot: Slot) -> Self {
        let mut details = Map::new();
        details.insert("purpose".to_owned(), slot.as_str().into());
        if let Some(address) = witness.address {
            details.insert("address".to_owned(), address.to_hex().into());
        }
        if let Some(domain) = witness.domain {
            details.insert("domain".to_owned(), domain.into());
        }
        Self {
            site: Some(site.to_owned()),
            ip: Some(witness.ip.to_canonical().to_string()),
            agent: witness.agent.map(str::to_owned),
            actor: witness.caller.map(|(user, _)| user.0),
            session: witness.caller.map(|(_, session)| session.0),
            details,
        }
    }

    pub(super) fn event(
        mut self,
        (id, created_at): (Uuid, DateTime<Utc>),
        action: AuditAction,
        outcome: &str,
    ) -> AuditEvent {
        let word = match action {
            AuditAction::CodeAsked => Some("kind"),
            AuditAction::CodeLimited => Some("limit"),
            AuditAction::CodeRefused | AuditAction::ProofRefused => Some("reason"),
            _ => None,
        };
        if let Some(word) = word {
            self.details.insert(word.to_owned(), outcome.into());
        }
        let is_ours = matches!(action, AuditAction::AuditEventsDropped | AuditAction::GuessingTripped);
        if action == AuditAction::AuditEventsDropped {
            self.details.insert("count".to_owned(), outcome.parse::<u64>().unwrap_or(0).into());
        }
        AuditEvent {
            id,
            created_at,
            actor_kind: if is_ours { ActorKind::System } else { ActorKind::User },
            actor_id: self.actor,
            action,
            session_id: self.session,
            site: self.site,
            ip: self.ip,
            agent: self.agent,
            details: Value::Object(self.details),
        }
    }
}
