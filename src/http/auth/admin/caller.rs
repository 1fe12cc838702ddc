//! Who administers by the wire: the bearer is a service key or a token of the role `service_role`.

use std::marker::PhantomData;

use poem::http::StatusCode;
use poem::{FromRequest, Request, RequestBody, Result};
use poem_openapi::registry::{MetaSecurityScheme, Registry};
use poem_openapi::{ApiExtractor, ApiExtractorType, ExtractParamOptions};

use crate::flows::{AdminCaller, SharedFlows};
use crate::http::admin::{Needs, insufficient_scope};
use crate::http::auth::bearer_token;
use crate::http::{Problem, visitor};

/// An administrator whose scope includes the one that the operation needs.
pub(super) struct By<S>(pub(super) AdminCaller, PhantomData<S>);

impl<'a, S: Needs + Send> ApiExtractor<'a> for By<S> {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::SecurityScheme];

    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        registry.create_security_scheme(
            S::SCHEME,
            MetaSecurityScheme {
                ty: "http",
                description: Some(S::DESCRIPTION),
                name: None,
                key_in: None,
                scheme: Some("bearer"),
                bearer_format: None,
                flows: None,
                openid_connect_url: None,
            },
        );
    }

    fn security_schemes() -> Vec<&'static str> {
        vec![S::SCHEME]
    }

    async fn from_request(
        request: &'a Request,
        body: &mut RequestBody,
        _: ExtractParamOptions<()>,
    ) -> Result<Self> {
        let flows = request.data::<SharedFlows>().ok_or_else(Problem::internal)?;
        let Some(token) = bearer_token(request.headers()) else {
            return Err(Problem::new(
                StatusCode::UNAUTHORIZED,
                "no_authorization",
                "This endpoint requires a valid Bearer token",
            )
            .into());
        };
        let visitor = <visitor::From as FromRequest>::from_request(request, body).await?.0;
        let administrator = flows.recognise_administrator(token).await.map_err(Problem::from)?;
        if administrator.scope < S::SCOPE {
            return Err(insufficient_scope(S::SCOPE).into());
        }
        let caller = AdminCaller { administrator, ip: Some(visitor.ip), agent: visitor.user_agent };
        Ok(Self(caller, PhantomData))
    }
}
