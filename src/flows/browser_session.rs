//! Somebody comes back with a cookie: whose session it is, a token for their page's scripts, and all their sessions.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::{Caller, Flows, Visitor};
use crate::domain::{Locale, OwnSession, SessionCookie, SessionId, Site, User, UserId};
use crate::ports::PortError;
use crate::ports::db::{CookieClaim, EndSessions};
use crate::ports::tokens::{Claims, IssuedToken, TokenError};
use crate::telemetry::SessionEnd;

/// The session of a browser that carries a cookie of ours.
#[derive(Debug, Clone, PartialEq)]
pub struct BrowserSession {
    /// The session.
    pub id: SessionId,
    /// When its owner proved the mailbox.
    pub opened_at: DateTime<Utc>,
    /// Its owner.
    pub user: User,
    /// The language the owner has chosen.
    pub locale: Option<Locale>,
}

impl Flows {
    /// The session that a cookie sent to `site` stands for: one statement. `None` if it is no cookie of ours, or its
    /// session is over.
    ///
    /// # Errors
    /// If the database is out of reach.
    pub async fn recognise_cookie(
        &self,
        site: &Site,
        cookie: &str,
        visitor: &Visitor,
    ) -> Result<Option<BrowserSession>, PortError> {
        let Some(SessionCookie(id)) = SessionCookie::parse(cookie, &site.id, &self.keys) else {
            return Ok(None);
        };
        let claim = CookieClaim {
            session: id,
            site: &site.id,
            idle_secs: site.session_idle.as_secs_f64(),
            user_agent: visitor.user_agent.as_deref(),
            ip: visitor.ip,
        };
        let continued = self.db.continue_session(&claim).await?;
        Ok(continued.map(|found| BrowserSession {
            id,
            opened_at: found.opened_at,
            user: found.user,
            locale: found.locale,
        }))
    }

    /// The cookie of a session.
    #[must_use]
    pub fn cookie_of(&self, site: &Site, session: SessionId) -> String {
        SessionCookie(session).encode(&site.id, &self.keys)
    }

    /// An access token for the scripts of a page, or for what stands behind the gate. No refresh token goes with it: the
    /// cookie is what continues the session.
    ///
    /// # Errors
    /// If the site has no key to sign with.
    pub async fn token_of(&self, site: &Site, session: &BrowserSession) -> Result<IssuedToken, TokenError> {
        self.know_signing_keys().await?;
        self.tokens.issue(site, &session.user, session.id, session.opened_at, self.clock.now())
    }

    /// The same caller that a token of this session would make.
    #[must_use]
    pub fn caller_of(&self, site: &Arc<Site>, session: &BrowserSession, visitor: &Visitor) -> Caller {
        Caller {
            site: Arc::clone(site),
            claims: Claims::of(site, &session.user, session.id, session.opened_at, self.clock.now()),
            visitor: visitor.clone(),
        }
    }

    /// All of a person's sessions that live, on every site.
    ///
    /// # Errors
    /// If the database is out of reach.
    pub async fn sessions_of(&self, user: UserId) -> Result<Vec<OwnSession>, PortError> {
        self.db.sessions_of(user).await
    }

    /// Ends sessions of a person, on every site. Answers how many; none if the caller's own was over.
    ///
    /// # Errors
    /// If the database is out of reach; then no session was ended.
    pub async fn end_sessions(
        &self,
        caller: (UserId, SessionId),
        which: EndSessions,
        visitor: &Visitor,
    ) -> Result<i64, PortError> {
        let client = (visitor.ip, visitor.user_agent.as_deref());
        let ended = self.db.end_sessions(caller, which, client).await?;
        self.metrics.sessions.ended(SessionEnd::Owner, ended);
        Ok(ended)
    }

    /// Everything that is kept about a person.
    ///
    /// # Errors
    /// If the database is out of reach.
    pub async fn personal_data(&self, user: UserId) -> Result<serde_json::Value, PortError> {
        self.db.personal_data(user).await
    }
}
