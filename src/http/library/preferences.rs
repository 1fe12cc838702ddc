//! Preferences of whoever asks.

use poem_openapi::param::Header;
use poem_openapi::payload::Json;
use poem_openapi::{ApiResponse, Enum, Object, OpenApi, Tags};
use serde::Deserialize;
use serde_json::Value;

use super::caller::SignedIn;
use super::errors::LibraryProblem;
use super::version::{entity_tag, required};
use crate::domain::fields::FieldError;
use crate::domain::{Change, Locale, Preferences};
use crate::flows::{LibraryError, SharedFlows};
use crate::http::body::Body;
use crate::http::timestamp::Timestamp;

/// See the module.
pub(in crate::http) struct PreferencesApi {
    pub(super) flows: SharedFlows,
}

/// Groups of operations.
#[derive(Tags)]
enum Group {
    /// How a person wants to be treated.
    Preferences,
}

#[OpenApi]
impl PreferencesApi {
    /// My preferences
    #[oai(path = "/preferences", method = "get", operation_id = "getPreferences", tag = "Group::Preferences")]
    async fn get_preferences(&self, caller: SignedIn) -> Result<PreferencesAnswer, LibraryProblem> {
        Ok(PreferencesAnswer::of(self.flows.own_preferences(&caller.0).await?))
    }

    /// Change my preferences
    ///
    /// Fields that are absent stay as they are.
    #[oai(
        path = "/preferences",
        method = "patch",
        operation_id = "updatePreferences",
        tag = "Group::Preferences"
    )]
    async fn update_preferences(
        &self,
        caller: SignedIn,
        /// The `ETag` of the preferences that the change was made on.
        #[oai(name = "If-Match")]
        if_match: Header<Option<String>>,
        body: Body<PreferencesChange>,
    ) -> Result<PreferencesAnswer, LibraryProblem> {
        let version = required(if_match.0.as_deref())?;
        let change = body.0.check().map_err(LibraryError::from)?;
        Ok(PreferencesAnswer::of(self.flows.change_preferences(&caller.0, version, &change).await?))
    }
}

/// Preferences as their owner sees them.
#[derive(Debug, Object)]
#[oai(rename = "Preferences")]
struct PreferencesObject {
    /// Which notices the person wants.
    notifications: Value,
    /// Who may see what.
    privacy: Value,
    /// Language and looks.
    interface: Value,
    /// When they last changed.
    updated_at: Timestamp,
}

/// Preferences and their version.
#[derive(ApiResponse)]
enum PreferencesAnswer {
    /// The preferences
    #[oai(status = 200)]
    Found(
        Json<PreferencesObject>,
        /// The version; send it back as `If-Match` with a change.
        #[oai(header = "ETag")]
        String,
    ),
}

impl PreferencesAnswer {
    fn of(preferences: Preferences) -> Self {
        let object = PreferencesObject {
            notifications: preferences.notifications,
            privacy: preferences.privacy,
            interface: preferences.interface,
            updated_at: preferences.updated_at.into(),
        };
        Self::Found(Json(object), entity_tag(preferences.version))
    }
}

/// A change of preferences.
#[derive(Debug, Deserialize, Object)]
struct PreferencesChange {
    /// Which notices the person wants.
    notifications: Option<NotificationsChange>,
    /// Who may see what.
    privacy: Option<PrivacyChange>,
    /// Language and looks.
    interface: Option<InterfaceChange>,
}

/// A change of notices.
#[derive(Debug, Deserialize, Object)]
struct NotificationsChange {
    /// By email at all.
    email_enabled: Option<bool>,
    /// By text message at all.
    sms_enabled: Option<bool>,
    /// By push at all.
    push_enabled: Option<bool>,
    /// Before a book is due.
    due_date_reminders: Option<bool>,
    /// When a new book comes in.
    new_book_alerts: Option<bool>,
    /// When others react.
    social_activity: Option<bool>,
}

/// Who may see something.
#[derive(Debug, Clone, Copy, Deserialize, Enum)]
#[oai(rename_all = "lowercase")]
#[serde(rename_all = "lowercase")]
enum Audience {
    /// Everybody who is signed in.
    Public,
    /// Followers.
    Followers,
    /// The person alone.
    Private,
}

