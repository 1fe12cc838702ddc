//! JSON bodies that are read to the letter: a field that is not described is refused, so that a typing error is not taken
//! for a wish that was granted.

use poem::http::StatusCode;
use poem::{Request, RequestBody, Result};
use poem_openapi::registry::{MetaRequest, Registry};
use poem_openapi::types::Type;
use poem_openapi::{ApiExtractor, ApiExtractorType, ExtractParamOptions};
use serde::de::DeserializeOwned;

use crate::http::Problem;
use crate::http::body::{described, read_json};

/// A body, read to the letter. Its type derives `Deserialize` with `deny_unknown_fields`, and its name ends in `Request`.
#[derive(Debug)]
pub(super) struct Strict<T>(pub(super) T);

impl<'a, T: Type + DeserializeOwned> ApiExtractor<'a> for Strict<T> {
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
        let value = read_json(request, body).await?;
        let read = serde_path_to_error::deserialize(value).map_err(|error| {
            // The parser's own words quote what they could not read; only names of fields are passed on, and those in
            // a closed form.
            let words = error.inner().to_string();
            let field = error.path().to_string();
            let (code, rule) = if words.starts_with("unknown field") {
                ("unknown_field", "is not a field of this request: see the document")
            } else if words.starts_with("missing field") {
                ("missing_field", "lacks a field that is required: see the document")
            } else {
                ("invalid_value", "has a value that it cannot have: see the document")
            };
            let field = if field == "." { "the body".to_owned() } else { field };
            Problem {
                field: Some(field.clone().into()),
                ..Problem::new(StatusCode::UNPROCESSABLE_ENTITY, code, format!("{field} {rule}"))
            }
        })?;
        Ok(Self(read))
    }
}
