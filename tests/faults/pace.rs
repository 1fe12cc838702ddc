//! Requests that come at a pace of their own, however long those before them take.

use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;

use crate::wire::Got;

/// So many requests a second for so long, and how long the slowest answer took. Each of them is turned away.
pub(crate) async fn all_turned_away<F: Future<Output = Got>>(
    per_second: usize,
    lasts: Duration,
    request: impl Fn(usize) -> F,
) -> Duration {
    let pause = Duration::from_secs(1) / u32::try_from(per_second).unwrap();
    let mut ticks = tokio::time::interval(pause);
    let (mut answers, mut slowest) = (FuturesUnordered::new(), Duration::ZERO);
    let mut still_to_come = 0..per_second * usize::try_from(lasts.as_secs()).unwrap();
    while !(still_to_come.is_empty() && answers.is_empty()) {
        tokio::select! {
            _ = ticks.tick(), if !still_to_come.is_empty() => {
                let (began, answer) = (Instant::now(), request(still_to_come.start));
                still_to_come.next();
                answers.push(async move { (answer.await, began.elapsed()) });
            }
            Some((got, took)) = answers.next() => {
                assert!(matches!(got, Got::TurnedAway(_)), "{got:?}");
                slowest = slowest.max(took);
            }
        }
    }
    slowest
}
