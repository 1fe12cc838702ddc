//! Accounts and the audit log as clients of the auth API's wire read them: by page number, and changed as they are now.

use super::{AdminCaller, AdminError, Flows};
use crate::domain::{Account, AccountChange, AuditEntry, AuditQuestion, NumberedPage, UserId};
use crate::ports::db::ActError;

/// How often a change is tried again because somebody else's came first.
const TRIES: usize = 5;

impl Flows {
    /// A page of accounts by creation whose address or full name contains a text in lower case, and how many there are.
    ///
    /// # Errors
    /// If the database is out of reach.
    pub async fn accounts_by_number(
        &self,
        filter: Option<&str>,
        oldest_first: bool,
        page: NumberedPage,
    ) -> Result<(Vec<Account>, i64), AdminError> {
        Ok(self.db.list_accounts_by_number(filter, oldest_first, page).await?)
    }

    /// A page of the audit log, newest first, and how many entries there are.
    ///
    /// # Errors
    /// If the database is out of reach.
    pub async fn audit_by_number(
        &self,
        filter: &AuditQuestion,
        page: NumberedPage,
    ) -> Result<(Vec<AuditEntry>, i64), AdminError> {
        Ok(self.db.list_audit_by_number(filter, page).await?)
    }

    /// Changes an account, whichever version it is: that wire has no versions.
    ///
    /// # Errors
    /// As [`change_account`](Self::change_account).
    pub async fn change_account_now(
        &self,
        caller: &AdminCaller,
        id: UserId,
        change: &AccountChange,
    ) -> Result<Account, AdminError> {
        for _ in 1..TRIES {
            let version = self.account(id).await?.version;
            match self.change_account(caller, id, version, change).await {
                Err(AdminError::Act(ActError::Stale)) => {}
                done => return done,
            }
        }
        let version = self.account(id).await?.version;
        self.change_account(caller, id, version, change).await
    }
}
