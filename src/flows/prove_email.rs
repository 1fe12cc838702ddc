//! A code of a change of address is typed: the first of the two is noted, the second changes the account.

use std::sync::Arc;

use super::audit::By;
use super::change_email::EmailChangeContext;
use super::claims::{ClaimError, Telling, TypedCode, right};
use super::library::{LibraryMail, OutboxJob};
use super::{Flows, OpenedSession, Presented, SignedIn, VerifyCodeError, Visitor};
use crate::domain::{EmailAddress, SignInCode, Site, Slot, UserId};
use crate::ports::codes::{Claim, ClaimEnd, Claimed};
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

/// The purposes of the two codes of a change.
const CHANGES: [Slot; 2] = [Slot::EmailChangeCurrent, Slot::EmailChangeNew];

impl Flows {
    /// Takes one of the two codes of a change of address, in any order.
    ///
    /// # Errors
    /// A [`ProveEmailError`]. After [`VerifyCodeError::Unavailable`] the same code works again.
    pub async fn prove_email_change(
        self: &Arc<Self>,
        ask: ProveEmailChange,
    ) -> Result<EmailChangeStep, ProveEmailError> {
        self.count_act(Act::Verify, &ask.site, ask.visitor.ip).map_err(VerifyCodeError::ClientLimited)?;
        let flows = Arc::clone(self);
        self.to_its_end(async move { flows.claim_and_prove(ask).await }).await
    }

    async fn claim_and_prove(
        self: Arc<Self>,
        ask: ProveEmailChange,
    ) -> Result<EmailChangeStep, ProveEmailError> {
        let by = By::visitor(&ask.visitor);
        let found = match &ask.presented {
            Presented::Code(_, None) => {
                self.note_malformed(&ask.site, &ask.visitor);
                Ok(None)
            }
            Presented::Code(email, Some(code)) => self.claim_either(&ask.site, email, code, by).await,
            Presented::Link(text) => self.claim_link(&ask.site, &CHANGES, text, &ask.visitor).await,
        };
        let (slot, claim) = found.map_err(VerifyCodeError::from)?.ok_or(VerifyCodeError::Rejected)?;
        let proven = self.prove_claimed(&ask, slot, &claim).await;
        let (end, reason, error) = match proven {
            Ok((ProvenEmail::First, _)) => {
                self.end_claim(&claim, ClaimEnd::Spent).await;
                return Ok(EmailChangeStep::OneToGo);
            }
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
                let dropped = self.db.drop_email_change(UserId(context.user), context.change).await;
                // If that fails, its time ends by itself, and until then the address stays taken.
                drop(dropped);
                (ClaimEnd::Spent, "address_taken", ProveEmailError::Taken)
            }
            Ok((ProvenEmail::Gone, _)) => (ClaimEnd::Spent, "change_gone", VerifyCodeError::Rejected.into()),
            Ok((ProvenEmail::Banned, _)) => (ClaimEnd::Unused, "banned", VerifyCodeError::Banned.into()),
            Err(error) => {
                self.end_claim(&claim, ClaimEnd::Unused).await;
                return Err(error.into());
            }
        };
        self.end_refused_claim(&claim, end, reason, &self.witness(by, ask.presented.email())).await;
        Err(error)
    }

    /// Claims the code of either address: who types does not say which of the two it is. Where only one code waits, only
    /// that one is guessed at.
    async fn claim_either(
        &self,
        site: &Site,
        email: &EmailAddress,
        code: &SignInCode,
        by: By<'_>,
    ) -> Result<Option<(Slot, Claim)>, ClaimError> {
        let [first, second] = CHANGES;
        let typed = |slot| TypedCode { site, slot, email, browser: None, device: None, code, by };
        // One answer is one event: a refusal is told by the first of the two that has something to refuse.
        let telling = match self.claim_typed(&typed(first), Telling::UnlessMissing).await? {
            Claimed::Claim(claim) => return Ok(Some((first, claim))),
            Claimed::Missing => Telling::Always,
            Claimed::Refused => Telling::Never,
            Claimed::ClientLimited(wait) => return Err(ClaimError::ClientLimited(wait)),
        };
        let claim = right(self.claim_typed(&typed(second), telling).await?)?;
        Ok(claim.map(|claim| (second, claim)))
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
