//! The forms of a person's account, and the rows of lists.

use chrono::{DateTime, Utc};
use serde::Serialize;

/// A profile in its form; what is not known is empty.
#[derive(Serialize, Default)]
pub(in crate::http::pages) struct ProfileForm {
    pub display_name: String,
    pub bio: String,
    pub city: String,
    pub country: String,
    pub timezone: String,
    pub website: String,
    /// A language tag; only [`Page::Welcome`](super::Page::Welcome) asks for it.
    pub language: String,
    /// What the change is made on: the hidden field `_version`.
    pub version: i32,
}

/// Preferences in their form. Who sees what is `public`, `followers` or `private`.
#[derive(Serialize, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a box to tick")]
pub(in crate::http::pages) struct PreferencesForm {
    /// A language tag.
    pub language: String,
    /// `system`, `light` or `dark`.
    pub theme: String,
    pub profile_visibility: String,
    pub reading_activity: String,
    pub review_visibility: String,
    pub location_sharing: bool,
    pub email_enabled: bool,
    pub due_date_reminders: bool,
    pub new_book_alerts: bool,
    pub social_activity: bool,
    /// What the change is made on: the hidden field `_version`.
    pub version: i32,
}

/// A session in a list.
#[derive(Serialize)]
pub(in crate::http::pages) struct SessionLine {
    pub id: String,
    /// The site's name.
    pub site: String,
    /// What it runs on, such as "Firefox on Windows"; empty where that cannot be told.
    pub device: String,
    pub ip: String,
    pub opened_at: DateTime<Utc>,
    pub seen_at: DateTime<Utc>,
    /// Whether it is the one that asks.
    pub current: bool,
}

/// A library that a person works at.
#[derive(Serialize)]
pub(in crate::http::pages) struct LibraryLine {
    pub name: String,
    pub code: String,
    /// `owner`, `manager`, `librarian` or `volunteer`.
    pub role: String,
    /// Where it leads, ready to be linked.
    pub href: String,
    /// Empty where that is not known.
    pub city: String,
}

/// A request for access, for who made it.
#[derive(Serialize)]
pub(in crate::http::pages) struct RequestLine {
    pub id: String,
    /// The library's name.
    pub library: String,
    /// `pending`, `approved`, `declined` or `withdrawn`.
    pub state: String,
    pub asked_at: DateTime<Utc>,
    pub decided_at: Option<DateTime<Utc>>,
    pub note: Option<String>,
    /// What a withdrawal is made on: the hidden field `_version`.
    pub version: i32,
}

/// A request for access, for who decides it.
#[derive(Serialize)]
pub(in crate::http::pages) struct OpenRequest {
    pub id: String,
    pub library_code: String,
    /// The library's name.
    pub library: String,
    pub email: String,
    pub name: Option<String>,
    pub message: Option<String>,
    pub asked_at: DateTime<Utc>,
    /// What a decision is made on: the hidden field `_version`.
    pub version: i32,
}
