//! One request to a hosted page: which site, which browser, who is signed in, in which language; and its answer.
//!
//! Every page is read through [`Visit`], every form through [`Posted`]: what protects against forgery cannot be left out.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use poem::http::header::{self, HeaderMap, HeaderValue};
use poem::http::{Method, StatusCode};
use poem::{Error, FromRequest, IntoResponse, Request, RequestBody, Response, Result};
use url::form_urlencoded;

use super::super::problem::Problem;
use super::super::site::{ForSite, is_from_own_page, text};
use super::super::visitor;
use super::cookies::Cookie;
use super::fields::Fields;
use super::look::Pages;
use super::origin::{page_of, with_destination};
use super::view::{Frame, Page};
use crate::domain::{BrowserId, KnownDevice, Locale, SessionId, Site, SiteKind, UserId};
use crate::flows::{BrowserSession, Caller, SharedFlows, SignInProgress, SignedIn, Visitor};

/// How long a browser keeps its name, its language, and that people have signed in with it: a year.
const LONG: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// A request to a page.
pub(super) struct Visit {
    /// The site.
    pub(super) site: Arc<Site>,
    /// Who asks, and in which language the page and its mails are.
    pub(super) visitor: Visitor,
    /// The language.
    pub(super) locale: Locale,
    /// The browser.
    pub(super) browser: BrowserId,
    /// That people have signed in with this device.
    pub(super) device: Option<KnownDevice>,
    /// The session it is signed in with.
    pub(super) session: Option<BrowserSession>,
    /// The stories.
    pub(super) flows: SharedFlows,
    pages: Arc<Pages>,
    /// Path and query of the page: of a form, those of the page that it stood on.
    here: String,
    query: Vec<(String, String)>,
    sign_in: Option<String>,
    cookies: Vec<HeaderValue>,
}

/// A form that was sent from a page of ours, in the same browser, by the same person.
pub(super) struct Posted {
    /// The request.
    pub(super) visit: Visit,
    /// What was typed.
    pub(super) fields: Fields,
}

impl<'a> FromRequest<'a> for Visit {
    async fn from_request(request: &'a Request, body: &mut RequestBody) -> Result<Self> {
        let flows = Arc::clone(request.data::<SharedFlows>().ok_or_else(Problem::internal)?);
        let pages = Arc::clone(request.data::<Arc<Pages>>().ok_or_else(Problem::internal)?);
        let site = <ForSite as FromRequest>::from_request(request, body).await?.0;
        let mut visitor = <visitor::From as FromRequest>::from_request(request, body).await?.0;
        let headers = request.headers();
        let mut cookies = Vec::new();
        let known = Cookie::Browser.read(&site, headers)?.and_then(BrowserId::parse);
        let browser = known.unwrap_or_else(|| flows.new_browser());
        if known.is_none() {
            cookies.extend(Cookie::Browser.set(&site, &browser.encode(), Some(LONG)));
        }
        let session = match Cookie::Session.read(&site, headers)? {
            None => None,
            Some(cookie) => {
                let found = flows.recognise_cookie(&site, cookie, &visitor).await.map_err(Problem::from)?;
                if found.is_none() {
                    cookies.extend(Cookie::Session.clear(&site));
                }
                found
            }
        };
        let chosen = session.as_ref().and_then(|session| session.locale);
        let locale = chosen.unwrap_or_else(|| wished_locale(&site, headers, visitor.locale));
        visitor.locale = Some(locale);
        let uri = request.uri();
        let here = match uri.path_and_query() {
            Some(address) if *request.method() == Method::GET => address.to_string(),
            _ => page_of(uri.path()).to_owned(),
        };
        let query = form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes());
        let device = Cookie::Device.read(&site, headers)?.and_then(KnownDevice::parse);
        let sign_in = Cookie::SignIn.read(&site, headers)?.map(str::to_owned);
        Ok(Self {
            query: query.into_owned().collect(),
            site,
            visitor,
            locale,
            browser,
            device,
            session,
            flows,
            pages,
            here,
            sign_in,
            cookies,
        })
    }
}

