//! Repeats an operation on many connections for a while, and measures it.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use tokio::task::JoinSet;

use crate::process;

/// What a connection does again and again.
pub(crate) trait Work: Send + 'static {
    /// Does it once.
    fn once(&mut self) -> impl Future<Output = anyhow::Result<Next>> + Send;
}

/// Whether there is more to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    /// It was done, and can be again.
    Again,
    /// It was not done: there is nothing left to do it with.
    NothingLeft,
}

/// How long an operation is driven.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Load {
    /// Seconds that count; before them a tenth more that do not.
    pub(crate) seconds: u64,
    /// The process whose processor time is the operation's cost.
    pub(crate) watched: Option<u32>,
    /// What a connection waits for between one and the next, on average: none shows what the server can do, some how long
    /// people wait. Each time as long as chance has it, up to twice that: a delay would make them all come at once from then on.
    pub(crate) pause: Duration,
}

/// What came of it.
#[derive(Debug)]
pub(crate) struct Measured {
    /// What was done.
    pub(crate) name: &'static str,
    /// How often it failed, while it was warmed up too.
    pub(crate) errors: u64,
    /// How often it was done in the time that counts.
    pub(crate) counted: u64,
    /// The time that counts.
    pub(crate) elapsed: Duration,
    /// Processor time of the watched process in it.
    pub(crate) processor: Option<Duration>,
    /// In microseconds, in order.
    latencies: Vec<u32>,
}

/// When it starts to count, and when it ends.
#[derive(Debug, Clone, Copy)]
struct Times {
    counts_from: Instant,
    until: Instant,
}

/// For the line a second.
#[derive(Debug, Default)]
struct Counts {
    done: AtomicU64,
    errors: AtomicU64,
}

struct Repeated<W> {
    work: W,
    latencies: Vec<u32>,
    ended: Instant,
}

impl Load {
    /// Repeats each worker's work at the same time. Gives the workers back, with what they have gathered.
    pub(crate) async fn drive<W: Work>(
        self,
        name: &'static str,
        workers: Vec<W>,
    ) -> anyhow::Result<(Measured, Vec<W>)> {
        let counted = Duration::from_secs(self.seconds);
        let counts_from = Instant::now() + counted / 10;
        let times = Times { counts_from, until: counts_from + counted };
        let counts = Arc::new(Counts::default());
        let mut tasks = JoinSet::new();
        for work in workers {
            tasks.spawn(repeat(work, times, self.pause, Arc::clone(&counts)));
        }
        let line = tokio::spawn(a_line_a_second(name, Arc::clone(&counts)));

        let processor = || self.watched.and_then(|pid| process::processor_time(pid).ok());
        tokio::time::sleep_until(counts_from.into()).await;
        let before = processor();
        let (mut gathered, mut latencies, mut ended) = (Vec::new(), Vec::new(), counts_from);
        while let Some(repeated) = tasks.join_next().await {
            let repeated = repeated.context("a worker stopped")?;
            latencies.extend(repeated.latencies);
            ended = ended.max(repeated.ended);
            gathered.push(repeated.work);
        }
        let after = processor();
        line.abort();
        latencies.sort_unstable();
        let measured = Measured {
            name,
            errors: counts.errors.load(Ordering::Relaxed),
            counted: latencies.len() as u64,
            elapsed: ended - counts_from,
            processor: after.zip(before).map(|(after, before)| after.saturating_sub(before)),
            latencies,
        };
        Ok((measured, gathered))
    }
}

async fn repeat<W: Work>(mut work: W, times: Times, pause: Duration, counts: Arc<Counts>) -> Repeated<W> {
    let mut latencies = Vec::new();
    loop {
        let began = Instant::now();
        if began >= times.until {
            break;
        }
        match work.once().await {
            Ok(Next::Again) => {
                counts.done.fetch_add(1, Ordering::Relaxed);
                if began >= times.counts_from {
                    latencies.push(u32::try_from(began.elapsed().as_micros()).unwrap_or(u32::MAX));
                }
                if !pause.is_zero() {
                    tokio::time::sleep(pause.mul_f64(rand::random_range(0.0..2.0))).await;
                }
            }
            Ok(Next::NothingLeft) => break,
            Err(error) => {
                // The first is shown; the others most likely say the same.
                if counts.errors.fetch_add(1, Ordering::Relaxed) == 0 {
                    eprintln!("  error: {error:#}");
                }
                // A server that is gone fails at once, and not a million times.
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    }
    Repeated { work, latencies, ended: Instant::now() }
}

async fn a_line_a_second(name: &'static str, counts: Arc<Counts>) {
    let mut before = 0;
    for second in 1.. {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let done = counts.done.load(Ordering::Relaxed);
        let errors = counts.errors.load(Ordering::Relaxed);
        eprintln!("  {name:<22} {:>7}/s {second:>4} s, {errors} errors", done - before);
        before = done;
    }
}

impl Measured {
    /// Something that was only counted.
    pub(crate) fn rate(name: &'static str, done: u64, elapsed: Duration) -> Self {
        Self { name, errors: 0, counted: done, elapsed, processor: None, latencies: Vec::new() }
    }

    /// How often it was done a second.
    pub(crate) fn per_second(&self) -> f64 {
        if self.elapsed.is_zero() { 0.0 } else { float(self.counted) / self.elapsed.as_secs_f64() }
    }

    /// The time, in milliseconds, in which this share of the operations was done.
    pub(crate) fn quantile_ms(&self, share: f64) -> Option<f64> {
        let last = self.latencies.len().checked_sub(1)?;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of a length")]
        let place = (share * float(last as u64)).round() as usize;
        self.latencies.get(place).map(|micros| f64::from(*micros) / 1e3)
    }

    /// Processor time of the watched process for one operation, in microseconds.
    pub(crate) fn processor_us(&self) -> Option<f64> {
        let processor = self.processor.filter(|_| self.counted > 0)?;
        Some(processor.as_secs_f64() * 1e6 / float(self.counted))
    }
}

/// Counts here are far below 2⁵².
#[expect(clippy::cast_precision_loss, reason = "see above")]
fn float(count: u64) -> f64 {
    count as f64
}
