//! `auth.audit_log` and the chain over it, where they are not written in the statement of an act: events of the code
//! store are put on record, rows are signed, looked through, searched, and in the end removed.

mod chain;
mod inspect;
mod record;
mod retention;
mod search;

pub use self::chain::{Extended, Window};
pub use self::inspect::InspectedPage;
