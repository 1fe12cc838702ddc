//! Somebody proves a mailbox: the code is claimed in the store, one statement opens the session, the code is spent.
//!
//! The order is what makes it safe. A code claimed but not spent works again, so an outage of the database burns
//! nothing; a session remembers its challenge, and no second one can, so nothing that crashes or repeats opens two.

use std::sync::Arc;
use std::time::Duration;

use super::sealed::{ChallengeContext, LinkToken};
use super::{Flows, OpenedSession, SignedIn, Visitor};
use crate::domain::keys::Sealed;
use crate::domain::{BrowserId, EmailAddress, Locale, SignInCode, Site, UserMetadata};
use crate::ports::codes::{Claim, ClaimCode, ClaimEnd, Claimed, Proof};
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

/// Which accounts the proof may open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Any: an existing one, or a new one where the site makes accounts.
    Either,
    /// A new one only.
    NewAccount,
    /// An existing one only.
    ExistingAccount,
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

impl Flows {
    /// Trades a proof for a session.
    ///
    /// # Errors
    /// A [`VerifyCodeError`]. After [`VerifyCodeError::Unavailable`] the same proof works again.
    pub async fn verify_code(self: &Arc<Self>, ask: VerifyCode) -> Result<SignedIn, VerifyCodeError> {
        self.limits.count(Act::Verify, ask.visitor.ip).map_err(VerifyCodeError::ClientLimited)?;
        let flows = Arc::clone(self);
        // A client that hangs up must not leave a claim between its two halves.
        let story = self.unfinished.spawn(async move { flows.claim_and_open(ask).await });
        story.await.unwrap_or_else(|error| Err(PortError::unexpected(Dependency::CodeStore, error).into()))
    }

    async fn claim_and_open(self: Arc<Self>, ask: VerifyCode) -> Result<SignedIn, VerifyCodeError> {
        let claim = self.claim(&ask).await?;
        let opened = self.open_claimed(&ask, &claim).await;
        let end = match &opened {
            Ok(Opened::Session(..) | Opened::AlreadyUsed) => ClaimEnd::Spent,
            Ok(Opened::NoAccount | Opened::Banned) | Err(_) => ClaimEnd::Unused,
        };
        match opened {
            Ok(Opened::Session(id, opened_at, user)) => {
                // The session exists, whatever becomes of this: the person need not wait for it.
                let flows = Arc::clone(&self);
                self.unfinished.spawn(async move { flows.end_claim(&claim, end).await });
                let session = OpenedSession { id, opened_at, counter: 0 };
                Ok(self.signed_in(&ask.site, *user, &session)?)
            }
            Ok(Opened::AlreadyUsed | Opened::NoAccount) => {
                self.end_claim(&claim, end).await;
                Err(VerifyCodeError::Rejected)
            }
            Ok(Opened::Banned) => {
                self.end_claim(&claim, end).await;
                Err(VerifyCodeError::Banned)
            }
            Err(error) => {
                self.end_claim(&claim, end).await;
                Err(error)
            }
        }
    }

    async fn claim(&self, ask: &VerifyCode) -> Result<Claim, VerifyCodeError> {
        let site = &ask.site.id;
        let (address, mac, kind) = match &ask.presented {
            Presented::Code(_, None) => return Err(VerifyCodeError::Rejected),
            Presented::Code(email, Some(code)) => {
                let mac = self.keys.code_mac(site, email, ask.browser.as_ref(), code);
                (self.keys.address_tag(email), mac, Some(code.kind()))
            }
            Presented::Link(text) => {
                let link = LinkToken::parse(text).ok_or(VerifyCodeError::Rejected)?;
                (link.address, self.keys.link_mac(site, &link.secret), None)
            }
        };
        let proof = kind.map_or(Proof::Link(&mac), |kind| Proof::Code(kind, &mac));
        match self.codes.claim(&ClaimCode { address, site, proof }).await? {
            Claimed::Claim(claim) => Ok(claim),
            Claimed::Refused => Err(VerifyCodeError::Rejected),
        }
    }

    async fn open_claimed(&self, ask: &VerifyCode, claim: &Claim) -> Result<Opened, VerifyCodeError> {
        let context: ChallengeContext = self.open(Sealed::Challenge, &ask.site.id, &claim.context)?;
        let rejected = |_| VerifyCodeError::Rejected;
        let email = EmailAddress::parse(&context.email).map_err(rejected)?;
        let metadata = UserMetadata::parse(context.metadata)
            .map_err(|error| PortError::unexpected(Dependency::CodeStore, error))?;
        let open = OpenSession {
            email: &email,
            challenge: claim.challenge,
            site: &ask.site.id,
            may_create: context.create && ask.purpose != Purpose::ExistingAccount,
            may_use_existing: ask.purpose != Purpose::NewAccount,
            metadata: &metadata,
            locale: context.locale.as_deref().and_then(Locale::parse),
            max_secs: ask.site.session_max.as_secs_f64(),
            user_agent: ask.visitor.user_agent.as_deref(),
            ip: Some(ask.visitor.ip),
        };
        Ok(self.db.open_session(&open).await?)
    }

    /// Spends the code or gives it back. If the store is out of reach now, the lease runs out by itself: an unused code
    /// works again then, and a spent one is refused by its session.
    async fn end_claim(&self, claim: &Claim, end: ClaimEnd) {
        if let Err(error) = self.codes.end_claim(claim, end).await {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "a claimed code waits for its lease to end"
            );
        }
    }
}
