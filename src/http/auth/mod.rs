//! The auth API: the wire that Supabase Auth clients speak, for sign-in by emailed code.

mod account_requests;
mod admin;
mod answers;
mod bearer;
mod cookie;
mod errors;
mod objects;
mod requests;

use std::sync::Arc;

use poem::Response;
use poem::endpoint::BoxEndpoint;
use poem_openapi::param::{Header, Query};
use poem_openapi::payload::Json;
use poem_openapi::{OpenApi, OpenApiService, Tags};

use self::account_requests::{DeleteUserBody, Grant, TokenBody, UpdateUserBody};
pub(super) use self::admin::WireAdminApi;
use self::answers::{Empty, KeySetAnswer, NoContent, Redirect, SessionAnswer, VerifyAnswer};
pub(super) use self::bearer::{Bearer, bearer_token};
use self::cookie::CookieSession;
pub(super) use self::errors::render;
use self::objects::{KeySet, PageSessionObject, Settings, UserObject};
pub(super) use self::requests::purpose_of;
use self::requests::{OtpBody, Resend, ResendBody, Verification, VerifyBody, given};
use super::body::Body;
use super::forward_auth::GateApi;
use super::health::{self, Health, Live, ReadyAnswer};
use super::site::ForSite;
use super::{Problem, methods, problem, visitor};
use crate::domain::SignOutScope;
use crate::flows::{DeleteAccount, EmailChangeStep, ExchangeCode, SharedFlows};

/// Where it is served; the bare root serves it too.
pub(super) const PATH: &str = "/auth/v1";

/// The API, for the document and for serving.
pub(super) fn api(flows: &SharedFlows) -> OpenApiService<(AuthApi, GateApi, WireAdminApi), ()> {
    let shared = || SharedFlows::clone(flows);
    let parts = (AuthApi { flows: shared() }, GateApi { flows: shared() }, WireAdminApi { flows: shared() });
    OpenApiService::new(parts, "Doorcode", env!("CARGO_PKG_VERSION"))
}

/// The API, ready to be nested under a path.
pub(super) fn service(flows: &SharedFlows) -> BoxEndpoint<'static, Response> {
    methods::service(flows, api)
}

