//! How a command ends: its exit code, and the one line that says why.

use std::future::Future;
use std::path::Path;
use std::process::ExitCode;

use doorcode::app::StartError;
use doorcode::config::{Config, Problems};
use doorcode::flows::ImportError;
use doorcode::ports::roster::RosterError;

use super::desk::Refused;
use super::transport::Unreachable;

/// What was given to the command is wrong, or the configuration is (`EX_USAGE` of sysexits).
const EXIT_USAGE: u8 = 64;
/// A file does not hold what it should (`EX_DATAERR`).
const EXIT_DATA: u8 = 65;
/// A file is not there (`EX_NOINPUT`).
const EXIT_NO_INPUT: u8 = 66;
/// Something that is needed cannot be had: a port, a store, the server (`EX_UNAVAILABLE`).
const EXIT_UNAVAILABLE: u8 = 69;
/// A mistake on the server's side (`EX_SOFTWARE`).
const EXIT_SOFTWARE: u8 = 70;
/// Not now; the same command may work later (`EX_TEMPFAIL`).
const EXIT_TRY_AGAIN: u8 = 75;
/// The key is refused, or does not reach so far (`EX_NOPERM`).
const EXIT_NOT_ALLOWED: u8 = 77;

/// The command cannot be done as it was given.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Usage(pub(super) &'static str);

/// The configuration is wrong, in all these ways.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct ConfigProblems(pub(super) Problems);

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
    if error.is::<Usage>() || error.is::<ConfigProblems>() {
        return EXIT_USAGE;
    }
    if error.is::<StartError>() || error.is::<Unreachable>() {
        return EXIT_UNAVAILABLE;
    }
    if let Some(refused) = error.downcast_ref::<Refused>() {
        return match refused.status {
            400 | 413 | 422 => EXIT_DATA,
            401 | 403 => EXIT_NOT_ALLOWED,
            404 => EXIT_NO_INPUT,
            412 | 429 | 503 | 504 => EXIT_TRY_AGAIN,
            500.. => EXIT_SOFTWARE,
            _ => 1,
        };
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
