//! A code of a change of address is typed: the first of the two is noted, the second changes the account.

use std::sync::Arc;

use super::change_email::EmailChangeContext;
use super::library::{LibraryMail, OutboxJob};
use super::{Flows, OpenedSession, Presented, SignedIn, VerifyCodeError, Visitor};
use crate::domain::{EmailAddress, Site, Slot, UserId};
use crate::ports::codes::{Claim, ClaimEnd};
use crate::ports::db::{ProveEmail, ProvenEmail};
use crate::ports::limits::Act;
use crate::ports::{Dependency, PortError};

/// A code of a change of address.
#[derive(Debug)]
pub struct ProveEmailChange {
    /// The site it is presented on.
    pub site: Arc<Site>,
    /// A code beside the address that got it, whichever of the two it is; or the proof of a link.
    pub presented: Presented,
    /// Who presents it.
    pub visitor: Visitor,
}

/// How far a change of address has come.
#[derive(Clone)]
pub enum EmailChangeStep {
    /// The code sent to the other address is still to be typed.
    OneToGo,
    /// The address is changed. Every session of the account was ended; this is a new one.
    Changed(Box<SignedIn>),
}

/// Why a code of a change of address led nowhere.
#[derive(Debug, thiserror::Error)]
pub enum ProveEmailError {
    /// As for signing in.
    #[error("the proof led to nothing")]
    Proof(#[from] VerifyCodeError),
    /// Another account has got the address meanwhile; the change is off.
    #[error("another account has the address")]
    Taken,
}

impl From<PortError> for ProveEmailError {
    fn from(error: PortError) -> Self {
        Self::Proof(error.into())
    }
}

impl Flows {
    /// Takes one of the two codes of a change of address, in any order.
    ///
    /// # Errors
    /// A [`ProveEmailError`]. After [`VerifyCodeError::Unavailable`] the same code works again.
    pub async fn prove_email_change(
        self: &Arc<Self>,
        ask: ProveEmailChange,
    ) -> Result<EmailChangeStep, ProveEmailError> {
        self.limits.count(Act::Verify, ask.visitor.ip).map_err(VerifyCodeError::ClientLimited)?;
        let flows = Arc::clone(self);
        self.to_its_end(async move { flows.claim_and_prove(ask).await }).await
    }

    async fn claim_and_prove(
        self: Arc<Self>,
        ask: ProveEmailChange,
    ) -> Result<EmailChangeStep, ProveEmailError> {
        let slots = [Slot::EmailChangeCurrent, Slot::EmailChangeNew];
        // Who types does not say which of the two addresses it is. Where only one code waits, only that one is guessed at.
        let mut found = None;
        match &ask.presented {
            Presented::Code(_, None) => {}
            Presented::Code(email, Some(code)) => {
                for slot in slots {
                    if let Some(claim) = self.claim_code(&ask.site, slot, email, None, code).await? {
                        found = Some((slot, claim));
                        break;
                    }
                }
            }
            Presented::Link(text) => found = self.claim_link(&ask.site, &slots, text).await?,
        }
        let (slot, claim) = found.ok_or(VerifyCodeError::Rejected)?;
        let proven = self.prove_claimed(&ask, slot, &claim).await;
        let (end, answer) = match proven {
            Ok((ProvenEmail::First, _)) => (ClaimEnd::Spent, Ok(EmailChangeStep::OneToGo)),
            Ok((ProvenEmail::Changed(id, opened_at, user), _)) => {
                self.spend_later(claim);
                self.outbox_filled.notify_one();
                self.metrics.sessions.opened(&ask.site.id, false);
                let session = OpenedSession { id, opened_at, counter: 0 };
                let signed_in = self.signed_in(&ask.site, *user, &session).await;
                let signed_in = signed_in.map_err(VerifyCodeError::NoSigningKey)?;
                return Ok(EmailChangeStep::Changed(Box::new(signed_in)));
            }
            Ok((ProvenEmail::Taken, context)) => {
                let cancelled = self.db.cancel_email_change(UserId(context.user), Some(context.change)).await;
                // If that fails, its time ends by itself, and until then the address stays taken.
                drop(cancelled);
                (ClaimEnd::Spent, Err(ProveEmailError::Taken))
            }
            Ok((ProvenEmail::Gone, _)) => (ClaimEnd::Spent, Err(VerifyCodeError::Rejected.into())),
            Ok((ProvenEmail::Banned, _)) => (ClaimEnd::Unused, Err(VerifyCodeError::Banned.into())),
            Err(error) => (ClaimEnd::Unused, Err(error.into())),
        };
        self.end_claim(&claim, end).await;
        answer
    }

    async fn prove_claimed(
        &self,
        ask: &ProveEmailChange,
        slot: Slot,
        claim: &Claim,
    ) -> Result<(ProvenEmail, EmailChangeContext), PortError> {
        let context: EmailChangeContext = self.open_context(&ask.site, slot, claim)?;
        let address = |text: &str| {
            EmailAddress::parse(text).map_err(|error| PortError::unexpected(Dependency::CodeStore, error))
        };
        let (current, new) = (address(&context.current)?, address(&context.new)?);
        let mail = LibraryMail::AddressChanged {
            user: context.user,
            email: context.current.clone(),
            by_administrator: false,
        };
        let notice = OutboxJob { site: ask.site.id.clone(), mail };
        let proven = ProveEmail {
            user: UserId(context.user),
            change: context.change,
            site: &ask.site.id,
            slot,
            current: &current,
            new: &new,
            challenge: claim.challenge,
            max_secs: ask.site.session_max.as_secs_f64(),
            user_agent: ask.visitor.user_agent.as_deref(),
            ip: ask.visitor.ip,
            notice: &self.seal_outbox_job(&notice)?,
        };
        Ok((self.db.prove_email(&proven).await?, context))
    }
}
