//! The two forms about a person: what is kept fills them, and what was typed becomes a change.

use serde_json::{Value, json};

use super::super::library::{preferences_change, profile_change};
use super::fields::Fields;
use super::view::{PreferencesForm, ProfileForm};
use crate::domain::fields::FieldError;
use crate::domain::{Change, Locale, Preferences, Profile};

/// What the form of a profile holds.
pub(super) struct ProfileFields {
    display_name: String,
    bio: String,
    city: String,
    country: String,
    timezone: String,
    website: String,
    version: i32,
}

impl ProfileFields {
    pub(super) fn of(profile: &Profile) -> Self {
        let text = |group: &Value, key: &str| group[key].as_str().unwrap_or_default().to_owned();
        Self {
            display_name: profile.display_name.clone().unwrap_or_default(),
            bio: profile.bio.clone().unwrap_or_default(),
            city: text(&profile.location, "city"),
            country: text(&profile.location, "country"),
            timezone: text(&profile.location, "timezone"),
            website: text(&profile.social_links, "website"),
            version: profile.version,
        }
    }

    pub(super) fn read(fields: &Fields) -> Self {
        let text = |name: &str| fields.text(name).to_owned();
        Self {
            display_name: text("display_name"),
            bio: text("bio"),
            city: text("city"),
            country: text("country"),
            timezone: text("timezone"),
            website: text("website"),
            version: fields.version(),
        }
    }

    pub(super) fn form(&self, locale: Locale) -> ProfileForm {
        ProfileForm {
            display_name: self.display_name.clone(),
            bio: self.bio.clone(),
            city: self.city.clone(),
            country: self.country.clone(),
            timezone: self.timezone.clone(),
            website: self.website.clone(),
            language: locale.tag().to_owned(),
            version: self.version,
        }
    }

    /// All fields of the account page.
    pub(super) fn change(&self) -> Result<Change, FieldError> {
        profile_change(json!({
            "display_name": self.display_name, "bio": self.bio,
            "location": {"city": self.city, "country": self.country, "timezone": self.timezone},
            "social_links": {"website": self.website},
        }))
    }

    /// The fields of the welcome page: what it does not ask for stays.
    pub(super) fn change_welcome(&self) -> Result<Change, FieldError> {
        profile_change(json!({
            "display_name": self.display_name, "bio": self.bio,
            "location": {"city": self.city, "country": self.country},
        }))
    }
}

/// Preferences as they are, in their form.
pub(super) fn preferences_form(preferences: &Preferences, locale: Locale) -> PreferencesForm {
    let text = |group: &Value, key: &str| group[key].as_str().unwrap_or_default().to_owned();
    let ticked = |group: &Value, key: &str| group[key].as_bool().unwrap_or_default();
    let Preferences { notifications, privacy, interface, version, .. } = preferences;
    PreferencesForm {
        language: locale.tag().to_owned(),
        theme: text(interface, "theme"),
        profile_visibility: text(privacy, "profile_visibility"),
        reading_activity: text(privacy, "reading_activity"),
        review_visibility: text(privacy, "review_visibility"),
        location_sharing: ticked(privacy, "location_sharing"),
        email_enabled: ticked(notifications, "email_enabled"),
        due_date_reminders: ticked(notifications, "due_date_reminders"),
        new_book_alerts: ticked(notifications, "new_book_alerts"),
        social_activity: ticked(notifications, "social_activity"),
        version: *version,
    }
}

/// Preferences as they were chosen.
pub(super) fn typed_preferences(fields: &Fields) -> Result<Change, FieldError> {
    let ticked = |name: &str| Value::from(fields.ticked(name));
    preferences_change(json!({
        "interface": {"preferred_language": fields.text("language"), "theme": fields.text("theme")},
        "privacy": {
            "profile_visibility": fields.text("profile_visibility"),
            "reading_activity": fields.text("reading_activity"),
            "review_visibility": fields.text("review_visibility"),
            "location_sharing": ticked("location_sharing"),
        },
        "notifications": {
            "email_enabled": ticked("email_enabled"), "due_date_reminders": ticked("due_date_reminders"),
            "new_book_alerts": ticked("new_book_alerts"), "social_activity": ticked("social_activity"),
        },
    }))
}
