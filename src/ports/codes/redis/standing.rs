//! What is asked of Redis itself: whether it answers, and whether it keeps what it is given.

use chrono::{DateTime, Utc};
use redis::AsyncCommands;

use super::{RedisCodes, store_error, unknown_word};
use crate::ports::PortError;
use crate::telemetry::StoreCall;

/// The policy under which a full Redis refuses what is new, and keeps what it has.
const KEEPS: &str = "noeviction";

impl RedisCodes {
    pub(in crate::ports::codes) async fn connect(&self) -> Result<(), PortError> {
        self.connections.connected().await.map_err(store_error)
    }

    pub(in crate::ports::codes) async fn check(&self) -> Result<DateTime<Utc>, PortError> {
        for partition in 0..self.connections.parts() {
            // About a key, and no PING: in a cluster only the master that has its slot can answer.
            let key = self.partition_key(partition, "check");
            self.timed(StoreCall::Ping, self.connections.at(partition).exists::<_, ()>(key)).await?;
        }
        let mut connection = self.connections.at(0);
        let time = redis::cmd("TIME");
        let (seconds, micros) =
            self.timed(StoreCall::Ping, time.query_async::<(i64, u32)>(&mut connection)).await?;
        DateTime::from_timestamp(seconds, micros.saturating_mul(1000)).ok_or_else(|| unknown_word("TIME"))
    }

    pub(in crate::ports::codes) async fn eviction(&self) -> Result<Option<String>, PortError> {
        for partition in 0..self.connections.parts() {
            let mut connection = self.connections.at(partition);
            let mut ask = redis::cmd("INFO");
            let answer = ask.arg("memory").query_async::<String>(&mut connection);
            let told = self.timed(StoreCall::Ping, answer).await?;
            let policy = told.lines().find_map(|line| line.strip_prefix("maxmemory_policy:"));
            if let Some(policy) = policy.filter(|policy| *policy != KEEPS) {
                return Ok(Some(policy.to_owned()));
            }
        }
        Ok(None)
    }
}
