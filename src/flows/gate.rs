//! A proxy asks whether a request may pass to the application behind it.
//!
//! Every request of a page asks, so what was found about a credential is remembered for a second, and whoever asks
//! meanwhile waits for the one statement that is under way.

mod memory;

use std::fmt;
use std::sync::Arc;

use chrono::{DateTime, Utc};

pub use self::memory::GateMemory;
use self::memory::{Found, key_of};
use super::{Flows, Visitor};
use crate::domain::{EmailAddress, SessionCookie, SessionId, Site, StaffRights, Target, UserId, Verdict};
use crate::ports::PortError;
use crate::ports::db::GateClaim;
use crate::ports::tokens::TokenError;
use crate::telemetry::causes;

/// What a request shows of its sender.
#[derive(Clone, Copy)]
pub enum Credential<'a> {
    /// Nothing.
    Nobody,
    /// An access token.
    Token(&'a str),
    /// The session cookie of the hosted pages.
    Cookie(&'a str),
}

/// Whom the application behind the gate is told of.
#[derive(Clone)]
pub struct Passage {
    /// The account.
    pub user: UserId,
    /// Its address.
    pub email: EmailAddress,
    /// The session.
    pub session: SessionId,
    /// Where they are staff and what they may do there; empty on a reader site.
    pub rights: StaffRights,
    /// An access token of the site, for the application.
    pub token: String,
}

impl fmt::Debug for Passage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Passage")
            .field("user", &self.user)
            .field("session", &self.session)
            .finish_non_exhaustive()
    }
}

/// Why a request does not pass.
#[derive(Debug, thiserror::Error)]
pub enum GateError {
    /// There is no live session of this site.
    #[error("not signed in")]
    NotSignedIn,
    /// There is a session, and its owner is no staff anywhere.
    #[error("not a member of any staff")]
    NotStaff,
    /// The owner's rights are others.
    #[error("not allowed")]
    Refused,
    /// The site has no key to sign with.
    #[error("no token can be signed")]
    NoSigningKey(#[from] TokenError),
    /// A dependency failed.
    #[error("a dependency failed")]
    Unavailable(#[from] PortError),
}

impl Flows {
    /// Whether a request for `target` may pass, and as whom. `None` is somebody unknown on a public path.
    ///
    /// # Errors
    /// A [`GateError`]. A public path stays open when the database is out of reach; then nobody is known.
    pub async fn pass_gate(
        &self,
        site: &Site,
        target: &Target,
        credential: Credential<'_>,
        visitor: &Visitor,
    ) -> Result<Option<Arc<Passage>>, GateError> {
        let required = site.gate.required(target);
        let passage = match self.recognise(site, credential, visitor).await {
            Err(GateError::Unavailable(error))
                if error.is_unavailable() && required.judge(None) == Verdict::Pass =>
            {
                tracing::warn!(
                    error = %causes(&error),
                    "nobody is known at the gate for now"
                );
                None
            }
            recognised => recognised?,
        };
        match required.judge(passage.as_deref().map(|passage| &passage.rights)) {
            Verdict::Pass => Ok(passage),
            Verdict::SignIn => Err(GateError::NotSignedIn),
            Verdict::NotStaff => Err(GateError::NotStaff),
            Verdict::Refused => Err(GateError::Refused),
        }
    }

    async fn recognise(
        &self,
        site: &Site,
        credential: Credential<'_>,
        visitor: &Visitor,
    ) -> Result<Option<Arc<Passage>>, GateError> {
        let Some(key) = key_of(site, credential) else { return Ok(None) };
        // Before anything is read, so that the second counts from the oldest that an answer can rest on.
        let now = self.clock.now();
        if let Some(found) = self.gate_memory.find(&key, now) {
            return Ok(found.passage);
        }
        // No slot is kept for what we did not make: no stranger fills the memory.
        let Some(proven) = self.prove(site, credential).await else { return Ok(None) };
        let Some(slot) = self.gate_memory.slot(key, now) else {
            return self.look_up(site, &proven, visitor).await;
        };
        let mut found = slot.lock().await;
        if let Some(found) = found.as_ref().filter(|found| found.is_fresh(now)) {
            return Ok(found.passage.clone());
        }
        let passage = self.look_up(site, &proven, visitor).await?;
        *found = Some(Found::new(passage.clone(), now, proven.ends_at));
        Ok(passage)
    }

    /// What a credential says, if we made it for this site; without any I/O, but for a key that we have not heard of.
    async fn prove<'a>(&self, site: &Site, credential: Credential<'a>) -> Option<Proven<'a>> {
        match credential {
            Credential::Nobody => None,
            Credential::Token(token) => {
                let claims = self.read_token(site, token).await;
                let claims =
                    claims.inspect_err(|error| tracing::debug!(%error, "a token was refused at the gate"));
                let claims = claims.ok()?;
                let (user, session) = claims.bearer();
                let ends_at = DateTime::from_timestamp(claims.exp, 0);
                Some(Proven { session, token: Some((user, token)), ends_at })
            }
            Credential::Cookie(cookie) => {
                let SessionCookie(session) = SessionCookie::parse(cookie, &site.id, &self.keys)?;
                Some(Proven { session, token: None, ends_at: None })
            }
        }
    }

    async fn look_up(
        &self,
        site: &Site,
        proven: &Proven<'_>,
        visitor: &Visitor,
    ) -> Result<Option<Arc<Passage>>, GateError> {
        let claim = GateClaim {
            session: proven.session,
            user: proven.token.map(|(user, _)| user),
            site: &site.id,
            kind: site.kind,
            idle_secs: proven.token.is_none().then_some(site.session_idle.as_secs_f64()),
            user_agent: visitor.user_agent.as_deref(),
            ip: visitor.ip,
        };
        let Some(found) = self.db.find_at_gate(&claim).await? else { return Ok(None) };
        let token = if let Some((_, token)) = proven.token {
            // Handed on as it is: a new one would let a token that was overheard be renewed without end.
            token.to_owned()
        } else {
            self.know_signing_keys().await?;
            self.tokens.issue(site, &found.user, proven.session, found.opened_at, self.clock.now())?.text
        };
        Ok(Some(Arc::new(Passage {
            user: found.user.id,
            email: found.user.email,
            session: proven.session,
            rights: found.rights,
            token,
        })))
    }
}

/// A credential that we made.
struct Proven<'a> {
    session: SessionId,
    /// The access token and its subject, if it is one.
    token: Option<(UserId, &'a str)>,
    /// The end of the credential itself.
    ends_at: Option<DateTime<Utc>>,
}
