//! A creation, as the flows take it: with the name that its sender gave it.

use poem_openapi::types::ToJSON;

use crate::flows::AdminRequest;

/// The request of an operation that creates something.
pub(super) fn creation<'a>(
    operation: &'static str,
    body: &impl ToJSON,
    idempotency_key: Option<&'a str>,
) -> AdminRequest<'a> {
    AdminRequest { operation, body: body.to_json_string(), key: idempotency_key }
}
