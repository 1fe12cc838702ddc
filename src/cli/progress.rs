//! Progress of long work: a bar on a terminal, now and then a line elsewhere; always on stderr, so that what a command
//! answers stays clean.

use std::io::IsTerminal as _;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

/// How often a line is written where there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(5);

/// Work that takes a while.
pub(super) struct Progress {
    bar: Option<ProgressBar>,
    told_at: Instant,
    began_at: Instant,
    before: u64,
}

impl Progress {
    /// Begins after `before` things that were done earlier.
    pub(super) fn new(before: u64) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new(1);
            let style = ProgressStyle::with_template("{bar:40} {percent:>3}%  {msg}  {eta} left");
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
            bar.enable_steady_tick(Duration::from_millis(500));
            bar
        });
        let now = Instant::now();
        Self { bar, told_at: now, began_at: now, before }
    }

    /// So many `things` are done; of the whole, `read` is so far and how much there is.
    pub(super) fn set(&mut self, done: u64, things: &str, (part, whole): (u64, u64)) {
        let rate = rate(done.saturating_sub(self.before), self.began_at.elapsed());
        let text = format!("{} {things}, {}/s", grouped(done), grouped(rate));
        if let Some(bar) = &self.bar {
            bar.set_length(whole);
            bar.set_position(part);
            bar.set_message(text);
        } else if self.told_at.elapsed() >= LINE_EVERY {
            let percent = part.saturating_mul(100).checked_div(whole).unwrap_or(100);
            eprintln!("{percent:>3}%  {text}");
            self.told_at = Instant::now();
        }
    }

    /// Clears the bar.
    pub(super) fn finish(self) -> Duration {
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
        self.began_at.elapsed()
    }
}

/// So many a second.
pub(super) fn rate(count: u64, time: Duration) -> u64 {
    let millis = u64::try_from(time.as_millis()).unwrap_or(u64::MAX).max(1);
    count.saturating_mul(1000) / millis
}

/// A number as people read it: `100,000`.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_by_thousands() {
        for (number, text) in [(0, "0"), (999, "999"), (1000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(grouped(number), text);
        }
        assert_eq!(rate(10, Duration::from_millis(500)), 20);
    }
}
