//! Accounts: looked for, made, changed, banned, unlocked, deleted.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::once::Begun;
use super::{AdminCaller, AdminError, Flows, Request};
use crate::domain::{Account, AccountChange, AccountPlan, AccountSearch, EmailAddress, Page, Scope, UserId};
use crate::flows::Part;
use crate::flows::library::{LibraryMail, OutboxJob};
use crate::ports::PortError;
use crate::ports::db::{ActError, AddressMark, ChangeUser, NewUser};

/// What a repeated creation is answered from: the account as it is by then.
#[derive(Serialize, Deserialize)]
struct MadeAccount {
    id: Uuid,
}

impl Flows {
    /// The accounts that meet every condition, in the order of their addresses where a prefix is asked for, else newest
    /// first.
    ///
    /// # Errors
    /// If the database is out of reach.
    pub async fn find_accounts(
        &self,
        search: &AccountSearch,
        page: Page,
    ) -> Result<Part<Account>, AdminError> {
        Ok(Part::of(self.db.find_accounts(search, page).await?, page, |account| account.user.id.0))
    }

    /// An account.
    ///
    /// # Errors
    /// An [`AdminError`]; [`ActError::Missing`] if there is no such account.
    pub async fn account(&self, id: UserId) -> Result<Account, AdminError> {
        Ok(self.db.find_account(id).await?.ok_or(ActError::Missing)?)
    }

    /// Makes an account. No mail is sent.
    ///
    /// # Errors
    /// An [`AdminError`]; [`AdminError::AccountExists`] if another has the address or the id.
    pub async fn create_account(
        &self,
        caller: &AdminCaller,
        plan: &AccountPlan,
        request: &Request<'_>,
    ) -> Result<Account, AdminError> {
        caller.require(Scope::Admin)?;
        let mut once = match self.begin_once::<MadeAccount>(caller, request).await? {
            Begun::Before(made) => return self.account(UserId(made.id)).await,
            Begun::Now(once) => once,
        };
        let id = plan.id.unwrap_or_default();
        let new = NewUser { id, plan, mark: self.mark(&plan.email) };
        let made = once.tx.insert_account(&caller.actor(), &new).await;
        match self.finish_once(once, made.map(|()| MadeAccount { id: id.0 })).await {
            Ok(made) => self.account(UserId(made.id)).await,
            Err(AdminError::Act(ActError::Duplicate)) => Err(AdminError::AccountExists),
            Err(error) => Err(error),
        }
    }

    /// Changes an account. A ban, and another address, end all its sessions at once.
    ///
    /// Whoever may only help people may ban and lift bans, but not of those who administer with a wider scope.
    ///
    /// # Errors
    /// An [`AdminError`]; then nothing changed.
    pub async fn change_account(
        &self,
        caller: &AdminCaller,
        id: UserId,
        version: i32,
        change: &AccountChange,
    ) -> Result<Account, AdminError> {
        if !change.is_about_a_ban() {
            caller.require(Scope::Admin)?;
        }
        let account = self.account(id).await?;
        if let Some(scope) = account.admin_scope() {
            caller.require(scope)?;
        }
        if account.version != version {
            return Err(ActError::Stale.into());
        }
        let old = &account.user.email;
        let moves = change.email.as_ref().filter(|new| *new != old);
        // Whoever had the account hears of it where they did.
        let notice = match moves {
            Some(_) if account.user.email_confirmed_at.is_some() => self.moved_notice(id, old)?,
            _ => None,
        };
        let marks = moves.map(|new| (self.mark(old), self.mark(new)));
        let tells = notice.is_some();
        let ask = ChangeUser { id, version, change, marks, notice };
        match self.db.change_account(&caller.actor(), &ask).await {
            Ok(()) => {
                if tells {
                    self.outbox_filled.notify_one();
                }
                self.account(id).await
            }
            Err(ActError::Duplicate) => Err(AdminError::AccountExists),
            Err(error) => Err(error.into()),
        }
    }

    /// Deletes an account: whole, or down to a husk that keeps its id and nothing else.
    ///
    /// # Errors
    /// An [`AdminError`]; [`ActError::LastOwner`] if a library would lose its last active owner.
    pub async fn remove_account(
        &self,
        caller: &AdminCaller,
        id: UserId,
        version: Option<i32>,
        leave_husk: bool,
    ) -> Result<(), AdminError> {
        caller.require(Scope::Admin)?;
        Ok(self.db.remove_account(&caller.actor(), id, version, leave_husk).await?)
    }

    /// Lifts the limits on guesses at an account's address and on mails to it.
    ///
    /// # Errors
    /// An [`AdminError`]; then they stand, unless only the record of it was lost.
    pub async fn unlock_account(&self, caller: &AdminCaller, id: UserId) -> Result<(), AdminError> {
        let mut tx = self.db.begin_creation().await?;
        let email = tx.note_unlock(&caller.actor(), id).await?.ok_or(ActError::Missing)?;
        let names: Vec<_> = self.keys.address_tags(&email).collect();
        tx.forget_wrong_guesses(&names).await?;
        for name in names {
            self.codes.unlock(name).await?;
        }
        Ok(tx.commit().await?)
    }

    /// What the audit log keeps of an address.
    pub(super) fn mark(&self, email: &EmailAddress) -> AddressMark {
        AddressMark { domain: email.domain().to_owned(), tag: self.keys.address_tag(email).to_hex() }
    }

    fn moved_notice(&self, id: UserId, old: &EmailAddress) -> Result<Option<Vec<u8>>, PortError> {
        // In the name of the site where accounts are made: this is about all of them.
        let Some(site) = self.sites.sign_up_site().or_else(|| self.sites.iter().next()) else {
            return Ok(None);
        };
        let mail = LibraryMail::AddressChanged {
            user: id.0,
            email: old.as_str().to_owned(),
            by_administrator: true,
        };
        self.seal_outbox_job(&OutboxJob { site: site.id.clone(), mail }).map(Some)
    }
}
