//! The server as its users meet it: over HTTP, on real stores, with a clock that the tests move.
//!
//! `tests/run` starts what these tests need and says where it is; without it they say so and fail. Most stories are
//! told twice, on PostgreSQL with Redis and on the embedded stores.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on stops where it is")]

mod support;

mod abuse;
mod admin;
mod audit;
mod bad_input;
mod code_store;
mod command_line;
mod console;
mod cors;
mod crashes;
mod database;
mod database_tls;
mod deletion;
mod edge;
mod email_change;
mod gate;
mod keys;
mod library;
mod library_rules;
mod limits;
mod links;
mod mail;
mod openapi;
mod page_forgery;
mod page_language;
mod pages;
mod pgbouncer;
mod policies;
mod pool;
mod process;
mod races;
mod redis_servers;
mod sessions;
mod sign_in;
mod sites;
mod telemetry;
