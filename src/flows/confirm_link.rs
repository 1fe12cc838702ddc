//! A person confirms, on a page, that they opened a mailed link: a session for the page, or what the client library that
//! asked for the mail is waiting for.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use rand::Rng as _;
use serde::{Deserialize, Serialize};
use url::Url;
use uuid::Uuid;

use super::audit::By;
use super::sealed::ChallengeContext;
use super::send_code::context_of;
use super::verify_code::{Proven, SIGN_IN_LINKS};
use super::{Flows, Purpose, SignedIn, VerifyCodeError, Visitor, system_rng};
use crate::domain::keys::Sealed;
use crate::domain::{CodeChallenge, EmailAddress, Site, Slot};
use crate::ports::PortError;
use crate::ports::codes::{Claim, ClaimEnd, KeepProof};
use crate::ports::limits::Act;

/// How long a code from a link can be traded (RFC 6749 §4.1.2 asks for ten minutes at most).
const AUTH_CODE_LIFE: Duration = Duration::from_secs(300);
/// How much longer it is known that it was one: who comes late is told so.
const REMEMBERED: Duration = Duration::from_secs(300);

/// A mailed link that its reader has confirmed.
#[derive(Debug)]
pub struct ConfirmLink {
    /// The site it is presented on.
    pub site: Arc<Site>,
    /// The token in the link.
    pub token: String,
    /// Which accounts it may open.
    pub purpose: Purpose,
    /// Who presents it.
    pub visitor: Visitor,
}

/// What a confirmed link leads to.
#[derive(Clone)]
pub enum LinkConfirmed {
    /// Nobody waits for it elsewhere: the page may keep this session in a cookie.
    SignedIn(Box<SignedIn>),
    /// A client library waits at this address, which holds the session in its fragment: browsers send that to nobody.
    HandOver(Url),
    /// A client library waits at this address, which holds a code that only it can trade for a session (RFC 7636).
    AuthCode(Url),
}

/// A code from a link, and what only the one who asked for the mail knows.
#[derive(Debug)]
pub struct ExchangeCode {
    /// The site it is presented on.
    pub site: Arc<Site>,
    /// The code.
    pub auth_code: String,
    /// What its challenge was made from.
    pub verifier: String,
    /// Who presents it.
    pub visitor: Visitor,
}

/// Why a code from a link was not traded.
#[derive(Debug, thiserror::Error)]
pub enum ExchangeError {
    /// Never issued, traded before, or for another site.
    #[error("there is no such code")]
    Unknown,
    /// It came too late.
    #[error("the code has expired")]
    Expired,
    /// The verifier is not the one that the challenge was made from.
    #[error("the verifier does not fit")]
    WrongVerifier,
    /// As for signing in.
    #[error("the proof led to nothing")]
    Proof(#[from] VerifyCodeError),
}

impl From<PortError> for ExchangeError {
    fn from(error: PortError) -> Self {
        Self::Proof(error.into())
    }
}

/// What a code from a link remembers.
#[derive(Serialize, Deserialize)]
struct AuthCodeContext {
    proven: ChallengeContext,
    purpose: Purpose,
    challenge: CodeChallenge,
    expires_at: DateTime<Utc>,
}

impl Flows {
    /// Does what a mailed link is for, once.
    ///
    /// # Errors
    /// A [`VerifyCodeError`]. After [`VerifyCodeError::Unavailable`] the same link works again.
    pub async fn confirm_link(self: &Arc<Self>, ask: ConfirmLink) -> Result<LinkConfirmed, VerifyCodeError> {
        self.count_act(Act::Verify, &ask.site, ask.visitor.ip).map_err(VerifyCodeError::ClientLimited)?;
        let flows = Arc::clone(self);
        self.to_its_end(async move { flows.claim_and_confirm(ask).await }).await
    }

    async fn claim_and_confirm(self: Arc<Self>, ask: ConfirmLink) -> Result<LinkConfirmed, VerifyCodeError> {
        let claim = self.claim_link(&ask.site, &SIGN_IN_LINKS, &ask.token, &ask.visitor).await?;
        let (slot, claim) = claim.ok_or(VerifyCodeError::Rejected)?;
        let purpose = ask.purpose.within(slot);
        let context: ChallengeContext = match self.open_context(&ask.site, slot, &claim) {
            Ok(context) => context,
            Err(error) => {
                self.end_claim(&claim, ClaimEnd::Unused).await;
                return Err(error.into());
            }
        };
        let wished = context.link.redirect_to.as_deref();
        if let Some(challenge) = context.link.challenge.clone() {
            let to = ask.site.redirect_target(wished.unwrap_or_default());
            let proven = Proven { context, purpose };
            return self.keep_auth_code(&ask, claim, proven, challenge, to).await;
        }
        let to = wished.map(|wished| ask.site.redirect_target(wished));
        let proven = Proven { context, purpose };
        let signed_in = Box::new(self.open_and_end(&ask.site, claim, proven, &ask.visitor).await?);
        Ok(match to {
            Some(to) => LinkConfirmed::HandOver(with_session(to, &signed_in)),
            None => LinkConfirmed::SignedIn(signed_in),
        })
    }

