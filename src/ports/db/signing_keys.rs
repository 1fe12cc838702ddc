//! `auth.signing_keys`: the key pairs of each site, private parts wrapped.

use serde_json::Value;

use super::Db;
use crate::ports::PortError;

/// A key pair as stored.
#[derive(Debug, Clone)]
pub struct StoredSigningKey {
    /// Names the key in a token's header.
    pub kid: String,
    /// The site that signs with it.
    pub site: String,
    /// `ES256` or `RS256`.
    pub alg: String,
    /// What the site publishes.
    pub public_jwk: Value,
    /// The private key (PKCS #8), encrypted under the master secret.
    pub wrapped_private_key: Vec<u8>,
    /// `next`, `active` or `retiring`.
    pub state: String,
}

impl Db {
    /// Every key that signs, will sign, or still verifies.
    pub async fn list_signing_keys(&self) -> Result<Vec<StoredSigningKey>, PortError> {
        self.run(|sql| {
            let statement = sqlx::query_as!(
                StoredSigningKey,
                "select kid, site, alg, public_jwk, wrapped_private_key, state
                   from auth.signing_keys where state <> 'gone' order by created_at, kid"
            );
            Box::pin(statement.fetch_all(sql))
        })
        .await
    }

    /// Keeps a new active key, unless another replica was first; then that one counts.
    pub async fn insert_signing_key(&self, key: &StoredSigningKey) -> Result<(), PortError> {
        self.run(|sql| {
            let statement = sqlx::query!(
                "insert into auth.signing_keys (kid, site, alg, public_jwk, wrapped_private_key, state)
                 values ($1, $2, $3, $4, $5, 'active')
                 on conflict do nothing",
                key.kid,
                key.site,
                key.alg,
                key.public_jwk,
                key.wrapped_private_key,
            );
            Box::pin(statement.execute(sql))
        })
        .await
        .map(drop)
    }
}
