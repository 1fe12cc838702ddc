//! JSON bodies as client libraries send them: whatever the content type says, unknown fields and nulls included.

use std::ops::Deref;

use poem::error::ReadBodyError;
use poem::http::StatusCode;
use poem::{Request, RequestBody, Result};
use poem_openapi::payload::{Json, ParsePayload, Payload};
use poem_openapi::registry::{MetaMediaType, MetaRequest, MetaSchemaRef, Registry};
use poem_openapi::types::Type;
use poem_openapi::{ApiExtractor, ApiExtractorType, ExtractParamOptions};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{HttpSettings, Problem};

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
        let value = read_json(request, body).await?;
        // The parser's own words quote what they could not read, which may be a code: only the field is named.
        let read = serde_path_to_error::deserialize(value).map_err(|error| {
            match error.path().to_string().as_str() {
                "." => Problem::invalid("The request body must be a JSON object"),
                field => Problem::invalid(format!("The field {field} has the wrong type")),
            }
        })?;
        Ok(Self(read))
    }
}

/// The JSON of a request, read up to the limit and no further.
pub(super) async fn read_json(request: &Request, body: &mut RequestBody) -> Result<Value> {
    let limit = request.data::<std::sync::Arc<HttpSettings>>().map_or(0, |settings| settings.body_limit);
    let bytes = body.take()?.into_bytes_limit(limit).await.map_err(|error| match error {
        ReadBodyError::PayloadTooLarge => Problem::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "request_entity_too_large",
            format!("The request body is larger than {limit} bytes"),
        ),
        _ => bad_json(),
    })?;
    Ok(serde_json::from_slice(&bytes).map_err(|_| bad_json())?)
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
        Some(MetaRequest {
            description: None,
            content: vec![MetaMediaType {
                content_type: <Json<T> as Payload>::CONTENT_TYPE,
                schema: schema::<T>(),
            }],
            required: true,
        })
    }

    async fn from_request(
        request: &'a Request,
        body: &mut RequestBody,
        _: ExtractParamOptions<()>,
    ) -> Result<Self> {
        <Self as ParsePayload>::from_request(request, body).await
    }
}

fn schema<T: Type>() -> MetaSchemaRef {
    T::schema_ref()
}
