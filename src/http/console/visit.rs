//! One request to the console: where, which browser, who is there; and its answer.
//!
//! Pages are read through [`Inside`], forms through [`Posted`]: neither who may nor what protects against forgery can be
//! left out. [`Visit`] alone is for the way in.

use std::sync::Arc;

use chrono::{DateTime, SecondsFormat, TimeDelta};
use poem::http::header::HeaderValue;
use poem::http::{Method, StatusCode};
use poem::{Error, FromRequest, Request, RequestBody, Response, Result};
use serde_json::Value;
use tera::Context;
use url::form_urlencoded;
use uuid::Uuid;

use super::client::{AdminApi, Answer, Call};
use super::guard;
use super::place::{Cookie, Place};
use crate::domain::{AdministratorKind, BrowserId, Scope};
use crate::flows::{ConsoleEntry, ConsoleError, Flows, SharedFlows};
use crate::http::pages::{Cookie as PageCookie, Fields, Pages, append, forged, see_other};
use crate::http::site::is_from_own_page;
use crate::http::{HttpSettings, Problem, visitor};

/// A path with a query.
pub(super) fn address<'a>(path: &str, query: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let mut address = form_urlencoded::Serializer::for_suffix(format!("{path}?"), path.len() + 1);
    address.extend_pairs(query);
    let address = address.finish();
    address.strip_suffix('?').map_or(address.clone(), str::to_owned)
}

/// What was done, for the page that comes after it, by the word in its address.
fn done(word: &str) -> Option<&'static str> {
    Some(match word {
        "signed_out" => "You have left the console.",
        "approved" => "The request was approved. The person gets a mail.",
        "declined" => "The request was declined. The person gets a mail.",
        "banned" => "The account was banned, and its sessions were ended.",
        "ban_lifted" => "The ban was lifted.",
        "unlocked" => "The limits of the address were lifted.",
        "library_made" => "The library was made.",
        "library_changed" => "The library was changed.",
        "staff_revoked" => "The staff record was revoked.",
        "session_ended" => "The session was ended.",
        "sessions_ended" => "All sessions were ended.",
        "key_revoked" => "The service key was revoked.",
        _ => return None,
    })
}

/// A request to the console, by anybody.
pub(super) struct Visit {
    pub(super) place: Place,
    pub(super) flows: SharedFlows,
    /// Who is inside already; the error if it is somebody who may not be.
    pub(super) entry: Result<Option<ConsoleEntry>, ConsoleError>,
    browser: BrowserId,
    is_known: bool,
    api: Arc<AdminApi>,
    settings: Arc<HttpSettings>,
    pages: Arc<Pages>,
    /// Path and query.
    here: String,
    query: Vec<(String, String)>,
    cookies: Vec<HeaderValue>,
}

/// A request of somebody who administers.
pub(super) struct Inside {
    visit: Visit,
    entry: ConsoleEntry,
}

/// A form that was sent from a page of the console, in the same browser, in the same stay.
pub(super) struct Posted {
    pub(super) inside: Inside,
    pub(super) fields: Fields,
}

/// The form on the way in.
pub(super) struct Knock {
    pub(super) visit: Visit,
    pub(super) fields: Fields,
}

/// A page to show.
pub(super) struct View {
    /// Its template without the ending, which is also its place in the menu.
    pub(super) template: &'static str,
    /// Of the window.
    pub(super) title: String,
    /// What the template names, an object.
    pub(super) values: Value,
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

impl<'a> FromRequest<'a> for Inside {
    async fn from_request(request: &'a Request, body: &mut RequestBody) -> Result<Self> {
        let visit = <Visit as FromRequest>::from_request(request, body).await?;
        match &visit.entry {
            Ok(Some(entry)) => Ok(Self { entry: entry.clone(), visit }),
            Ok(None) => {
                let back = Some(visit.here.as_str())
                    .filter(|here| *request.method() == Method::GET && *here != super::PATH);
                let way = address("/admin/sign-in", back.map(|here| ("back", here)));
                Err(Error::from_response(see_other(&way, &visit.cookies)))
            }
            Err(_) => Err(Problem::new(
                StatusCode::FORBIDDEN,
                "not_an_administrator",
                "Your account has no part in administration. An administrator can give it one: `admin_scope` in its \
                 app_metadata",
            )
            .into()),
        }
    }
}

impl<'a> FromRequest<'a> for Posted {
    async fn from_request(request: &'a Request, body: &mut RequestBody) -> Result<Self> {
        let inside = <Inside as FromRequest>::from_request(request, body).await?;
        let fields = inside.visit.proven(request, body).await?;
        Ok(Self { inside, fields })
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
    async fn proven(&self, request: &Request, body: &mut RequestBody) -> Result<Fields, Problem> {
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

impl Inside {
    /// Calls the admin API as whoever is here.
    ///
    /// # Errors
    /// What the API refuses, in its own words.
    pub(super) async fn call(&self, call: Call<'_>) -> Result<Answer, Problem> {
        self.visit.api.call(&self.entry.caller, &self.visit.settings, call).await
    }

    /// Reads something.
    ///
    /// # Errors
    /// What the API refuses, in its own words.
    pub(super) async fn read(&self, path: &str) -> Result<Value, Problem> {
        Ok(self.call(Call::new(Method::GET, path)).await?.body)
    }

    /// The value of a query parameter, if it has one.
    pub(super) fn query(&self, name: &str) -> Option<&str> {
        self.visit.query(name)
    }

    /// The query of the API with those of the named parameters that this request has.
    pub(super) fn pass_on(&self, names: &[&str]) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        for name in names {
            if let Some(value) = self.query(name) {
                query.append_pair(name, value);
            }
        }
        query.finish()
    }

    /// The address of the next part of this list, if there is one.
    pub(super) fn next_part(&self, list: &Value) -> Option<String> {
        let next = list["next"].as_str()?;
        let path = self.visit.here.split('?').next().unwrap_or_default();
        let same = self.visit.query.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let same = same.filter(|(name, value)| !["after", "done"].contains(name) && !value.is_empty());
        Some(address(path, same.chain([("after", next)])))
    }

    /// Whether an instant of the API is still to come.
    pub(super) fn is_ahead(&self, instant: &str) -> bool {
        DateTime::parse_from_rfc3339(instant).is_ok_and(|at| at > self.visit.flows.now())
    }

    /// The instant that is so many days ahead.
    pub(super) fn in_days(&self, days: i64) -> String {
        let at = self.visit.flows.now() + TimeDelta::days(days.clamp(1, 36_500));
        at.to_rfc3339_opts(SecondsFormat::Secs, true)
    }

    /// The page.
    pub(super) fn show(self, view: &View) -> Result<Response> {
        self.visit.show_as(StatusCode::OK, view)
    }

    /// The page, as the answer to what could not be done.
    pub(super) fn refuse(self, problem: &Problem, mut view: View) -> Result<Response> {
        if let Some(values) = view.values.as_object_mut() {
            values.insert("notice".to_owned(), problem.message.clone().into());
        }
        let mut response = self.visit.show_as(problem.status, &view)?;
        problem.write_headers(response.headers_mut());
        Ok(response)
    }

    /// Another page, which says what was done.
    pub(super) fn done(self, to: &str, what: &str) -> Response {
        self.visit.go(&address(to, [("done", what)]))
    }

    /// The request, of whoever leaves.
    pub(super) fn leave(mut self) -> Response {
        self.visit.cookies.extend(self.visit.place.clear(Cookie::Key));
        self.visit.go("/admin/sign-in?done=signed_out")
    }
}
