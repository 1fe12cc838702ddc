//! Somebody proves a mailbox: the code is claimed in the store, one statement opens the session, the code is spent.
//!
//! The order is what makes it safe. A code claimed but not spent works again, so an outage of the database burns
//! nothing; a session remembers its challenge, and no second one can, so nothing that crashes or repeats opens two.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::audit::By;
use super::claims::{ClaimError, TypedCode};
use super::sealed::ChallengeContext;
use super::{Flows, OpenedSession, SignedIn, Visitor};
use crate::domain::{
    BrowserId, ChallengeId, EmailAddress, KnownDevice, Locale, SignInCode, Site, Slot, UserMetadata,
};
use crate::ports::codes::{Claim, ClaimEnd};
use crate::ports::db::{OpenSession, Opened};
use crate::ports::limits::Act;
use crate::ports::tokens::TokenError;
use crate::ports::{Dependency, PortError};

/// What somebody presents.
#[derive(Debug)]
pub enum Presented {
    /// A code, typed beside the address. `None` where the text cannot be a code: that is no guess.
    Code(EmailAddress, Option<SignInCode>),
    /// The proof of a mailed link.
    Link(String),
}

impl Presented {
    /// The address that was typed beside a code.
    pub(super) fn email(&self) -> Option<&EmailAddress> {
        match self {
            Self::Code(email, _) => Some(email),
            Self::Link(_) => None,
        }
    }
}

/// Which accounts the proof may open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// Any: an existing one, or a new one where the site makes accounts.
    Either,
    /// A new one only, or one that an administrator made and nobody has used yet.
    NewAccount,
    /// An existing one only.
    ExistingAccount,
}

/// What a link that signs in can be: one that came with a code, or an invitation.
pub(super) const SIGN_IN_LINKS: [Slot; 2] = [Slot::SignIn, Slot::Invitation];

impl Purpose {
    /// The purpose of what was kept for this: an invitation lives long, and so opens only what nobody has used yet.
    pub(super) fn within(self, slot: Slot) -> Self {
        if slot == Slot::Invitation { Self::NewAccount } else { self }
    }
}

/// A proof to verify.
#[derive(Debug)]
pub struct VerifyCode {
    /// The site it is presented on.
    pub site: Arc<Site>,
    /// The proof.
    pub presented: Presented,
    /// Which accounts it may open.
    pub purpose: Purpose,
    /// The browser that presents it, on a hosted page.
    pub browser: Option<BrowserId>,
    /// The device, as its cookie tells there.
    pub device: Option<KnownDevice>,
    /// Who presents it.
    pub visitor: Visitor,
}

