//! The time, injected: the system's in production, a hand-moved one in tests.
//!
//! It dates tokens, mails and the in-process store. Codes live by the store's clock and sessions by PostgreSQL's,
//! so that replicas whose clocks differ still agree.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use chrono::{DateTime, Utc};

/// Where the time comes from.
#[derive(Debug, Clone, Default)]
pub enum Clock {
    /// The machine's.
    #[default]
    System,
    /// A test's.
    Manual(ManualClock),
}

/// A clock that runs ahead of the system's by as much as a test has moved it.
///
/// It keeps running between moves, because the servers beside it (Redis, PostgreSQL) do too.
#[derive(Debug, Clone, Default)]
pub struct ManualClock {
    ahead_millis: Arc<AtomicI64>,
}

impl Clock {
    /// Now, in UTC.
    #[must_use]
    pub fn now(&self) -> DateTime<Utc> {
        match self {
            Self::System => Self::of_machine(),
            Self::Manual(manual) => {
                Self::of_machine()
                    + chrono::Duration::milliseconds(manual.ahead_millis.load(Ordering::Relaxed))
            }
        }
    }

    /// Now by the machine, even where a test has moved the time: what is compared with the clocks of the stores, which it
    /// cannot move.
    #[must_use]
    pub fn of_machine() -> DateTime<Utc> {
        #[expect(clippy::disallowed_methods, reason = "the one place that reads the system's clock")]
        Utc::now()
    }
}

impl ManualClock {
    /// Moves the clock forward.
    pub fn advance(&self, by: Duration) {
        let millis = i64::try_from(by.as_millis()).unwrap_or(i64::MAX);
        self.ahead_millis.fetch_add(millis, Ordering::Relaxed);
    }
}
