//! A person deletes their account: one statement, and all that hangs on the account goes with it.

use std::net::IpAddr;

use super::{Bearer, Db, db_error};
use crate::ports::PortError;

/// Whether there was an account to delete.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeletedAccount {
    /// It is gone.
    Gone,
    /// The caller's session does not exist any more.
    NoSession,
}

impl Db {
    /// Deletes the account of a session's owner, and keeps on record that an account was deleted.
    pub async fn delete_account(&self, caller: &Bearer<'_>, ip: IpAddr) -> Result<DeletedAccount, PortError> {
        // Not sent again where the connection breaks: if the first sending was done, the second would find nobody and
        // call that a refusal. The caller gives the code back.
        let statement = sqlx::query_scalar!(
            r#"select auth.delete_account($1, $2, $3, $4::text::inet) as "deleted!""#,
            caller.user.0,
            caller.session.0,
            caller.site,
            ip.to_string(),
        );
        let deleted = self.run_once(|sql| Box::pin(statement.fetch_one(sql))).await.map_err(db_error)?;
        Ok(if deleted { DeletedAccount::Gone } else { DeletedAccount::NoSession })
    }
}
