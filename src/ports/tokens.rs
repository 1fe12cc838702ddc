//! Access tokens: each site signs with its own key and accepts no other site's.

mod key_pair;
mod service_role;
mod verified;

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use jsonwebtoken::{Algorithm, DecodingKey, Header, Validation};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

pub use self::key_pair::{KeyPair, KeyPairError};
pub use self::service_role::RoleToken;
use self::verified::Verified;
use crate::domain::{KeyState, SessionId, Site, TokenAlgorithm, User, UserId};
use crate::ports::db::StoredSigningKey;

/// Longest access token that is looked at, in octets: metadata at its bound and an RSA signature fit twice.
const MAX_TOKEN: usize = 8192;

/// The claims of an access token, as client libraries of the Supabase family read them.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Claims {
    /// Issuer: the site's address with `/auth/v1`.
    pub iss: String,
    /// The account.
    pub sub: Uuid,
    /// The site's audience; a string, never a list.
    pub aud: String,
    /// End of its life, Unix seconds.
    pub exp: i64,
    /// When it was issued, Unix seconds.
    pub iat: i64,
    /// The account's address.
    pub email: String,
    /// Always empty: there are no phones here. Client libraries want the claim.
    pub phone: String,
    /// Written by the server.
    pub app_metadata: Map<String, Value>,
    /// Written by the person.
    pub user_metadata: Map<String, Value>,
    /// The database role: `authenticated`.
    pub role: String,
    /// Assurance level: `aal1`, one factor.
    pub aal: String,
    /// How the session was opened.
    pub amr: Vec<Amr>,
    /// The session.
    pub session_id: Uuid,
    /// Always false.
    pub is_anonymous: bool,
    /// The site's id.
    pub site: String,
    /// `reader` or `management`: staff policies look at it.
    pub site_kind: String,
}

/// One authentication method (RFC 8176), with its time.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Amr {
    /// `otp`.
    pub method: String,
    /// Unix seconds.
    pub timestamp: i64,
}

/// Why a token was refused. For the caller all are one; the words are for the log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Too long, or not three parts.
    #[error("not a token of ours")]
    Malformed,
    /// No key of the site has this id.
    #[error("signed with an unknown key")]
    UnknownKey,
    /// The site has no key to sign with.
    #[error("the site has no active key")]
    NoKey,
    /// Whether the keys are still good could not be found out.
    #[error("the keys could not be read")]
    Unavailable,
    /// No token could be signed.
    #[error("a token could not be signed")]
    Unsigned,
    /// The signature, a claim or the time does not fit.
    #[error("refused: {0:?}")]
    Refused(jsonwebtoken::errors::ErrorKind),
}

/// The signing keys of all sites, as this process last read them.
#[derive(Debug, Default)]
pub struct Tokens {
    sites: RwLock<HashMap<String, Arc<SiteKeys>>>,
}

#[derive(Default)]
struct SiteKeys {
    signing: HashMap<TokenAlgorithm, SigningKey>,
    /// Since when the newest of them signs, by the database's clock.
    signing_since: Option<DateTime<Utc>>,
    verifying: HashMap<String, (Algorithm, DecodingKey)>,
    jwks: Vec<Value>,
    /// Tokens that these keys were found to have signed.
    verified: Arc<Verified>,
}

impl SiteKeys {
    /// Checks a token's signature, issuer and audience.
    ///
    /// The key is found by `kid` among the site's own and fixes the algorithm; nothing in the token's header picks
    /// either (RFC 8725 §3.1). Issuer, audience and times are checked without leeway: we are their only source.
    fn verify(&self, site: &Site, token: &str) -> Result<Claims, TokenError> {
        let header = jsonwebtoken::decode_header(token).map_err(|_| TokenError::Malformed)?;
        let (algorithm, key) =
            header.kid.and_then(|kid| self.verifying.get(&kid)).ok_or(TokenError::UnknownKey)?;
        let mut expected = Validation::new(*algorithm);
        expected.set_issuer(&[site.issuer()]);
        expected.set_audience(&[&site.audience]);
        expected.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        // Judged by the injected clock, on every use.
        expected.validate_exp = false;
        Ok(jsonwebtoken::decode::<Claims>(token, key, &expected).map_err(refused)?.claims)
    }

