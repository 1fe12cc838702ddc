//! `auth.signing_keys`: the key pairs of each site, private parts wrapped.
//!
//! Each step in a key's life is one statement that says what it expects to find, by the database's clock: of two replicas
//! that find the same thing due one does it, and the other finds it done. What it does is in the audit log with it.

mod acts;
mod steps;

use std::net::IpAddr;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::Value;
use uuid::Uuid;

pub use self::acts::RevokedKey;
use super::Db;
use crate::domain::{KeyState, SigningKey, TokenAlgorithm};
use crate::ports::{Dependency, PortError};

/// A key pair as stored.
#[derive(Debug, Clone)]
pub struct StoredSigningKey {
    /// What everybody may know of it.
    pub key: SigningKey,
    /// What the site publishes.
    pub public_jwk: Value,
    /// The private key (PKCS #8), encrypted under the master secret.
    pub wrapped_private_key: Vec<u8>,
}

/// A key pair to be stored.
#[derive(Debug, Clone)]
pub struct NewSigningKey {
    /// Names the key in a token's header.
    pub kid: String,
    /// The site that will sign with it.
    pub site: String,
    /// How it signs.
    pub algorithm: TokenAlgorithm,
    /// What the site publishes.
    pub public_jwk: Value,
    /// The private key (PKCS #8), encrypted under the master secret.
    pub wrapped_private_key: Vec<u8>,
    /// Life of the tokens that it will sign.
    pub token_life: Duration,
}

/// Who has a key made or moved, as the audit log names them.
#[derive(Debug, Clone, Copy)]
pub struct KeyActor<'a> {
    /// `system`, or which kind of administrator.
    pub kind: &'a str,
    /// Which one, where there are several.
    pub id: Option<Uuid>,
    /// Where they are.
    pub ip: Option<IpAddr>,
    /// What their client calls itself.
    pub agent: Option<&'a str>,
}

impl KeyActor<'_> {
    /// The server, of itself.
    pub const SYSTEM: KeyActor<'static> = KeyActor { kind: "system", id: None, ip: None, agent: None };

    fn ip(&self) -> Option<String> {
        self.ip.map(|ip| ip.to_string())
    }
}

/// A row, without the private part.
struct KeyRow {
    kid: String,
    site: String,
    alg: String,
    state: String,
    created_at: DateTime<Utc>,
    activated_at: Option<DateTime<Utc>>,
    promote_at: Option<DateTime<Utc>>,
    retired_at: Option<DateTime<Utc>>,
    drop_at: Option<DateTime<Utc>>,
    token_life_secs: i32,
}

impl TryFrom<KeyRow> for SigningKey {
    type Error = PortError;

    fn try_from(row: KeyRow) -> Result<Self, PortError> {
        let unreadable = |what| {
            PortError::unexpected(Dependency::Database, format!("a signing key has an unknown {what}"))
        };
        Ok(Self {
            algorithm: TokenAlgorithm::parse(&row.alg).ok_or_else(|| unreadable("algorithm"))?,
            state: KeyState::parse(&row.state).ok_or_else(|| unreadable("state"))?,
            kid: row.kid,
            site: row.site,
            created_at: row.created_at,
            activated_at: row.activated_at,
            promote_at: row.promote_at,
            retired_at: row.retired_at,
            drop_at: row.drop_at,
            token_life: Duration::from_secs(u64::try_from(row.token_life_secs).unwrap_or(0)),
        })
    }
}

impl Db {
    /// Every key that signs, will sign, or still verifies, in order of age; and when that was so.
    pub async fn list_signing_keys(&self) -> Result<(Vec<StoredSigningKey>, DateTime<Utc>), PortError> {
        let rows = self
            .run(|sql| {
                // One row without a key says the time where there are none.
                let statement = sqlx::query!(
                    r#"select now() as "read_at!", kid as "kid?", site as "site?", alg as "alg?", state as "state?",
                              created_at as "created_at?", activated_at, promote_at, retired_at, drop_at,
                              token_life_secs as "token_life_secs?", public_jwk as "public_jwk?",
                              wrapped_private_key as "wrapped_private_key?"
                         from (values (1)) as once left join auth.signing_keys on state <> 'gone'
                        order by created_at, kid"#
                );
                Box::pin(statement.fetch_all(sql))
            })
            .await?;
        let read_at = rows.first().map_or_else(DateTime::default, |row| row.read_at);
        let keys = rows.into_iter().filter_map(|row| {
            let key = SigningKey::try_from(KeyRow {
                kid: row.kid?,
                site: row.site?,
                alg: row.alg?,
                state: row.state?,
                created_at: row.created_at?,
                activated_at: row.activated_at,
                promote_at: row.promote_at,
                retired_at: row.retired_at,
                drop_at: row.drop_at,
                token_life_secs: row.token_life_secs?,
            });
            let (public_jwk, wrapped_private_key) = (row.public_jwk?, row.wrapped_private_key?);
            Some(key.map(|key| StoredSigningKey { key, public_jwk, wrapped_private_key }))
        });
        Ok((keys.collect::<Result<_, _>>()?, read_at))
    }
}

fn seconds(life: Duration) -> i32 {
    i32::try_from(life.as_secs()).unwrap_or(i32::MAX)
}
