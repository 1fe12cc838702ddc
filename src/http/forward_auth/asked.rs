//! The request that a proxy asks about.

use std::sync::Arc;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use poem::http::{HeaderMap, Method, StatusCode, header};
use poem::{FromRequest, Request, RequestBody, Result};

use super::answers::{GateAnswer, GateProblem};
use crate::domain::{Site, Target, TargetError};
use crate::flows::{Credential, GateError, SharedFlows};
use crate::http::Problem;
use crate::http::auth::bearer_token;
use crate::http::pages::Cookie;
use crate::http::site::{is_from_own_page, site_at_gate};

/// What stays as it is in a value of a query (RFC 3986 §2.3, unreserved).
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Longest path, as it is written, that the sign-in page is asked to come back to; past it people find their way
/// themselves, as they do where the sign-in page would not take it.
const MAX_RETURN: usize = 1600;

/// The request in question.
pub(super) struct Asked {
    pub(super) site: Arc<Site>,
    pub(super) target: Target,
    token: Option<String>,
    cookie: Option<String>,
    /// A browser that opens a page.
    is_page: bool,
    /// Another site's page made the browser send it, and it changes something.
    is_foreign: bool,
}

impl<'a> FromRequest<'a> for Asked {
    async fn from_request(request: &'a Request, _: &mut RequestBody) -> Result<Self> {
        let flows = request.data::<SharedFlows>().ok_or_else(Problem::internal)?;
        let site = site_at_gate(request, flows)?;
        let headers = request.headers();
        let method = forwarded(headers, "x-forwarded-method", "x-original-method")?;
        let method = Method::from_bytes(method.as_bytes()).map_err(|_| {
            Problem::invalid("X-Forwarded-Method must be the method of the request in question")
        })?;
        let target = match Target::parse(forwarded(headers, "x-forwarded-uri", "x-original-uri")?) {
            Ok(target) => target,
            Err(TargetError::NotAPath) => {
                return Err(Problem::invalid(
                    "X-Forwarded-Uri must be the path and query of the request in question, at most 8192 octets",
                )
                .into());
            }
            Err(TargetError::Ambiguous) => {
                return Err(Problem::new(
                    StatusCode::FORBIDDEN,
                    "path_refused",
                    "The path could be read in two ways: it may hold no empty or dot segment, encoded slash, backslash, \
                     semicolon or double encoding",
                )
                .into());
            }
        };
        if headers.get_all(header::AUTHORIZATION).iter().count() > 1 {
            return Err(Problem::invalid("The request has more than one Authorization header").into());
        }
        let token = bearer_token(headers).map(str::to_owned);
        let is_safe = matches!(method, Method::GET | Method::HEAD | Method::OPTIONS)
            && !headers.contains_key(header::SEC_WEBSOCKET_KEY);
        Ok(Self {
            // A token is sent by a program that means to; a cookie by any browser that is made to.
            is_foreign: token.is_none() && !is_safe && !is_from_own_page(&site.origin(), headers),
            is_page: matches!(method, Method::GET | Method::HEAD) && accepts_pages(headers),
            token,
            cookie: Cookie::Session.read(&site, headers)?.map(str::to_owned),
            site,
            target,
        })
    }
}

impl Asked {
    /// What the request shows of its sender.
    pub(super) fn credential(&self) -> Credential<'_> {
        match (&self.token, &self.cookie) {
            (Some(token), _) => Credential::Token(token),
            (None, Some(cookie)) if !self.is_foreign => Credential::Cookie(cookie),
            (None, _) => Credential::Nobody,
        }
    }

    /// What becomes of a request that does not pass: a browser is sent where its person can do something about it.
    pub(super) fn refuse(&self, error: GateError, redirects: bool) -> Result<GateAnswer, GateProblem> {
        let place = match error {
            GateError::NotSignedIn if self.is_page => Some(self.sign_in_page()),
            GateError::NotStaff if self.is_page => Some("/request-access".to_owned()),
            _ => None,
        };
        match place {
            Some(place) if redirects => Ok(GateAnswer::Elsewhere(place)),
            location => {
                let problem = match error {
                    GateError::NotSignedIn if self.is_foreign && self.cookie.is_some() => Problem::new(
                        StatusCode::FORBIDDEN,
                        "origin_not_allowed",
                        "A page of another origin cannot change anything with this site's cookie",
                    ),
                    error => error.into(),
                };
                Err(GateProblem(Problem { location: location.map(Into::into), ..problem }))
            }
        }
    }

    /// Where to sign in, and to come back from. Always a path of this site.
    fn sign_in_page(&self) -> String {
        match self.target.as_str() {
            "/" => "/login".to_owned(),
            path => match utf8_percent_encode(path, ENCODED).to_string() {
                long if long.len() > MAX_RETURN => "/login".to_owned(),
                back => format!("/login?redirectTo={back}"),
            },
        }
    }
}

/// A fact that the proxy states under one of two names. A client that could add the other would state its own.
fn forwarded<'a>(headers: &'a HeaderMap, name: &str, other: &str) -> Result<&'a str, Problem> {
    match (octets(headers, name)?, octets(headers, other)?) {
        (Some(stated), None) | (None, Some(stated)) => Ok(stated),
        (Some(stated), Some(same)) if stated == same => Ok(stated),
        (Some(_), Some(_)) => Err(Problem::invalid(format!(
            "{name} and {other} differ: the proxy must set one and remove the other"
        ))),
        (None, None) => {
            Err(Problem::invalid(format!("{name} is missing: the proxy must set it, see config/nginx.conf")))
        }
    }
}

/// A header's text, which need not be ASCII: some proxies pass on what a client wrote.
fn octets<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a str>, Problem> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => match std::str::from_utf8(value.as_bytes()) {
            Ok(text) => Ok(Some(text)),
            Err(_) => Err(Problem::invalid(format!("{name} is no text"))),
        },
        (Some(_), Some(_)) => Err(Problem::invalid(format!("{name} was sent more than once"))),
    }
}

fn accepts_pages(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    accepted.flat_map(|value| value.split(',')).any(|range| {
        range.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("text/html"))
    })
}
