//! Events that wait in Redis: a stream a partition, emptied by one replica at a time.
//!
//! No consumer group, unlike for mail: an event that two replicas take is put on record once, because its id is what it
//! is known by. The lease only saves them the trouble.

use std::time::Duration;

use chrono::DateTime;
use redis::streams::{StreamId, StreamRangeReply};
use redis::{AsyncCommands, Script, ScriptInvocation};
use std::sync::LazyLock;
use uuid::Uuid;

use super::{RedisCodes, millis, script};
use crate::domain::{AuditAction, AuditEvent, Slot};
use crate::ports::PortError;
use crate::ports::codes::events::About;
use crate::ports::codes::{WaitingEvents, Witness};
use crate::telemetry::StoreCall;

static TAKE: LazyLock<Script> = LazyLock::new(|| script(&[include_str!("../take_events.lua")]));

/// For how long others leave the events to the replica that took some last.
const LEASE: Duration = Duration::from_secs(3);
/// Taken at once.
const BATCH: u32 = 500;

impl RedisCodes {
    /// The keys of `audit.lua`, which come after all others.
    pub(super) fn note_keys(&self, call: &mut ScriptInvocation<'_>, partition: u16) {
        call.key(self.partition_key(partition, "events"))
            .key(self.partition_key(partition, "events_dropped"));
    }

    /// The arguments of `audit.lua`, which come after all others.
    pub(super) fn note_arguments(
        &self,
        call: &mut ScriptInvocation<'_>,
        witness: Option<&Witness<'_>>,
        site: &str,
        slot: Slot,
    ) {
        let told = witness.and_then(|witness| serde_json::to_string(&About::of(witness, site, slot)).ok());
        match told {
            Some(about) => call.arg(Uuid::new_v4().to_string()).arg(about),
            None => call.arg("").arg(""),
        };
        call.arg(self.events_waiting());
    }

    pub(in crate::ports::codes) async fn take_events(
        &self,
        partition: u16,
    ) -> Result<WaitingEvents, PortError> {
        let mut call = TAKE.prepare_invoke();
        call.key(self.partition_key(partition, "events_lease"));
        self.note_keys(&mut call, partition);
        call.arg(&self.consumer)
            .arg(millis(LEASE))
            .arg(BATCH)
            .arg(Uuid::new_v4().to_string())
            .arg(self.events_waiting());
        let reply: StreamRangeReply =
            self.timed(StoreCall::Events, call.invoke_async(&mut self.connections.at(partition))).await?;
        let mut taken = WaitingEvents { partition, ..WaitingEvents::default() };
        for entry in reply.ids {
            // A word that only a newer version knows stays for a replica of that version.
            let Some(event) = read(&entry) else { continue };
            taken.events.push(event);
            taken.entries.push(entry.id);
        }
        Ok(taken)
    }

    pub(in crate::ports::codes) async fn events_pile_up(&self, partition: u16) -> Result<bool, PortError> {
        let (key, mut connection) = (self.partition_key(partition, "events"), self.connections.at(partition));
        let waiting: u32 = self.timed(StoreCall::Events, connection.xlen(key)).await?;
        Ok(waiting > self.events_waiting() / 2)
    }

    pub(in crate::ports::codes) async fn events_done(&self, taken: &WaitingEvents) -> Result<(), PortError> {
        if taken.entries.is_empty() {
            return Ok(());
        }
        let key = self.partition_key(taken.partition, "events");
        let mut connection = self.connections.at(taken.partition);
        self.timed(StoreCall::Events, connection.xdel::<_, _, ()>(key, &taken.entries)).await
    }

    fn events_waiting(&self) -> u32 {
        self.partition_share(self.settings.limits.events_waiting)
    }
}

fn read(entry: &StreamId) -> Option<AuditEvent> {
    let field = |name: &str| entry.get::<String>(name);
    let id = Uuid::try_parse(&field("id")?).ok()?;
    let at = DateTime::from_timestamp_millis(field("at")?.parse().ok()?)?;
    let action = AuditAction::parse(&field("action")?)?;
    let about: About = serde_json::from_str(&field("about")?).unwrap_or_default();
    Some(about.event((id, at), action, &field("outcome")?))
}
