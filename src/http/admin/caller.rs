//! Who administers, and whether their scope reaches as far as the operation needs.

use std::marker::PhantomData;

use poem::http::StatusCode;
use poem::{FromRequest, Request, RequestBody, Result};
use poem_openapi::registry::{MetaSecurityScheme, Registry};
use poem_openapi::{ApiExtractor, ApiExtractorType, ExtractParamOptions};

use super::errors::insufficient_scope;
use crate::domain::Scope;
use crate::flows::{AdminCaller, AdminError, SharedFlows};
use crate::http::auth::bearer_token;
use crate::http::{Problem, visitor};

/// A scope as a type, so that an operation's signature names the one it needs.
pub(in crate::http) trait Needs {
    const SCOPE: Scope;
    /// Its name in the document.
    const SCHEME: &str;
    const DESCRIPTION: &str;
}

/// Looks.
pub(in crate::http) struct Read;
/// Helps people.
pub(in crate::http) struct Support;
/// Changes accounts and keys.
pub(in crate::http) struct Admin;

impl Needs for Read {
    const SCOPE: Scope = Scope::Read;
    const SCHEME: &str = "ServiceKeyRead";
    const DESCRIPTION: &str = "A service key of any scope, or a service_role token";
}

impl Needs for Support {
    const SCOPE: Scope = Scope::Support;
    const SCHEME: &str = "ServiceKeySupport";
    const DESCRIPTION: &str = "A service key of the scope support or admin, or a service_role token";
}

impl Needs for Admin {
    const SCOPE: Scope = Scope::Admin;
    const SCHEME: &str = "ServiceKeyAdmin";
    const DESCRIPTION: &str = "A service key of the scope admin, or a service_role token";
}

/// What one way to administer tells those whom it turns away. Who gets through is the same for all.
pub(in crate::http) trait Facade {
    /// To whoever sends no key.
    const NO_KEY: &str;

    /// To whoever sends one that is not good.
    fn refusal(error: AdminError) -> Problem;
}

/// An administrator whose scope includes the one that the operation needs.
pub(in crate::http) struct Allowed<F, S>(pub(in crate::http) AdminCaller, PhantomData<(F, S)>);

/// An administrator at this API.
pub(super) type By<S> = Allowed<AdminApi, S>;

/// This API.
pub(super) struct AdminApi;

impl Facade for AdminApi {
    const NO_KEY: &str = "Send a service key as `Authorization: Bearer doorcode_sk_…`";

    fn refusal(error: AdminError) -> Problem {
        match error {
            // Whatever else it is, it is no key: which people learn with the same words.
            AdminError::Token(_) | AdminError::NotAdministrator | AdminError::SessionOver => {
                AdminError::UnknownKey.into()
            }
            error => error.into(),
        }
    }
}

impl<'a, F: Facade + Send, S: Needs + Send> ApiExtractor<'a> for Allowed<F, S> {
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
        let caller = caller::<F>(request, body).await?;
        if caller.administrator.scope < S::SCOPE {
            return Err(insufficient_scope(S::SCOPE).into());
        }
        Ok(Self(caller, PhantomData))
    }
}

/// Whoever calls: named by the process itself, or by the key that they send.
async fn caller<F: Facade>(request: &Request, body: &mut RequestBody) -> Result<AdminCaller> {
    // Set by the command line and the console on requests that they make in the process; nothing sent can set it.
    if let Some(caller) = request.data::<AdminCaller>() {
        return Ok(caller.clone());
    }
    let flows = request.data::<SharedFlows>().ok_or_else(Problem::internal)?;
    let Some(token) = bearer_token(request.headers()) else {
        return Err(Problem::new(StatusCode::UNAUTHORIZED, "no_authorization", F::NO_KEY).into());
    };
    let visitor = <visitor::From as FromRequest>::from_request(request, body).await?.0;
    let administrator = flows.recognise_administrator(token).await.map_err(F::refusal)?;
    Ok(AdminCaller { administrator, ip: Some(visitor.ip), agent: visitor.user_agent })
}
