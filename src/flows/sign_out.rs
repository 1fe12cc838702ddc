//! Somebody signs out: one statement ends the sessions they mean, on this site.

use super::{Flows, Visitor};
use crate::domain::{SessionId, SignOutScope, Site, UserId};
use crate::ports::PortError;
use crate::ports::db::{Bearer, SignedOut};
use crate::telemetry::SessionEnd;

/// Why nothing was signed out.
#[derive(Debug, thiserror::Error)]
pub enum SignOutError {
    /// The caller's session does not exist any more.
    #[error("there is no such session")]
    NoSession,
    /// A dependency failed.
    #[error("a dependency failed")]
    Unavailable(#[from] PortError),
}

impl Flows {
    /// Ends sessions of a token's bearer. Sessions on other sites go on: each site is signed in to and out of by itself.
    ///
    /// # Errors
    /// A [`SignOutError`]; then no session was ended.
    pub async fn sign_out(
        &self,
        site: &Site,
        (user, session): (UserId, SessionId),
        scope: SignOutScope,
        visitor: &Visitor,
    ) -> Result<(), SignOutError> {
        let caller = Bearer { user, session, site: &site.id };
        let client = (Some(visitor.ip), visitor.user_agent.as_deref());
        match self.db.sign_out(&caller, scope, client).await? {
            SignedOut::Ended(sessions) => {
                self.metrics.sessions.ended(SessionEnd::SignOut, sessions);
                Ok(())
            }
            SignedOut::NoSession => Err(SignOutError::NoSession),
        }
    }
}