    /// Verifies with the same keys under the same names.
    fn verifies_like(&self, other: &Self) -> bool {
        self.verifying.len() == other.verifying.len()
            && self.jwks.iter().all(|jwk| other.jwks.contains(jwk))
            && self.verifying.keys().all(|kid| other.verifying.contains_key(kid))
    }
}

/// What a site signs with.
struct SigningKey {
    /// The first part of every token: the header, which is the same for all.
    header: String,
    pair: KeyPair,
}

impl std::fmt::Debug for SiteKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SiteKeys").field("kids", &self.verifying.keys()).finish_non_exhaustive()
    }
}

impl Tokens {
    /// Replaces all keys by those just read and unwrapped.
    ///
    /// # Errors
    /// The first key that cannot be used; the keys in use stay.
    pub fn replace(&self, keys: &[(StoredSigningKey, KeyPair)]) -> Result<(), KeyPairError> {
        let mut sites: HashMap<String, SiteKeys> = HashMap::new();
        for (StoredSigningKey { key, public_jwk, .. }, pair) in keys {
            let site = sites.entry(key.site.clone()).or_default();
            let algorithm = jwt_algorithm(pair.algorithm());
            site.verifying.insert(key.kid.clone(), (algorithm, pair.decoding_key()?));
            site.jwks.push(public_jwk.clone());
            if key.state == KeyState::Active {
                site.signing_since = site.signing_since.max(key.activated_at.or(Some(key.created_at)));
                let header = Header { kid: Some(key.kid.clone()), ..Header::new(algorithm) };
                let header = encoded(&header).map_err(|_| KeyPairError)?;
                site.signing.insert(pair.algorithm(), SigningKey { header, pair: pair.clone() });
            }
        }
        let mut in_use = self.sites.write().unwrap_or_else(PoisonError::into_inner);
        // Read again as they were, the keys keep what they have verified. Of a set that changed nothing stays: a token
        // of a key that is gone is refused at once.
        for (site, keys) in &mut sites {
            if let Some(same) = in_use.get(site).filter(|before| before.verifies_like(keys)) {
                keys.verified = Arc::clone(&same.verified);
            }
        }
        *in_use = sites.into_iter().map(|(site, keys)| (site, Arc::new(keys))).collect();
        Ok(())
    }

    /// Whether a site can sign.
    #[must_use]
    pub fn can_sign(&self, site: &Site) -> bool {
        !self.keys(site).signing.is_empty()
    }

    /// Since when a site's key signs, by the database's clock; how old it is now is a figure to watch. `None` if it has none.
    #[must_use]
    pub fn signing_since(&self, site: &Site) -> Option<DateTime<Utc>> {
        self.keys(site).signing_since
    }

