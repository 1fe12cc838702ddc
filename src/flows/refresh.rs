//! A client continues its session: one statement moves the counter, then new tokens are signed.

use std::sync::Arc;
use std::time::Duration;

use super::{Flows, OpenedSession, SignedIn, Visitor};
use crate::domain::{RefreshToken, RefreshTokenError, Site};
use crate::ports::PortError;
use crate::ports::db::{RefreshSession, Refreshed};
use crate::ports::limits::Act;
use crate::ports::refusals::Refusal;
use crate::ports::tokens::TokenError;
use crate::telemetry::{Refresh, SessionEnd};

/// Why a session does not go on.
#[derive(Debug, thiserror::Error)]
pub enum RefreshError {
    /// This client refreshed too often.
    #[error("too many requests from this client")]
    ClientLimited(Duration),
    /// The text is no refresh token of ours, or not of this site.
    #[error("the token was refused")]
    Token(#[from] RefreshTokenError),
    /// The session was ended.
    #[error("there is no such session")]
    NoSession,
    /// The session paused for too long.
    #[error("the session was idle for too long")]
    Idle,
    /// The session has reached its longest life.
    #[error("the session has reached its longest life")]
    TooOld,
    /// The account is banned.
    #[error("the account is banned")]
    Banned,
    /// The token was older than the one before the current: the session was ended as stolen.
    #[error("an old token was used again")]
    Reused,
    /// Another client was faster; this one may try again with what that one got.
    #[error("the token was overtaken")]
    Overtaken,
    /// The site has no key to sign with.
    #[error("no token can be signed")]
    NoSigningKey(#[from] TokenError),
    /// A dependency failed; the token still works.
    #[error("a dependency failed")]
    Unavailable(#[from] PortError),
}

impl Flows {
    /// Trades a refresh token for its successor and a new access token.
    ///
    /// # Errors
    /// A [`RefreshError`]. After [`RefreshError::Unavailable`] the same token works again.
    pub async fn refresh(
        &self,
        site: &Arc<Site>,
        text: &str,
        visitor: &Visitor,
    ) -> Result<SignedIn, RefreshError> {
        let outcome = self.count_and_refresh(site, text, visitor).await;
        self.metrics.sessions.refreshed(&site.id, counted(&outcome));
        outcome
    }

    async fn count_and_refresh(
        &self,
        site: &Arc<Site>,
        text: &str,
        visitor: &Visitor,
    ) -> Result<SignedIn, RefreshError> {
        self.count_act(Act::Refresh, site, visitor.ip).map_err(RefreshError::ClientLimited)?;
        let token = RefreshToken::parse(text, &site.id, &self.keys).inspect_err(|_| {
            self.refusals.count(Refusal::ForeignToken, &site.id, visitor.ip);
        })?;
        let refreshed = self
            .db
            .refresh_session(&RefreshSession {
                token,
                site: &site.id,
                idle_secs: site.session_idle.as_secs_f64(),
                user_agent: visitor.user_agent.as_deref(),
                ip: Some(visitor.ip),
            })
            .await?;
        match refreshed {
            Refreshed::Session(counter, opened_at, user) => {
                let session = OpenedSession { id: token.session, opened_at, counter };
                Ok(self.signed_in(site, *user, &session).await?)
            }
            Refreshed::NoSession => Err(RefreshError::NoSession),
            Refreshed::Idle => Err(RefreshError::Idle),
            Refreshed::TooOld => Err(RefreshError::TooOld),
            Refreshed::Banned => Err(RefreshError::Banned),
            Refreshed::Overtaken => Err(RefreshError::Overtaken),
            Refreshed::Reused => {
                self.metrics.sessions.ended(SessionEnd::Stolen, 1);
                tracing::warn!(session.id = %token.session, site = site.id, "an old refresh token was used again: session ended");
                Err(RefreshError::Reused)
            }
        }
    }
}

fn counted(outcome: &Result<SignedIn, RefreshError>) -> Refresh {
    match outcome {
        Ok(_) => Refresh::Refreshed,
        Err(RefreshError::ClientLimited(_)) => Refresh::Limited,
        Err(RefreshError::Token(_)) => Refresh::BadToken,
        Err(RefreshError::NoSession) => Refresh::NoSession,
        Err(RefreshError::Idle | RefreshError::TooOld) => Refresh::Expired,
        Err(RefreshError::Banned) => Refresh::Banned,
        Err(RefreshError::Reused) => Refresh::Reused,
        Err(RefreshError::Overtaken) => Refresh::Overtaken,
        Err(RefreshError::NoSigningKey(_) | RefreshError::Unavailable(_)) => Refresh::Failed,
    }
}
