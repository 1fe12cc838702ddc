//! `/welcome`: after the first sign-in a person may say something about themselves, and need not.

use poem::{Response, Result, handler};
use url::form_urlencoded;

use super::account::language_change;
use super::own_forms::ProfileFields;
use super::view::Page;
use super::visit::{Posted, Visit};

/// The way here, and from here to `destination`.
pub(super) fn address(destination: &str) -> String {
    let query =
        form_urlencoded::Serializer::new(String::new()).append_pair("redirectTo", destination).finish();
    format!("/welcome?{query}")
}

/// The form.
#[handler]
pub(super) async fn show(visit: Visit) -> Result<Response> {
    let caller = visit.caller()?;
    let profile = visit.flows.own_profile(&caller).await.map_err(super::library_problem)?;
    let redirect_to = visit.destination(visit.query("redirectTo"));
    let page =
        Page::Welcome { form: ProfileFields::of(&profile).form(visit.locale), redirect_to, notice: None };
    visit.show(&page)
}

/// What was filled in, or nothing of it.
#[handler]
pub(super) async fn keep(Posted { mut visit, fields }: Posted) -> Result<Response> {
    let caller = visit.caller()?;
    let redirect_to = visit.destination(fields.given("redirectTo"));
    let typed = ProfileFields::read(&fields);
    let outcome = match typed.change_welcome() {
        Ok(change) => visit.flows.change_profile(&caller, fields.version(), &change).await,
        Err(error) => Err(error.into()),
    };
    if let Err(error) = outcome {
        let (problem, notice) = super::account::not_saved(error)?;
        let page = Page::Welcome { form: typed.form(visit.locale), redirect_to, notice: Some(notice) };
        return visit.refuse(&problem, &page);
    }
    if let Some(locale) = crate::domain::Locale::parse(fields.text("language")) {
        language_change(&mut visit, &caller, locale).await?;
    }
    Ok(visit.go(&redirect_to))
}

/// Not now.
#[handler]
pub(super) async fn skip(Posted { visit, fields }: Posted) -> Result<Response> {
    let redirect_to = visit.destination(fields.given("redirectTo"));
    Ok(visit.go(&redirect_to))
}
