//! A panic is one line of the log, and one more in a count: where it was, and not what it said.
//!
//! A panic's message may quote what somebody sent. The place in the code is what mends it.

use std::panic::PanicHookInfo;
use std::sync::LazyLock;

use prometheus_client::metrics::counter::Counter;

/// Panics of this process.
pub(super) static PANICS: LazyLock<Counter> = LazyLock::new(Counter::default);

/// Has panics logged instead of printed.
pub(super) fn log_panics() {
    std::panic::set_hook(Box::new(log_panic));
}

fn log_panic(info: &PanicHookInfo<'_>) {
    PANICS.inc();
    let (file, line) = info.location().map_or(("-", 0), |place| (place.file(), place.line()));
    let thread = std::thread::current();
    tracing::error!(
        panic.file = file,
        panic.line = line,
        panic.thread = thread.name().unwrap_or("-"),
        "a panic: a mistake of ours"
    );
}
