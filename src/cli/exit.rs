//! How a command ends: its exit code, and the one line that says why.

use std::future::Future;
use std::path::Path;
use std::process::ExitCode;

use doorcode::app::StartError;
use doorcode::config::Config;

/// The configuration is wrong (`EX_CONFIG` would be 78; 64 is `EX_USAGE`: what was given to the command is wrong).
const EXIT_CONFIG: u8 = 64;
/// Something the server needs cannot be had (`EX_UNAVAILABLE` of sysexits).
const EXIT_UNAVAILABLE: u8 = 69;

/// Reads the configuration, or says everything that is wrong with it.
pub(super) fn with_config(file: Option<&Path>, next: impl FnOnce(Config) -> ExitCode) -> ExitCode {
    match Config::load(file) {
        Ok(config) => next(config),
        Err(problems) => {
            eprintln!("{problems}");
            ExitCode::from(EXIT_CONFIG)
        }
    }
}

/// Runs work that waits for others.
pub(super) fn run(work: impl Future<Output = anyhow::Result<()>>) -> ExitCode {
    match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => finish(runtime.block_on(work)),
        Err(error) => finish(Err(error.into())),
    }
}

/// Ends a command.
pub(super) fn finish(outcome: anyhow::Result<()>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // The whole chain on one line: what failed, then why.
            eprintln!("doorcode: {error:#}");
            let unavailable = error.is::<StartError>();
            if unavailable { ExitCode::from(EXIT_UNAVAILABLE) } else { ExitCode::FAILURE }
        }
    }
}
