//! `/account`: what the platform keeps about a person, and what they can change themselves.

use poem::http::StatusCode;
use poem::http::header::{self, HeaderValue};
use poem::{IntoResponse, Response, Result, handler};
use serde_json::{Value, json};

use super::super::Problem;
use super::super::library::{preferences_change, profile_change};
use super::fields::Fields;
use super::view::{LibraryLine, Notice, Page, PreferencesForm, ProfileForm, SessionLine};
use super::visit::{Posted, Visit};
use crate::domain::fields::FieldError;
use crate::domain::{Change, Device, Locale, OwnSession, Preferences, Profile, SessionId};
use crate::flows::{Caller, EndSessions, LibraryError};

/// What a form has done, as the page that follows may say. Anything else in the address is not said.
const DONE: [&str; 6] =
    ["saved", "session_ended", "others_ended", "email_changed", "change_cancelled", "invitation_accepted"];

/// The page.
#[handler]
pub(super) async fn show(visit: Visit) -> Result<Response> {
    let done = visit.query("done").and_then(|done| DONE.into_iter().find(|known| *known == done));
    let page = page(&visit, done.map(Notice::success)).await?;
    visit.show(&page)
}

/// Saves the profile.
#[handler]
pub(super) async fn save_profile(Posted { visit, fields }: Posted) -> Result<Response> {
    let caller = visit.caller()?;
    let typed = ProfileFields::read(&fields);
    let outcome = match typed.change() {
        Ok(change) => visit.flows.change_profile(&caller, fields.version(), &change).await.map(drop),
        Err(error) => Err(error.into()),
    };
    saved(visit, outcome).await
}

/// Saves the preferences.
#[handler]
pub(super) async fn save_preferences(Posted { mut visit, fields }: Posted) -> Result<Response> {
    let caller = visit.caller()?;
    let outcome = match typed_preferences(&fields) {
        Ok(change) => visit.flows.change_preferences(&caller, fields.version(), &change).await.map(drop),
        Err(error) => Err(error.into()),
    };
    if let Some(locale) = Locale::parse(fields.text("language")).filter(|_| outcome.is_ok()) {
        visit.locale = locale;
        visit.keep_locale(locale);
    }
    saved(visit, outcome).await
}

/// Ends one of the person's sessions.
#[handler]
pub(super) async fn end_session(Posted { mut visit, fields }: Posted) -> Result<Response> {
    let person = visit.person()?;
    if let Ok(id) = fields.text("session").parse() {
        let which = EndSessions::One(SessionId(id));
        visit.flows.end_sessions(person, which, &visit.visitor).await.map_err(Problem::from)?;
        if SessionId(id) == person.1 {
            visit.leave();
            return Ok(visit.go("/login?done=signed_out"));
        }
    }
    Ok(visit.go("/account?done=session_ended#sessions"))
}

/// Ends all of the person's sessions but this one.
#[handler]
pub(super) async fn end_others(Posted { visit, .. }: Posted) -> Result<Response> {
    let person = visit.person()?;
    visit.flows.end_sessions(person, EndSessions::Others, &visit.visitor).await.map_err(Problem::from)?;
    Ok(visit.go("/account?done=others_ended#sessions"))
}

/// Signs out everywhere.
#[handler]
pub(super) async fn end_all(Posted { mut visit, .. }: Posted) -> Result<Response> {
    let person = visit.person()?;
    visit.flows.end_sessions(person, EndSessions::All, &visit.visitor).await.map_err(Problem::from)?;
    visit.leave();
    visit.show(&Page::Goodbye { deleted: false })
}

/// Everything that is kept about the person, as a file.
#[handler]
pub(super) async fn download(visit: Visit) -> Result<Response> {
    let (user, _) = visit.person()?;
    let data = visit.flows.personal_data(user).await.map_err(Problem::from)?;
    let text = serde_json::to_string_pretty(&data).map_err(|_| Problem::internal())?;
    let mut response = (StatusCode::OK, text).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8"));
    headers.insert(
        header::CONTENT_DISPOSITION,
        HeaderValue::from_static("attachment; filename=\"my-data.json\""),
    );
    Ok(response)
}

