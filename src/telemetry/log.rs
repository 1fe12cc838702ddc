//! The log: one line an event, to standard error, for people or for a collector.
//!
//! Nobody who is being answered waits for it: lines go to a thread that writes them, and when standard error takes none,
//! because its reader is stuck, what comes is dropped and counted. A full disk or a dead collector stops no sign-in.

use std::sync::{LazyLock, OnceLock};

use prometheus_client::metrics::counter::Counter;
use tracing_appender::non_blocking::{ErrorCounter, NonBlocking, NonBlockingBuilder, WorkerGuard};

/// Lines kept for a reader that is slow: some five megabytes.
const LINES_KEPT: usize = 16_384;

/// Lines of this process that were dropped.
pub(super) static LINES_DROPPED: LazyLock<Counter> = LazyLock::new(Counter::default);
/// Where the writer counts them.
static DROPPED: OnceLock<ErrorCounter> = OnceLock::new();

/// Where the lines go, and what sends the last of them on their way.
pub(super) fn writer() -> (NonBlocking, WorkerGuard) {
    let (writer, guard) = NonBlockingBuilder::default()
        .lossy(true)
        .buffered_lines_limit(LINES_KEPT)
        .thread_name("log")
        .finish(std::io::stderr());
    // A second writer, in a test, is one that nothing is written to.
    let _ = DROPPED.set(writer.error_counter());
    (writer, guard)
}

/// Takes over the writer's own count.
pub(super) fn count_dropped_lines() {
    if let Some(dropped) = DROPPED.get() {
        let dropped = u64::try_from(dropped.dropped_lines()).unwrap_or(u64::MAX);
        LINES_DROPPED.inner().store(dropped, std::sync::atomic::Ordering::Relaxed);
    }
}