    /// Puts a code in the link's place. It goes on from the same challenge, so that both together open one session.
    async fn keep_auth_code(
        &self,
        ask: &ConfirmLink,
        claim: Claim,
        Proven { context: proven, purpose }: Proven,
        challenge: CodeChallenge,
        mut to: Url,
    ) -> Result<LinkConfirmed, VerifyCodeError> {
        let code = new_auth_code();
        let expires_at = self.clock.now() + AUTH_CODE_LIFE;
        let email = EmailAddress::parse(&proven.email).ok();
        let witness = self.witness(By::visitor(&ask.visitor), email.as_ref());
        let context = AuthCodeContext { proven, purpose, challenge, expires_at };
        let kept = async {
            let (site, slot) = (&ask.site, Slot::AuthCode);
            let keep = KeepProof {
                tag: self.keys.secret_tag(&site.id, code.as_bytes()),
                site: &site.id,
                slot,
                challenge: claim.challenge,
                link_mac: &self.keys.link_mac(&site.id, slot, code.as_bytes()),
                short_mac: None,
                context: &self.seal(Sealed::Challenge, &context_of(site, slot), &context)?,
                life: AUTH_CODE_LIFE + REMEMBERED,
                witness: Some(&witness),
            };
            self.codes.keep(&keep).await
        };
        let kept: Result<(), PortError> = kept.await;
        self.end_claim(&claim, if kept.is_ok() { ClaimEnd::Spent } else { ClaimEnd::Unused }).await;
        kept?;
        to.query_pairs_mut().append_pair("code", &code.to_string());
        Ok(LinkConfirmed::AuthCode(to))
    }

    /// Trades a code from a link for a session, once.
    ///
    /// # Errors
    /// An [`ExchangeError`]. After [`VerifyCodeError::Unavailable`], and after a wrong verifier, the same code works again.
    pub async fn exchange_code(self: &Arc<Self>, ask: ExchangeCode) -> Result<SignedIn, ExchangeError> {
        self.count_act(Act::Verify, &ask.site, ask.visitor.ip).map_err(VerifyCodeError::ClientLimited)?;
        let flows = Arc::clone(self);
        self.to_its_end(async move { flows.claim_and_exchange(ask).await }).await
    }

    async fn claim_and_exchange(self: Arc<Self>, ask: ExchangeCode) -> Result<SignedIn, ExchangeError> {
        let (site, slot) = (&ask.site, Slot::AuthCode);
        let Some(code) = read_auth_code(&ask.auth_code) else {
            self.note_malformed(site, &ask.visitor);
            return Err(ExchangeError::Unknown);
        };
        // The name of a secret is nobody's address.
        let witness = self.witness(By::visitor(&ask.visitor), None);
        let claim = self.claim_secret(site, slot, code.as_bytes(), &witness).await;
        let claim = claim.map_err(VerifyCodeError::from)?.ok_or(ExchangeError::Unknown)?;
        let context = self.open_context::<AuthCodeContext>(site, slot, &claim);
        let (end, reason, error) = match context {
            Ok(context) if context.expires_at <= self.clock.now() => {
                (ClaimEnd::Spent, "expired", ExchangeError::Expired)
            }
            Ok(context) if !context.challenge.is_met_by(&ask.verifier) => {
                (ClaimEnd::Unused, "wrong_verifier", ExchangeError::WrongVerifier)
            }
            Ok(AuthCodeContext { proven: context, purpose, .. }) => {
                let opened = self.open_and_end(site, claim, Proven { context, purpose }, &ask.visitor).await;
                return opened.map_err(|error| match error {
                    VerifyCodeError::Rejected => ExchangeError::Unknown,
                    error => error.into(),
                });
            }
            Err(error) => {
                self.end_claim(&claim, ClaimEnd::Unused).await;
                return Err(error.into());
            }
        };
        self.end_refused_claim(&claim, end, reason, &witness).await;
        Err(error)
    }
}

/// The session as client libraries read it from an address: form-encoded in the fragment, names in order.
fn with_session(mut to: Url, signed_in: &SignedIn) -> Url {
    let access = &signed_in.access;
    let fragment = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("access_token", &access.text)
        .append_pair("expires_at", &access.expires_at.to_string())
        .append_pair("expires_in", &access.expires_in.to_string())
        .append_pair("refresh_token", &signed_in.refresh_token)
        // Tells libraries that the fragment is meant for them.
        .append_pair("sb", "")
        .append_pair("token_type", "bearer")
        .append_pair("type", if signed_in.is_first { "signup" } else { "magiclink" })
        .finish();
    to.set_fragment(Some(&fragment));
    to
}

/// 122 random bits in the form that clients of this wire know.
fn new_auth_code() -> Uuid {
    let mut bytes = [0; 16];
    system_rng().fill_bytes(&mut bytes);
    uuid::Builder::from_random_bytes(bytes).into_uuid()
}

/// A code as we wrote it: no other spelling of the same number.
fn read_auth_code(text: &str) -> Option<Uuid> {
    Uuid::try_parse(text).ok().filter(|code| code.to_string() == text)
}
