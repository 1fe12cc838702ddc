//! The hosted pages: sign-in, account and staff access for sites that write no sign-in code of their own.
//!
//! Made on the server, in the site's look and the person's language; nothing needs a script. Handlers read a
//! `Visit` or a `Posted` form, call a flow, and show a page or go to the next.

mod access;
mod account;
mod address;
mod assets;
mod confirm;
pub(in crate::http) mod cookies;
mod failure;
mod fields;
mod invitations;
mod leaving;
mod libraries;
mod login;
mod look;
mod not_me;
mod origin;
mod own_forms;
pub mod preview;
mod samples;
mod view;
mod visit;
mod welcome;

use std::sync::Arc;

use poem::http::header::{self, HeaderValue};
use poem::http::{HeaderName, StatusCode};
use poem::web::Path;
use poem::{Endpoint, EndpointExt, IntoResponse, Request, Response, Result, Route, handler};

pub(in crate::http) use self::assets::{Asset, CSS, SCRIPT_TYPE};
pub(in crate::http) use self::cookies::Cookie;
pub(in crate::http) use self::fields::Fields;
pub use self::look::{LookError, Pages};
use self::view::{Frame, Page};
use self::visit::Visit;
pub(in crate::http) use self::visit::{append, forged, see_other};
use super::Problem;
use super::methods::{get, post};
use super::site::{ForSite, text};
use crate::domain::{SignOutScope, Site, SiteKind};
use crate::flows::{LibraryError, SignOutError, SignedIn};
use crate::telemetry::causes;

/// Puts every page's address into the table of routes.
pub(super) fn add(route: Route) -> Route {
    route
        .at("/login", page(get(login::show).post(login::ask)))
        .at("/login/code", page(get(login::back).post(login::enter)))
        .at("/login/resend", page(get(login::back).post(login::resend)))
        .at("/login/restart", page(get(login::back).post(login::restart)))
        .at("/confirm", page(get(confirm::show).post(confirm::enter)))
        .at("/not-me", page(get(not_me::show).post(not_me::end)))
        .at("/welcome", page(get(welcome::show).post(welcome::keep)))
        .at("/welcome/skip", page(post(welcome::skip)))
        .at("/account", page(get(account::show)))
        .at("/account/profile", page(post(account::save_profile)))
        .at("/account/preferences", page(post(account::save_preferences)))
        .at("/account/sessions/end", page(post(account::end_session)))
        .at("/account/sessions/end-others", page(post(account::end_others)))
        .at("/account/sessions/end-all", page(post(account::end_all)))
        .at("/account/sign-out", page(post(login::sign_out)))
        .at("/account/data", page(get(account::download)))
        .at("/account/email", page(get(address::show).post(address::begin)))
        .at("/account/email/confirm", page(post(address::confirm)))
        .at("/account/email/resend", page(post(address::resend)))
        .at("/account/email/cancel", page(post(address::cancel)))
        .at("/account/delete", page(get(leaving::show).post(leaving::delete)))
        .at("/account/delete/code", page(post(leaving::send_code)))
        .at("/language", page(post(account::choose_language)))
        .at("/request-access", staff_page(get(access::show).post(access::ask)))
        .at("/request-access/withdraw", staff_page(post(access::withdraw)))
        .at("/access-requests", staff_page(get(access::show_open)))
        .at("/access-requests/decide", staff_page(post(access::decide)))
        .at("/libraries", staff_page(get(libraries::show)))
        .at("/invitations/:token", page(get(invitations::show)))
        .at("/invitations/:token/accept", page(post(invitations::accept)))
        .at("/invitations/:token/decline", page(post(invitations::decline)))
        .at("/doorcode/:name", get(asset))
}

/// The site's start, in front of what has all other paths: a nested route has this one too.
pub(super) fn before<E: Endpoint + 'static>(next: E) -> impl Endpoint<Output = Response> {
    let first = Arc::new(page(get(start)));
    next.around(move |next, request| {
        let first = Arc::clone(&first);
        async move {
            if request.uri().path() == "/" {
                first.call(request).await
            } else {
                next.call(request).await.map(IntoResponse::into_response)
            }
        }
    })
}

