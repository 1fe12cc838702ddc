//! Signing keys: seen, rotated, revoked. What they sign with never leaves the server.

use poem_openapi::param::{Path, Query};
use poem_openapi::payload::Json;
use poem_openapi::types::Example;
use poem_openapi::{Object, OpenApi, Tags};
use serde::Deserialize;

use super::caller::{Admin, By, Read};
use super::errors::AdminProblem;
use super::strict::Strict;
use crate::domain::SigningKey;
use crate::flows::{KeyRotation, RevokedKey, SharedFlows};
use crate::http::timestamp::Timestamp;

/// See the module.
pub(super) struct SigningKeysApi {
    pub(super) flows: SharedFlows,
}

/// Groups of operations.
#[derive(Tags)]
enum Group {
    /// What each site signs its tokens with.
    #[oai(rename = "Signing keys")]
    SigningKeys,
}

#[OpenApi]
impl SigningKeysApi {
    /// The signing keys
    ///
    /// The newest 100 of all sites or one, those that are gone too.
    #[oai(
        path = "/signing-keys",
        method = "get",
        operation_id = "listSigningKeys",
        tag = "Group::SigningKeys"
    )]
    async fn list(
        &self,
        _by: By<Read>,
        /// Only those of this site, by its id.
        site: Query<Option<String>>,
    ) -> Result<Json<SigningKeyList>, AdminProblem> {
        let keys = self.flows.list_keys(site.0.as_deref()).await?;
        Ok(Json(SigningKeyList { items: keys.into_iter().map(SigningKeyObject::of).collect() }))
    }

    /// Rotate a site's signing key
    ///
    /// Its next key signs as soon as verifiers have had the time to read it; the answer says when. Tokens in use stay good.
    #[oai(
        path = "/signing-keys/rotate",
        method = "post",
        operation_id = "rotateSigningKey",
        tag = "Group::SigningKeys"
    )]
    async fn rotate(
        &self,
        by: By<Admin>,
        body: Strict<RotateSigningKeyRequest>,
    ) -> Result<Json<KeyRotationObject>, AdminProblem> {
        Ok(Json(KeyRotationObject::of(self.flows.rotate_key(&by.0, &body.0.site).await?)))
    }

    /// Revoke a signing key
    ///
    /// For a key that others may have: every token that it signed is refused, here at once and on other replicas within a
    /// minute; sessions go on by refreshing. If it signed, a new key does.
    #[oai(
        path = "/signing-keys/:kid/revoke",
        method = "post",
        operation_id = "revokeSigningKey",
        tag = "Group::SigningKeys"
    )]
    async fn revoke(&self, by: By<Admin>, kid: Path<String>) -> Result<Json<RevokedKeyObject>, AdminProblem> {
        Ok(Json(RevokedKeyObject::of(self.flows.revoke_key(&by.0, &kid.0).await?)))
    }
}

/// Whose key to rotate.
#[derive(Debug, Deserialize, Object)]
#[oai(example, skip_serializing_if_is_none)]
#[serde(deny_unknown_fields)]
struct RotateSigningKeyRequest {
    /// The site, by its id.
    site: String,
}

impl Example for RotateSigningKeyRequest {
    fn example() -> Self {
        Self { site: "reader".into() }
    }
}

/// Signing keys.
#[derive(Debug, Object)]
struct SigningKeyList {
    /// Newest first.
    items: Vec<SigningKeyObject>,
}

/// A signing key.
#[derive(Debug, Object)]
#[oai(rename = "SigningKey")]
struct SigningKeyObject {
    /// Names it in a token's header.
    kid: String,
    /// The site that signs with it.
    site: String,
    /// `ES256` or `RS256`.
    alg: String,
    /// `next`: published; `active`: signs; `retiring`: its tokens are still good; `gone`.
    state: String,
    /// When it was made, and published.
    created_at: Timestamp,
    /// Since when it signs, or from when it did.
    activated_at: Option<Timestamp>,
    /// Of a next key: when it becomes active.
    promote_at: Option<Timestamp>,
    /// Until when it signed.
    retired_at: Option<Timestamp>,
    /// Of a retiring key: when it is gone.
    drop_at: Option<Timestamp>,
}

impl SigningKeyObject {
    fn of(key: SigningKey) -> Self {
        Self {
            kid: key.kid,
            site: key.site,
            alg: key.algorithm.as_str().to_owned(),
            state: key.state.as_str().to_owned(),
            created_at: key.created_at.into(),
            activated_at: key.activated_at.map(Timestamp::from),
            promote_at: key.promote_at.map(Timestamp::from),
            retired_at: key.retired_at.map(Timestamp::from),
            drop_at: key.drop_at.map(Timestamp::from),
        }
    }
}

/// A site's next key.
#[derive(Debug, Object)]
#[oai(rename = "KeyRotation")]
struct KeyRotationObject {
    /// The key.
    kid: String,
    /// It signs already.
    is_active: bool,
    /// Since when it signs, or from when it will.
    signs_from: Timestamp,
}

impl KeyRotationObject {
    fn of(rotation: KeyRotation) -> Self {
        Self { kid: rotation.kid, is_active: rotation.is_active, signs_from: rotation.signs_from.into() }
    }
}

/// What became of a revoked key's site.
#[derive(Debug, Object)]
#[oai(rename = "RevokedKey")]
struct RevokedKeyObject {
    /// The site that signed with it.
    site: String,
    /// The key that signs in its place, if it signed.
    successor: Option<String>,
}

impl RevokedKeyObject {
    fn of(revoked: RevokedKey) -> Self {
        Self { site: revoked.site, successor: revoked.successor }
    }
}