impl From<Audience> for Value {
    fn from(audience: Audience) -> Self {
        match audience {
            Audience::Public => "public",
            Audience::Followers => "followers",
            Audience::Private => "private",
        }
        .into()
    }
}

/// A change of privacy.
#[derive(Debug, Deserialize, Object)]
struct PrivacyChange {
    /// Who sees the profile.
    profile_visibility: Option<Audience>,
    /// Who sees what the person reads.
    reading_activity: Option<Audience>,
    /// Who sees the person's reviews.
    review_visibility: Option<Audience>,
    /// Whether the profile shows where the person is.
    location_sharing: Option<bool>,
}

/// Light or dark.
#[derive(Debug, Clone, Copy, Deserialize, Enum)]
#[oai(rename_all = "lowercase")]
#[serde(rename_all = "lowercase")]
enum Theme {
    /// Light.
    Light,
    /// Dark.
    Dark,
    /// As the device is set.
    System,
}

impl From<Theme> for Value {
    fn from(theme: Theme) -> Self {
        match theme {
            Theme::Light => "light",
            Theme::Dark => "dark",
            Theme::System => "system",
        }
        .into()
    }
}

/// A change of language and looks.
#[derive(Debug, Deserialize, Object)]
struct InterfaceChange {
    /// The language of mails: `en`, `vi`, `es`, `fr` or `de`.
    preferred_language: Option<String>,
    /// Two letters (ISO 3166-1).
    preferred_country: Option<String>,
    /// Light or dark.
    theme: Option<Theme>,
    /// 5 to 100.
    books_per_page: Option<u8>,
    /// `grid` or `list`.
    default_view: Option<String>,
}

/// Reads a change of preferences from the same JSON that the API takes.
///
/// # Errors
/// Names the field that breaks a rule.
pub(in crate::http) fn preferences_change(json: Value) -> Result<Change, FieldError> {
    serde_json::from_value::<PreferencesChange>(json)
        .map_err(|_| FieldError { field: "preferences", rule: "cannot be read" })?
        .check()
}

impl PreferencesChange {
    fn check(&self) -> Result<Change, FieldError> {
        let mut change = Change::default();
        if let Some(notices) = &self.notifications {
            let mut group = Change::default();
            group.set("email_enabled", notices.email_enabled);
            group.set("sms_enabled", notices.sms_enabled);
            group.set("push_enabled", notices.push_enabled);
            group.set("due_date_reminders", notices.due_date_reminders);
            group.set("new_book_alerts", notices.new_book_alerts);
            group.set("social_activity", notices.social_activity);
            change.set_group("notifications", group);
        }
        if let Some(privacy) = &self.privacy {
            let mut group = Change::default();
            group.set("profile_visibility", privacy.profile_visibility);
            group.set("reading_activity", privacy.reading_activity);
            group.set("review_visibility", privacy.review_visibility);
            group.set("location_sharing", privacy.location_sharing);
            change.set_group("privacy", group);
        }
        if let Some(interface) = &self.interface {
            change.set_group("interface", interface.check()?);
        }
        Ok(change)
    }
}

impl InterfaceChange {
    fn check(&self) -> Result<Change, FieldError> {
        let mut group = Change::default();
        let refuse = |field, rule| Err(FieldError { field, rule });
        if let Some(language) = &self.preferred_language {
            let Some(locale) = Locale::from_tag(language) else {
                return refuse("preferred_language", "must be en, vi, es, fr or de");
            };
            group.set("preferred_language", Some(locale.tag()));
        }
        if let Some(country) = &self.preferred_country {
            if country.len() != 2 || !country.bytes().all(|b| b.is_ascii_uppercase()) {
                return refuse("preferred_country", "must be two capital letters (ISO 3166-1)");
            }
            group.set("preferred_country", Some(country.as_str()));
        }
        if let Some(view) = &self.default_view {
            if !["grid", "list"].contains(&view.as_str()) {
                return refuse("default_view", "must be grid or list");
            }
            group.set("default_view", Some(view.as_str()));
        }
        if let Some(number) = self.books_per_page {
            if !(5..=100).contains(&number) {
                return refuse("books_per_page", "must be 5 to 100");
            }
            group.set("books_per_page", Some(number));
        }
        group.set("theme", self.theme);
        Ok(group)
    }
}
