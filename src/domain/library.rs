//! Libraries, the people who work there, and the ways in. What they may do is not here: the database decides.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

/// A role at a library, the mightiest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Everything, staff and settings included.
    Owner,
    /// Everything but staff and settings.
    Manager,
    /// Catalogue, inventory, members, loans.
    Librarian,
    /// Loans.
    Volunteer,
}

impl Role {
    /// All of them, the strongest first.
    pub const ALL: [Self; 4] = [Self::Owner, Self::Manager, Self::Librarian, Self::Volunteer];

    /// Reads the word. `None` for any other.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == word)
    }

    /// The word in the database and on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Manager => "manager",
            Self::Librarian => "librarian",
            Self::Volunteer => "volunteer",
        }
    }
}

/// A library, as the caller may see it.
#[derive(Debug, Clone, PartialEq)]
pub struct Library {
    /// Its id.
    pub id: Uuid,
    /// What people call it.
    pub name: String,
    /// Names it in URLs.
    pub code: String,
    /// Where it is.
    pub address: Value,
    /// How to reach it.
    pub contact_info: Value,
    /// Its rules for loans.
    pub settings: Value,
    /// Kept by the platform.
    pub stats: Value,
    /// `active`, `inactive` or `pending`.
    pub status: String,
    /// The caller's role there, if any.
    pub role: Option<String>,
    /// Moves with every change.
    pub version: i32,
    /// When it last changed.
    pub updated_at: DateTime<Utc>,
}

/// Somebody's record at a library.
#[derive(Debug, Clone, PartialEq)]
pub struct StaffRecord {
    /// The record.
    pub id: Uuid,
    /// Whose it is.
    pub user_id: Uuid,
    /// For owners and managers: what the person is called.
    pub display_name: Option<String>,
    /// For owners and managers: the account's address.
    pub email: Option<String>,
    /// See [`Role`].
    pub role: String,
    /// `active`, `inactive` or `terminated`.
    pub status: String,
    /// Where the record differs from its role.
    pub permissions: Value,
    /// Number, department, dates.
    pub employment_info: Value,
    /// When it was removed, if it was.
    pub deleted_at: Option<DateTime<Utc>>,
    /// Moves with every change.
    pub version: i32,
    /// When it was made.
    pub created_at: DateTime<Utc>,
}

/// A change of a staff record: what is given is set.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct StaffChange {
    /// Another role; overrides of the old one go.
    pub role: Option<Role>,
    /// `active` or `inactive`.
    pub status: Option<String>,
    /// Where the record differs from its role.
    pub permissions: Option<Value>,
    /// Number, department, dates.
    pub employment_info: Option<Value>,
}

/// An invitation, as the library's staff see it.
#[derive(Debug, Clone, PartialEq)]
pub struct Invitation {
    /// Its id.
    pub id: Uuid,
    /// Whom it is for.
    pub email: String,
    /// The role offered.
    pub role: Option<String>,
    /// `library_staff` or `library_member`.
    pub kind: String,
    /// `pending`, `accepted`, `declined`, `expired` or `cancelled`.
    pub status: String,
    /// A note to the person.
    pub personal_message: Option<String>,
    /// When it runs out.
    pub expires_at: DateTime<Utc>,
    /// Moves with every change.
    pub version: i32,
    /// When it was made.
    pub created_at: DateTime<Utc>,
}

/// An invitation, as the holder of its token sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct Offer {
    /// The library's name.
    pub library_name: String,
    /// The library's code.
    pub library_code: String,
    /// `library_staff` or `library_member`.
    pub kind: String,
    /// The role offered.
    pub role: Option<String>,
    /// Who offers it.
    pub inviter_name: Option<String>,
    /// Whom it is for.
    pub email: String,
    /// A note to the person.
    pub personal_message: Option<String>,
    /// `pending`, `accepted`, `declined`, `expired` or `cancelled`.
    pub status: String,
    /// When it runs out.
    pub expires_at: DateTime<Utc>,
}

/// Somebody's request to become staff.
#[derive(Debug, Clone, PartialEq)]
pub struct AccessRequest {
    /// Its id.
    pub id: Uuid,
    /// At which library.
    pub library_id: Uuid,
    /// The library's name.
    pub library_name: String,
    /// The library's code.
    pub library_code: String,
    /// Who asks.
    pub user_id: Uuid,
    /// For owners and managers: what the person is called.
    pub display_name: Option<String>,
    /// For owners and managers: the account's address.
    pub email: Option<String>,
    /// Why.
    pub message: Option<String>,
    /// `pending`, `approved`, `declined` or `withdrawn`.
    pub status: String,
    /// When it was decided.
    pub decided_at: Option<DateTime<Utc>>,
    /// What whoever decided had to say.
    pub decision_note: Option<String>,
    /// What was granted.
    pub granted_role: Option<String>,
    /// Moves with every change.
    pub version: i32,
    /// When it was made.
    pub created_at: DateTime<Utc>,
}

/// A library, as whoever runs the server sees it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LibraryRecord {
    /// Its id.
    pub id: Uuid,
    /// What people call it.
    pub name: String,
    /// Names it in URLs.
    pub code: String,
    /// `active`, `inactive` or `pending`.
    pub status: String,
    /// Owners whose record is in force.
    pub owners: i64,
    /// People whose record is in force, owners among them.
    pub staff: i64,
    /// Moves with every change.
    pub version: i32,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it last changed.
    pub updated_at: DateTime<Utc>,
}

/// Somebody's record at a library, as whoever runs the server sees it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StaffEntry {
    /// The record.
    pub id: Uuid,
    /// Whose it is.
    pub user_id: Uuid,
    /// What the person is called.
    pub display_name: Option<String>,
    /// The account's address.
    pub email: Option<String>,
    /// At which library.
    pub library_id: Uuid,
    /// The library's name.
    pub library_name: String,
    /// The library's code.
    pub library_code: String,
    /// See [`Role`].
    pub role: String,
    /// `active`, `inactive` or `terminated`.
    pub status: String,
    /// When it was removed, if it was.
    pub deleted_at: Option<DateTime<Utc>>,
    /// Moves with every change.
    pub version: i32,
    /// When it was made.
    pub created_at: DateTime<Utc>,
}

/// A part of a list, newest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    /// At most so many, 1 to 100.
    pub limit: i64,
    /// Those that come after this one.
    pub after: Option<Uuid>,
}

/// The most that one page holds.
pub const MAX_PAGE: i64 = 100;
