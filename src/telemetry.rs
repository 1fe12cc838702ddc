//! What the server tells about itself: its log, its metrics, its traces. None of them knows a person.

mod afresh;
mod causes;
mod counts;
mod labels;
mod log;
pub mod metrics;
mod panics;
pub(crate) mod traces;

use tracing_appender::non_blocking::WorkerGuard;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _};

use self::afresh::Afresh;
pub(crate) use self::causes::causes;
pub use self::counts::{
    CodeCounts, DbCounts, HttpCounts, InFlight, LimitCounts, MailCounts, SessionCounts, Standing, StoreCounts,
};
pub use self::labels::{
    CodeCheck, CodeIssue, Dependency, Failure, Limit, MailTry, Method, Queue, Refresh, SessionEnd, StoreCall,
};
pub use self::metrics::Metrics;
use self::traces::Traces;
pub use self::traces::TracesError;
use crate::config::{LogConfig, LogFormat, TelemetryConfig};

/// Keeps what was started going. Dropped at the end of the process, it sees that the last spans are sent and the last lines
/// written.
#[must_use]
pub struct Telemetry {
    // In this order: what the first has to say of its end is a line.
    _traces: Option<Traces>,
    _log: WorkerGuard,
}

/// Starts logging for this process. The filter was checked with the configuration.
pub fn start(config: &LogConfig) -> Telemetry {
    start_lines_and(config, None)
}

/// As [`start`], and sends traces where the configuration says so.
///
/// # Errors
/// If traces cannot be sent.
pub fn start_with_traces(config: &LogConfig, traced: &TelemetryConfig) -> Result<Telemetry, TracesError> {
    Ok(start_lines_and(config, Traces::start(traced)?))
}

fn start_lines_and(config: &LogConfig, traces: Option<Traces>) -> Telemetry {
    let (writer, log) = log::writer();
    let lines = tracing_subscriber::fmt::layer().with_writer(writer).with_target(false);
    let lines = match config.format {
        LogFormat::Text | LogFormat::Auto => {
            lines.with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr())).boxed()
        }
        LogFormat::Json => lines.json().flatten_event(true).with_span_list(false).boxed(),
    };
    // A second start, as in tests, changes nothing.
    let _ = match &traces {
        None => {
            let filter = EnvFilter::new(&config.filter);
            tracing_subscriber::registry().with(lines).with(filter).try_init()
        }
        Some(traces) => {
            // Spans that are for traces alone are in no line.
            let filter = EnvFilter::new(format!("{},{}=off", config.filter, traces::TARGET));
            let lines = lines.with_filter(Afresh(filter));
            tracing_subscriber::registry().with(lines).with(traces.layer()).try_init()
        }
    };
    panics::log_panics();
    Telemetry { _traces: traces, _log: log }
}