/// Chooses a language: for this browser, and for the account of who is signed in.
#[handler]
pub(super) async fn choose_language(Posted { mut visit, fields }: Posted) -> Result<Response> {
    if let Some(locale) = Locale::parse(fields.text("language")) {
        if visit.session.is_some() {
            let caller = visit.caller()?;
            language_change(&mut visit, &caller, locale).await?;
        } else {
            visit.keep_locale(locale);
        }
    }
    let back = visit.site.destination(fields.text("back")).filter(|back| back.starts_with('/'));
    Ok(visit.go(back.as_deref().unwrap_or("/")))
}

/// Puts a language on the account and into the browser.
pub(super) async fn language_change(visit: &mut Visit, caller: &Caller, locale: Locale) -> Result<()> {
    let preferences = visit.flows.own_preferences(caller).await.map_err(super::library_problem)?;
    let change = preferences_change(json!({"interface": {"preferred_language": locale.tag()}}))
        .map_err(|error| super::library_problem(error.into()))?;
    match visit.flows.change_preferences(caller, preferences.version, &change).await {
        // Somebody else was faster with another change: the language can be chosen again.
        Ok(_) | Err(LibraryError::Act(_)) => {}
        Err(error) => return Err(super::library_problem(error).into()),
    }
    visit.locale = locale;
    visit.keep_locale(locale);
    Ok(())
}

/// Why something was not saved, in words.
pub(super) fn not_saved(error: LibraryError) -> Result<(StatusCode, Notice), Problem> {
    let field = match &error {
        LibraryError::Field(error) => error.field.to_owned(),
        _ => String::new(),
    };
    let problem = super::library_problem(error);
    let notice = match problem.code {
        "stale_version" => Notice::error("stale"),
        "invalid_value" => Notice::error("invalid_value").with("field", field),
        "service_unavailable" => Notice::error("unavailable"),
        _ => return Err(problem),
    };
    Ok((problem.status, notice))
}

async fn saved(visit: Visit, outcome: Result<(), LibraryError>) -> Result<Response> {
    let Err(error) = outcome else { return Ok(visit.go("/account?done=saved")) };
    let (status, notice) = not_saved(error)?;
    let page = page(&visit, Some(notice)).await?;
    visit.show_as(status, &page)
}

/// The page as things stand now.
async fn page(visit: &Visit, notice: Option<Notice>) -> Result<Page> {
    let caller = visit.caller()?;
    let session = visit.signed_in()?;
    let flows = &visit.flows;
    let profile = flows.own_profile(&caller).await.map_err(super::library_problem)?;
    let preferences = flows.own_preferences(&caller).await.map_err(super::library_problem)?;
    let libraries = flows.my_libraries(&caller).await.map_err(super::library_problem)?;
    let sessions = flows.sessions_of(session.user.id).await.map_err(Problem::from)?;
    Ok(Page::Account {
        profile: ProfileFields::of(&profile).form(visit.locale),
        preferences: preferences_form(&preferences, visit.locale),
        sessions: sessions.iter().map(|listed| session_line(visit, session.id, listed)).collect(),
        email: session.user.email.as_str().to_owned(),
        email_change: None,
        libraries: libraries
            .iter()
            .map(|library| super::libraries::line(visit, library))
            .collect::<Vec<LibraryLine>>(),
        notice,
    })
}

fn session_line(visit: &Visit, own: SessionId, listed: &OwnSession) -> SessionLine {
    let site = visit.flows.sites.find(&listed.site);
    SessionLine {
        id: listed.id.to_string(),
        site: site.map_or_else(|| listed.site.clone(), |site| site.name.clone()),
        device: listed
            .user_agent
            .as_deref()
            .and_then(Device::parse)
            .map(|device| device.to_string())
            .unwrap_or_default(),
        ip: listed.ip.clone().unwrap_or_default(),
        opened_at: listed.opened_at,
        seen_at: listed.seen_at,
        current: listed.id == own,
    }
}

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
    fn change(&self) -> Result<Change, FieldError> {
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

fn preferences_form(preferences: &Preferences, locale: Locale) -> PreferencesForm {
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

fn typed_preferences(fields: &Fields) -> Result<Change, FieldError> {
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
