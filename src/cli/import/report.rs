//! What an import says at its end.

use std::fmt::Write as _;
use std::time::Duration;

use doorcode::domain::{Outcome, Tally};
use serde_json::{Value, json};

use super::super::progress::{grouped, rate};

/// An import, or a trial of one, at its end.
pub(super) struct Report<'t> {
    /// What became of everybody, earlier runs included.
    pub(super) tally: &'t Tally,
    /// Records settled by earlier runs.
    pub(super) before: u64,
    /// Nothing was written.
    pub(super) trial: bool,
    /// How long this run took.
    pub(super) time: Duration,
}

impl Report<'_> {
    /// For programs.
    pub(super) fn json(&self) -> Value {
        let outcomes = Outcome::ALL.map(|outcome| (json!(outcome), json!(self.tally.of(outcome))));
        let outcomes =
            outcomes.into_iter().filter_map(|(name, count)| Some((name.as_str()?.to_owned(), count)));
        json!({
            "dry_run": self.trial,
            "records": self.tally.records,
            "records_before": self.before,
            "trimmed": self.tally.trimmed,
            "demoted": self.tally.demoted,
            "outcomes": outcomes.collect::<serde_json::Map<_, _>>(),
            "elapsed_ms": u64::try_from(self.time.as_millis()).unwrap_or(u64::MAX),
        })
    }

    /// For people.
    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        let mut line = |count: u64, words: &str| {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{:>12}  {words}", grouped(count));
        };
        line(self.tally.records, "records read");
        for outcome in Outcome::ALL {
            let count = self.tally.of(outcome);
            match outcome {
                Outcome::Imported if self.trial => line(count, "would be imported"),
                Outcome::Imported => line(count, outcome.words()),
                _ if count > 0 => line(count, outcome.words()),
                _ => {}
            }
            if outcome == Outcome::Imported && self.tally.trimmed > 0 {
                line(self.tally.trimmed, "of them with trimmed metadata");
            }
            if outcome == Outcome::Imported && self.tally.demoted > 0 {
                line(self.tally.demoted, "of them without the right to administer that they had");
            }
        }
        let records = self.tally.records - self.before;
        let rate = grouped(rate(records, self.time));
        let _ = writeln!(
            text,
            "{:>12}  seconds, {rate} records a second",
            format!("{:.1}", self.time.as_secs_f64())
        );
        if self.trial {
            text.push_str("A trial: nothing was written.\n");
        }
        text
    }
}
