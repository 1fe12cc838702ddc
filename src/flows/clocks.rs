//! This server's clock beside those of its stores: looked at with everything else that makes it ready.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use super::Flows;
use crate::domain::{ClockSkew, ClockVerdict};
use crate::ports::clock::Clock;
use crate::telemetry::Dependency;

/// What was thought of the clock when it was last looked at: only a change is worth a line in the log.
#[derive(Debug, Default)]
pub struct ClockMemory(Mutex<ClockVerdict>);

/// How far our clock is ahead of one that was read within `took` before now.
pub(super) fn ahead_of(told: DateTime<Utc>, took: Duration) -> TimeDelta {
    ClockSkew::ahead(told, Clock::of_machine(), took)
}

impl Flows {
    /// What is to be thought of our clock, for the log and the metrics too.
    pub(super) fn judge_clock(&self, skew: ClockSkew) -> ClockVerdict {
        self.metrics.standing.clock(Dependency::Database, skew.database);
        self.metrics.standing.clock(Dependency::CodeStore, skew.code_store);
        let verdict = skew.verdict();
        let mut last = self.clock_memory.0.lock().unwrap_or_else(PoisonError::into_inner);
        if std::mem::replace(&mut *last, verdict) != verdict {
            let [database, code_store] =
                [skew.database, skew.code_store].map(|ahead| ahead.map(|ahead| ahead.num_seconds()));
            match verdict {
                ClockVerdict::Right => tracing::info!("the clock is that of the stores again"),
                ClockVerdict::Off => tracing::warn!(
                    ahead_of_database_secs = database,
                    ahead_of_code_store_secs = code_store,
                    "this server's clock is not that of its stores"
                ),
                ClockVerdict::Wrong => tracing::error!(
                    ahead_of_database_secs = database,
                    ahead_of_code_store_secs = code_store,
                    "this server's clock is wrong: it is not ready until it is set"
                ),
            }
        }
        verdict
    }
}
