//! How far this server's clock is from those of its stores, and what follows from it.
//!
//! Codes live by the code store's clock and sessions by the database's, so no replica's clock decides over them. What a
//! server dates itself are access tokens: if its clock is off, they end too early or too late.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

/// Clocks that differ by no more are of no concern to anybody.
const UNNOTICED: Duration = Duration::from_secs(5);
/// How far the clocks of servers that are in service may be off.
pub(super) const TOLERATED: Duration = Duration::from_secs(30);

/// How far this server's clock is ahead of each store's at least, or behind it: then it is negative.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ClockSkew {
    /// The database. `None` if it does not answer.
    pub database: Option<TimeDelta>,
    /// The code store. `None` if it does not answer or is in this process.
    pub code_store: Option<TimeDelta>,
}

/// What is to be thought of this server's clock.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ClockVerdict {
    /// It is right, as far as can be told.
    #[default]
    Right,
    /// It is not that of a store: somebody should look.
    Off,
    /// It is wrong beyond doubt: this server should not be asked.
    Wrong,
}

impl ClockSkew {
    /// How far a clock that shows `answered` is ahead of one that showed `told` within `took` before.
    ///
    /// When in that time it was read is not known, so this is the least that it can be: a slow answer is no skew.
    #[must_use]
    pub fn ahead(told: DateTime<Utc>, answered: DateTime<Utc>, took: Duration) -> TimeDelta {
        let most = answered - told;
        let least = most - TimeDelta::from_std(took).unwrap_or(TimeDelta::MAX);
        if least > TimeDelta::zero() { least } else { most.min(TimeDelta::zero()) }
    }

    /// What follows.
    ///
    /// Only where both stores say the same is it this server's clock that is wrong; otherwise it could be a store's, and all
    /// servers would find themselves wrong at once.
    #[must_use]
    pub fn verdict(self) -> ClockVerdict {
        let is_beyond = |ahead: TimeDelta, limit: Duration| ahead.abs().to_std().is_ok_and(|off| off > limit);
        if let (Some(database), Some(code_store)) = (self.database, self.code_store)
            && is_beyond(database, TOLERATED)
            && is_beyond(code_store, TOLERATED)
            && database.num_milliseconds().signum() == code_store.num_milliseconds().signum()
        {
            return ClockVerdict::Wrong;
        }
        let is_off = |ahead: Option<TimeDelta>| ahead.is_some_and(|ahead| is_beyond(ahead, UNNOTICED));
        if is_off(self.database) || is_off(self.code_store) { ClockVerdict::Off } else { ClockVerdict::Right }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn skew(database: Option<i64>, code_store: Option<i64>) -> ClockSkew {
        ClockSkew {
            database: database.map(TimeDelta::seconds),
            code_store: code_store.map(TimeDelta::seconds),
        }
    }

    #[test]
    fn f14_a_slow_answer_is_no_skew() {
        let answered = DateTime::UNIX_EPOCH + TimeDelta::days(20_000);
        let ahead = |told: i64, took| {
            ClockSkew::ahead(answered + TimeDelta::seconds(told), answered, Duration::from_secs(took))
                .num_seconds()
        };
        assert_eq!([ahead(0, 0), ahead(-3, 3), ahead(-3, 60)], [0, 0, 0]);
        assert_eq!([ahead(-90, 1), ahead(90, 1)], [89, -90]);
    }

    #[test]
    fn f14_a_server_is_wrong_only_by_the_word_of_both_stores() {
        assert_eq!(skew(Some(5), Some(-5)).verdict(), ClockVerdict::Right);
        assert_eq!(skew(None, None).verdict(), ClockVerdict::Right);
        for off in [6, 30, -6, -30] {
            assert_eq!(skew(Some(off), Some(off)).verdict(), ClockVerdict::Off);
        }
        for wrong in [31, 90, -31] {
            assert_eq!(skew(Some(wrong), Some(wrong)).verdict(), ClockVerdict::Wrong);
            assert_eq!(skew(Some(wrong), Some(0)).verdict(), ClockVerdict::Off, "it is the database's");
            assert_eq!(skew(Some(0), Some(wrong)).verdict(), ClockVerdict::Off, "it is the code store's");
            assert_eq!(skew(Some(wrong), None).verdict(), ClockVerdict::Off, "there is one witness");
            assert_eq!(
                skew(Some(wrong), Some(-wrong)).verdict(),
                ClockVerdict::Off,
                "they contradict each other"
            );
        }
    }
}
