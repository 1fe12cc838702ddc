//! Doorcode signs people in with a six-digit code sent by email.
//!
//! The house has four floors, and each stands only on those below it:
//!
//! - [`http`] speaks HTTP and nothing else: it reads a request, calls one flow and writes the answer.
//! - [`flows`] are the stories, one file each: ask for a code, verify it, refresh, sign out.
//! - [`ports`] reach everything outside the process: PostgreSQL, the code store, mail, tokens, the clock.
//! - [`domain`] holds the rules: no I/O, no clock and no randomness of its own.
//!
//! [`app`] builds and wires all of it from a [`config`]; `main.rs` and `cli` are the command line.

pub mod app;
pub mod config;
pub mod domain;
pub mod flows;
pub mod http;
pub mod ports;
pub mod telemetry;
