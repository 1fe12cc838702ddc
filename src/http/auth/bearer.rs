//! The access token of a request.

use poem::http::{HeaderMap, StatusCode, header};
use poem::{Request, RequestBody, Result};
use poem_openapi::registry::{MetaSecurityScheme, Registry};
use poem_openapi::{ApiExtractor, ApiExtractorType, ExtractParamOptions};

use crate::domain::{SessionId, Site, UserId};
use crate::flows::SharedFlows;
use crate::http::Problem;
use crate::http::site::text;
use crate::ports::tokens::Claims;

/// Its name in the document.
const SCHEME: &str = "AccessToken";

/// A bearer token as sent, not yet believed.
pub(in crate::http) struct Bearer(String);

impl Bearer {
    /// The account and session it speaks for.
    pub(super) async fn read(
        &self,
        flows: &SharedFlows,
        site: &Site,
    ) -> Result<(UserId, SessionId), Problem> {
        Ok(self.claims(flows, site).await?.bearer())
    }

    /// What it says, if it is a live one of the site.
    pub(in crate::http) async fn claims(&self, flows: &SharedFlows, site: &Site) -> Result<Claims, Problem> {
        Ok(flows.read_token(site, &self.0).await?)
    }
}

/// The bearer token of a request, if it has one.
pub(in crate::http) fn bearer_token(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = text(headers, header::AUTHORIZATION.as_str())?.split_once(' ')?;
    (scheme.eq_ignore_ascii_case("bearer") && !token.trim().is_empty()).then(|| token.trim())
}

// By hand: the framework's own scheme compares `Bearer` letter by letter, but it is case-insensitive
// (RFC 9110 §11.1), and a missing token wants its own code.
impl<'a> ApiExtractor<'a> for Bearer {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::SecurityScheme];

    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        registry.create_security_scheme(
            SCHEME,
            MetaSecurityScheme {
                ty: "http",
                description: Some("The access token of a session of this site"),
                name: None,
                key_in: None,
                scheme: Some("bearer"),
                bearer_format: Some("JWT"),
                flows: None,
                openid_connect_url: None,
            },
        );
    }

    fn security_schemes() -> Vec<&'static str> {
        vec![SCHEME]
    }

    async fn from_request(
        request: &'a Request,
        _: &mut RequestBody,
        _: ExtractParamOptions<()>,
    ) -> Result<Self> {
        bearer_token(request.headers()).map(|token| Self(token.to_owned())).ok_or_else(|| {
            Problem::new(
                StatusCode::UNAUTHORIZED,
                "no_authorization",
                "This endpoint requires a valid Bearer token",
            )
            .into()
        })
    }
}
