//! Answers written without a handler: to what never became a request, and to connections too many.

use std::fmt::Write as _;

use poem::http::StatusCode;
use poem::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use serde_json::json;
use uuid::Uuid;

use super::super::edge;
use super::Limits;
use super::head::Fault;
use super::places::Full;

/// An answer of HTTP/1.1, headers and all, after which the connection ends.
pub(super) fn to_fault(fault: Fault, limits: &Limits) -> Vec<u8> {
    let (status, code, message) = fault.answer();
    tracing::info!(status = status.as_u16(), code, "refused what is no request");
    refusal(status, code, message, None, limits)
}

/// An answer to a connection for which there is no place.
pub(super) fn to_newcomer(full: Full, limits: &Limits) -> Vec<u8> {
    let (status, message) = match full {
        Full::Client => (
            StatusCode::TOO_MANY_REQUESTS,
            "Too many connections from this address: close some, or use them for several requests",
        ),
        Full::Server => {
            (StatusCode::SERVICE_UNAVAILABLE, "The server has no connection to spare; please try again")
        }
    };
    refusal(status, "too_many_connections", message, Some(HeaderValue::from_static("1")), limits)
}

fn refusal(
    status: StatusCode,
    code: &'static str,
    message: &str,
    retry_after: Option<HeaderValue>,
    limits: &Limits,
) -> Vec<u8> {
    let body = json!({"code": code, "message": message, "error_code": code, "msg": message}).to_string();
    let id = Uuid::now_v7().to_string();
    let mut headers = HeaderMap::new();
    headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8"));
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
    headers.insert(HeaderName::from_static("x-sb-error-code"), HeaderValue::from_static(code));
    headers.extend(retry_after.map(|value| (header::RETRY_AFTER, value)));
    edge::protect(&mut headers, &id, limits.strict_transport);
    let mut text = format!("HTTP/1.1 {status}\r\n");
    for (name, value) in &headers {
        // All of them are ours, and text.
        let _ = write!(text, "{name}: {}\r\n", value.to_str().unwrap_or_default());
    }
    format!("{text}\r\n{body}").into_bytes()
}
