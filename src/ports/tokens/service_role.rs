//! Tokens of the role `service_role`: what back ends of the wire's family administer with. They speak for no account and
//! no session.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use jsonwebtoken::Validation;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{IssuedToken, MAX_TOKEN, TokenError, Tokens, encoded, refused};
use crate::domain::Site;

/// The database role, and with it the right, that such a token names.
const ROLE: &str = "service_role";

/// What we write into one.
#[derive(Serialize)]
struct Minted<'a> {
    iss: String,
    aud: &'a str,
    role: &'static str,
    site: &'a str,
    iat: i64,
    exp: i64,
    /// Names it in the audit log.
    jti: Uuid,
}

/// What is read from one. Most of it may be missing on this wire; what is there must fit.
#[derive(Debug, Deserialize)]
struct Presented {
    iss: Option<String>,
    role: Option<String>,
    exp: Option<i64>,
    sub: Option<String>,
    session_id: Option<Uuid>,
}

/// What a token signed by one of a site's keys turned out to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RoleToken {
    /// It administers. Where it names a session, that one must still be there.
    ServiceRole {
        /// The session and its owner.
        session: Option<(Uuid, Uuid)>,
    },
    /// It is a live token of another role: somebody's access token.
    Other,
}

impl Tokens {
    /// A new token of the role `service_role` for a site.
    ///
    /// # Errors
    /// If the site has no active key.
    pub fn issue_service_role(
        &self,
        site: &Site,
        id: Uuid,
        life: Duration,
        now: DateTime<Utc>,
    ) -> Result<IssuedToken, TokenError> {
        let keys = self.keys(site);
        let key = keys.signing.get(&site.algorithm).or_else(|| keys.signing.values().next());
        let key = key.ok_or(TokenError::NoKey)?;
        let iat = now.timestamp();
        let life = i64::try_from(life.as_secs()).unwrap_or(i64::MAX);
        let exp = iat.saturating_add(life);
        let claims =
            Minted { iss: site.issuer(), aud: &site.audience, role: ROLE, site: &site.id, iat, exp, jti: id };
        let mut text = format!("{}.{}", key.header, encoded(&claims).map_err(|_| TokenError::Unsigned)?);
        let signature = key.pair.sign(text.as_bytes()).map_err(|_| TokenError::Unsigned)?;
        text.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut text);
        Ok(IssuedToken { text, expires_in: life, expires_at: exp })
    }

    /// Reads a token by the role that it names. The key is found by `kid` among the site's own, as for access tokens.
    ///
    /// # Errors
    /// A [`TokenError`]; [`TokenError::UnknownKey`] where none of this site's keys has signed it.
    pub fn read_role(&self, site: &Site, token: &str, now: DateTime<Utc>) -> Result<RoleToken, TokenError> {
        if token.len() > MAX_TOKEN {
            return Err(TokenError::Malformed);
        }
        let header = jsonwebtoken::decode_header(token).map_err(|_| TokenError::Malformed)?;
        let keys = self.keys(site);
        let (algorithm, key) =
            header.kid.and_then(|kid| keys.verifying.get(&kid)).ok_or(TokenError::UnknownKey)?;
        let mut expected = Validation::new(*algorithm);
        expected.required_spec_claims.clear();
        expected.validate_exp = false;
        expected.validate_aud = false;
        let claims = jsonwebtoken::decode::<Presented>(token, key, &expected).map_err(refused)?.claims;
        let wrong = |kind| Err(TokenError::Refused(kind));
        if claims.exp.is_some_and(|end| end <= now.timestamp()) {
            return wrong(jsonwebtoken::errors::ErrorKind::ExpiredSignature);
        }
        if claims.iss.is_some_and(|issuer| issuer != site.issuer()) {
            return wrong(jsonwebtoken::errors::ErrorKind::InvalidIssuer);
        }
        if claims.role.as_deref() != Some(ROLE) {
            return Ok(RoleToken::Other);
        }
        let owner = claims.sub.as_deref().and_then(|sub| Uuid::try_parse(sub).ok()).unwrap_or(Uuid::nil());
        let session = claims.session_id.filter(|session| !session.is_nil());
        Ok(RoleToken::ServiceRole { session: session.map(|session| (session, owner)) })
    }
}
