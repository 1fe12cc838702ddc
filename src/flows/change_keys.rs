//! An administrator rotates a site's signing key ahead of its time, or revokes one that others may have.

use chrono::{DateTime, Utc};

use super::{Flows, SigningKeysError};
use crate::domain::signing_key::KEPT_BEYOND_TOKENS;
use crate::domain::{KeyState, SigningKey, Site};
use crate::ports::PortError;
use crate::ports::db::{KeyActor, RevokedKey};

/// How often a rotation begins anew because others changed the same keys.
const TRIES: u32 = 3;

/// A site's next key, as [`Flows::rotate_signing_key`] leaves it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRotation {
    /// The key.
    pub kid: String,
    /// It signs already.
    pub is_active: bool,
    /// Since when it signs, or from when it will: it is published for long enough before.
    pub signs_from: DateTime<Utc>,
}

impl Flows {
    /// Keys of all sites, or of one, the newest first; those that are gone too, at most so many.
    ///
    /// # Errors
    /// If the database is out of reach.
    pub async fn signing_keys(&self, site: Option<&str>, limit: i64) -> Result<Vec<SigningKey>, PortError> {
        self.db.list_key_records(site, limit).await
    }

    /// Lets a site's next key sign: at once if it was published for long enough, else as soon as it was. No token in use
    /// is refused by it.
    ///
    /// # Errors
    /// A [`SigningKeysError`].
    pub async fn rotate_signing_key(
        &self,
        site: &Site,
        actor: KeyActor<'_>,
    ) -> Result<KeyRotation, SigningKeysError> {
        let rules = self.key_rules(site);
        for _ in 0..TRIES {
            let (stored, _) = self.db.list_signing_keys().await?;
            let in_state = |state| {
                stored
                    .iter()
                    .map(|stored| &stored.key)
                    .filter(move |key| key.site == site.id && key.state == state)
            };
            let next = in_state(KeyState::Next).find(|key| key.algorithm == site.algorithm);
            let (kid, signs_from) = if let Some(next) = next {
                (next.kid.clone(), self.db.hasten_key(&next.kid, rules.publish_ahead, actor).await?)
            } else if let Some(active) = in_state(KeyState::Active).next() {
                let key = self.new_key(&site.id, site.algorithm, rules.token_life).await?;
                let at_once = std::time::Duration::ZERO;
                let made =
                    self.db.insert_next_key(&key, &active.kid, at_once, rules.publish_ahead, actor).await?;
                (key.kid, made)
            } else {
                // The site has no key at all: it is given one now.
                self.load_signing_keys().await?;
                continue;
            };
            let Some(signs_from) = signs_from else { continue };
            // Judged by the database: if the key is too young, this does nothing.
            let beyond = KEPT_BEYOND_TOKENS;
            let is_active =
                self.db.promote_key(&kid, rules.publish_ahead, rules.token_life, beyond, actor).await?;
            self.load_signing_keys().await?;
            tracing::info!(site = site.id, kid, %signs_from, "an administrator rotated a signing key");
            return Ok(KeyRotation { kid, is_active, signs_from });
        }
        Err(SigningKeysError::Rivalled)
    }

    /// Ends a key at once, with every token that it signed; sessions go on by refreshing. If it signed, a new one does.
    ///
    /// Here it binds before this returns, on every other replica when it reads the keys next. A verifier elsewhere that
    /// keeps the key set hears of it when its copy ends.
    ///
    /// # Errors
    /// A [`SigningKeysError`].
    pub async fn revoke_signing_key(
        &self,
        kid: &str,
        actor: KeyActor<'_>,
    ) -> Result<RevokedKey, SigningKeysError> {
        let (stored, _) = self.db.list_signing_keys().await?;
        let doomed = stored.into_iter().map(|stored| stored.key).find(|key| key.kid == kid);
        let doomed = doomed.ok_or(SigningKeysError::NoSuchKey)?;
        let site = self.sites.iter().find(|site| site.id == doomed.site);
        // Of a site that is not configured any more the key itself says how it signed.
        let (algorithm, token_life) = site
            .map_or((doomed.algorithm, doomed.token_life), |site| (site.algorithm, site.access_token_life));
        let successor = self.new_key(&doomed.site, algorithm, token_life).await?;
        let revoked = self.db.revoke_key(kid, &successor, actor).await?.ok_or(SigningKeysError::NoSuchKey)?;
        tracing::warn!(site = revoked.site, kid, "an administrator revoked a signing key");
        self.load_signing_keys().await?;
        Ok(revoked)
    }
}
