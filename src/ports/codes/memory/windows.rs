//! Limits over sliding windows in memory: what `windows.lua` does in Redis.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

pub(super) const TEN_MINUTES: TimeDelta = TimeDelta::minutes(10);
pub(super) const HOUR: TimeDelta = TimeDelta::hours(1);
pub(super) const DAY: TimeDelta = TimeDelta::days(1);

/// The times of events, the newest last.
#[derive(Debug, Default)]
pub(super) struct Times(VecDeque<DateTime<Utc>>);

impl Times {
    /// How long until fewer than `most` events are younger than `length`; `None` if that is so now.
    pub(super) fn wait(&self, most: u32, length: TimeDelta, now: DateTime<Utc>) -> Option<Duration> {
        let place = self.0.len().checked_sub(most as usize)?;
        let free_at = *self.0.get(place)? + length;
        (free_at - now).to_std().ok().filter(|wait| !wait.is_zero())
    }

    /// Counts an event, of which at most so many are asked about.
    pub(super) fn count(&mut self, most: u32, now: DateTime<Utc>) {
        self.0.push_back(now);
        while self.0.len() > most as usize {
            self.0.pop_front();
        }
    }

    /// Events that are known from elsewhere beside those that are here.
    pub(super) fn merged(elsewhere: &[DateTime<Utc>], here: &Self) -> Self {
        let all: BTreeSet<_> = elsewhere.iter().chain(&here.0).copied().collect();
        Self(all.into_iter().collect())
    }

    /// Takes an event back.
    pub(super) fn forget(&mut self, at: DateTime<Utc>) {
        if let Some(place) = self.0.iter().rposition(|time| *time == at) {
            self.0.remove(place);
        }
    }

    /// Whether something happened since.
    pub(super) fn has_any_since(&self, since: DateTime<Utc>) -> bool {
        self.0.back().is_some_and(|at| *at > since)
    }
}
