//! Which site a request is for, and whether the page it comes from may ask.

use std::sync::Arc;

use poem::http::{HeaderMap, Method, StatusCode, header};
use poem::{FromRequest, Request, RequestBody, Result};

use super::edge::NotedSite;
use super::{HttpSettings, Problem, visitor};
use crate::domain::{Claim, Site, SiteError};
use crate::flows::SharedFlows;

/// The site a request is for.
pub(super) struct ForSite(pub(super) Arc<Site>);

impl<'a> FromRequest<'a> for ForSite {
    async fn from_request(request: &'a Request, _: &mut RequestBody) -> Result<Self> {
        let flows = request.data::<SharedFlows>().ok_or_else(Problem::internal)?;
        let host = host(request);
        let claim = Claim {
            api_key: text(request.headers(), "apikey"),
            host: host.as_deref(),
            origin: text(request.headers(), header::ORIGIN.as_str()),
        };
        let site = flows.site_of(&claim).await.map_err(Problem::from)?.map_err(|error| {
            tracing::info!(%error, request.host = claim.host, request.origin = claim.origin, "no site");
            Problem::from(error)
        })?;
        NotedSite::note(request, site);
        // A page of another origin may read what is public and change nothing (browsers always send Origin then).
        let changes = !matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
        if changes && claim.origin.is_some_and(|origin| !site.allows_origin(origin)) {
            return Err(Problem::new(
                StatusCode::FORBIDDEN,
                "origin_not_allowed",
                "The site does not list the origin of this page; add it to the site's origins",
            )
            .into());
        }
        Ok(Self(Arc::clone(site)))
    }
}

/// The site at whose gate a request stands: by its host and nothing else, as the rest is the application's or the client's.
///
/// A proxy that asks under our own name (Traefik) says in `X-Forwarded-Host` which host it is asked about. Whoever is not
/// one of our proxies could choose another site's rules by it, and so could a client of a proxy that passes the header on:
/// it counts from trusted peers alone, and only where the `Host` names no site.
pub(super) fn site_at_gate(request: &Request, flows: &SharedFlows) -> Result<Arc<Site>, Problem> {
    let settings = request.data::<Arc<HttpSettings>>().ok_or_else(Problem::internal)?;
    let resolve = |host: Option<&str>| flows.sites.resolve(&Claim { host, ..Claim::default() });
    let named = match resolve(host(request).as_deref()) {
        Err(SiteError::Unnamed | SiteError::UnknownHost)
            if request.headers().contains_key("x-forwarded-host")
                && visitor::is_from_proxy(request, &settings.trusted_proxies) =>
        {
            resolve(text(request.headers(), "x-forwarded-host").map(str::to_ascii_lowercase).as_deref())
        }
        named => named,
    };
    named.inspect(|site| NotedSite::note(request, site)).map(Arc::clone).map_err(|error| {
        tracing::info!(%error, "no site at the gate");
        match error {
            SiteError::Unnamed => Problem::new(
                StatusCode::BAD_REQUEST,
                "site_unknown",
                "The proxy must ask with the site's own Host, or be listed in server.trusted_proxies and send X-Forwarded-Host",
            ),
            error => error.into(),
        }
    })
}

/// The host a request is for: of the `Host` header, or the authority of HTTP/2.
///
/// A target in absolute form does not count, and neither does any forwarded header: behind a proxy the proxy passes
/// `Host` on.
pub(super) fn host(request: &Request) -> Option<String> {
    text(request.headers(), header::HOST.as_str())
        .or_else(|| request.uri().authority().map(poem::http::uri::Authority::as_str))
        .map(str::to_ascii_lowercase)
}

/// Whether a request that changes something comes from a page of this very origin, `own`.
///
/// Reader and management are the same site to a browser, so cookies alone do not tell them apart. Browsers send `Origin`
/// with every form; where it is missing, `Sec-Fetch-Site` must say the same.
pub(super) fn is_from_own_page(own: &str, headers: &HeaderMap) -> bool {
    match text(headers, header::ORIGIN.as_str()) {
        Some(origin) => origin == own,
        None => text(headers, "sec-fetch-site") == Some("same-origin"),
    }
}

/// A header that was sent once and is plain text. Sent twice it is nothing we could believe.
pub(super) fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => value.to_str().ok(),
        (Some(_), Some(_)) => Some(""),
        (None, _) => None,
    }
}
