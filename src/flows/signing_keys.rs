//! The server makes the signing keys that are missing and reads those that exist.

use super::Flows;
use crate::domain::TokenAlgorithm;
use crate::domain::keys::Sealed;
use crate::ports::PortError;
use crate::ports::db::StoredSigningKey;
use crate::ports::tokens::{KeyPair, KeyPairError};

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
    /// A key could not be made or read.
    #[error(transparent)]
    Broken(#[from] KeyPairError),
    /// The database failed.
    #[error("a dependency failed")]
    Unavailable(#[from] PortError),
}

impl Flows {
    /// Reads all signing keys; makes one for each site that has none of its algorithm yet.
    ///
    /// # Errors
    /// A [`SigningKeysError`]; the keys in use stay in use.
    pub async fn load_signing_keys(&self) -> Result<(), SigningKeysError> {
        let mut stored = self.db.list_signing_keys().await?;
        let mut made = false;
        for site in self.sites.iter() {
            let alg = site.algorithm.as_str();
            let has_key =
                |key: &StoredSigningKey| key.site == site.id && key.alg == alg && key.state == "active";
            if !stored.iter().any(has_key) {
                self.make_signing_key(&site.id, site.algorithm).await?;
                made = true;
            }
        }
        if made {
            // Read again: another replica may have been first, and then its key counts.
            stored = self.db.list_signing_keys().await?;
        }
        let keys = stored.into_iter().map(|key| self.unwrap(key)).collect::<Result<Vec<_>, _>>()?;
        Ok(self.tokens.replace(&keys)?)
    }

    async fn make_signing_key(&self, site: &str, algorithm: TokenAlgorithm) -> Result<(), SigningKeysError> {
        // Finding primes for RSA takes a noticeable part of a second.
        let pair = tokio::task::spawn_blocking(move || KeyPair::generate(algorithm))
            .await
            .map_err(|_| KeyPairError)??;
        let kid = KeyPair::new_kid(site);
        let wrapped =
            self.keys.seal(Sealed::SigningKey, &kid, pair.private_pkcs8()).map_err(|_| KeyPairError)?;
        tracing::info!(site, alg = algorithm.as_str(), "made a signing key");
        Ok(self
            .db
            .insert_signing_key(&StoredSigningKey {
                public_jwk: pair.public_jwk(&kid),
                kid,
                site: site.to_owned(),
                alg: algorithm.as_str().to_owned(),
                wrapped_private_key: wrapped,
                state: "active".to_owned(),
            })
            .await?)
    }

    fn unwrap(&self, key: StoredSigningKey) -> Result<(StoredSigningKey, KeyPair), SigningKeysError> {
        let private = self
            .keys
            .open(Sealed::SigningKey, &key.kid, &key.wrapped_private_key)
            .map_err(|_| SigningKeysError::OtherMaster { kid: key.kid.clone() })?;
        let algorithm = match key.alg.as_str() {
            "RS256" => TokenAlgorithm::Rs256,
            _ => TokenAlgorithm::Es256,
        };
        let pair = KeyPair::from_pkcs8(algorithm, private)?;
        Ok((key, pair))
    }
}
