//! The auth API: the wire that Supabase Auth clients speak, for sign-in by emailed code.

mod answers;
mod bearer;
mod errors;
mod objects;
mod requests;

use poem::endpoint::BoxEndpoint;
use poem::{EndpointExt, Response};
use poem_openapi::param::Query;
use poem_openapi::payload::Json;
use poem_openapi::{OpenApi, OpenApiService, Tags};

use self::answers::{Empty, KeySetAnswer, NoContent, SessionAnswer};
pub(super) use self::bearer::{Bearer, bearer_token};
pub(super) use self::errors::render;
use self::objects::{KeySet, Settings, UserObject};
use self::requests::{OtpBody, RefreshBody, ResendBody, UpdateUserBody, VerifyBody};
use super::body::Body;
use super::forward_auth::GateApi;
use super::health::{self, Health, Live, ReadyAnswer};
use super::site::ForSite;
use super::{Problem, visitor};
use crate::domain::SignOutScope;
use crate::flows::SharedFlows;

/// Where it is served; the bare root serves it too.
pub(super) const PATH: &str = "/auth/v1";

/// The API, for the document and for serving.
pub(super) fn api(flows: SharedFlows) -> OpenApiService<(AuthApi, GateApi), ()> {
    let parts = (AuthApi { flows: SharedFlows::clone(&flows) }, GateApi { flows });
    OpenApiService::new(parts, "Doorcode", env!("CARGO_PKG_VERSION"))
}

/// The API, ready to be nested under a path.
pub(super) fn service(flows: SharedFlows) -> BoxEndpoint<'static, Response> {
    api(flows).map_to_response().boxed()
}

/// See the module.
pub(super) struct AuthApi {
    flows: SharedFlows,
}

/// Groups of operations.
#[derive(Tags)]
enum Group {
    /// Sign in with a code sent by email.
    #[oai(rename = "Sign in")]
    SignIn,
    /// Continue and end sessions.
    Sessions,
    /// The signed-in person's account.
    Account,
    /// What clients and load balancers ask about the server.
    Server,
}

#[OpenApi]
impl AuthApi {
    /// Email a sign-in code
    ///
    /// Answers the same whether or not the address has an account; what the mail says differs. Only the newest code of an
    /// address and site works.
    #[oai(path = "/otp", method = "post", operation_id = "requestCode", tag = "Group::SignIn")]
    async fn request_code(
        &self,
        site: ForSite,
        from: visitor::From,
        body: Body<OtpBody>,
    ) -> Result<Json<Empty>, Problem> {
        let ask = body.0.read(&site.0, &from.0)?;
        self.flows.request_code(ask.as_flow()).await?;
        Ok(Json(Empty {}))
    }

    /// Sign in with a code or a mailed link
    ///
    /// Every refusal is the same 403 `otp_expired`, so that it cannot steer a guesser. A code works once.
    #[oai(path = "/verify", method = "post", operation_id = "verifyCode", tag = "Group::SignIn")]
    async fn verify_code(
        &self,
        site: ForSite,
        from: visitor::From,
        body: Body<VerifyBody>,
    ) -> Result<SessionAnswer, Problem> {
        let (verify, rejection) = body.0.read(site.0, from.0)?;
        let site = std::sync::Arc::clone(&verify.site);
        let signed_in = self.flows.verify_code(verify).await.map_err(|error| rejection.word(error))?;
        Ok(SessionAnswer::of(&site, signed_in))
    }

    /// Email a new code in place of one that is still waiting
    ///
    /// Answers the same if none is waiting; then nothing is sent.
    #[oai(path = "/resend", method = "post", operation_id = "resendCode", tag = "Group::SignIn")]
    async fn resend_code(
        &self,
        site: ForSite,
        from: visitor::From,
        body: Body<ResendBody>,
    ) -> Result<Json<Empty>, Problem> {
        if let Some(email) = body.0.read()? {
            self.flows.resend_code(&site.0, &email, &from.0).await?;
        }
        Ok(Json(Empty {}))
    }

