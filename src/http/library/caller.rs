//! Who calls: a live access token of the site that the request is for.

use std::sync::Arc;

use poem::{FromRequest, Request, RequestBody, Result};
use poem_openapi::registry::Registry;
use poem_openapi::{ApiExtractor, ApiExtractorType, ExtractParamOptions};

use crate::flows::{Caller, SharedFlows};
use crate::http::Problem;
use crate::http::auth::Bearer;
use crate::http::site::ForSite;
use crate::http::visitor;

/// The caller of an operation that needs one.
pub(super) struct SignedIn(pub(super) Caller);

impl<'a> ApiExtractor<'a> for SignedIn {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::SecurityScheme];

    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        Bearer::register(registry);
    }

    fn security_schemes() -> Vec<&'static str> {
        Bearer::security_schemes()
    }

    async fn from_request(
        request: &'a Request,
        body: &mut RequestBody,
        options: ExtractParamOptions<()>,
    ) -> Result<Self> {
        let flows = request.data::<SharedFlows>().ok_or_else(Problem::internal)?;
        let site = <ForSite as FromRequest>::from_request(request, body).await?.0;
        let visitor = <visitor::From as FromRequest>::from_request(request, body).await?.0;
        let bearer = <Bearer as ApiExtractor>::from_request(request, body, options).await?;
        let claims = bearer.claims(flows, &site).await?;
        Ok(Self(Caller { site: Arc::clone(&site), claims, visitor }))
    }
}
