//! `/account`: what the platform keeps about a person, and what they can change themselves.

use poem::http::StatusCode;
use poem::http::header::{self, HeaderValue};
use poem::{IntoResponse, Response, Result, handler};
use serde_json::json;

use super::super::Problem;
use super::super::library::preferences_change;
use super::own_forms::{ProfileFields, preferences_form, typed_preferences};
use super::view::{LibraryLine, Notice, Page, ProfileForm, SessionLine};
use super::visit::{Posted, Visit};
use crate::domain::{Device, Locale, OwnSession, SessionId};
use crate::flows::{Caller, EndSessions, LibraryError};

/// What a form has done, as the page that follows may say. Anything else in the address is not said.
const DONE: [&str; 6] =
    ["saved", "session_ended", "others_ended", "email_changed", "change_cancelled", "invitation_accepted"];

/// What a person types; everything else in these forms is chosen, and breaks no rule.
const TYPED: [&str; 6] = ["display_name", "bio", "city", "country", "timezone", "website"];

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
    // What cannot be saved is there to be corrected; what was saved elsewhere meanwhile is there to be seen.
    let keep = matches!(outcome, Err(LibraryError::Field(_))).then(|| typed.form(visit.locale));
    saved(visit, outcome, keep).await
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
    saved(visit, outcome, None).await
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
pub(super) fn not_saved(error: LibraryError) -> Result<(Problem, Notice), Problem> {
    let field = match &error {
        LibraryError::Field(error) => TYPED.into_iter().find(|field| *field == error.field),
        _ => None,
    };
    let problem = super::library_problem(error);
    let notice = match (problem.code, field) {
        ("stale_version", _) => Notice::error("stale"),
        ("invalid_value", Some(field)) => Notice::error("invalid_value").at(field),
        ("service_unavailable", _) => Notice::error("unavailable"),
        _ => return Err(problem),
    };
    Ok((problem, notice))
}

async fn saved(
    visit: Visit,
    outcome: Result<(), LibraryError>,
    typed: Option<ProfileForm>,
) -> Result<Response> {
    let Err(error) = outcome else { return Ok(visit.go("/account?done=saved")) };
    let (problem, notice) = not_saved(error)?;
    let mut page = page(&visit, Some(notice)).await?;
    if let (Page::Account { profile, .. }, Some(typed)) = (&mut page, typed) {
        *profile = typed;
    }
    visit.refuse(&problem, &page)
}

/// The page as things stand now.
pub(super) async fn page(visit: &Visit, notice: Option<Notice>) -> Result<Page> {
    let caller = visit.caller()?;
    let session = visit.signed_in()?;
    let flows = &visit.flows;
    let profile = flows.own_profile(&caller).await.map_err(super::library_problem)?;
    let preferences = flows.own_preferences(&caller).await.map_err(super::library_problem)?;
    let libraries = flows.my_libraries(&caller).await.map_err(super::library_problem)?;
    let sessions = flows.sessions_of(session.user.id).await.map_err(Problem::from)?;
    let change = flows.email_change_of(session.user.id).await.map_err(Problem::from)?;
    Ok(Page::Account {
        profile: ProfileFields::of(&profile).form(visit.locale),
        preferences: preferences_form(&preferences, visit.locale),
        sessions: sessions.iter().map(|listed| session_line(visit, session.id, listed)).collect(),
        email: session.user.email.as_str().to_owned(),
        email_change: change.map(|change| change.email.as_str().to_owned()),
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