    /// Continue a session
    ///
    /// Trades a refresh token for its successor. The previous token works until its successor has been used, and parallel
    /// callers get the same successor; anything older ends the session.
    #[oai(path = "/token", method = "post", operation_id = "refreshSession", tag = "Group::Sessions")]
    async fn refresh(
        &self,
        site: ForSite,
        from: visitor::From,
        /// `refresh_token`
        grant_type: Query<Option<String>>,
        body: Body<RefreshBody>,
    ) -> Result<SessionAnswer, Problem> {
        let token = body.0.read(grant_type.0.as_deref())?;
        let signed_in = self.flows.refresh(&site.0, &token, &from.0).await?;
        Ok(SessionAnswer::of(&site.0, signed_in))
    }

    /// Sign out
    ///
    /// Ends sessions of this site: the caller's (`local`), all (`global`, the default), or all but the caller's (`others`).
    #[oai(path = "/logout", method = "post", operation_id = "signOut", tag = "Group::Sessions")]
    async fn sign_out(
        &self,
        site: ForSite,
        from: visitor::From,
        bearer: Bearer,
        /// `local`, `global` or `others`
        scope: Query<Option<String>>,
    ) -> Result<NoContent, Problem> {
        let scope = match scope.0.as_deref() {
            None | Some("" | "global") => SignOutScope::Global,
            Some("local") => SignOutScope::Local,
            Some("others") => SignOutScope::Others,
            Some(_) => return Err(Problem::invalid("scope must be one of global, local, others")),
        };
        let caller = bearer.read(&self.flows, &site.0)?;
        self.flows.sign_out(&site.0, caller, scope, &from.0).await?;
        Ok(NoContent::Done)
    }

    /// Who am I
    #[oai(path = "/user", method = "get", operation_id = "getUser", tag = "Group::Account")]
    async fn get_user(&self, site: ForSite, bearer: Bearer) -> Result<Json<UserObject>, Problem> {
        let caller = bearer.read(&self.flows, &site.0)?;
        let user = self.flows.who_am_i(&site.0, caller).await?;
        Ok(Json(UserObject::of(&site.0, user)))
    }

    /// Change my metadata
    ///
    /// `data` is merged field by field; a null removes a field.
    #[oai(path = "/user", method = "put", operation_id = "updateUser", tag = "Group::Account")]
    async fn update_user(
        &self,
        site: ForSite,
        from: visitor::From,
        bearer: Bearer,
        body: Body<UpdateUserBody>,
    ) -> Result<Json<UserObject>, Problem> {
        let caller = bearer.read(&self.flows, &site.0)?;
        let metadata = body.0.read()?;
        let user = self.flows.change_metadata(&site.0, caller, metadata, &from.0).await?;
        Ok(Json(UserObject::of(&site.0, user)))
    }

    /// What this site offers
    #[oai(path = "/settings", method = "get", operation_id = "getSettings", tag = "Group::Server")]
    async fn settings(&self, site: ForSite) -> Result<Json<Settings>, Problem> {
        Ok(Json(Settings::of(&site.0)))
    }

    /// The site's public signing keys
    ///
    /// A new key is published before it signs; an old one stays until its last token has ended.
    #[oai(path = "/.well-known/jwks.json", method = "get", operation_id = "getKeySet", tag = "Group::Server")]
    async fn key_set(&self, site: ForSite) -> Result<KeySetAnswer, Problem> {
        Ok(KeySetAnswer::of(KeySet { keys: self.flows.tokens.jwks(&site.0) }))
    }

    /// The server's name and version
    #[oai(path = "/health", method = "get", operation_id = "getHealth", tag = "Group::Server")]
    async fn health(&self) -> Json<Health> {
        Json(health::health())
    }

    /// Whether the process lives
    #[oai(path = "/health/live", method = "get", operation_id = "getLiveness", tag = "Group::Server")]
    async fn live(&self) -> Json<Live> {
        Json(health::live())
    }

    /// Whether requests should be sent here
    #[oai(path = "/health/ready", method = "get", operation_id = "getReadiness", tag = "Group::Server")]
    async fn ready(&self) -> ReadyAnswer {
        health::ready(&self.flows).await
    }
}
