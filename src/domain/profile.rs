//! A person's profile and preferences: what they may hold, and checked changes of them.

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};

use super::UserId;
use super::fields::{FieldError, line, paragraph, web_address};

/// A profile as its owner sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct Profile {
    /// Whose it is.
    pub id: UserId,
    /// The account's address.
    pub email: String,
    /// Shown to others.
    pub display_name: Option<String>,
    /// Shown to others.
    pub avatar_url: Option<String>,
    /// Shown to others.
    pub bio: Option<String>,
    /// `city`, `country`, `timezone`.
    pub location: Value,
    /// `website`, `goodreads`, `twitter`, `instagram`.
    pub social_links: Value,
    /// Kept by the platform.
    pub reading_stats: Value,
    /// Moves with every change; a change says which one it was made on.
    pub version: i32,
    /// When it last changed.
    pub updated_at: DateTime<Utc>,
}

/// Preferences as their owner sees them.
#[derive(Debug, Clone, PartialEq)]
pub struct Preferences {
    /// Which notices the person wants.
    pub notifications: Value,
    /// Who may see what.
    pub privacy: Value,
    /// Language and looks.
    pub interface: Value,
    /// Moves with every change; a change says which one it was made on.
    pub version: i32,
    /// When they last changed.
    pub updated_at: DateTime<Utc>,
}

/// What another person may see of a profile, as its owner has decided.
pub type PublicProfile = Map<String, Value>;

/// A checked change: fields that are there are set, a null empties one, objects are merged field by field.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Change(Map<String, Value>);

impl Change {
    /// The fields, for the statement that makes the change.
    #[must_use]
    pub fn as_value(&self) -> Value {
        Value::Object(self.0.clone())
    }

    /// Sets a field that was given.
    pub fn set<T: Into<Value>>(&mut self, field: &'static str, value: Option<T>) {
        if let Some(value) = value {
            self.0.insert(field.to_owned(), value.into());
        }
    }

    /// Sets a text that was given and keeps its bounds; an empty one empties the field.
    ///
    /// # Errors
    /// Names the field.
    pub fn set_line(
        &mut self,
        field: &'static str,
        text: Option<&str>,
        max: usize,
        rule: &'static str,
    ) -> Result<(), FieldError> {
        self.set_text(field, text.map(blank_as_empty), |text| line(field, text, max, rule))
    }

    /// As [`set_line`](Self::set_line), with line breaks.
    ///
    /// # Errors
    /// Names the field.
    pub fn set_paragraph(
        &mut self,
        field: &'static str,
        text: Option<&str>,
        max: usize,
        rule: &'static str,
    ) -> Result<(), FieldError> {
        self.set_text(field, text.map(blank_as_empty), |text| paragraph(field, text, max, rule))
    }

    /// As [`set_line`](Self::set_line), for an `http` or `https` address.
    ///
    /// # Errors
    /// Names the field.
    pub fn set_web_address(&mut self, field: &'static str, text: Option<&str>) -> Result<(), FieldError> {
        self.set_text(field, text, |text| web_address(field, text))
    }

    /// Sets a text that was given, as `check` returns it; an empty one empties the field.
    fn set_text(
        &mut self,
        field: &'static str,
        text: Option<&str>,
        check: impl FnOnce(&str) -> Result<String, FieldError>,
    ) -> Result<(), FieldError> {
        let Some(text) = text else { return Ok(()) };
        let value = if text.is_empty() { Value::Null } else { check(text)?.into() };
        self.0.insert(field.to_owned(), value);
        Ok(())
    }

    /// Sets a group of fields, unless it is empty.
    pub fn set_group(&mut self, field: &'static str, group: Self) {
        if !group.0.is_empty() {
            self.0.insert(field.to_owned(), Value::Object(group.0));
        }
    }
}

/// A text of nothing but white space is an empty one.
fn blank_as_empty(text: &str) -> &str {
    if text.trim().is_empty() { "" } else { text }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_change_holds_what_was_given_and_nothing_else() {
        let mut change = Change::default();
        change.set_line("display_name", Some(" Ada "), 64, "…").unwrap();
        change.set_line("city", None, 64, "…").unwrap();
        change.set_paragraph("bio", Some(""), 2000, "…").unwrap();
        change.set("location_sharing", Some(false));
        change.set::<bool>("email_enabled", None);
        change.set_group("empty", Change::default());
        assert_eq!(change.as_value(), json!({"display_name": "Ada", "bio": null, "location_sharing": false}));
        assert_eq!(
            change.set_web_address("website", Some("javascript:1")).map_err(|error| error.field),
            Err("website")
        );
    }
}
