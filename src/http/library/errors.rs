//! Errors as RFC 9457 problems, and what the document says of them.

use poem::http::header::{self, HeaderValue};
use poem::{IntoResponse, Response};
use poem_openapi::registry::{MetaMediaType, MetaResponse, MetaResponses, Registry};
use poem_openapi::types::Type;
use poem_openapi::{ApiResponse, Object};
use serde_json::json;

use crate::http::Problem;

const CONTENT_TYPE: &str = "application/problem+json";

/// A problem (RFC 9457 §3).
#[derive(Debug, Object)]
#[oai(rename = "Problem")]
struct ProblemObject {
    /// `urn:doorcode:problem:` and the code.
    #[oai(rename = "type")]
    kind: String,
    /// The status in words.
    title: String,
    /// The status.
    status: u16,
    /// What happened and what to do next.
    detail: String,
    /// Stable; compare this.
    code: String,
    /// The field that broke a rule, if one did.
    field: Option<String>,
}

/// Writes a problem as RFC 9457 asks.
pub(in crate::http) fn render(problem: &Problem) -> Response {
    let mut body = json!({
        "type": format!("urn:doorcode:problem:{}", problem.code),
        "title": problem.status.canonical_reason().unwrap_or("Error"),
        "status": problem.status.as_u16(),
        "detail": problem.message,
        "code": problem.code,
    });
    if let Some(field) = &problem.field {
        body["field"] = field.as_ref().into();
    }
    let mut response = poem::web::Json(body).into_response();
    response.set_status(problem.status);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(CONTENT_TYPE));
    problem.write_headers(headers);
    response
}

/// A problem of this API: the same value as elsewhere, described as RFC 9457 writes it.
#[derive(Debug)]
pub(super) struct LibraryProblem(pub(super) Problem);

impl<E: Into<Problem>> From<E> for LibraryProblem {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl From<LibraryProblem> for poem::Error {
    fn from(problem: LibraryProblem) -> Self {
        problem.0.into()
    }
}

impl ApiResponse for LibraryProblem {
    fn meta() -> MetaResponses {
        described(&[
            (400, "The request cannot be read, or names no site"),
            (401, "No bearer token"),
            (403, "The token or session is not valid here, or may not do this"),
            (404, "There is nothing there that the caller may see"),
            (409, "The state does not allow this"),
            (412, "Somebody else has changed it: read it again"),
            (413, "The body is larger than the limit"),
            (414, "Path and query are longer than the limit"),
            (421, "The server does not answer for this host"),
            (422, "A value is out of its bounds; `field` names it"),
            (428, "If-Match is missing"),
            (500, "A mistake of ours; it has been logged"),
            (503, "Something the server needs is down; Retry-After says when to try again"),
            (504, "The request took too long"),
        ])
    }

    fn register(registry: &mut Registry) {
        register_problem(registry);
    }
}

/// What a document says of the statuses that come with a problem.
pub(in crate::http) fn described(statuses: &[(u16, &'static str)]) -> MetaResponses {
    let response = |(status, description): &(u16, &'static str)| MetaResponse {
        description,
        status: Some(*status),
        status_range: None,
        content: vec![MetaMediaType { content_type: CONTENT_TYPE, schema: ProblemObject::schema_ref() }],
        headers: Vec::new(),
    };
    MetaResponses { responses: statuses.iter().map(response).collect() }
}

/// Puts the form of a problem into a document.
pub(in crate::http) fn register_problem(registry: &mut Registry) {
    ProblemObject::register(registry);
}
