//! Every answer that somebody got, and what was wrong with it.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// No answer takes longer, whatever is broken.
const LONGEST: Duration = Duration::from_secs(10);

/// What somebody did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Act {
    Ask,
    Verify,
    Refresh,
    User,
    SignOut,
}

/// What came back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Came {
    Status(u16),
    /// The connection ended, or the load balancer says that its own did.
    Nothing,
}

/// How an answer is to be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Done, or refused with reason.
    Final,
    /// 429 or 503 with a time to come back.
    TurnedAway,
    /// Nobody knows whether it was done.
    Unknown,
}

#[derive(Debug, Default, Clone)]
pub(crate) struct Answers {
    pub(crate) by_kind: BTreeMap<Came, u64>,
    /// In milliseconds.
    pub(crate) took: Vec<u32>,
    pub(crate) turned_away: u64,
    pub(crate) unknown: u64,
}

/// All answers since the last [`Tally::take`].
#[derive(Debug, Default, Clone)]
pub(crate) struct Score {
    pub(crate) acts: BTreeMap<Act, Answers>,
    /// What must not be.
    pub(crate) wrong: Vec<String>,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Tally(Mutex<Score>);

impl Tally {
    /// Notes an answer.
    pub(crate) fn note(&self, act: Act, came: Came, kind: Kind, took: Duration) {
        let mut score = self.lock();
        let answers = score.acts.entry(act).or_default();
        *answers.by_kind.entry(came).or_default() += 1;
        answers.took.push(u32::try_from(took.as_millis()).unwrap_or(u32::MAX));
        match kind {
            Kind::Final => {}
            Kind::TurnedAway => answers.turned_away += 1,
            Kind::Unknown => answers.unknown += 1,
        }
        if took > LONGEST {
            score.wrong.push(format!("{act:?} took {took:?}"));
        }
    }

    /// Notes something that must not be.
    pub(crate) fn wrong(&self, what: String) {
        self.lock().wrong.push(what);
    }

    /// What was noted so far.
    pub(crate) fn so_far(&self) -> Score {
        self.lock().clone()
    }

    /// What was noted; the next one begins anew.
    pub(crate) fn take(&self) -> Score {
        std::mem::take(&mut *self.lock())
    }

    fn lock(&self) -> MutexGuard<'_, Score> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Score {
    pub(crate) fn answers(&self) -> u64 {
        self.acts.values().flat_map(|answers| answers.by_kind.values()).sum()
    }

    /// Answers of one kind of act with a status.
    pub(crate) fn with(&self, act: Act, status: u16) -> u64 {
        let answers = self.acts.get(&act);
        answers.and_then(|answers| answers.by_kind.get(&Came::Status(status))).copied().unwrap_or_default()
    }

    /// How many were turned away, and how many heard nothing.
    pub(crate) fn failed(&self) -> (u64, u64) {
        let sum = |of: fn(&Answers) -> u64| self.acts.values().map(of).sum();
        (sum(|answers| answers.turned_away), sum(|answers| answers.unknown))
    }

    pub(crate) fn assert_nothing_wrong(&self) {
        let first: Vec<_> = self.wrong.iter().take(10).collect();
        assert!(first.is_empty(), "{} wrong, such as {first:#?}", self.wrong.len());
    }
}

impl fmt::Display for Score {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:<10}{:>9}{:>9}{:>9}  answers", "", "number", "p50", "p99")?;
        for (act, answers) in &self.acts {
            let (median, late) = (answers.quantile(50), answers.quantile(99));
            let kinds = answers.by_kind.iter().map(|(came, count)| match came {
                Came::Status(status) => format!("{status}: {count}"),
                Came::Nothing => format!("none: {count}"),
            });
            let kinds = kinds.collect::<Vec<_>>().join(", ");
            let (act, number) = (format!("{act:?}"), answers.took.len());
            writeln!(f, "{act:<10}{number:>9}{median:>6} ms{late:>6} ms  {kinds}")?;
        }
        self.wrong.iter().take(10).try_for_each(|wrong| writeln!(f, "wrong: {wrong}"))
    }
}

impl Answers {
    /// The time in which this share of the answers came, in milliseconds.
    pub(crate) fn quantile(&self, percent: usize) -> u32 {
        let mut took = self.took.clone();
        took.sort_unstable();
        let place = (took.len() * percent / 100).min(took.len().saturating_sub(1));
        took.get(place).copied().unwrap_or_default()
    }
}
