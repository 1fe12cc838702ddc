//! The server makes the signing keys that are missing, lets them follow each other, and reads those that exist.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use tokio::sync::Mutex;

use super::Flows;
use crate::domain::keys::Sealed;
use crate::domain::signing_key::{KEPT_BEYOND_TOKENS, KEYS_READ_EVERY, KEYS_STALE_AFTER};
use crate::domain::{KeyRules, KeyStep, SigningKey, Site, TokenAlgorithm};
use crate::ports::PortError;
use crate::ports::db::{KeyActor, NewSigningKey, StoredSigningKey};
use crate::ports::tokens::{KeyPair, KeyPairError, TokenError};
use crate::telemetry::causes;

/// Least time between two readings that tokens of unknown keys ask for: strangers can make such tokens up.
const UNKNOWN_KEY_EVERY: Duration = Duration::from_secs(3);

/// Why the signing keys cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SigningKeysError {
    /// A stored key was wrapped under a master secret that we do not have.
    #[error(
        "signing key {kid} was wrapped under another master secret: give the one it was made under as secrets.master, \
         or, after a rotation, in secrets.previous"
    )]
    OtherMaster {
        /// Which key.
        kid: String,
    },
    /// No such key is in use.
    #[error("there is no such key, or it is gone")]
    NoSuchKey,
    /// Others moved the site's keys at the same moment, again and again.
    #[error("the site's keys are being changed by others")]
    Rivalled,
    /// A key could not be made or read.
    #[error(transparent)]
    Broken(#[from] KeyPairError),
    /// The database failed.
    #[error("a dependency failed")]
    Unavailable(#[from] PortError),
}

/// How signing keys follow each other, and when they were read.
#[derive(Debug)]
pub struct KeyKeeping {
    /// How long a key signs before the next one does. `None`: until somebody says so.
    pub rotate_every: Option<Duration>,
    /// How long a key is published, at least, before it signs.
    pub publish_ahead: Duration,
    /// When a token of an unknown key last asked for a reading, by a clock that nobody sets. Locked while one is under way.
    looked_at: Mutex<Option<Instant>>,
    /// When the last reading that succeeded was begun.
    known_at: RwLock<Option<Instant>>,
}

impl KeyKeeping {
    /// Nothing was read yet.
    #[must_use]
    pub fn new(rotate_every: Option<Duration>, publish_ahead: Duration) -> Self {
        Self { rotate_every, publish_ahead, looked_at: Mutex::default(), known_at: RwLock::default() }
    }

    fn known_at(&self) -> Option<Instant> {
        *self.known_at.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_known(&self) -> bool {
        self.known_at().is_some_and(|known_at| known_at.elapsed() < KEYS_STALE_AFTER)
    }
}

impl Flows {
    /// Reads all signing keys, and does what has to happen to them now.
    ///
    /// # Errors
    /// A [`SigningKeysError`]; the keys in use stay in use.
    pub async fn load_signing_keys(&self) -> Result<(), SigningKeysError> {
        let _alone = self.key_keeping.looked_at.lock().await;
        self.read_and_keep().await
    }

    /// Reads the signing keys again and again until the server stops.
    pub fn start_key_keeping(self: &Arc<Self>) {
        let flows = Arc::clone(self);
        self.unfinished.spawn(async move {
            loop {
                tokio::select! {
                    () = flows.finishing.cancelled() => return,
                    () = tokio::time::sleep(KEYS_READ_EVERY) => {}
                }
                if let Err(error) = flows.load_signing_keys().await {
                    tracing::warn!(
                        error = %causes(&error),
                        "signing keys could not be read again"
                    );
                }
            }
        });
    }

    /// Reads the keys because a token names one that we do not know: another replica may have made it a moment ago. Whether
    /// it is worth looking again.
    pub(super) async fn look_for_new_key(&self) -> bool {
        let asked_at = Instant::now();
        let mut looked_at = self.key_keeping.looked_at.lock().await;
        if self.key_keeping.known_at().is_some_and(|known_at| known_at >= asked_at) {
            return true;
        }
        if looked_at.is_some_and(|looked_at| looked_at.elapsed() < UNKNOWN_KEY_EVERY) {
            return false;
        }
        *looked_at = Some(asked_at);
        self.read_and_keep().await.is_ok()
    }

    /// Reads the keys if that was not possible for long: one that we would sign with may be gone.
    ///
    /// # Errors
    /// If the database is out of reach.
    pub(super) async fn know_signing_keys(&self) -> Result<(), TokenError> {
        if self.key_keeping.is_known() {
            return Ok(());
        }
        let _alone = self.key_keeping.looked_at.lock().await;
        if self.key_keeping.is_known() {
            return Ok(());
        }
        let Err(error) = self.read_and_keep().await else { return Ok(()) };
        tracing::error!(error = %causes(&error), "signing keys could not be read for long");
        match error {
            SigningKeysError::Unavailable(_) => Err(TokenError::Unavailable),
            // With the keys in use people still sign in while somebody looks for the right secret.
            _ => Ok(()),
        }
    }

    async fn read_and_keep(&self) -> Result<(), SigningKeysError> {
        let now = Instant::now();
        let (stored, read_at) = self.db.list_signing_keys().await?;
        let steps = self.steps(&stored, read_at);
        self.take_up(stored)?;
        *self.key_keeping.known_at.write().unwrap_or_else(PoisonError::into_inner) = Some(now);
        if steps.is_empty() {
            return Ok(());
        }
        for (site, step) in steps {
            self.take_step(site, step).await?;
        }
        // Whoever was first with a step, this replica or another: what is there now counts.
        let (stored, _) = self.db.list_signing_keys().await?;
        self.take_up(stored)
    }

    fn steps(&self, stored: &[StoredSigningKey], now: DateTime<Utc>) -> Vec<(&Site, KeyStep)> {
        let of_site = |site: &Site| -> Vec<SigningKey> {
            stored
                .iter()
                .filter(|stored| stored.key.site == site.id)
                .map(|stored| stored.key.clone())
                .collect()
        };
        self.sites
            .iter()
            .flat_map(|site| {
                let steps = self.key_rules(site).steps(&of_site(site), now);
                steps.into_iter().map(move |step| (&**site, step))
            })
            .collect()
    }

    pub(super) fn key_rules(&self, site: &Site) -> KeyRules {
        KeyRules {
            algorithm: site.algorithm,
            rotate_every: self.key_keeping.rotate_every,
            publish_ahead: self.key_keeping.publish_ahead,
            token_life: site.access_token_life,
        }
    }

    async fn take_step(&self, site: &Site, step: KeyStep) -> Result<(), SigningKeysError> {
        let KeyRules { publish_ahead, token_life, .. } = self.key_rules(site);
        let (what, kid, done) = match step {
            KeyStep::MakeActive => {
                let key = self.new_key(&site.id, site.algorithm, token_life).await?;
                let done = self.db.insert_active_key(&key).await?;
                ("made a signing key", key.kid, done)
            }
            KeyStep::MakeNext { after, signs_for } => {
                let key = self.new_key(&site.id, site.algorithm, token_life).await?;
                let system = KeyActor::SYSTEM;
                let made = self.db.insert_next_key(&key, &after, signs_for, publish_ahead, system).await?;
                ("made the next signing key", key.kid, made.is_some())
            }
            KeyStep::Promote(kid) => {
                let (beyond, system) = (KEPT_BEYOND_TOKENS, KeyActor::SYSTEM);
                let done = self.db.promote_key(&kid, publish_ahead, token_life, beyond, system).await?;
                ("a signing key signs from now on", kid, done)
            }
            KeyStep::Retire(kid) => {
                let done = self.db.retire_key(&kid, token_life, KEPT_BEYOND_TOKENS).await?;
                ("a signing key signs no more", kid, done)
            }
            KeyStep::Drop(kid) => {
                let done = self.db.drop_key(&kid).await?;
                ("a signing key is gone", kid, done)
            }
            KeyStep::Prolong(kid) => {
                self.db.prolong_key(&kid, token_life).await?;
                return Ok(());
            }
        };
        if done {
            tracing::info!(site = site.id, kid, "{what}");
        }
        Ok(())
    }

    /// A new key pair, wrapped.
    pub(super) async fn new_key(
        &self,
        site: &str,
        algorithm: TokenAlgorithm,
        token_life: Duration,
    ) -> Result<NewSigningKey, SigningKeysError> {
        // Finding primes for RSA takes a noticeable part of a second.
        let pair = tokio::task::spawn_blocking(move || KeyPair::generate(algorithm))
            .await
            .map_err(|_| KeyPairError)??;
        let kid = KeyPair::new_kid(site);
        let wrapped_private_key =
            self.keys.seal(Sealed::SigningKey, &kid, pair.private_pkcs8()).map_err(|_| KeyPairError)?;
        let public_jwk = pair.public_jwk(&kid);
        Ok(NewSigningKey {
            kid,
            site: site.to_owned(),
            algorithm,
            public_jwk,
            wrapped_private_key,
            token_life,
        })
    }

    /// Signs and verifies with these keys from now on.
    fn take_up(&self, stored: Vec<StoredSigningKey>) -> Result<(), SigningKeysError> {
        let keys = stored.into_iter().map(|key| self.unwrap(key)).collect::<Result<Vec<_>, _>>()?;
        Ok(self.tokens.replace(&keys)?)
    }

    fn unwrap(&self, stored: StoredSigningKey) -> Result<(StoredSigningKey, KeyPair), SigningKeysError> {
        let private = self
            .keys
            .open(Sealed::SigningKey, &stored.key.kid, &stored.wrapped_private_key)
            .map_err(|_| SigningKeysError::OtherMaster { kid: stored.key.kid.clone() })?;
        let pair = KeyPair::from_pkcs8(stored.key.algorithm, private)?;
        Ok((stored, pair))
    }
}
