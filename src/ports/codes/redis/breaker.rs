//! Gives a Redis that does not answer a rest, and its callers an answer at once.
//!
//! Requests that wait for their deadlines pile up faster than they end. So after some failures in a row calls fail
//! unasked; one of them, after each pause, is let through to see.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::telemetry::StoreCounts;

/// Failures in a row after which no more is asked.
const FAILURES: u32 = 5;
/// Between two calls that are let through.
const PAUSE: Duration = Duration::from_secs(1);

/// What became of the calls of late.
#[derive(Debug)]
pub(super) struct Breaker {
    state: Mutex<State>,
    counts: StoreCounts,
}

#[derive(Debug, Default)]
struct State {
    failures: u32,
    /// Open until then; past it, one call may see.
    rests_until: Option<Instant>,
}

/// The call was not made.
#[derive(Debug, thiserror::Error)]
#[error("Redis has not answered {FAILURES} times in a row and is left alone for a moment")]
pub(super) struct Resting;

impl Breaker {
    pub(super) fn new(counts: StoreCounts) -> Self {
        Self { state: Mutex::default(), counts }
    }

    /// Whether a call may be made at `now`.
    pub(super) fn admit(&self, now: Instant) -> Result<(), Resting> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match state.rests_until {
            Some(until) if now < until => Err(Resting),
            Some(_) => {
                // One at a time; and if it never says how it went, another after the next pause.
                state.rests_until = Some(now + PAUSE);
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// An answer came, if only a refusal.
    pub(super) fn answered(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if std::mem::take(&mut *state).rests_until.is_some() {
            self.counts.rests(false);
            tracing::info!("Redis answers again");
        }
    }

    /// No answer came; true if that begins, or prolongs, a rest.
    pub(super) fn failed(&self, now: Instant) -> bool {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.failures = state.failures.saturating_add(1);
        if state.failures < FAILURES {
            return false;
        }
        if state.rests_until.replace(now + PAUSE).is_none() {
            self.counts.rests(true);
            tracing::warn!("Redis does not answer: calls fail at once until it does");
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_failures_in_a_row_one_call_a_pause_is_let_through_until_one_is_answered() {
        let (breaker, start) = (Breaker::new(StoreCounts::default()), Instant::now());
        for _ in 1..FAILURES {
            assert!(breaker.admit(start).is_ok() && !breaker.failed(start));
        }
        breaker.answered();
        for _ in 1..FAILURES {
            assert!(breaker.admit(start).is_ok() && !breaker.failed(start), "counted in a row");
        }
        assert!(breaker.admit(start).is_ok() && breaker.failed(start));
        assert!(breaker.admit(start).is_err() && breaker.admit(start + PAUSE / 2).is_err());
        let later = start + PAUSE;
        assert!(breaker.admit(later).is_ok(), "one");
        assert!(breaker.admit(later).is_err(), "not two");
        assert!(breaker.admit(later + PAUSE).is_ok(), "the first was cancelled, perhaps");
        assert!(breaker.failed(later + PAUSE), "it rests on");
        assert!(breaker.admit(later + PAUSE).is_err());
        breaker.answered();
        assert!(breaker.admit(later + PAUSE).is_ok() && breaker.admit(later + PAUSE).is_ok());
    }
}
