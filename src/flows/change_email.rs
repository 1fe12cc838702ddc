//! A person changes the address of their account: a code to each of the two mailboxes, and the account keeps its address
//! until both have been typed.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::account::account;
use super::audit::By;
use super::request_code::RequestCodeError;
use super::sealed::MailFor;
use super::send_code::NewCode;
use super::{AccountError, Flows, Visitor};
use crate::domain::{EmailAddress, Locale, PendingEmail, SessionId, Site, Slot, User, UserId};
use crate::ports::PortError;
use crate::ports::codes::Issue;
use crate::ports::db::{Bearer, BeginEmailChange, BegunEmailChange};
use crate::ports::limits::Act;

/// Why no change of address was begun.
#[derive(Debug, thiserror::Error)]
pub enum ChangeEmailError {
    /// The caller's session or account will not do.
    #[error("the caller was refused")]
    Account(#[from] AccountError),
    /// No mail can be sent now.
    #[error("no code can be sent")]
    Code(#[from] RequestCodeError),
    /// Another account has the address.
    #[error("another account has the address")]
    Taken,
}

impl From<PortError> for ChangeEmailError {
    fn from(error: PortError) -> Self {
        Self::Account(error.into())
    }
}

/// What either code of a change remembers.
#[derive(Serialize, Deserialize)]
pub(super) struct EmailChangeContext {
    pub change: Uuid,
    pub user: Uuid,
    /// The address that the account had when the change was asked for.
    pub current: String,
    pub new: String,
}

impl Flows {
    /// Mails a code to the present address and another to the one to come. The same address as before changes nothing.
    ///
    /// A change that was asked for earlier is replaced. Whether an address is taken is told only to who could have sent a
    /// mail for it, at the same price: so nobody goes through a list of addresses here.
    ///
    /// # Errors
    /// A [`ChangeEmailError`]; then an earlier change goes on, unless the new address cannot be mailed now.
    pub async fn change_email(
        &self,
        site: &Arc<Site>,
        caller: (UserId, SessionId),
        new_email: &EmailAddress,
        visitor: &Visitor,
    ) -> Result<User, ChangeEmailError> {
        self.count_act(Act::RequestCode, site, visitor.ip).map_err(RequestCodeError::ClientLimited)?;
        let user = self.who_am_i(site, caller).await?;
        if user.email == *new_email {
            return Ok(user);
        }
        let by = By { visitor, caller: Some(caller) };
        self.count_send(site, &user.email, Slot::EmailChangeCurrent, Some(by)).await?;
        let (user_id, session) = caller;
        let change = Uuid::new_v4();
        let begin = BeginEmailChange {
            caller: Bearer { user: user_id, session, site: &site.id },
            id: change,
            new_email,
            life: self.code_life,
            ip: visitor.ip,
            agent: visitor.user_agent.as_deref(),
        };
        let user = match self.db.begin_email_change(&begin).await? {
            BegunEmailChange::Judged(judged) => account(judged)?,
            BegunEmailChange::Taken => return Err(ChangeEmailError::Taken),
        };
        let context = EmailChangeContext {
            change,
            user: user_id.0,
            current: user.email.as_str().to_owned(),
            new: new_email.as_str().to_owned(),
        };
        // The new address first: if its owner has had their mails for now, nobody is asked anything.
        if let Err(error) = self.send_half(site, new_email, &context, (by, visitor.locale), Issue::New).await
        {
            self.db.drop_email_change(user_id, change).await?;
            return Err(error.into());
        }
        self.send_half(site, &user.email, &context, (by, visitor.locale), Issue::Counted).await?;
        Ok(user)
    }

    /// Sends the codes of a change again that are still to be typed, given the account's present address. Does nothing if
    /// no change was asked for.
    ///
    /// # Errors
    /// A [`RequestCodeError`].
    pub async fn resend_email_change(
        &self,
        site: &Arc<Site>,
        current: &EmailAddress,
        visitor: &Visitor,
    ) -> Result<(), RequestCodeError> {
        self.count_act(Act::RequestCode, site, visitor.ip).map_err(RequestCodeError::ClientLimited)?;
        let Some(waiting) = self.db.renew_email_change(current, &site.id, self.code_life).await? else {
            return Ok(());
        };
        let by = (By::visitor(visitor), waiting.locale.or(visitor.locale));
        let context = EmailChangeContext {
            change: waiting.id,
            user: waiting.user.0,
            current: current.as_str().to_owned(),
            new: waiting.new_email.as_str().to_owned(),
        };
        if !waiting.current_proven {
            self.send_half(site, current, &context, by, Issue::New).await?;
        }
        if !waiting.new_proven {
            self.send_half(site, &waiting.new_email, &context, by, Issue::New).await?;
        }
        Ok(())
    }

    /// The change of address that a person has asked for, if its time is not over.
    ///
    /// # Errors
    /// If the database is out of reach.
    pub async fn email_change_of(&self, user: UserId) -> Result<Option<PendingEmail>, PortError> {
        self.db.email_change_of(user).await
    }

    /// Takes a change of address back; its codes are worth nothing then. Whether there was one.
    ///
    /// # Errors
    /// If the database is out of reach.
    pub async fn cancel_email_change(
        &self,
        site: &Site,
        user: UserId,
        visitor: &Visitor,
    ) -> Result<bool, PortError> {
        self.db.cancel_email_change(user, &site.id, (visitor.ip, visitor.user_agent.as_deref())).await
    }

    /// The code for one of the two addresses.
    async fn send_half(
        &self,
        site: &Arc<Site>,
        email: &EmailAddress,
        context: &EmailChangeContext,
        (by, locale): (By<'_>, Option<Locale>),
        how: Issue,
    ) -> Result<(), RequestCodeError> {
        let letter = if email.as_str() == context.current {
            MailFor::EmailChangeCurrent { new_email: context.new.clone() }
        } else {
            MailFor::EmailChangeNew
        };
        self.send_code(NewCode { site, email, by, browser: None, device: None, letter, locale, context, how })
            .await
    }
}