fn page<E: Endpoint + 'static>(endpoint: E) -> impl Endpoint<Output = Response> {
    endpoint.around(failure::guard)
}

/// A page of management sites alone.
fn staff_page<E: Endpoint + 'static>(endpoint: E) -> impl Endpoint<Output = Response> {
    page(endpoint.around(failure::management_only))
}

/// The site's own start, where nothing else is in front of us: the account of who is signed in, else the sign-in page.
#[handler]
async fn start(visit: Visit) -> Response {
    let to = if visit.session.is_some() { "/account" } else { "/login" };
    visit.go(to)
}

/// A file that pages load.
#[handler]
fn asset(ForSite(site): ForSite, Path(name): Path<String>, request: &Request) -> Result<Response, Problem> {
    let asset = Asset::find(&name, &site)
        .filter(|_| site.look.pages)
        .ok_or_else(|| Problem::new(StatusCode::NOT_FOUND, "not_found", "There is no such file"))?;
    let asked = request.uri().query().and_then(|query| query.strip_prefix("v="));
    Ok(asset.answer(asked, text(request.headers(), header::IF_NONE_MATCH.as_str())))
}

/// Signs the browser in, ends the session it had before, and goes to `destination`; with somebody new by way of the
/// welcome page.
async fn enter(mut visit: Visit, signed_in: &SignedIn, destination: &str) -> Response {
    if let Some(before) = &visit.session {
        let person = (before.user.id, before.id);
        let outcome = visit.flows.sign_out(&visit.site, person, SignOutScope::Local, &visit.visitor).await;
        if let Err(error) = outcome {
            tracing::warn!(
                error = %causes(&error),
                "a replaced session goes on until it ends by itself"
            );
        }
    }
    visit.enter(signed_in);
    if signed_in.is_first && visit.site.kind == SiteKind::Reader {
        visit.go(&welcome::address(destination))
    } else {
        visit.go(destination)
    }
}

/// A session that is over already is what signing out wants.
fn already_out(error: SignOutError) -> Result<(), Problem> {
    match error {
        SignOutError::NoSession => Ok(()),
        error @ SignOutError::Unavailable(_) => Err(error.into()),
    }
}

fn library_problem(error: LibraryError) -> Problem {
    error.into()
}

/// A page as an answer, with what keeps it in its frame.
fn document(pages: &Pages, frame: &Frame<'_>, status: StatusCode, page: &Page) -> Result<Response, Problem> {
    let html = pages.render(frame, page).map_err(|error| {
        tracing::error!(error = %causes(&error), "a page could not be written");
        Problem::internal()
    })?;
    let mut response = (status, html).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(header::CONTENT_SECURITY_POLICY, content_policy(frame.site)?);
    // Forms tell their origin only under a policy that lets it be told (Fetch, "append a request Origin header").
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    headers.insert(
        HeaderName::from_static("cross-origin-opener-policy"),
        HeaderValue::from_static("same-origin"),
    );
    Ok(response)
}

/// Nothing inline, nothing from elsewhere, in nobody's frame.
///
/// A form may lead, by way of a redirect, to the site's other origins: browsers hold `form-action` against that too.
fn content_policy(site: &Site) -> Result<HeaderValue, Problem> {
    let policy = format!(
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; base-uri 'none'; \
         frame-ancestors 'none'; form-action 'self' {}",
        site.origins.join(" ")
    );
    HeaderValue::from_str(&policy).map_err(|_| Problem::internal())
}

/// A page that asks for itself once more, as this site: a browser that followed a link from elsewhere has kept the strict
/// cookies back, and sends them then.
pub(in crate::http) fn ask_again(request: &Request) -> Result<Response, Problem> {
    let address = request.uri().path_and_query().map_or("/", poem::http::uri::PathAndQuery::as_str);
    let mut html = br#"<!doctype html><meta charset="utf-8"><title>...</title><meta http-equiv="refresh" content="0;url="#.to_vec();
    tera::escape_html(address, &mut html).map_err(|_| Problem::internal())?;
    html.extend_from_slice(br#"">"#);
    let mut response = html.into_response();
    let kind = HeaderValue::from_static("text/html; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    Ok(response)
}
