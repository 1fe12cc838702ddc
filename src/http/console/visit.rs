//! One request to the console: where, which browser, who is there; and its answer.
//!
//! Pages are read through `Inside`, forms through `Posted`: neither who may nor what protects against forgery can be left
//! out. [`Visit`] alone is for the way in, and for what everybody may read.

use std::sync::Arc;

use poem::http::StatusCode;
use poem::http::header::HeaderValue;
use poem::{FromRequest, Request, RequestBody, Response, Result};
use serde_json::Value;
use tera::Context;
use url::form_urlencoded;
use uuid::Uuid;

use super::client::AdminApi;
use super::guard;
use super::place::{Cookie, Place};
use super::view::{View, done};
use crate::domain::{AdministratorKind, BrowserId, Scope};
use crate::flows::{ConsoleEntry, ConsoleError, Flows, SharedFlows};
use crate::http::pages::{Cookie as PageCookie, Fields, Pages, append, forged, see_other};
use crate::http::site::is_from_own_page;
use crate::http::{HttpSettings, Problem, visitor};

/// A request to the console, by anybody.
pub(super) struct Visit {
    pub(super) place: Place,
    pub(super) flows: SharedFlows,
    /// Who is inside already; the error if it is somebody who may not be.
    pub(super) entry: Result<Option<ConsoleEntry>, ConsoleError>,
    browser: BrowserId,
    is_known: bool,
    pub(super) api: Arc<AdminApi>,
    pub(super) settings: Arc<HttpSettings>,
    pages: Arc<Pages>,
    /// Path and query.
    pub(super) here: String,
    pub(super) query: Vec<(String, String)>,
    pub(super) cookies: Vec<HeaderValue>,
}

/// The form on the way in.
pub(super) struct Knock {
    pub(super) visit: Visit,
    pub(super) fields: Fields,
}

impl<'a> FromRequest<'a> for Visit {
    async fn from_request(request: &'a Request, body: &mut RequestBody) -> Result<Self> {
        let flows = Arc::clone(request.data::<SharedFlows>().ok_or_else(Problem::internal)?);
        let settings = Arc::clone(request.data::<Arc<HttpSettings>>().ok_or_else(Problem::internal)?);
        let api = Arc::clone(request.data::<Arc<AdminApi>>().ok_or_else(Problem::internal)?);
        let pages = Arc::clone(request.data::<Arc<Pages>>().ok_or_else(Problem::internal)?);
        let place = Place::of(request, &flows, &settings)?;
        let visitor = <visitor::From as FromRequest>::from_request(request, body).await?.0;
        let headers = request.headers();
        let mut cookies = Vec::new();
        let known = place.read(Cookie::Browser, headers)?.and_then(BrowserId::parse);
        let browser = known.unwrap_or_else(|| flows.new_browser());
        if known.is_none() {
            cookies.extend(place.set(Cookie::Browser, &browser.encode(), None));
        }
        let mut entry = Ok(None);
        if let Some(sealed) = place.read(Cookie::Key, headers)? {
            let found = flows.recognise_console_key(&place.host, sealed, &visitor).await;
            entry = Ok(found.map_err(Problem::from)?);
            if matches!(entry, Ok(None)) {
                cookies.extend(place.clear(Cookie::Key));
            }
        }
        if matches!(entry, Ok(None))
            && let Some(site) = &place.site
            && let Some(cookie) = PageCookie::Session.read(site, headers)?
        {
            entry = match flows.recognise_console_staff(site, cookie, &visitor).await {
                Err(ConsoleError::Unavailable(error)) => return Err(Problem::from(error).into()),
                entry => entry,
            };
        }
        let uri = request.uri();
        let query = form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes());
        Ok(Self {
            query: query.into_owned().collect(),
            here: uri.path_and_query().map_or_else(|| uri.path().to_owned(), ToString::to_string),
            is_known: known.is_some(),
            place,
            flows,
            entry,
            browser,
            api,
            settings,
            pages,
            cookies,
        })
    }
}

impl<'a> FromRequest<'a> for Knock {
    async fn from_request(request: &'a Request, body: &mut RequestBody) -> Result<Self> {
        let visit = <Visit as FromRequest>::from_request(request, body).await?;
        let fields = visit.proven(request, body).await?;
        Ok(Self { visit, fields })
    }
}

impl Visit {
    /// The fields of a form that was sent from a page of ours, in this browser.
    pub(super) async fn proven(&self, request: &Request, body: &mut RequestBody) -> Result<Fields, Problem> {
        if !is_from_own_page(&self.place.origin(), request.headers()) {
            return Err(forged());
        }
        let fields = Fields::read(request, body).await?;
        let place = Flows::console_place(&self.place.host);
        let proof = fields.text("_token");
        // A browser that we have just named was shown no form.
        if self.is_known && self.flows.is_form_proof(&place, &self.browser, self.stay(), proof) {
            Ok(fields)
        } else {
            Err(forged())
        }
    }

    fn stay(&self) -> Option<crate::domain::SessionId> {
        self.entry.as_ref().ok().and_then(|entry| entry.as_ref()).map(|entry| entry.stay)
    }

    /// The value of a query parameter, if it has one.
    pub(super) fn query(&self, name: &str) -> Option<&str> {
        let value = self.query.iter().find(|(key, _)| key == name).map(|(_, value)| value.trim());
        value.filter(|value| !value.is_empty())
    }

    /// Lets the browser in with a service key, under a new name, so that nothing from before is of any use.
    pub(super) fn let_in(&mut self, key: &crate::flows::ConsoleKey) {
        self.browser = self.flows.new_browser();
        self.cookies.extend(self.place.set(Cookie::Key, &key.sealed, Some(key.life)));
        self.cookies.extend(self.place.set(Cookie::Browser, &self.browser.encode(), None));
    }

    /// The page, with a status that says how it went.
    pub(super) fn show_as(self, status: StatusCode, view: &View) -> Result<Response> {
        let place = Flows::console_place(&self.place.host);
        let mut context = Context::from_serialize(&view.values).map_err(|error| guard::broken(&error))?;
        context.insert("token", &self.flows.form_proof(&place, &self.browser, self.stay()));
        context.insert("title", &view.title);
        context.insert("page", view.template);
        context.insert("here", &self.here);
        context.insert("host", &self.place.host);
        context.insert("who", &Value::Null);
        if let Some(done) = self.query("done").and_then(done) {
            context.insert("done", done);
        }
        if let Ok(Some(entry)) = &self.entry {
            let scope = entry.caller.administrator.scope;
            let key = match entry.caller.administrator.kind {
                AdministratorKind::ServiceKey(id) => Some(id),
                _ => None,
            };
            context.insert(
                "who",
                &serde_json::json!({
                    "person": entry.person, "key": key, "scope": scope.as_str(),
                    "supports": scope >= Scope::Support, "administers": scope >= Scope::Admin,
                }),
            );
        }
        // A form that creates carries a name for what it creates: sent twice, it creates one.
        context.insert("once", &Uuid::new_v4());
        let mut response = guard::document(&self.pages, view.template, context, status)?;
        append(response.headers_mut(), &self.cookies);
        Ok(response)
    }

    /// Another page.
    pub(super) fn go(self, to: &str) -> Response {
        see_other(to, &self.cookies)
    }
}
