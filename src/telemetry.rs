//! What the server tells about itself: its log, its metrics, its traces. None of them knows a person.

mod counts;
mod labels;
mod log;
pub mod metrics;
mod panics;

use tracing_appender::non_blocking::WorkerGuard;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::FmtSpan;

pub use self::counts::{
    CodeCounts, DbCounts, HttpCounts, InFlight, LimitCounts, MailCounts, SessionCounts, Standing, StoreCounts,
};
pub use self::labels::{
    CodeCheck, CodeIssue, Dependency, Failure, Limit, MailTry, Method, Queue, Refresh, SessionEnd, StoreCall,
};
pub use self::metrics::Metrics;
use crate::config::{LogConfig, LogFormat};

/// Keeps what was started going. Dropped at the end of the process, it sees that the last lines are written.
#[must_use]
pub struct Telemetry {
    _log: WorkerGuard,
}

/// Starts logging for this process. The filter was checked with the configuration.
pub fn start(config: &LogConfig) -> Telemetry {
    let filter = EnvFilter::new(&config.filter);
    let (writer, log) = log::writer();
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(writer)
        .with_target(false)
        .with_span_events(FmtSpan::NONE);
    // A second start, as in tests, changes nothing.
    let _ = match config.format {
        LogFormat::Text | LogFormat::Auto => {
            lines.with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr())).try_init()
        }
        LogFormat::Json => lines.json().flatten_event(true).with_span_list(false).try_init(),
    };
    panics::log_panics();
    Telemetry { _log: log }
}