impl<'a> FromRequest<'a> for Posted {
    async fn from_request(request: &'a Request, body: &mut RequestBody) -> Result<Self> {
        let mut visit = <Visit as FromRequest>::from_request(request, body).await?;
        if !is_from_own_page(&visit.site.origin(), request.headers()) {
            return Err(forged().into());
        }
        let fields = Fields::read(request, body).await?;
        // A browser that we have just named was shown no form.
        let is_known = Cookie::Browser.read(&visit.site, request.headers())?.is_some();
        let session = visit.session.as_ref().map(|session| session.id);
        let proof = fields.text("_token");
        if !is_known || !visit.flows.is_form_proof(&visit.site.id, &visit.browser, session, proof) {
            return Err(forged().into());
        }
        visit.here = with_destination(&visit.here, &fields);
        Ok(Self { visit, fields })
    }
}

impl Visit {
    /// The value of a query parameter.
    pub(super) fn query(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Where a person who is done here wants to go: to `wished` if the site allows it, else to the site's start.
    pub(super) fn destination(&self, wished: Option<&str>) -> String {
        wished.and_then(|wished| self.site.destination(wished)).unwrap_or_else(|| self.start())
    }

    /// Where the site begins for somebody who is signed in.
    fn start(&self) -> String {
        match self.site.kind {
            SiteKind::Reader => "/".to_owned(),
            // Which library is the first question there.
            SiteKind::Management => "/libraries".to_owned(),
        }
    }

    /// The session, or else the way to the sign-in page, which comes back here afterwards.
    pub(super) fn signed_in(&self) -> Result<&BrowserSession> {
        let back = if self.here.starts_with("/account") { "/account" } else { self.here.as_str() };
        self.session.as_ref().ok_or_else(|| {
            let mut to = "/login".to_owned();
            if let Some(back) = self.site.destination(back) {
                let query =
                    form_urlencoded::Serializer::new(String::new()).append_pair("redirectTo", &back).finish();
                to = format!("{to}?{query}");
            }
            Error::from_response(see_other(&to, &self.cookies))
        })
    }

    /// Who acts, for flows that ask the database who may do what.
    pub(super) fn caller(&self) -> Result<Caller> {
        let session = self.signed_in()?;
        Ok(self.flows.caller_of(&self.site, session, &self.visitor))
    }

    /// Who acts, for flows about the person's own account.
    pub(super) fn person(&self) -> Result<(UserId, SessionId)> {
        let session = self.signed_in()?;
        Ok((session.user.id, session.id))
    }

    /// How far a sign-in has come in this browser.
    pub(super) fn progress(&self) -> Option<SignInProgress> {
        self.flows.open_progress(&self.site, self.sign_in.as_deref()?)
    }

    /// Keeps how far a sign-in has come; `None` forgets it.
    pub(super) fn keep_progress(&mut self, progress: Option<&SignInProgress>) -> Result<(), Problem> {
        let header = match progress {
            Some(progress) => {
                let sealed = self.flows.seal_progress(&self.site, progress)?;
                Cookie::SignIn.set(&self.site, &sealed, Some(self.flows.code_life * 2))
            }
            None => Cookie::SignIn.clear(&self.site),
        };
        self.cookies.extend(header);
        Ok(())
    }

    /// Signs the browser in: a new session cookie, and a new name, so that nothing from before is of any use.
    pub(super) fn enter(&mut self, signed_in: &SignedIn) {
        let cookie = self.flows.cookie_of(&self.site, signed_in.session);
        let device = self.flows.signed_in_device(&self.site.id, self.device.take(), &signed_in.user.email);
        // At a shared desk it ends with the browser window at the latest.
        let life = (self.site.kind == SiteKind::Reader).then_some(self.site.session_max);
        self.browser = self.flows.new_browser();
        self.cookies.extend(Cookie::Session.set(&self.site, &cookie, life));
        self.cookies.extend(Cookie::Browser.set(&self.site, &self.browser.encode(), Some(LONG)));
        self.cookies.extend(Cookie::Device.set(&self.site, &device.encode(), Some(LONG)));
        self.cookies.extend(Cookie::SignIn.clear(&self.site));
    }

    /// Signs the browser out.
    pub(super) fn leave(&mut self) {
        self.session = None;
        self.cookies.extend(Cookie::Session.clear(&self.site));
    }

    /// Seconds until another code may be asked for, after one was at `asked_at`.
    pub(super) fn wait_after(&self, asked_at: DateTime<Utc>) -> u64 {
        let waited = self.flows.now().signed_duration_since(asked_at).to_std().unwrap_or_default();
        self.flows.send_gap.saturating_sub(waited).as_secs()
    }

    /// Keeps a chosen language.
    pub(super) fn keep_locale(&mut self, locale: Locale) {
        self.cookies.extend(Cookie::Language.set(&self.site, locale.tag(), Some(LONG)));
    }

    /// The page.
    pub(super) fn show(self, page: &Page) -> Result<Response> {
        self.show_as(StatusCode::OK, page)
    }

    /// The page, with a status that says how it went.
    fn show_as(self, status: StatusCode, page: &Page) -> Result<Response> {
        let session = self.session.as_ref();
        let token = self.flows.form_proof(&self.site.id, &self.browser, session.map(|session| session.id));
        let frame = Frame {
            site: &self.site,
            locale: self.locale,
            here: &self.here,
            token: &token,
            person: session.map(|session| session.user.email.as_str()),
        };
        let mut response = super::document(&self.pages, &frame, status, page)?;
        append(response.headers_mut(), &self.cookies);
        Ok(response)
    }

    /// The page, as the answer to what could not be done: with the problem's status, and when to try again.
    pub(super) fn refuse(self, problem: &Problem, page: &Page) -> Result<Response> {
        let mut response = self.show_as(problem.status, page)?;
        problem.write_headers(response.headers_mut());
        Ok(response)
    }

    /// Another page.
    pub(super) fn go(self, to: &str) -> Response {
        see_other(to, &self.cookies)
    }
}

/// 303 (RFC 9110 §15.4.4): whatever the request was, the next one is a GET.
pub(in crate::http) fn see_other(to: &str, cookies: &[HeaderValue]) -> Response {
    let mut response = StatusCode::SEE_OTHER.into_response();
    // Made by us or by `Site::destination`: what is no header value is no destination either.
    let location = HeaderValue::from_str(to).unwrap_or(HeaderValue::from_static("/"));
    response.headers_mut().insert(header::LOCATION, location);
    append(response.headers_mut(), cookies);
    response
}

pub(in crate::http) fn append(headers: &mut HeaderMap, cookies: &[HeaderValue]) {
    for cookie in cookies {
        headers.append(header::SET_COOKIE, cookie.clone());
    }
}

/// The language of somebody who has none on their account: the chosen one, the browser's, the site's.
pub(super) fn wished_locale(site: &Site, headers: &HeaderMap, asked: Option<Locale>) -> Locale {
    let chosen = Cookie::Language.read(site, headers).ok().flatten().and_then(Locale::parse);
    chosen.or(asked).unwrap_or(site.locale)
}

/// Whether the browser may have held back a strict cookie: a link on another site was followed.
pub(super) fn may_lack_cookies(site: &Site, request: &Request) -> bool {
    site.kind == SiteKind::Management
        && *request.method() == Method::GET
        && text(request.headers(), "sec-fetch-site") == Some("cross-site")
        && !request.headers().contains_key(header::COOKIE)
}

pub(in crate::http) fn forged() -> Problem {
    Problem::new(
        StatusCode::FORBIDDEN,
        "form_expired",
        "This form is too old, or was not sent from a page of this site: open the page again",
    )
}
