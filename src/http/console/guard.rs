//! What holds for every page of the console: it is only where it belongs, keeps itself to itself, and tells what went
//! wrong in the words of the API.

use std::error::Error;
use std::sync::Arc;

use poem::http::header::{self, HeaderName, HeaderValue};
use poem::http::{Method, StatusCode};
use poem::{Endpoint, IntoResponse, Request, Response, Result};
use tera::Context;

use super::files;
use super::place::Place;
use crate::flows::SharedFlows;
use crate::http::edge::{RequestId, problem_of};
use crate::http::pages::{Pages, ask_again};
use crate::http::site::text;
use crate::http::{HttpSettings, Problem};

/// Nothing inline, nothing from elsewhere, in nobody's frame.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; \
                      connect-src 'self'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'";

/// Serves pages where there is a console, and answers what went wrong as a page.
pub(super) async fn guard<E: Endpoint>(next: Arc<E>, request: Request) -> Result<Response> {
    let flows = request.data::<SharedFlows>().ok_or_else(Problem::internal)?;
    let settings = request.data::<Arc<HttpSettings>>().ok_or_else(Problem::internal)?;
    let pages = Arc::clone(request.data::<Arc<Pages>>().ok_or_else(Problem::internal)?);
    Place::of(&request, flows, settings)?;
    if may_lack_cookies(&request) {
        return Ok(ask_again(&request)?);
    }
    let id = request.data::<RequestId>().map(|id| id.0.clone()).unwrap_or_default();
    match next.call(request).await {
        Ok(answer) => Ok(answer.into_response()),
        Err(error) if error.is_from_response() => Ok(error.into_response()),
        Err(error) => {
            let problem = problem_of(&error);
            let mut context = Context::new();
            context.insert("title", heading(problem.status));
            context.insert("page", "failure");
            context.insert("who", &serde_json::Value::Null);
            context.insert("message", &problem.message);
            context.insert("code", problem.code);
            context.insert("id", &id);
            let mut response = document(&pages, "failure", context, problem.status)?;
            problem.write_headers(response.headers_mut());
            Ok(response)
        }
    }
}

/// Whether the browser may have held back its strict cookies: a link on another site was followed.
fn may_lack_cookies(request: &Request) -> bool {
    *request.method() == Method::GET
        && text(request.headers(), "sec-fetch-site") == Some("cross-site")
        && !request.headers().contains_key(header::COOKIE)
}

fn heading(status: StatusCode) -> &'static str {
    match status {
        StatusCode::FORBIDDEN => "Not allowed",
        StatusCode::NOT_FOUND => "Not found",
        StatusCode::CONFLICT | StatusCode::PRECONDITION_FAILED => "Something else came first",
        StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT => "Unavailable for a moment",
        status if status.is_client_error() => "That was not done",
        _ => "A mistake of ours",
    }
}

/// A page as an answer, with what keeps it in its frame.
pub(super) fn document(
    pages: &Pages,
    template: &str,
    mut context: Context,
    status: StatusCode,
) -> Result<Response, Problem> {
    context.insert("files", &files::Links::new());
    let html = pages.render_console(template, &context).map_err(|error| broken(&error))?;
    let mut response = (status, html).into_response();
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        // Forms tell their origin only under a policy that lets it be told (Fetch, "append a request Origin header").
        (header::REFERRER_POLICY, "same-origin"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    Ok(response)
}

/// A template that does not fit its values is a mistake of ours.
pub(super) fn broken(error: &(dyn Error + 'static)) -> Problem {
    tracing::error!(error, "a page of the console could not be written");
    Problem::internal()
}
