//! Users: one row a person, shared by all sites.

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::EmailAddress;

/// Names a person's account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct UserId(pub Uuid);

impl UserId {
    /// A new id; random, so that it tells nothing about when or in which order people signed up.
    #[must_use]
    pub fn new() -> Self {
        Self(Uuid::new_v4())
    }
}

impl Default for UserId {
    fn default() -> Self {
        Self::new()
    }
}

/// An account as its owner and its tokens see it.
#[derive(Debug, Clone, PartialEq)]
pub struct User {
    /// The account.
    pub id: UserId,
    /// Its proven address.
    pub email: EmailAddress,
    /// When the address was first proven.
    pub email_confirmed_at: Option<DateTime<Utc>>,
    /// The last sign-in, on any site.
    pub last_sign_in_at: Option<DateTime<Utc>>,
    /// Written by us alone.
    pub app_metadata: Map<String, Value>,
    /// Written by its owner; grants nothing.
    pub user_metadata: Map<String, Value>,
    /// When the account was made.
    pub created_at: DateTime<Utc>,
    /// When it last changed.
    pub updated_at: DateTime<Utc>,
    /// The address that it is to have, and since when; only where somebody asked about the account itself.
    pub email_change: Option<(String, DateTime<Utc>)>,
}

/// A change of address that is under way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PendingEmail {
    /// The address to come.
    pub email: EmailAddress,
    /// When the codes were asked for.
    pub sent_at: DateTime<Utc>,
    /// The code sent to the present address was typed.
    pub current_proven: bool,
    /// The code sent to the address to come was typed.
    pub new_proven: bool,
}

/// Largest user metadata, as compact JSON, in octets. It travels in every access token, and proxies commonly stop at
/// 8 KiB of headers.
pub const MAX_METADATA: usize = 2048;
/// Deepest nesting of user metadata.
pub(super) const MAX_DEPTH: usize = 4;

/// Metadata a person may store: a JSON object of bounded size with texts that are safe to show.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct UserMetadata(Map<String, Value>);

/// Why metadata was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MetadataError {
    /// Over [`MAX_METADATA`].
    #[error("metadata is larger than {MAX_METADATA} bytes of JSON")]
    TooLarge,
    /// Nested too deeply.
    #[error("metadata is nested more than {MAX_DEPTH} levels deep")]
    TooDeep,
    /// A control character or one that changes the direction of text: both can make a text read as another.
    #[error("metadata contains control or text-direction characters")]
    Unprintable,
}

impl UserMetadata {
    /// Checks what a person sends.
    ///
    /// # Errors
    /// Names the broken bound.
    pub fn parse(object: Map<String, Value>) -> Result<Self, MetadataError> {
        for (key, value) in &object {
            check_text(key)?;
            check(value, 1)?;
        }
        let size = serde_json::to_vec(&object).map_or(usize::MAX, |json| json.len());
        if size > MAX_METADATA { Err(MetadataError::TooLarge) } else { Ok(Self(object)) }
    }

    /// The checked object.
    #[must_use]
    pub fn as_object(&self) -> &Map<String, Value> {
        &self.0
    }
}

fn check(value: &Value, depth: usize) -> Result<(), MetadataError> {
    if depth > MAX_DEPTH {
        return Err(MetadataError::TooDeep);
    }
    match value {
        Value::String(text) => check_text(text),
        Value::Array(items) => items.iter().try_for_each(|item| check(item, depth + 1)),
        Value::Object(fields) => fields.iter().try_for_each(|(key, value)| {
            check_text(key)?;
            check(value, depth + 1)
        }),
        Value::Null | Value::Bool(_) | Value::Number(_) => Ok(()),
    }
}

fn check_text(text: &str) -> Result<(), MetadataError> {
    // Line breaks and tabs are ordinary in a longer text; the templates take no metadata at all.
    let unsafe_in_text =
        |c: char| (c.is_control() && !matches!(c, '\n' | '\r' | '\t')) || super::fields::turns_text(c);
    if text.contains(unsafe_in_text) { Err(MetadataError::Unprintable) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parse(value: Value) -> Result<UserMetadata, MetadataError> {
        match value {
            Value::Object(object) => UserMetadata::parse(object),
            other => panic!("not an object: {other}"),
        }
    }

    #[test]
    fn bounds_hold_and_ordinary_metadata_passes() {
        let ordinary =
            json!({"display_name": "Ada", "full_name": "Nguyễn Thị Ánh", "tags": ["a", {"b": null}]});
        assert!(parse(ordinary).is_ok());
        assert_eq!(parse(json!({"x": "y".repeat(MAX_METADATA)})), Err(MetadataError::TooLarge));
        assert_eq!(parse(json!({"x": [[[[1]]]]})), Err(MetadataError::TooDeep));
        assert_eq!(parse(json!({"x": "a\u{0}b"})), Err(MetadataError::Unprintable));
        assert_eq!(parse(json!({"x\u{202e}": 1})), Err(MetadataError::Unprintable));
        assert_eq!(parse(json!({"x": ["\u{1b}[2J"]})), Err(MetadataError::Unprintable));
    }
}
