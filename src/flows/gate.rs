//! A proxy asks whether a request may pass to the application behind it.
//!
//! Every request of a page asks, so what was found about a credential is remembered for a second, and whoever asks
//! meanwhile waits for the one statement that is under way.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use chrono::{DateTime, Utc};

use super::{Flows, Visitor};
use crate::domain::{EmailAddress, SessionCookie, SessionId, Site, StaffRights, Target, UserId, Verdict};
use crate::ports::PortError;
use crate::ports::db::GateClaim;
use crate::ports::tokens::TokenError;

/// How old an answer may be: a sign-out, a ban and a removed staff record bind within this time.
const REMEMBERED: Duration = Duration::from_secs(1);
/// Most credentials that are remembered at once; past it the database is asked each time. With a token each, 2 MB.
const MOST: usize = 1024;

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

/// What was found about a credential.
#[derive(Clone)]
struct Found {
    passage: Option<Arc<Passage>>,
    from: DateTime<Utc>,
    until: DateTime<Utc>,
}

type Slot = Arc<tokio::sync::Mutex<Option<Found>>>;

/// What was found in the last second, by a hash of site and credential.
#[derive(Default)]
pub struct GateMemory {
    slots: Mutex<HashMap<[u8; 32], Slot>>,
}

impl fmt::Debug for GateMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("GateMemory(…)")
    }
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
                    error = &error as &dyn std::error::Error,
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
        let Some(proven) = self.prove(site, credential, now) else { return Ok(None) };
        let Some(slot) = self.gate_memory.slot(key, now) else {
            return self.look_up(site, &proven, visitor).await;
        };
        let mut found = slot.lock().await;
        if let Some(found) = found.as_ref().filter(|found| found.is_fresh(now)) {
            return Ok(found.passage.clone());
        }
        let passage = self.look_up(site, &proven, visitor).await?;
        let until = proven.ends_at.map_or(now + REMEMBERED, |end| end.min(now + REMEMBERED));
        *found = Some(Found { passage: passage.clone(), from: now, until });
        Ok(passage)
    }

    /// What a credential says, if we made it for this site; without any I/O.
    fn prove<'a>(&self, site: &Site, credential: Credential<'a>, now: DateTime<Utc>) -> Option<Proven<'a>> {
        match credential {
            Credential::Nobody => None,
            Credential::Token(token) => {
                let claims = self.tokens.verify(site, token, now);
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
        let token = match proven.token {
            // Handed on as it is: a new one would let a token that was overheard be renewed without end.
            Some((_, token)) => token.to_owned(),
            None => {
                self.tokens.issue(site, &found.user, proven.session, found.opened_at, self.clock.now())?.text
            }
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

/// The hash that a credential is remembered by: what is kept in memory opens nothing.
fn key_of(site: &Site, credential: Credential<'_>) -> Option<[u8; 32]> {
    let (kind, text) = match credential {
        Credential::Nobody => return None,
        Credential::Token(text) => ("token", text),
        Credential::Cookie(text) => ("cookie", text),
    };
    // A site's id has no zero octet.
    let hash = digest(&SHA256, format!("{}\0{kind}\0{text}", site.id).as_bytes());
    hash.as_ref().try_into().ok()
}

impl Found {
    fn is_fresh(&self, now: DateTime<Utc>) -> bool {
        // A clock that was set back must not make an answer last.
        self.from <= now && now < self.until
    }
}

impl GateMemory {
    /// What was found in the last second. Nobody waits here.
    fn find(&self, key: &[u8; 32], now: DateTime<Utc>) -> Option<Found> {
        let slot = self.slots().get(key).cloned()?;
        let found = slot.try_lock().ok()?;
        found.as_ref().filter(|found| found.is_fresh(now)).cloned()
    }

    /// The place of a credential. `None` if all are taken.
    fn slot(&self, key: [u8; 32], now: DateTime<Utc>) -> Option<Slot> {
        let mut slots = self.slots();
        if slots.len() >= MOST && !slots.contains_key(&key) {
            // Whoever waits for a slot holds it too.
            slots.retain(|_, slot| {
                Arc::strong_count(slot) > 1
                    || slot
                        .try_lock()
                        .is_ok_and(|found| found.as_ref().is_some_and(|found| found.is_fresh(now)))
            });
        }
        if slots.len() >= MOST && !slots.contains_key(&key) {
            return None;
        }
        Some(Arc::clone(slots.entry(key).or_default()))
    }

    fn slots(&self) -> std::sync::MutexGuard<'_, HashMap<[u8; 32], Slot>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_000_000 + seconds, 0).expect("a time")
    }

    fn key(number: usize) -> [u8; 32] {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&number.to_be_bytes());
        key
    }

    fn remember(memory: &GateMemory, number: usize, now: DateTime<Utc>) -> bool {
        let Some(slot) = memory.slot(key(number), now) else { return false };
        let mut found = slot.try_lock().expect("nobody else has it");
        *found = Some(Found { passage: None, from: now, until: now + REMEMBERED });
        true
    }

    #[test]
    fn t29_what_was_found_is_remembered_for_a_second_and_not_before_it_was_found() {
        let memory = GateMemory::default();
        assert!(remember(&memory, 1, at(0)));
        assert!(memory.find(&key(1), at(0)).is_some());
        assert!(memory.find(&key(1), at(1) - Duration::from_millis(1)).is_some());
        assert!(memory.find(&key(1), at(1)).is_none());
        assert!(memory.find(&key(1), at(-1)).is_none(), "the clock was set back");
        assert!(memory.find(&key(2), at(0)).is_none());
    }

    #[test]
    fn the_memory_has_an_end_and_room_again_a_second_later() {
        let memory = GateMemory::default();
        assert!((0..MOST).all(|number| remember(&memory, number, at(0))));
        assert!(!remember(&memory, MOST, at(0)), "it is full");
        assert!(remember(&memory, 0, at(0)), "who is in it stays");
        let waited_for = memory.slot(key(1), at(0)).expect("a slot");
        assert!(remember(&memory, MOST, at(1)));
        assert_eq!(memory.slots().len(), 2, "the new one, and the one that somebody waits for");
        drop(waited_for);
    }
}
