//! Accounts as administrators see them: what is asked about them, and what may be written into them.

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};
use uuid::Uuid;

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
    /// A ban ends all sessions.
    pub ban: Option<Ban>,
}

/// What becomes of a ban.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ban {
    /// The account opens nothing until then.
    Until(DateTime<Utc>),
    /// There is none any more.
    Lifted,
}

impl Ban {
    /// Until when the account opens nothing.
    #[must_use]
    pub fn until(self) -> Option<DateTime<Utc>> {
        match self {
            Self::Until(until) => Some(until),
            Self::Lifted => None,
        }
    }
}

impl AccountChange {
    /// Whether it does no more than ban, or lift a ban.
    #[must_use]
    pub fn is_about_a_ban(&self) -> bool {
        let Self { email, is_confirmed, user_metadata, app_metadata, ban } = self;
        email.is_none()
            && is_confirmed.is_none()
            && user_metadata.is_none()
            && app_metadata.is_none()
            && ban.is_some()
    }
}

/// A page by its number: how clients of the auth API's wire ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NumberedPage {
    /// From 1.
    pub number: i64,
    /// How much it holds.
    pub size: i64,
}

impl NumberedPage {
    /// How much comes before it.
    #[must_use]
    pub fn offset(self) -> i64 {
        self.number.saturating_sub(1).saturating_mul(self.size)
    }

    /// The number of the last page of so many; 0 if there is none.
    #[must_use]
    pub fn last(self, total: i64) -> i64 {
        total.div_euclid(self.size) + i64::from(total.rem_euclid(self.size) > 0)
    }
}

/// Which entries of the audit log are asked for on the auth API's wire.
#[derive(Debug, Clone, Default)]
pub struct AuditQuestion {
    /// One of these actions.
    pub actions: Option<Vec<String>>,
    /// What the actor's address, or their kind, contains.
    pub author: Option<String>,
}

/// An entry of the audit log, with the addresses that its people have now.
#[derive(Debug, Clone)]
pub struct AuditEntry {
    /// Names it.
    pub id: Uuid,
    /// When.
    pub created_at: DateTime<Utc>,
    /// Who, by kind.
    pub actor_kind: String,
    /// Who, where there are several of the kind.
    pub actor_id: Option<Uuid>,
    /// Their address.
    pub actor_email: Option<String>,
    /// What.
    pub action: String,
    /// To what or whom.
    pub target_id: Option<Uuid>,
    /// Their address.
    pub target_email: Option<String>,
    /// On which site.
    pub site: Option<String>,
    /// From where.
    pub ip: Option<String>,
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
    fn pages_are_counted_from_one_and_the_last_may_be_short() {
        let page = |number, size| NumberedPage { number, size };
        assert_eq!((page(1, 50).offset(), page(3, 20).offset()), (0, 40));
        let last = |total| page(1, 50).last(total);
        assert_eq!([0, 1, 50, 51, 100, 101].map(last), [0, 1, 1, 2, 2, 3]);
        assert_eq!(page(i64::MAX, 1000).offset(), i64::MAX);
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
