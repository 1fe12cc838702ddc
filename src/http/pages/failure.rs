//! What a page shows when there is nothing else to show; and what is settled before any page is made.

use std::sync::Arc;

use poem::http::StatusCode;
use poem::{Endpoint, FromRequest, IntoResponse, Request, Response, Result};

use super::super::edge::{RequestId, problem_of};
use super::super::site::ForSite;
use super::super::{Problem, visitor};
use super::look::Pages;
use super::view::{Frame, Page};
use super::visit::{may_lack_cookies, wished_locale};
use crate::domain::SiteKind;

/// Serves pages only where the site has any, and answers what went wrong as a page.
pub(super) async fn guard<E: Endpoint>(next: Arc<E>, request: Request) -> Result<Response> {
    let site = ForSite::from_request_without_body(&request).await?.0;
    if !site.look.pages {
        return Err(Problem::new(StatusCode::NOT_FOUND, "not_found", "This site has no hosted pages").into());
    }
    let pages = Arc::clone(request.data::<Arc<Pages>>().ok_or_else(Problem::internal)?);
    let asked = visitor::From::from_request_without_body(&request).await?.0.locale;
    let locale = wished_locale(&site, request.headers(), asked);
    let frame = |token| Frame { site: &site, locale, here: "/login", token, person: None };
    if may_lack_cookies(&site, &request) {
        return Ok(super::ask_again(&request)?);
    }
    let id = request.data::<RequestId>().map(|id| id.0.clone()).unwrap_or_default();
    match next.call(request).await {
        Ok(answer) => Ok(answer.into_response()),
        Err(error) if error.is_from_response() => Ok(error.into_response()),
        Err(error) => {
            let problem = problem_of(&error);
            let page = Page::Failure { key: key(&problem), retry_after: problem.retry_after, request_id: id };
            let mut response = super::document(&pages, &frame(""), problem.status, &page)?;
            problem.write_headers(response.headers_mut());
            Ok(response)
        }
    }
}

/// Pages about working at a library are those of management sites.
pub(super) async fn management_only<E: Endpoint>(next: Arc<E>, request: Request) -> Result<Response> {
    let site = ForSite::from_request_without_body(&request).await?.0;
    if site.kind != SiteKind::Management {
        return Err(
            Problem::new(StatusCode::NOT_FOUND, "not_found", "This page is on the management site").into()
        );
    }
    next.call(request).await.map(IntoResponse::into_response)
}

/// The phrase for a problem.
fn key(problem: &Problem) -> &'static str {
    match problem.status {
        StatusCode::FORBIDDEN => "forbidden",
        StatusCode::NOT_FOUND => "not_found",
        StatusCode::METHOD_NOT_ALLOWED => "not_allowed",
        StatusCode::PAYLOAD_TOO_LARGE => "too_large",
        StatusCode::TOO_MANY_REQUESTS => "too_many",
        StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT => "unavailable",
        status if status.is_client_error() => "bad_request",
        _ => "broken",
    }
}
