//! The session of a browser that carries the hosted pages' cookie.

use std::sync::Arc;

use poem::http::{StatusCode, header};
use poem::{FromRequest, Request, RequestBody, Result};

use crate::domain::Site;
use crate::flows::{BrowserSession, SharedFlows};
use crate::http::pages::Cookie;
use crate::http::site::{ForSite, text};
use crate::http::{Problem, visitor};

/// What the cookie of a request stands for.
pub(super) struct CookieSession {
    pub(super) site: Arc<Site>,
    pub(super) session: Option<BrowserSession>,
}

impl<'a> FromRequest<'a> for CookieSession {
    async fn from_request(request: &'a Request, body: &mut RequestBody) -> Result<Self> {
        let flows = request.data::<SharedFlows>().ok_or_else(Problem::internal)?;
        let site = <ForSite as FromRequest>::from_request(request, body).await?.0;
        if !is_own_page(&site, request) {
            return Err(Problem::new(
                StatusCode::FORBIDDEN,
                "origin_not_allowed",
                "Only pages of the site itself may ask for the session of its cookie",
            )
            .into());
        }
        let visitor = <visitor::From as FromRequest>::from_request(request, body).await?.0;
        let session = match Cookie::Session.read(&site, request.headers())? {
            Some(cookie) => flows.recognise_cookie(&site, cookie, &visitor).await.map_err(Problem::from)?,
            None => None,
        };
        Ok(Self { site, session })
    }
}

/// Pages of the site's other origins have tokens of their own; a sibling host's page gets nothing, whatever it may read.
fn is_own_page(site: &Site, request: &Request) -> bool {
    let headers = request.headers();
    text(headers, header::ORIGIN.as_str()).is_none_or(|origin| origin == site.origin())
        && text(headers, "sec-fetch-site").is_none_or(|from| matches!(from, "same-origin" | "none"))
}
