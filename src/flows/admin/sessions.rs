//! Other people's sessions: looked at and ended.

use uuid::Uuid;

use super::{AdminCaller, AdminError, Flows};
use crate::domain::{OwnSession, Page, UserId};
use crate::flows::Part;
use crate::ports::db::ActError;

impl Flows {
    /// The sessions of an account that are not over, newest first.
    ///
    /// # Errors
    /// An [`AdminError`]; [`ActError::Missing`] if there is no such account.
    pub async fn list_sessions(&self, user: UserId, page: Page) -> Result<Part<OwnSession>, AdminError> {
        let sessions = self.db.list_sessions_of(user, page).await?.ok_or(ActError::Missing)?;
        Ok(Part::of(sessions, page, |session| session.id.0))
    }

    /// Ends somebody's session.
    ///
    /// # Errors
    /// An [`AdminError`]; [`ActError::Missing`] if there is no such session.
    pub async fn revoke_session(&self, caller: &AdminCaller, session: Uuid) -> Result<(), AdminError> {
        match self.db.end_sessions_of(&caller.actor(), None, Some(session)).await? {
            0 => Err(ActError::Missing.into()),
            _ => Ok(()),
        }
    }

    /// Ends all sessions of an account on all sites and says how many there were.
    ///
    /// # Errors
    /// An [`AdminError`].
    pub async fn revoke_sessions_of(&self, caller: &AdminCaller, user: UserId) -> Result<u64, AdminError> {
        Ok(self.db.end_sessions_of(&caller.actor(), Some(user), None).await?)
    }
}
