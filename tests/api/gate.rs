//! The gate: who may pass to what behind a proxy, asked as a proxy asks.

mod cookies;
mod people;
mod proxies;
mod requests;
mod rights;
pub(crate) mod stack;
