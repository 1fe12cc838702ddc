//! The one shape in which statements about a session answer: a verdict, and the account where there is one.

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::domain::{EmailAddress, User, UserId};
use crate::ports::{Dependency, PortError};

/// A row of any statement that ends in a [`User`]. Its columns are nullable: a verdict may come without an account.
#[derive(Debug)]
pub(super) struct Answer {
    /// A word each statement defines; `ok` comes with an account.
    pub verdict: String,
    /// Where the session's refresh counter now stands, if the statement is about that.
    pub counter: Option<i32>,
    /// When the session was opened, if the statement is about that.
    pub opened_at: Option<DateTime<Utc>>,
    pub id: Option<Uuid>,
    pub email: Option<String>,
    pub email_confirmed_at: Option<DateTime<Utc>>,
    pub last_sign_in_at: Option<DateTime<Utc>>,
    pub app_metadata: Option<Value>,
    pub user_metadata: Option<Value>,
    pub created_at: Option<DateTime<Utc>>,
    pub updated_at: Option<DateTime<Utc>>,
    /// The address that the account is to have, where the statement looks for one.
    pub new_email: Option<String>,
    pub email_change_sent_at: Option<DateTime<Utc>>,
}

impl Answer {
    /// The account that came with the verdict.
    ///
    /// # Errors
    /// If there is none, or its row holds what we would not have written.
    pub(super) fn user(self) -> Result<Box<User>, PortError> {
        let missing = || PortError::unexpected(Dependency::Database, "an account without its columns");
        let email = EmailAddress::parse(self.email.as_deref().unwrap_or_default())
            .map_err(|error| PortError::unexpected(Dependency::Database, error))?;
        Ok(Box::new(User {
            id: UserId(self.id.ok_or_else(missing)?),
            email,
            email_confirmed_at: self.email_confirmed_at,
            last_sign_in_at: self.last_sign_in_at,
            app_metadata: object(self.app_metadata),
            user_metadata: object(self.user_metadata),
            created_at: self.created_at.ok_or_else(missing)?,
            updated_at: self.updated_at.ok_or_else(missing)?,
            email_change: self.new_email.zip(self.email_change_sent_at),
        }))
    }

    /// A word that the statement does not define: ours to mend.
    pub(super) fn unknown_verdict(&self) -> PortError {
        PortError::unexpected(Dependency::Database, format!("unknown verdict {}", self.verdict))
    }
}

/// The columns are checked to hold objects.
pub(super) fn object(value: Option<Value>) -> Map<String, Value> {
    match value {
        Some(Value::Object(object)) => object,
        _ => Map::new(),
    }
}
