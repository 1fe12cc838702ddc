//! Errors in the two shapes of the wire, and what the document says of them.

use poem::http::header::{HeaderName, HeaderValue};
use poem::{IntoResponse, Response};
use poem_openapi::payload::{Json, Payload};
use poem_openapi::registry::{MetaMediaType, MetaResponse, MetaResponses, Registry};
use poem_openapi::types::Type;
use poem_openapi::{ApiResponse, Object};
use serde_json::{Value, json};

use crate::http::Problem;

/// From this version on, clients read `code` as a text.
const VERSION: &str = "2024-01-01";

/// An error. `error_code` is stable; `msg` is for people.
///
/// Callers that send `X-Supabase-Api-Version: 2024-01-01` or later get both as `code` and `message` too; for others `code`
/// is the status as a number and `message` is absent.
#[derive(Debug, Object)]
#[oai(rename = "Error")]
struct ErrorObject {
    /// As `error_code`, or the status as a number.
    code: Value,
    /// As `msg`.
    message: Option<String>,
    /// Stable; compare this.
    error_code: String,
    /// For people.
    msg: String,
}

/// Writes a problem in the shape that the caller's version reads.
pub(in crate::http) fn render(problem: &Problem, version: Option<&str>) -> Response {
    // Dates in this form compare as texts. Anything else, a later form included, is answered in the older shape.
    let reads_codes = version.is_some_and(|version| is_date(version) && version >= VERSION);
    let body = if reads_codes {
        json!({"code": problem.code, "message": problem.message,
               "error_code": problem.code, "msg": problem.message})
    } else {
        json!({"code": problem.status.as_u16(), "error_code": problem.code, "msg": problem.message})
    };
    let mut response = IntoResponse::with_status(poem::web::Json(body), problem.status).into_response();
    let headers = response.headers_mut();
    if reads_codes {
        headers.insert(HeaderName::from_static("x-supabase-api-version"), HeaderValue::from_static(VERSION));
    }
    problem.write_headers(headers);
    response
}

fn is_date(text: &str) -> bool {
    text.len() == 10
        && text.bytes().enumerate().all(|(place, byte)| match place {
            4 | 7 => byte == b'-',
            _ => byte.is_ascii_digit(),
        })
}

impl From<Problem> for poem::Error {
    fn from(problem: Problem) -> Self {
        let status = problem.status;
        Self::new(problem, status)
    }
}

impl ApiResponse for Problem {
    fn meta() -> MetaResponses {
        let response = |status: u16, description| MetaResponse {
            description,
            status: Some(status),
            status_range: None,
            content: vec![MetaMediaType {
                content_type: <Json<ErrorObject> as Payload>::CONTENT_TYPE,
                schema: ErrorObject::schema_ref(),
            }],
            headers: Vec::new(),
        };
        MetaResponses {
            responses: vec![
                response(400, "The input breaks a rule, or names no site"),
                response(401, "No bearer token where one is needed"),
                response(403, "The proof, token or session is not valid here"),
                response(404, "There is nothing of that name"),
                response(409, "Another request changed the same thing at the same moment"),
                response(413, "The body is larger than the limit"),
                response(414, "Path and query are longer than the limit"),
                response(421, "The server does not answer for this host"),
                response(422, "The site does not offer this, or it cannot be done as things are"),
                response(429, "Too often; Retry-After says when to try again"),
                response(500, "A mistake of ours; it has been logged"),
                response(503, "Something the server needs is down; Retry-After says when to try again"),
                response(504, "The request took too long"),
            ],
        }
    }

    fn register(registry: &mut Registry) {
        ErrorObject::register(registry);
    }
}
