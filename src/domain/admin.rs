//! Who administers the server: with which key, and how far it reaches.

use std::fmt;

use chrono::{DateTime, Utc};
use data_encoding::BASE64URL_NOPAD;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// How far an administrator's rights reach. Each includes those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// Looks at everything, changes nothing.
    Read,
    /// Helps people: ends sessions, lifts limits, decides requests.
    Support,
    /// Everything, keys and accounts included.
    Admin,
}

impl Scope {
    /// All of them, the narrowest first.
    pub const ALL: [Self; 3] = [Self::Read, Self::Support, Self::Admin];

    /// Reads the word. `None` for any other.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.as_str() == word)
    }

    /// The word in the database and on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Support => "support",
            Self::Admin => "admin",
        }
    }
}

/// Whoever administers the server, found to be allowed to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Administrator {
    /// By which way.
    pub kind: AdministratorKind,
    /// How far their rights reach.
    pub scope: Scope,
}

/// By which way somebody administers the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AdministratorKind {
    /// With a service key.
    ServiceKey(Uuid),
    /// With a `service_role` token of the wire.
    ServiceRole,
    /// With a session of an account whose `app_metadata` names a scope: somebody at the console.
    Staff(Uuid),
    /// On the machine itself, with the configuration in hand: the command line.
    Operator,
}

impl AdministratorKind {
    /// The word in the audit log.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ServiceKey(_) => "service_key",
            Self::ServiceRole => "service_role",
            Self::Staff(_) => "user",
            Self::Operator => "operator",
        }
    }

    /// Which one of the kind, where there are several.
    #[must_use]
    pub fn id(self) -> Option<Uuid> {
        match self {
            Self::ServiceKey(id) | Self::Staff(id) => Some(id),
            Self::ServiceRole | Self::Operator => None,
        }
    }
}

/// What every service key begins with, so that scanners for leaked secrets find it.
const PREFIX: &str = "doorcode_sk_";

/// A service key in the clear: shown once, when it is made, and presented with each call.
#[derive(Clone, PartialEq, Eq)]
pub struct ServiceKey {
    /// Names its row.
    pub id: Uuid,
    /// 256 random bits.
    pub secret: [u8; 32],
}

impl ServiceKey {
    /// Reads a key as it was shown. `None` for everything else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = BASE64URL_NOPAD.decode(text.strip_prefix(PREFIX)?.as_bytes()).ok()?;
        let (id, secret) = bytes.split_first_chunk::<16>()?;
        Some(Self { id: Uuid::from_bytes(*id), secret: secret.try_into().ok()? })
    }

    /// Whether a bearer's text is meant as a service key, be it a good one or not.
    #[must_use]
    pub fn is_meant(text: &str) -> bool {
        text.starts_with(PREFIX)
    }

    /// The key as its holder keeps it.
    #[must_use]
    pub fn expose(&self) -> String {
        format!("{PREFIX}{}", BASE64URL_NOPAD.encode(&[self.id.as_bytes().as_slice(), &self.secret].concat()))
    }
}

impl fmt::Debug for ServiceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ServiceKey({}, ******)", self.id)
    }
}

/// A service key as it is kept: never the key itself.
#[derive(Debug, Clone)]
pub struct ServiceKeyRecord {
    /// Names it.
    pub id: Uuid,
    /// What it is for, in its maker's words.
    pub name: String,
    /// `read`, `support` or `admin`.
    pub scope: String,
    /// The site that it speaks for where the host of a request names none. It limits nothing.
    pub site: Option<String>,
    /// When it ends by itself.
    pub expires_at: Option<DateTime<Utc>>,
    /// When it was revoked.
    pub revoked_at: Option<DateTime<Utc>>,
    /// When it was last used, to the minute.
    pub last_used_at: Option<DateTime<Utc>>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_comes_back_as_it_was_shown_and_nothing_else_is_one() {
        let key = ServiceKey { id: Uuid::from_u128(7), secret: [9; 32] };
        let shown = key.expose();
        assert_eq!(shown.len(), PREFIX.len() + 64);
        assert_eq!(ServiceKey::parse(&shown), Some(key.clone()));
        for text in ["", PREFIX, &shown[1..], &shown[..shown.len() - 1], &format!("{shown}A")] {
            assert_eq!(ServiceKey::parse(text), None, "{text}");
        }
        assert!(!format!("{key:?}").contains(&shown[30..]));
    }

    #[test]
    fn each_scope_includes_those_before_it() {
        assert!(Scope::Admin > Scope::Support && Scope::Support > Scope::Read);
        for scope in Scope::ALL {
            assert_eq!(Scope::parse(scope.as_str()), Some(scope));
        }
        assert_eq!(Scope::parse("root"), None);
    }
}