/// The API without its administration, for the bare root: `/admin` is somebody else there.
pub(super) fn bare_service(flows: &SharedFlows) -> BoxEndpoint<'static, Response> {
    methods::service(flows, |flows| {
        let parts =
            (AuthApi { flows: SharedFlows::clone(flows) }, GateApi { flows: SharedFlows::clone(flows) });
        OpenApiService::new(parts, "Doorcode", env!("CARGO_PKG_VERSION"))
    })
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
        /// Where the mailed link is to lead in the end; what the site does not list is taken for its home
        #[oai(name = "redirect_to")]
        redirect_to: Query<Option<String>>,
        /// As the query's; goes over it
        #[oai(name = "redirect_to")]
        redirect_header: Header<Option<String>>,
        body: Body<OtpBody>,
    ) -> Result<Json<Empty>, Problem> {
        let ask = body.0.read(&site.0, &from.0, redirect_header.0.or(redirect_to.0))?;
        self.flows.request_code(ask.as_flow()).await?;
        Ok(Json(Empty {}))
    }

    /// Sign in with a code or a mailed link, or confirm a change of address
    ///
    /// Every refusal is the same 403 `otp_expired`, so that it cannot steer a guesser. A code works once. A change of address
    /// takes two codes, `type` is `email_change` and `email` the address that got the code; the second answers with a
    /// session, and all others of the account are ended.
    #[oai(path = "/verify", method = "post", operation_id = "verifyCode", tag = "Group::SignIn")]
    async fn verify_code(
        &self,
        site: ForSite,
        from: visitor::From,
        body: Body<VerifyBody>,
    ) -> Result<VerifyAnswer, Problem> {
        let asked_on = Arc::clone(&site.0);
        let signed_in = match body.0.read(site.0, from.0)? {
            Verification::SignIn(verify, rejection) => {
                self.flows.verify_code(verify).await.map_err(|error| rejection.word(error))?
            }
            Verification::EmailChange(prove, rejection) => {
                let proven = self.flows.prove_email_change(prove).await;
                match proven.map_err(|error| rejection.word(error))? {
                    EmailChangeStep::OneToGo => return Ok(VerifyAnswer::halfway()),
                    EmailChangeStep::Changed(signed_in) => *signed_in,
                }
            }
        };
        Ok(VerifyAnswer::session(&asked_on, signed_in))
    }

    /// Open a mailed link
    ///
    /// Mail scanners open what they find, so this does nothing yet: it leads to the page that asks the person.
    #[oai(path = "/verify", method = "get", operation_id = "openLink", tag = "Group::SignIn")]
    async fn open_link(
        &self,
        site: ForSite,
        /// The token in the link
        token: Query<Option<String>>,
        /// `email`, `signup`, `invite`, `magiclink`, `recovery` or `email_change`
        #[oai(name = "type")]
        kind: Query<Option<String>>,
        /// Where to go afterwards; passed on if the site lists it
        #[oai(name = "redirect_to")]
        redirect_to: Query<Option<String>>,
    ) -> Result<Redirect, Problem> {
        let (Some(token), Some(kind)) = (given(token.0), given(kind.0)) else {
            return Err(Problem::invalid("Verify requires a token and a verification type"));
        };
        if purpose_of(&kind).is_none() && kind != "email_change" {
            return Err(Problem::invalid("Unsupported verification type"));
        }
        let page = site.0.confirm_page().or_else(|| site.0.hosted_confirm_page());
        let mut page = page.ok_or_else(Problem::internal)?;
        page.query_pairs_mut().append_pair("token_hash", &token).append_pair("type", &kind);
        if let Some(target) = redirect_to.0.and_then(|wished| site.0.destination(&wished)) {
            page.query_pairs_mut().append_pair("redirect_to", &target);
        }
        Ok(Redirect::SeeOther(page.into()))
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
        match body.0.read()? {
            Resend::SignIn(email) => self.flows.resend_code(&site.0, &email, &from.0).await?,
            Resend::EmailChange(email) => self.flows.resend_email_change(&site.0, &email, &from.0).await?,
        }
        Ok(Json(Empty {}))
    }

    /// Continue a session, or trade the code that a mailed link ended in for one
    ///
    /// Trades a refresh token for its successor. The previous token works until its successor has been used, and parallel
    /// callers get the same successor; anything older ends the session. With `pkce`, a code and its verifier open a
    /// session, once and within five minutes.
    #[oai(path = "/token", method = "post", operation_id = "refreshSession", tag = "Group::Sessions")]
    async fn token(
        &self,
        site: ForSite,
        from: visitor::From,
        /// `refresh_token` or `pkce`
        grant_type: Query<Option<String>>,
        body: Body<TokenBody>,
    ) -> Result<SessionAnswer, Problem> {
        let signed_in = match body.0.read(grant_type.0.as_deref())? {
            Grant::Refresh(token) => self.flows.refresh(&site.0, &token, &from.0).await?,
            Grant::AuthCode { code: auth_code, verifier } => {
                let site = Arc::clone(&site.0);
                let exchange = ExchangeCode { site, auth_code, verifier, visitor: from.0 };
                self.flows.exchange_code(exchange).await?
            }
        };
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
        let caller = bearer.read(&self.flows, &site.0).await?;
        self.flows.sign_out(&site.0, caller, scope, &from.0).await?;
        Ok(NoContent::Done)
    }

    /// The session of this browser
    ///
    /// For the scripts of a site's own pages: the session of the cookie that the hosted pages set, with a short access token,
    /// or `null`. There is no refresh token; ask again when the token ends.
    #[oai(path = "/session", method = "get", operation_id = "getSession", tag = "Group::Sessions")]
    async fn session(&self, found: CookieSession) -> Result<Json<Option<PageSessionObject>>, Problem> {
        let CookieSession { site, session: Some(session) } = found else { return Ok(Json(None)) };
        let token = self.flows.token_of(&site, &session).await;
        let token = token.map_err(|error| problem::no_signing_key(&error))?;
        Ok(Json(Some(PageSessionObject::of(&site, token, session.user))))
    }

    /// Who am I
    #[oai(path = "/user", method = "get", operation_id = "getUser", tag = "Group::Account")]
    async fn get_user(&self, site: ForSite, bearer: Bearer) -> Result<Json<UserObject>, Problem> {
        let caller = bearer.read(&self.flows, &site.0).await?;
        let user = self.flows.who_am_i(&site.0, caller).await?;
        Ok(Json(UserObject::of(&site.0, user)))
    }

    /// Change my metadata or my address
    ///
    /// `data` is merged field by field; a null removes a field. With `email` a code goes to the present address and another
    /// to the new one; the account keeps its address until both were sent to `/verify`, and shows the other as `new_email`.
    #[oai(path = "/user", method = "put", operation_id = "updateUser", tag = "Group::Account")]
    async fn update_user(
        &self,
        site: ForSite,
        from: visitor::From,
        bearer: Bearer,
        body: Body<UpdateUserBody>,
    ) -> Result<Json<UserObject>, Problem> {
        let caller = bearer.read(&self.flows, &site.0).await?;
        let changes = body.0.read()?;
        let mut user = None;
        if let Some(metadata) = changes.metadata {
            user = Some(self.flows.change_metadata(&site.0, caller, metadata, &from.0).await?);
        }
        if let Some(email) = changes.email {
            user = Some(self.flows.change_email(&site.0, caller, &email, &from.0).await?);
        }
        Ok(Json(UserObject::of(&site.0, user.ok_or_else(Problem::internal)?)))
    }

    /// Email the code that deleting my account needs
    #[oai(
        path = "/user/deletion-code",
        method = "post",
        operation_id = "requestDeletionCode",
        tag = "Group::Account"
    )]
    async fn request_deletion_code(
        &self,
        site: ForSite,
        from: visitor::From,
        bearer: Bearer,
    ) -> Result<Json<Empty>, Problem> {
        let caller = bearer.read(&self.flows, &site.0).await?;
        self.flows.request_deletion_code(&site.0, caller, &from.0).await?;
        Ok(Json(Empty {}))
    }

    /// Delete my account
    ///
    /// On every site, at once and for good, with all that belongs to it. Takes the code that was mailed for it.
    #[oai(path = "/user", method = "delete", operation_id = "deleteUser", tag = "Group::Account")]
    async fn delete_user(
        &self,
        site: ForSite,
        from: visitor::From,
        bearer: Bearer,
        body: Body<DeleteUserBody>,
    ) -> Result<NoContent, Problem> {
        let caller = bearer.read(&self.flows, &site.0).await?;
        let code = body.0.read()?;
        self.flows.delete_account(DeleteAccount { site: site.0, caller, code, visitor: from.0 }).await?;
        Ok(NoContent::Done)
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
