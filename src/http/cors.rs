//! Cross-origin rules (the Fetch standard, "HTTP CORS protocol"): pages of listed origins may call and read errors.
//!
//! An origin is compared with the site's own list, letter by letter, and reflected only then. No credentials: tokens
//! travel in headers, which pages set themselves.

use poem::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD, HeaderValue,
    ORIGIN, VARY,
};
use poem::http::{Method, StatusCode};
use poem::{Endpoint, IntoResponse, Request, Response, Result};

use super::site::{host, text};
use crate::domain::{Claim, SiteError};
use crate::flows::SharedFlows;

/// What client libraries send; tracing headers are among it.
const REQUEST_HEADERS: HeaderValue = HeaderValue::from_static(
    "accept, apikey, authorization, content-type, redirect_to, x-client-info, x-jwt-aud, x-supabase-api-version, \
     traceparent, tracestate, baggage",
);
/// Without the version a page cannot tell which shape an error has, and loses its code.
const EXPOSED_HEADERS: HeaderValue = HeaderValue::from_static(
    "link, retry-after, x-request-id, x-sb-error-code, x-supabase-api-version, x-total-count",
);
const METHODS: HeaderValue = HeaderValue::from_static("GET, POST, PUT, PATCH, DELETE");
/// Seconds a browser may remember a preflight.
const MAX_AGE: HeaderValue = HeaderValue::from_static("600");

/// Answers preflights, and marks the answers that listed origins may read.
pub(super) async fn allow<E: Endpoint>(next: std::sync::Arc<E>, request: Request) -> Result<Response> {
    let origin = allowed_origin(&request);
    let preflight =
        request.method() == Method::OPTIONS && request.headers().contains_key(ACCESS_CONTROL_REQUEST_METHOD);
    let mut response = if preflight {
        StatusCode::NO_CONTENT.into_response()
    } else {
        next.call(request).await?.into_response()
    };
    let headers = response.headers_mut();
    // Also where the origin was not allowed: a cache must not keep that answer for another.
    headers.append(VARY, HeaderValue::from_static("origin"));
    if let Some(origin) = origin {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        if preflight {
            headers.insert(ACCESS_CONTROL_ALLOW_METHODS, METHODS);
            headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, REQUEST_HEADERS);
            headers.insert(ACCESS_CONTROL_MAX_AGE, MAX_AGE);
        } else {
            headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED_HEADERS);
        }
    }
    Ok(response)
}

/// The origin, if the site that the request names lists it.
///
/// A preflight carries no key, and a wrong key names nobody: on a host that sites share, any of them may list it then.
fn allowed_origin(request: &Request) -> Option<HeaderValue> {
    let origin = text(request.headers(), ORIGIN.as_str())?;
    let sites = &request.data::<SharedFlows>()?.sites;
    let host = host(request);
    let api_key = text(request.headers(), "apikey");
    let claim = |api_key| Claim { api_key, host: host.as_deref(), origin: Some(origin) };
    let named = match sites.resolve(&claim(api_key)) {
        Err(SiteError::UnknownKey) => sites.resolve(&claim(None)),
        named => named,
    };
    let allowed = match named {
        Ok(site) => site.allows_origin(origin),
        Err(SiteError::Unnamed) => sites.any_allows_origin(origin),
        Err(SiteError::UnknownKey | SiteError::UnknownHost | SiteError::Contradiction) => false,
    };
    allowed.then(|| HeaderValue::from_str(origin).ok()).flatten()
}