/// Why no session was opened.
#[derive(Debug, thiserror::Error)]
pub enum VerifyCodeError {
    /// This client tried too often.
    #[error("too many requests from this client")]
    ClientLimited(Duration),
    /// Wrong, spent, expired, never issued, for another site or purpose: one variant, so that the answer cannot
    /// steer a guesser.
    #[error("the proof was rejected")]
    Rejected,
    /// The proof is right, and the account is banned.
    #[error("the account is banned")]
    Banned,
    /// The site has no key to sign with.
    #[error("no token can be signed")]
    NoSigningKey(#[from] TokenError),
    /// A dependency failed; the proof still works.
    #[error("a dependency failed")]
    Unavailable(#[from] PortError),
}

impl From<ClaimError> for VerifyCodeError {
    fn from(error: ClaimError) -> Self {
        match error {
            ClaimError::ClientLimited(wait) => Self::ClientLimited(wait),
            ClaimError::Unavailable(error) => Self::Unavailable(error),
        }
    }
}

/// A proof that was found right: what was kept with it, and which accounts it may open.
pub(super) struct Proven {
    pub context: ChallengeContext,
    pub purpose: Purpose,
}

impl Flows {
    /// Trades a proof for a session.
    ///
    /// # Errors
    /// A [`VerifyCodeError`]. After [`VerifyCodeError::Unavailable`] the same proof works again.
    pub async fn verify_code(self: &Arc<Self>, ask: VerifyCode) -> Result<SignedIn, VerifyCodeError> {
        self.count_act(Act::Verify, &ask.site, ask.visitor.ip).map_err(VerifyCodeError::ClientLimited)?;
        let flows = Arc::clone(self);
        self.to_its_end(async move { flows.claim_and_open(ask).await }).await
    }

    async fn claim_and_open(self: Arc<Self>, ask: VerifyCode) -> Result<SignedIn, VerifyCodeError> {
        let claim = match &ask.presented {
            Presented::Code(_, None) => {
                self.note_malformed(&ask.site, &ask.visitor);
                None
            }
            Presented::Code(email, Some(code)) => {
                let (site, slot, by) = (&ask.site, Slot::SignIn, By::visitor(&ask.visitor));
                let (browser, device) = (ask.browser.as_ref(), ask.device.as_ref());
                let typed = TypedCode { site, slot, email, browser, device, code, by };
                let claim = self.claim_code(&typed).await?;
                claim.map(|claim| (slot, claim))
            }
            Presented::Link(text) => self.claim_link(&ask.site, &SIGN_IN_LINKS, text, &ask.visitor).await?,
        };
        let (slot, claim) = claim.ok_or(VerifyCodeError::Rejected)?;
        let proven = match self.open_context(&ask.site, slot, &claim) {
            Ok(context) => Proven { context, purpose: ask.purpose.within(slot) },
            Err(error) => {
                self.end_claim(&claim, ClaimEnd::Unused).await;
                return Err(error.into());
            }
        };
        self.open_and_end(&ask.site, claim, proven, &ask.visitor).await
    }

    /// Opens the session that a claimed proof is good for, and ends the claim as it went.
    pub(super) async fn open_and_end(
        self: &Arc<Self>,
        site: &Arc<Site>,
        claim: Claim,
        proven: Proven,
        visitor: &Visitor,
    ) -> Result<SignedIn, VerifyCodeError> {
        let email = EmailAddress::parse(&proven.context.email).ok();
        let opened = self.open_proven(site, claim.challenge, proven, visitor).await;
        let (end, reason, error) = match opened {
            Ok(Opened::Session(id, opened_at, user)) => {
                // The session exists, whatever becomes of this: the person need not wait for it.
                self.spend_later(claim);
                // Both times are the statement's own.
                self.metrics.sessions.opened(&site.id, user.created_at == opened_at);
                let session = OpenedSession { id, opened_at, counter: 0 };
                return Ok(self.signed_in(site, *user, &session).await?);
            }
            Ok(Opened::AlreadyUsed) => (ClaimEnd::Spent, "already_used", VerifyCodeError::Rejected),
            Ok(Opened::NoAccount) => (ClaimEnd::Unused, "no_account", VerifyCodeError::Rejected),
            Ok(Opened::Banned) => (ClaimEnd::Unused, "banned", VerifyCodeError::Banned),
            Err(error) => {
                self.end_claim(&claim, ClaimEnd::Unused).await;
                return Err(error);
            }
        };
        let witness = self.witness(By::visitor(visitor), email.as_ref());
        self.end_refused_claim(&claim, end, reason, &witness).await;
        Err(error)
    }

    async fn open_proven(
        &self,
        site: &Site,
        challenge: ChallengeId,
        Proven { context, purpose }: Proven,
        visitor: &Visitor,
    ) -> Result<Opened, VerifyCodeError> {
        let email = EmailAddress::parse(&context.email).map_err(|_| VerifyCodeError::Rejected)?;
        let metadata = UserMetadata::parse(context.metadata)
            .map_err(|error| PortError::unexpected(Dependency::CodeStore, error))?;
        let open = OpenSession {
            email: &email,
            challenge,
            site: &site.id,
            may_create: context.create && purpose != Purpose::ExistingAccount,
            may_use_existing: purpose != Purpose::NewAccount,
            metadata: &metadata,
            locale: context.locale.as_deref().and_then(Locale::parse).unwrap_or(site.locale),
            max_secs: site.session_max.as_secs_f64(),
            user_agent: visitor.user_agent.as_deref(),
            ip: Some(visitor.ip),
        };
        Ok(self.db.open_session(&open).await?)
    }
}
