//! Wrong guesses that are remembered elsewhere come back to a Redis that has lost them.

use std::sync::LazyLock;
use std::time::Duration;

use chrono::{DateTime, Utc};
use redis::{AsyncCommands, ExistenceCheck, Script, SetExpiry, SetOptions};

use super::{RedisCodes, millis, script, unexpected};
use crate::domain::{RememberedGuesses, SpentAddress};
use crate::ports::PortError;
use crate::telemetry::StoreCall;

static RESTORE: LazyLock<Script> = LazyLock::new(|| script(&[include_str!("../restore.lua")]));

/// How long a replica has for bringing them back before another tries.
const AT_WORK: Duration = Duration::from_secs(60);
/// How long it is believed that they are there. Every key has an end, and bringing back what is there changes nothing.
const THERE: Duration = Duration::from_secs(86_400);

impl RedisCodes {
    pub(in crate::ports::codes) async fn lacks_guesses(&self, partition: u16) -> Result<bool, PortError> {
        let key = self.partition_key(partition, "remembered");
        let options = SetOptions::default()
            .conditional_set(ExistenceCheck::NX)
            .with_expiration(SetExpiry::PX(millis(AT_WORK)));
        let set: Option<String> = self
            .timed(StoreCall::Remember, self.connections.at(partition).set_options(key, 1, options))
            .await?;
        Ok(set.is_some())
    }

    pub(in crate::ports::codes) async fn has_guesses(&self, partition: u16) -> Result<(), PortError> {
        let key = self.partition_key(partition, "remembered");
        let options = SetOptions::default().with_expiration(SetExpiry::PX(millis(THERE)));
        self.timed(StoreCall::Remember, self.connections.at(partition).set_options(key, 1, options)).await
    }

    pub(in crate::ports::codes) async fn restore_guesses(
        &self,
        partition: u16,
        remembered: &[RememberedGuesses],
    ) -> Result<(), PortError> {
        // As text: Lua would write a number of this size in another way than it reads it.
        let times = |times: &[DateTime<Utc>]| -> Vec<String> {
            times.iter().map(|at| at.timestamp_millis().to_string()).collect()
        };
        let mut call = RESTORE.prepare_invoke();
        let mut kept = Vec::new();
        for of in remembered.iter().filter(|of| self.partition(of.address) == partition) {
            for kind in ["wrong", "wrong_known", "spent"] {
                call.key(self.address_key(kind, of.address));
            }
            let spent_ms = millis(of.spent_for).to_string();
            kept.push((times(&of.by_strangers), times(&of.by_known_devices), spent_ms));
        }
        if kept.is_empty() {
            return Ok(());
        }
        call.arg(serde_json::to_string(&kept).map_err(unexpected)?)
            .arg(self.settings.limits.wrong_per_day)
            .arg(self.settings.limits.known.wrong_per_day);
        self.timed(StoreCall::Remember, call.invoke_async::<()>(&mut self.connections.at(partition))).await
    }

    pub(in crate::ports::codes) async fn spend_guesses(&self, spent: &SpentAddress) -> Result<(), PortError> {
        let left = millis(spent.left);
        if left == 0 {
            return Ok(());
        }
        let key = self.address_key("spent", spent.address);
        let options = SetOptions::default().with_expiration(SetExpiry::PX(left));
        self.timed(StoreCall::Remember, self.at(spent.address).set_options(key, 1, options)).await
    }
}
