//! A person deletes their account: a code to its address first, then one statement and everything is gone.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::audit::By;
use super::claims::TypedCode;
use super::request_code::RequestCodeError;
use super::sealed::MailFor;
use super::send_code::NewCode;
use super::{AccountError, Flows, VerifyCodeError, Visitor};
use crate::domain::{EmailAddress, SessionId, SignInCode, Site, Slot, UserId};
use crate::ports::PortError;
use crate::ports::codes::{Claim, ClaimEnd, Issue};
use crate::ports::db::{Bearer, DeletedAccount};
use crate::ports::limits::Act;

/// A wish to delete one's account, with the code that was mailed for it.
#[derive(Debug)]
pub struct DeleteAccount {
    /// The site.
    pub site: Arc<Site>,
    /// Whose account, and the session that asks.
    pub caller: (UserId, SessionId),
    /// `None` where the text cannot be a code: that is no guess.
    pub code: Option<SignInCode>,
    /// Who asks.
    pub visitor: Visitor,
}

/// Why no account was deleted, or no code for that was sent.
#[derive(Debug, thiserror::Error)]
pub enum DeleteAccountError {
    /// The caller's session or account will not do.
    #[error("the caller was refused")]
    Account(#[from] AccountError),
    /// No mail can be sent now.
    #[error("no code can be sent")]
    Code(#[from] RequestCodeError),
    /// As for signing in.
    #[error("the proof led to nothing")]
    Proof(#[from] VerifyCodeError),
}

impl From<PortError> for DeleteAccountError {
    fn from(error: PortError) -> Self {
        Self::Account(error.into())
    }
}

/// What a code for deleting remembers.
#[derive(Serialize, Deserialize)]
struct DeletionContext {
    user: Uuid,
}

impl Flows {
    /// Mails the code that deleting the caller's account needs.
    ///
    /// # Errors
    /// A [`DeleteAccountError`]; then nothing was sent.
    pub async fn request_deletion_code(
        &self,
        site: &Arc<Site>,
        caller: (UserId, SessionId),
        visitor: &Visitor,
    ) -> Result<(), DeleteAccountError> {
        self.count_act(Act::RequestCode, site, visitor.ip).map_err(RequestCodeError::ClientLimited)?;
        let user = self.who_am_i(site, caller).await?;
        let new = NewCode {
            site,
            email: &user.email,
            by: By { visitor, caller: Some(caller) },
            browser: None,
            device: None,
            letter: MailFor::DeleteAccount,
            locale: visitor.locale,
            context: &DeletionContext { user: user.id.0 },
            how: Issue::New,
        };
        Ok(self.send_code(new).await?)
    }

    /// Deletes the caller's account, on every site and for good.
    ///
    /// # Errors
    /// A [`DeleteAccountError`]; then the account is as it was. If a dependency failed, the same code works again.
    pub async fn delete_account(self: &Arc<Self>, ask: DeleteAccount) -> Result<(), DeleteAccountError> {
        self.count_act(Act::Verify, &ask.site, ask.visitor.ip).map_err(VerifyCodeError::ClientLimited)?;
        let user = self.who_am_i(&ask.site, ask.caller).await?;
        let flows = Arc::clone(self);
        self.to_its_end(async move { flows.claim_and_delete(ask, &user.email).await }).await
    }

    async fn claim_and_delete(
        &self,
        ask: DeleteAccount,
        email: &EmailAddress,
    ) -> Result<(), DeleteAccountError> {
        let (site, by) = (&ask.site, By { visitor: &ask.visitor, caller: Some(ask.caller) });
        let Some(code) = &ask.code else {
            self.note_malformed(site, &ask.visitor);
            return Err(VerifyCodeError::Rejected.into());
        };
        let typed =
            TypedCode { site, slot: Slot::DeleteAccount, email, browser: None, device: None, code, by };
        let claim = self.claim_code(&typed).await.map_err(VerifyCodeError::from)?;
        let claim = claim.ok_or(VerifyCodeError::Rejected)?;
        let deleted = self.delete_claimed(&ask, &claim).await;
        match &deleted {
            Ok(()) => self.end_claim(&claim, ClaimEnd::Spent).await,
            Err(DeleteAccountError::Proof(VerifyCodeError::Rejected)) => {
                let witness = self.witness(by, Some(email));
                self.end_refused_claim(&claim, ClaimEnd::Unused, "other_account", &witness).await;
            }
            Err(_) => self.end_claim(&claim, ClaimEnd::Unused).await,
        }
        deleted
    }

    async fn delete_claimed(&self, ask: &DeleteAccount, claim: &Claim) -> Result<(), DeleteAccountError> {
        let context: DeletionContext = self.open_context(&ask.site, Slot::DeleteAccount, claim)?;
        let (user, session) = ask.caller;
        // The address may have passed to another account since the code was sent.
        if context.user != user.0 {
            return Err(VerifyCodeError::Rejected.into());
        }
        let caller = Bearer { user, session, site: &ask.site.id };
        match self.db.delete_account(&caller, ask.visitor.ip).await? {
            DeletedAccount::Gone => Ok(()),
            DeletedAccount::NoSession => Err(AccountError::NoSession.into()),
        }
    }
}
