//! What somebody typed into a form of ours.

use std::collections::BTreeMap;
use std::io::ErrorKind;

use poem::error::ReadBodyError;
use poem::http::{StatusCode, header};
use poem::{Request, RequestBody};
use url::form_urlencoded;

use super::super::site::text;
use super::super::{HttpSettings, Problem};

/// The fields of a form, by name.
#[derive(Default)]
pub(in crate::http) struct Fields(BTreeMap<String, String>);

impl Fields {
    /// Reads the body of a request that a form made, up to the limit and no further.
    ///
    /// # Errors
    /// 413 past the limit, 415 for another kind of body, 400 for one that cannot be read.
    pub(in crate::http) async fn read(request: &Request, body: &mut RequestBody) -> Result<Self, Problem> {
        let kind = text(request.headers(), header::CONTENT_TYPE.as_str()).unwrap_or_default();
        let kind = kind.split(';').next().unwrap_or_default().trim();
        if !kind.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
            return Err(Problem::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "unsupported_media_type",
                "Forms are sent as application/x-www-form-urlencoded",
            ));
        }
        let limit = request.data::<std::sync::Arc<HttpSettings>>().map_or(0, |settings| settings.body_limit);
        let body = body.take().map_err(|_| Problem::internal())?;
        let bytes = body.into_bytes_limit(limit).await.map_err(|error| match error {
            ReadBodyError::PayloadTooLarge => Problem::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                "request_entity_too_large",
                format!("The request body is larger than {limit} bytes"),
            ),
            ReadBodyError::Io(error) if error.kind() == ErrorKind::TimedOut => Problem::slow_body(),
            _ => unreadable(),
        })?;
        Self::parse(&bytes)
    }

    fn parse(bytes: &[u8]) -> Result<Self, Problem> {
        let mut fields = BTreeMap::new();
        for (name, value) in form_urlencoded::parse(bytes) {
            // Line ends as browsers send them, made those that we keep.
            let value = value.replace("\r\n", "\n");
            // A field sent twice means two things; forms of ours send none twice.
            if fields.insert(name.into_owned(), value).is_some() {
                return Err(unreadable());
            }
        }
        Ok(Self(fields))
    }

    /// What was typed, without blanks around it. Empty if the form had no such field.
    pub(in crate::http) fn text(&self, name: &str) -> &str {
        self.0.get(name).map_or("", |value| value.trim())
    }

    /// The text, if there is any.
    pub(in crate::http) fn given(&self, name: &str) -> Option<&str> {
        Some(self.text(name)).filter(|text| !text.is_empty())
    }

    /// Whether a box was ticked: browsers leave out those that are not.
    pub(super) fn ticked(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// The version of what the form was made from; 0, which nothing has, if it is no number.
    pub(super) fn version(&self) -> i32 {
        self.text("_version").parse().unwrap_or_default()
    }
}

/// A form that none of our pages sends.
pub(super) fn unreadable() -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "bad_form", "The form could not be read")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_read_as_they_were_typed() {
        let fields = Fields::parse(b"email=+Ada%40example.org+&bio=a%0D%0Ab&box=on&x=%ff").unwrap();
        assert_eq!(fields.text("email"), "Ada@example.org");
        assert_eq!(fields.text("bio"), "a\nb");
        assert_eq!((fields.text("none"), fields.given("none")), ("", None));
        assert!(fields.ticked("box") && !fields.ticked("none"));
        assert_eq!(fields.text("x"), "\u{fffd}");
        assert_eq!(Fields::parse(b"_version=7").unwrap().version(), 7);
        assert_eq!(Fields::parse(b"_version=x").unwrap().version(), 0);
        assert!(Fields::parse(b"a=1&a=2").is_err());
    }
}
