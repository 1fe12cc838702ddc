//! How a command ends: its exit code, and the one line that says why.

use std::future::Future;
use std::path::Path;
use std::process::ExitCode;

use doorcode::app::StartError;
use doorcode::config::Config;
use doorcode::flows::ImportError;
use doorcode::ports::roster::RosterError;

/// What was given to the command is wrong, or the configuration is (`EX_USAGE` of sysexits).
const EXIT_USAGE: u8 = 64;
/// A file does not hold what it should (`EX_DATAERR`).
const EXIT_DATA: u8 = 65;
/// A file is not there (`EX_NOINPUT`).
const EXIT_NO_INPUT: u8 = 66;
/// Something the server needs cannot be had (`EX_UNAVAILABLE`).
const EXIT_UNAVAILABLE: u8 = 69;

/// The command cannot be done as it was given.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Usage(pub(super) &'static str);

/// Reads the configuration, or says everything that is wrong with it.
pub(super) fn with_config(file: Option<&Path>, next: impl FnOnce(Config) -> ExitCode) -> ExitCode {
    match Config::load(file) {
        Ok(config) => next(config),
        Err(problems) => {
            eprintln!("{problems}");
            ExitCode::from(EXIT_USAGE)
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
            ExitCode::from(code(&error))
        }
    }
}

fn code(error: &anyhow::Error) -> u8 {
    if error.is::<Usage>() {
        return EXIT_USAGE;
    }
    if error.is::<StartError>() {
        return EXIT_UNAVAILABLE;
    }
    match error.downcast_ref() {
        Some(ImportError::Roster(RosterError::Io { .. })) => EXIT_NO_INPUT,
        Some(ImportError::Roster(_)) => EXIT_DATA,
        Some(ImportError::Source(error) | ImportError::Database(error)) if error.is_unavailable() => {
            EXIT_UNAVAILABLE
        }
        _ => 1,
    }
}
