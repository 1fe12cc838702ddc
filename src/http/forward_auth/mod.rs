//! The gate: proxies ask here whether a request may pass to the application behind them.
//!
//! nginx `auth_request`, Caddy `forward_auth` and Traefik `ForwardAuth` speak it; `config/` has a file for each.

mod answers;
mod asked;

use poem_openapi::param::{Header, Query};
use poem_openapi::{OpenApi, Tags};

use self::answers::{GateAnswer, GateProblem};
use self::asked::Asked;
use super::visitor;
use crate::flows::SharedFlows;

/// See the module.
pub(super) struct GateApi {
    pub(super) flows: SharedFlows,
}

/// The operation's group.
#[derive(Tags)]
enum Group {
    /// What a proxy asks before it lets a request through to an application.
    Gate,
}

#[OpenApi]
impl GateApi {
    /// May this request pass?
    ///
    /// For a proxy in front of an application, which passes on the headers of the request in question, `Authorization` and
    /// `Cookie` among them. The site is that of the `Host`; from a trusted proxy whose `Host` names no site (Traefik), that
    /// of `X-Forwarded-Host`. The site's `gate` setting says what its paths demand. What is found about a credential is
    /// remembered for at most a second. Whoever opens a page with a browser (`GET` or `HEAD`, `Accept` with `text/html`) is
    /// redirected to where they can do something about it; others get a problem.
    #[oai(path = "/forward", method = "get", operation_id = "askGate", tag = "Group::Gate")]
    #[expect(
        clippy::too_many_arguments,
        reason = "each is a line of the document; `Asked` reads the headers"
    )]
    async fn forward(
        &self,
        asked: Asked,
        from: visitor::From,
        /// The method of the request in question.
        #[oai(name = "X-Forwarded-Method")]
        _method: Header<Option<String>>,
        /// Its path and query, as the client wrote them.
        #[oai(name = "X-Forwarded-Uri")]
        _uri: Header<Option<String>>,
        /// Taken where `X-Forwarded-Method` is absent.
        #[oai(name = "X-Original-Method")]
        _original_method: Header<Option<String>>,
        /// Taken where `X-Forwarded-Uri` is absent.
        #[oai(name = "X-Original-URI")]
        _original_uri: Header<Option<String>>,
        /// Believed from trusted proxies alone.
        #[oai(name = "X-Forwarded-Host")]
        _host: Header<Option<String>>,
        /// `false` for a proxy that cannot pass a redirect on (nginx): 401 or 403, and the place in `X-Doorcode-Location`.
        redirects: Query<Option<bool>>,
    ) -> Result<GateAnswer, GateProblem> {
        match self.flows.pass_gate(&asked.site, &asked.target, asked.credential(), &from.0).await {
            Ok(passage) => Ok(GateAnswer::pass(passage.as_deref())),
            Err(error) => asked.refuse(error, redirects.0.unwrap_or(true)),
        }
    }
}
