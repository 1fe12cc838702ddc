//! What the database refuses, in words: its policies, constraints and procedures are the rules, these are their names.

use super::db_error;
use crate::ports::PortError;

/// Why an act was not done. Nothing of it was.
#[derive(Debug, thiserror::Error)]
pub enum ActError {
    /// There is nothing of that kind that the caller can see.
    #[error("not there for this caller")]
    Missing,
    /// Somebody was faster: the version is another by now.
    #[error("stale version")]
    Stale,
    /// The caller can see it and may not do this.
    #[error("not allowed")]
    Refused,
    /// The library would be left without an active owner.
    #[error("last owner")]
    LastOwner,
    /// The state does not allow it; the word says which state or why.
    #[error("illegal state: {0}")]
    IllegalState(String),
    /// There is one already.
    #[error("already there")]
    Duplicate,
    /// A value is out of its bounds: the name of the constraint.
    #[error("out of bounds: {0}")]
    OutOfBounds(String),
    /// The database failed.
    #[error("the database failed")]
    Failed(#[from] PortError),
}

impl From<sqlx::Error> for ActError {
    fn from(error: sqlx::Error) -> Self {
        let Some(refusal) = error.as_database_error() else { return Self::Failed(db_error(error)) };
        let constraint = || refusal.constraint().unwrap_or_default().to_owned();
        match refusal.code().as_deref() {
            Some("DC001") => Self::LastOwner,
            Some("DC002") => Self::IllegalState(detail(refusal)),
            Some("DC003") => Self::Stale,
            Some("DC004") => Self::Missing,
            Some("42501") => Self::Refused,
            Some("23505") => Self::Duplicate,
            Some("23514") => Self::OutOfBounds(constraint()),
            // invalid_parameter_value: a procedure says which of its arguments do not go together.
            Some("22023") => Self::OutOfBounds(refusal.message().to_owned()),
            _ => Self::Failed(db_error(error)),
        }
    }
}

/// The detail of one of our own errors: a closed word, never a value of a row.
fn detail(refusal: &dyn sqlx::error::DatabaseError) -> String {
    refusal
        .try_downcast_ref::<sqlx::postgres::PgDatabaseError>()
        .and_then(sqlx::postgres::PgDatabaseError::detail)
        .unwrap_or("illegal_state")
        .to_owned()
}
