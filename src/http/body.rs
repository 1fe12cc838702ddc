//! JSON bodies as client libraries send them: whatever the content type says, unknown fields and nulls included.

use std::io::ErrorKind;
use std::ops::Deref;

use poem::error::ReadBodyError;
use poem::http::StatusCode;
use poem::{Request, RequestBody, Result};
use poem_openapi::payload::{Json, ParsePayload, Payload};
use poem_openapi::registry::{MetaMediaType, MetaRequest, Registry};
use poem_openapi::types::Type;
use poem_openapi::{ApiExtractor, ApiExtractorType, ExtractParamOptions};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{HttpSettings, Problem};
use crate::flows::AdminCaller;

/// How deep objects and lists may lie in each other. What any operation takes is less than half as deep.
const DEEPEST: usize = 16;

/// A JSON body, read up to the limit and no further.
#[derive(Debug)]
pub(super) struct Body<T>(pub(super) T);

impl<T> Deref for Body<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: Type + DeserializeOwned> ParsePayload for Body<T> {
    const IS_REQUIRED: bool = true;

    async fn from_request(request: &Request, body: &mut RequestBody) -> Result<Self> {
        Ok(Self(read_object(read_json(request, body).await?)?))
    }
}

fn read_object<T: DeserializeOwned>(value: Value) -> Result<T, Problem> {
    // The parser's own words quote what they could not read, which may be a code: only the field is named.
    serde_path_to_error::deserialize(value).map_err(|error| match error.path().to_string().as_str() {
        "." => Problem::invalid("The request body must be a JSON object"),
        field => Problem::invalid(format!("The field {field} has the wrong type")),
    })
}

/// As [`Body`], where nothing at all is as good as an empty object.
#[derive(Debug)]
pub(super) struct OptionalBody<T>(pub(super) T);

impl<'a, T: Type + DeserializeOwned + Default> ApiExtractor<'a> for OptionalBody<T> {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::RequestObject];

    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        T::register(registry);
    }

    fn request_meta() -> Option<MetaRequest> {
        Some(MetaRequest { required: false, ..described::<T>() })
    }

    async fn from_request(
        request: &'a Request,
        body: &mut RequestBody,
        _: ExtractParamOptions<()>,
    ) -> Result<Self> {
        let bytes = read_bytes(request, body).await?;
        let value = if bytes.is_empty() { Value::Null } else { parse(&bytes)? };
        Ok(Self(if value.is_null() { T::default() } else { read_object(value)? }))
    }
}

/// The JSON of a request, read up to the limit and no further.
pub(super) async fn read_json(request: &Request, body: &mut RequestBody) -> Result<Value> {
    Ok(parse(&read_bytes(request, body).await?)?)
}

async fn read_bytes(request: &Request, body: &mut RequestBody) -> Result<Vec<u8>> {
    let limit = match request.data::<std::sync::Arc<HttpSettings>>() {
        Some(settings) => settings.body_limit,
        // Made in this process, by the command line: who made it has it in memory already.
        None if request.data::<AdminCaller>().is_some() => usize::MAX,
        None => 0,
    };
    let bytes = body.take()?.into_bytes_limit(limit).await.map_err(|error| match error {
        ReadBodyError::PayloadTooLarge => Problem::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "request_entity_too_large",
            format!("The request body is larger than {limit} bytes"),
        ),
        ReadBodyError::Io(error) if error.kind() == ErrorKind::TimedOut => Problem::slow_body(),
        _ => bad_json(),
    })?;
    Ok(bytes.into())
}

fn parse(bytes: &[u8]) -> Result<Value, Problem> {
    if is_deeper_than(DEEPEST, bytes) {
        return Err(bad_json());
    }
    serde_json::from_slice(bytes).map_err(|_| bad_json())
}

/// Whether brackets, outside of strings, lie deeper in each other than `most`. Of JSON it tells the truth; what is none is
/// refused by the parser.
fn is_deeper_than(most: usize, json: &[u8]) -> bool {
    let (mut depth, mut in_string, mut is_escaped) = (0_usize, false, false);
    for byte in json {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if in_string => is_escaped = true,
            b'"' => in_string = !in_string,
            b'{' | b'[' if !in_string => depth += 1,
            b'}' | b']' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > most {
            return true;
        }
    }
    false
}

fn bad_json() -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "bad_json", "Could not parse request body as JSON")
}

impl<'a, T: Type + DeserializeOwned> ApiExtractor<'a> for Body<T> {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::RequestObject];

    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        T::register(registry);
    }

    fn request_meta() -> Option<MetaRequest> {
        Some(described::<T>())
    }

    async fn from_request(
        request: &'a Request,
        body: &mut RequestBody,
        _: ExtractParamOptions<()>,
    ) -> Result<Self> {
        <Self as ParsePayload>::from_request(request, body).await
    }
}

/// A body of JSON, as the document has it.
pub(super) fn described<T: Type>() -> MetaRequest {
    let content = MetaMediaType { content_type: <Json<T> as Payload>::CONTENT_TYPE, schema: T::schema_ref() };
    MetaRequest { description: None, content: vec![content], required: true }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t37_depth_is_counted_outside_of_strings() {
        let nested = |depth: usize| format!("{}1{}", "[".repeat(depth), "]".repeat(depth));
        assert!(!is_deeper_than(16, nested(16).as_bytes()));
        assert!(is_deeper_than(16, nested(17).as_bytes()));
        assert!(!is_deeper_than(1, br#"{"a": "[[[{{{", "b\"[": "\\\\"}"#));
        assert!(is_deeper_than(1, br#"{"a\\": [1]}"#));
        assert!(!is_deeper_than(1, format!("[{}]", "[],".repeat(9)).replace("[[", "[").as_bytes()));
    }
}
