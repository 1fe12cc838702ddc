//! Accounts as administrators see them: what is asked about them, and what may be written into them.

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};

use super::fields::FieldError;
use super::{EmailAddress, MetadataError, Scope, User, UserId, UserMetadata};

/// An account as an administrator sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct Account {
    /// What its owner sees too.
    pub user: User,
    /// Until when it opens nothing.
    pub banned_until: Option<DateTime<Utc>>,
    /// When somebody was last invited to it.
    pub invited_at: Option<DateTime<Utc>>,
    /// When it was deleted, where a husk was left.
    pub deleted_at: Option<DateTime<Utc>>,
    /// Moves with every change but a sign-in; a change says which one it was made on.
    pub version: i32,
}

impl Account {
    /// How far its owner may administer at the console; `None` for nearly everybody.
    #[must_use]
    pub fn admin_scope(&self) -> Option<Scope> {
        self.user.app_metadata.get(ADMIN_SCOPE).and_then(Value::as_str).and_then(Scope::parse)
    }
}

/// Which accounts are asked for: those that meet every condition that is there.
#[derive(Debug, Clone, Default)]
pub struct AccountSearch {
    /// This one.
    pub id: Option<UserId>,
    /// What the address begins with.
    pub prefix: Option<AddressPrefix>,
    /// Staff of the library with this code.
    pub library: Option<String>,
    /// Signed in then or later.
    pub seen_after: Option<DateTime<Utc>>,
    /// Last signed in earlier.
    pub seen_before: Option<DateTime<Utc>>,
    /// Banned now, or not.
    pub banned: Option<bool>,
}

/// What an address begins with, in the form in which addresses are kept.
#[derive(Clone)]
pub struct AddressPrefix(String); // no Debug that shows it: it may be a whole address

impl AddressPrefix {
    /// Reads the beginning of an address. International domains are kept as A-labels.
    ///
    /// # Errors
    /// For what no address begins with.
    pub fn parse(text: &str) -> Result<Self, FieldError> {
        let fits = (1..=254).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
        if fits {
            Ok(Self(text.to_ascii_lowercase()))
        } else {
            Err(FieldError {
                field: "email",
                rule: "must be the beginning of an address, 1 to 254 ASCII characters",
            })
        }
    }

    /// The text, for the statement that searches.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for AddressPrefix {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AddressPrefix(***)")
    }
}

/// Names the scope in which an account's owner may administer.
pub(super) const ADMIN_SCOPE: &str = "admin_scope";

/// Metadata that the server's owner writes: grants things, and travels in every access token.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct AppMetadata(Map<String, Value>);

/// Why app metadata was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AppMetadataError {
    /// It breaks a bound that holds for all metadata.
    #[error(transparent)]
    Bounds(#[from] MetadataError),
    /// A word that grants nothing would be taken for one that does.
    #[error("app_metadata.admin_scope must be read, support or admin")]
    Scope,
}

impl AppMetadata {
    /// Checks what an administrator sends; a null removes a field.
    ///
    /// # Errors
    /// Names the broken rule.
    pub fn parse(object: Map<String, Value>) -> Result<Self, AppMetadataError> {
        let fits = match object.get(ADMIN_SCOPE) {
            None | Some(Value::Null) => true,
            Some(word) => word.as_str().and_then(Scope::parse).is_some(),
        };
        if !fits {
            return Err(AppMetadataError::Scope);
        }
        UserMetadata::parse(object.clone())?;
        Ok(Self(object))
    }

    /// The checked object.
    #[must_use]
    pub fn as_object(&self) -> &Map<String, Value> {
        &self.0
    }
}

/// An account to be.
#[derive(Debug, Clone)]
pub struct AccountPlan {
    /// The id that it had elsewhere.
    pub id: Option<UserId>,
    /// Its address.
    pub email: EmailAddress,
    /// The address counts as proven.
    pub is_confirmed: bool,
    /// Shown by its owner; grants nothing.
    pub user_metadata: UserMetadata,
    /// Written by the server's owner.
    pub app_metadata: AppMetadata,
    /// Until when it opens nothing.
    pub banned_until: Option<DateTime<Utc>>,
}

/// A change of an account: what is absent stays.
#[derive(Debug, Clone, Default)]
pub struct AccountChange {
    /// Another address, at once. It counts as unproven, unless `is_confirmed` says otherwise, and all sessions end.
    pub email: Option<EmailAddress>,
    /// Whether the address counts as proven.
    pub is_confirmed: Option<bool>,
    /// Merged field by field; null removes a field.
    pub user_metadata: Option<UserMetadata>,
    /// Merged field by field; null removes a field.
    pub app_metadata: Option<AppMetadata>,
    /// Until when it opens nothing; all sessions end. `Some(None)` lifts a ban.
    pub banned_until: Option<Option<DateTime<Utc>>>,
}

impl AccountChange {
    /// Whether it does no more than ban, or lift a ban.
    #[must_use]
    pub fn is_about_a_ban(&self) -> bool {
        let Self { email, is_confirmed, user_metadata, app_metadata, banned_until } = self;
        email.is_none()
            && is_confirmed.is_none()
            && user_metadata.is_none()
            && app_metadata.is_none()
            && banned_until.is_some()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parse(value: Value) -> Result<AppMetadata, AppMetadataError> {
        match value {
            Value::Object(object) => AppMetadata::parse(object),
            other => panic!("not an object: {other}"),
        }
    }

    #[test]
    fn only_a_real_scope_can_be_named() {
        for scope in [json!("read"), json!("support"), json!("admin"), json!(null)] {
            assert!(parse(json!({"admin_scope": scope, "plan": "free"})).is_ok(), "{scope}");
        }
        for scope in [json!("root"), json!("Admin"), json!(true), json!(["admin"]), json!({})] {
            assert_eq!(parse(json!({"admin_scope": scope})), Err(AppMetadataError::Scope), "{scope}");
        }
        assert!(matches!(parse(json!({"x": "y".repeat(5000)})), Err(AppMetadataError::Bounds(_))));
    }

    #[test]
    fn a_prefix_is_lower_case_and_cannot_be_printed() {
        let prefix = AddressPrefix::parse("Ada.L").unwrap();
        assert_eq!(prefix.as_str(), "ada.l");
        assert!(!format!("{prefix:?}").contains("ada"));
        for text in ["", "a b", "é", "a\u{0}", &"x".repeat(255)] {
            assert!(AddressPrefix::parse(text).is_err(), "{text:?}");
        }
    }
}