    /// A new access token for a session that was opened, by a proof of the mailbox, at `opened_at`.
    ///
    /// # Errors
    /// If the site has no active key.
    pub fn issue(
        &self,
        site: &Site,
        user: &User,
        session: SessionId,
        opened_at: DateTime<Utc>,
        now: DateTime<Utc>,
    ) -> Result<IssuedToken, TokenError> {
        let keys = self.keys(site);
        // After a change of the site's algorithm the old key signs until verifiers have had time to see the new one.
        let key = keys.signing.get(&site.algorithm).or_else(|| keys.signing.values().next());
        let key = key.ok_or(TokenError::NoKey)?;
        let claims = Claims::of(site, user, session, opened_at, now);
        let (life, exp) = (claims.exp - claims.iat, claims.exp);
        // The compact serialisation (RFC 7515 §7.1), with a key that was read once: jsonwebtoken reads it for every token,
        // which takes longer than signing.
        let mut text = format!("{}.{}", key.header, encoded(&claims).map_err(|_| TokenError::Unsigned)?);
        let signature = key.pair.sign(text.as_bytes()).map_err(|_| TokenError::Unsigned)?;
        text.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut text);
        Ok(IssuedToken { text, expires_in: life, expires_at: exp })
    }

    /// Reads a token presented on `site`.
    ///
    /// A token seen before is not checked by its key again, as long as the site's keys are the same; its time is.
    ///
    /// # Errors
    /// A [`TokenError`] for everything that is not a live access token of this site.
    pub fn verify(&self, site: &Site, token: &str, now: DateTime<Utc>) -> Result<Claims, TokenError> {
        if token.len() > MAX_TOKEN {
            return Err(TokenError::Malformed);
        }
        let keys = self.keys(site);
        let is_known = keys.verified.knows(token);
        let claims = if is_known { read_claims(token)? } else { keys.verify(site, token)? };
        if claims.exp <= now.timestamp() {
            return Err(TokenError::Refused(jsonwebtoken::errors::ErrorKind::ExpiredSignature));
        }
        if claims.site != site.id {
            return Err(TokenError::Refused(jsonwebtoken::errors::ErrorKind::InvalidAudience));
        }
        if !is_known {
            keys.verified.insert(token);
        }
        Ok(claims)
    }

    /// What a site publishes: its public keys, never anything else (RFC 7517 §5).
    #[must_use]
    pub fn jwks(&self, site: &Site) -> Vec<Value> {
        self.keys(site).jwks.clone()
    }

    fn keys(&self, site: &Site) -> Arc<SiteKeys> {
        self.sites.read().unwrap_or_else(PoisonError::into_inner).get(&site.id).cloned().unwrap_or_default()
    }
}

/// A signed access token and when it ends.
#[derive(Clone)]
pub struct IssuedToken {
    /// The compact serialisation.
    pub text: String,
    /// Its life in seconds.
    pub expires_in: i64,
    /// Its end, Unix seconds.
    pub expires_at: i64,
}

impl Claims {
    /// What a token of `site` says of a session that was opened, by a proof of the mailbox, at `opened_at`.
    #[must_use]
    pub fn of(
        site: &Site,
        user: &User,
        session: SessionId,
        opened_at: DateTime<Utc>,
        now: DateTime<Utc>,
    ) -> Self {
        let iat = now.timestamp();
        let life = i64::try_from(site.access_token_life.as_secs()).unwrap_or(i64::MAX);
        let exp = iat.saturating_add(life);
        Self {
            iss: site.issuer(),
            sub: user.id.0,
            aud: site.audience.clone(),
            exp,
            iat,
            email: user.email.as_str().to_owned(),
            phone: String::new(),
            app_metadata: user.app_metadata.clone(),
            user_metadata: user.user_metadata.clone(),
            role: "authenticated".to_owned(),
            aal: "aal1".to_owned(),
            amr: vec![Amr { method: "otp".to_owned(), timestamp: opened_at.timestamp() }],
            session_id: session.0,
            is_anonymous: false,
            site: site.id.clone(),
            site_kind: site.kind.as_str().to_owned(),
        }
    }

    /// The account and session the token speaks for.
    #[must_use]
    pub fn bearer(&self) -> (UserId, SessionId) {
        (UserId(self.sub), SessionId(self.session_id))
    }
}

/// What a token says whose signature was found good before (RFC 7519 §7.2): its middle part.
fn read_claims(token: &str) -> Result<Claims, TokenError> {
    let payload = token.split('.').nth(1).ok_or(TokenError::Malformed)?;
    let json = URL_SAFE_NO_PAD.decode(payload).map_err(|_| TokenError::Malformed)?;
    serde_json::from_slice(&json).map_err(|_| TokenError::Malformed)
}

/// A part of a token: JSON in base64url.
fn encoded<T: Serialize>(part: &T) -> serde_json::Result<String> {
    serde_json::to_vec(part).map(|json| URL_SAFE_NO_PAD.encode(json))
}

fn refused(error: jsonwebtoken::errors::Error) -> TokenError {
    TokenError::Refused(error.into_kind())
}

fn jwt_algorithm(algorithm: TokenAlgorithm) -> Algorithm {
    match algorithm {
        TokenAlgorithm::Es256 => Algorithm::ES256,
        TokenAlgorithm::Rs256 => Algorithm::RS256,
    }
}

#[cfg(test)]
mod tests;
