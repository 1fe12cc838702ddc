//! Where a console is: on the host of a management site, or on one that sites share.

use std::sync::Arc;

use poem::Request;
use poem::http::StatusCode;
use poem::http::header::{HeaderMap, HeaderValue};

use crate::domain::{Claim, Site, SiteError, SiteKind};
use crate::flows::SharedFlows;
use crate::http::pages::cookies;
use crate::http::site::host;
use crate::http::{HttpSettings, Problem};

/// One host with a console.
#[derive(Debug, Clone)]
pub(super) struct Place {
    /// The host, and its port unless it is the scheme's own.
    pub(super) host: String,
    /// The management site that is there; `None` on a shared host.
    pub(super) site: Option<Arc<Site>>,
    is_secure: bool,
}

/// A cookie of the console.
#[derive(Debug, Clone, Copy)]
pub(super) enum Cookie {
    /// The service key of whoever is there with one, sealed.
    Key,
    /// Which browser this is.
    Browser,
}

impl Place {
    /// The place a request is for.
    ///
    /// # Errors
    /// 404 on every other host: a reader site has no console, not even one that refuses.
    pub(super) fn of(
        request: &Request,
        flows: &SharedFlows,
        settings: &HttpSettings,
    ) -> Result<Self, Problem> {
        let host = host(request).unwrap_or_default();
        match flows.sites.resolve(&Claim { host: Some(&host), ..Claim::default() }) {
            Ok(site) if site.kind == SiteKind::Management => {
                let is_secure = site.url.scheme() == "https";
                Ok(Self { host, site: Some(Arc::clone(site)), is_secure })
            }
            Err(SiteError::Unnamed) if flows.sites.is_shared_host(&host) => {
                Ok(Self { host, site: None, is_secure: settings.strict_transport })
            }
            Ok(_) => Err(Problem::new(
                StatusCode::NOT_FOUND,
                "not_found",
                "The console is on the hosts of management sites",
            )),
            Err(error) => Err(error.into()),
        }
    }

    /// The origin of its own pages.
    pub(super) fn origin(&self) -> String {
        let scheme = if self.is_secure { "https" } else { "http" };
        self.site.as_ref().map_or_else(|| format!("{scheme}://{}", self.host), |site| site.origin())
    }

    fn name(&self, cookie: Cookie) -> &'static str {
        match (self.is_secure, cookie) {
            (true, Cookie::Key) => "__Host-doorcode-console",
            (true, Cookie::Browser) => "__Host-doorcode-console-browser",
            (false, Cookie::Key) => "doorcode-console",
            (false, Cookie::Browser) => "doorcode-console-browser",
        }
    }

    /// A cookie's value in a request, if it was sent.
    ///
    /// # Errors
    /// 400 if it was sent twice.
    pub(super) fn read<'a>(
        &self,
        cookie: Cookie,
        headers: &'a HeaderMap,
    ) -> Result<Option<&'a str>, Problem> {
        cookies::find(self.name(cookie), headers)
    }

    /// The header that gives a cookie to the browser, for `life` or until it is closed.
    pub(super) fn set(
        &self,
        cookie: Cookie,
        value: &str,
        life: Option<std::time::Duration>,
    ) -> Option<HeaderValue> {
        cookies::header(self.name(cookie), value, "Strict", self.is_secure, life)
    }

    /// The header that takes a cookie away.
    pub(super) fn clear(&self, cookie: Cookie) -> Option<HeaderValue> {
        self.set(cookie, "", Some(std::time::Duration::ZERO))
    }
}
