//! The life of a signing key, and what has to happen to the keys of a site next.
//!
//! A key is next, then active, then retiring, then gone. It is published from the moment it is made, so that every
//! verifier has it before it signs, and until the last token that it signed has died.

use std::time::Duration;

use chrono::{DateTime, Utc};

use super::TokenAlgorithm;
use super::clock_skew::TOLERATED;

/// How long a verifier may keep a copy of a site's key set: what its `Cache-Control` says.
pub const KEY_SET_LIFE: Duration = Duration::from_secs(600);
/// How often every replica reads the keys: what one of them changes binds on all this soon.
pub const KEYS_READ_EVERY: Duration = Duration::from_secs(20);
/// A replica that has not read the keys for this long reads them before it signs.
pub const KEYS_STALE_AFTER: Duration = Duration::from_secs(120);
/// A next key that nobody has promoted this long after its time is nobody's: of an algorithm that the site has left.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(86_400);

/// Beyond the life of its tokens a retiring key is kept for a replica that signed with it while it could not know better,
/// and for clocks that are behind.
pub const KEPT_BEYOND_TOKENS: Duration = KEYS_STALE_AFTER.saturating_add(TOLERATED);

/// Where a key is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum KeyState {
    /// Published, and does not sign yet.
    Next,
    /// Signs.
    Active,
    /// Signs no more; its tokens are still good.
    Retiring,
    /// Nothing that it signed is good any more.
    Gone,
}

impl KeyState {
    /// Reads the word. `None` for any other.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Next, Self::Active, Self::Retiring, Self::Gone]
            .into_iter()
            .find(|state| state.as_str() == word)
    }

    /// The word in the database.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Next => "next",
            Self::Active => "active",
            Self::Retiring => "retiring",
            Self::Gone => "gone",
        }
    }
}

/// A signing key without what it signs with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SigningKey {
    /// Names it in a token's header.
    pub kid: String,
    /// The site that signs with it.
    pub site: String,
    /// How it signs.
    pub algorithm: TokenAlgorithm,
    /// Where it is in its life.
    pub state: KeyState,
    /// When it was made, and published.
    pub created_at: DateTime<Utc>,
    /// Since when it signs, or from when it did.
    pub activated_at: Option<DateTime<Utc>>,
    /// Of a next key: when it becomes active.
    pub promote_at: Option<DateTime<Utc>>,
    /// Until when it signed.
    pub retired_at: Option<DateTime<Utc>>,
    /// Of a retiring key: when it is gone.
    pub drop_at: Option<DateTime<Utc>>,
    /// The longest life of a token that it has signed.
    pub token_life: Duration,
}

/// How the keys of a site are to be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyRules {
    /// How the site signs.
    pub algorithm: TokenAlgorithm,
    /// How long a key signs before the next one does. `None`: until somebody says so.
    pub rotate_every: Option<Duration>,
    /// How long a key is published, at least, before it signs.
    pub publish_ahead: Duration,
    /// Life of a token that is signed now.
    pub token_life: Duration,
}

/// Something that has to happen to a site's keys. Each is safe to be tried by every replica at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyStep {
    /// No key signs: make one that does.
    MakeActive,
    /// Make the successor of a key.
    MakeNext {
        /// The key to succeed.
        after: String,
        /// How long that one signs, at least; its successor waits for the end of it.
        signs_for: Duration,
    },
    /// A next key becomes active in place of whichever was.
    Promote(String),
    /// An active key that is not the site's any more signs no longer.
    Retire(String),
    /// A key is gone.
    Drop(String),
    /// An active key signs tokens that live longer than those before.
    Prolong(String),
}

impl KeyRules {
    /// What has to happen now, by the database's clock, to the keys of one site.
    #[must_use]
    pub fn steps(&self, keys: &[SigningKey], now: DateTime<Utc>) -> Vec<KeyStep> {
        let in_state = |state| keys.iter().filter(move |key| key.state == state);
        let mut steps = Vec::new();
        if in_state(KeyState::Active).next().is_none() {
            steps.push(KeyStep::MakeActive);
        }
        for key in in_state(KeyState::Active) {
            if key.token_life < self.token_life {
                steps.push(KeyStep::Prolong(key.kid.clone()));
            }
        }
        steps.extend(self.succession(keys, now));
        for key in in_state(KeyState::Next) {
            let is_ours = key.algorithm == self.algorithm;
            if !is_ours && key.promote_at.is_some_and(|at| at + FORGOTTEN_AFTER <= now) {
                steps.push(KeyStep::Drop(key.kid.clone()));
            }
        }
        for key in in_state(KeyState::Retiring) {
            if key.drop_at.is_some_and(|at| at <= now) {
                steps.push(KeyStep::Drop(key.kid.clone()));
            }
        }
        steps
    }

    /// Whether a next key may sign: its time has come, and it was published for long enough.
    #[must_use]
    pub fn may_sign(&self, next: &SigningKey, now: DateTime<Utc>) -> bool {
        next.state == KeyState::Next
            && next.promote_at.is_some_and(|at| at <= now)
            && next.created_at + self.publish_ahead <= now
    }

    fn succession(&self, keys: &[SigningKey], now: DateTime<Utc>) -> Vec<KeyStep> {
        let ours = |state| keys.iter().find(move |key| key.state == state && key.algorithm == self.algorithm);
        let others =
            || keys.iter().filter(|key| key.state == KeyState::Active && key.algorithm != self.algorithm);
        let active = ours(KeyState::Active);
        if let Some(next) = ours(KeyState::Next) {
            if self.may_sign(next, now) {
                return vec![KeyStep::Promote(next.kid.clone())];
            }
        } else if let (Some(active), Some(rotate_every)) = (active, self.rotate_every) {
            let since = active.activated_at.unwrap_or(active.created_at);
            if since + rotate_every <= now + self.publish_ahead {
                return vec![KeyStep::MakeNext { after: active.kid.clone(), signs_for: rotate_every }];
            }
        }
        match active {
            // Another algorithm was configured: the old one signs until verifiers have had time to see the new key.
            None if ours(KeyState::Next).is_none() => others()
                .take(1)
                .map(|other| KeyStep::MakeNext { after: other.kid.clone(), signs_for: Duration::ZERO })
                .collect(),
            None => Vec::new(),
            // Not at once: while a change of the configuration is rolled out, other replicas may still sign with it.
            Some(active) => others()
                .filter(|_| active.activated_at.unwrap_or(active.created_at) + self.publish_ahead <= now)
                .map(|other| KeyStep::Retire(other.kid.clone()))
                .collect(),
        }
    }
}

#[cfg(test)]
mod tests;
