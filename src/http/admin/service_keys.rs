//! Service keys: what this API is called with.

use chrono::{DateTime, Utc};
use poem_openapi::param::{Header, Path, Query};
use poem_openapi::payload::Json;
use poem_openapi::types::Example;
use poem_openapi::{ApiResponse, Enum, Object, OpenApi, Tags};
use serde::Deserialize;
use uuid::Uuid;

use super::caller::{Admin, By, Read};
use super::creation::creation;
use super::errors::AdminProblem;
use super::strict::Strict;
use crate::domain::{Scope, ServiceKeyRecord};
use crate::flows::{MadeServiceKey, ServiceKeyPlan, SharedFlows};
use crate::http::library::{Gone, List, page};
use crate::http::timestamp::Timestamp;

/// See the module.
pub(super) struct ServiceKeysApi {
    pub(super) flows: SharedFlows,
}

/// Groups of operations.
#[derive(Tags)]
enum Group {
    /// What this API is called with.
    #[oai(rename = "Service keys")]
    ServiceKeys,
}

#[OpenApi]
impl ServiceKeysApi {
    /// The service keys
    ///
    /// Newest first, those revoked too. The keys themselves are not kept.
    #[oai(
        path = "/service-keys",
        method = "get",
        operation_id = "listServiceKeys",
        tag = "Group::ServiceKeys"
    )]
    async fn list(
        &self,
        _by: By<Read>,
        /// 1 to 100; default 50.
        limit: Query<Option<i64>>,
        /// The `next` of the part before.
        after: Query<Option<Uuid>>,
    ) -> Result<Json<List<ServiceKeyObject>>, AdminProblem> {
        let part = self.flows.service_keys(page(&limit, &after)?).await?;
        Ok(Json(List::of(part, ServiceKeyObject::of)))
    }

    /// Make a service key
    ///
    /// The answer is the one time that the key is shown.
    #[oai(
        path = "/service-keys",
        method = "post",
        operation_id = "createServiceKey",
        tag = "Group::ServiceKeys"
    )]
    async fn create(
        &self,
        by: By<Admin>,
        /// Any text of your own, such as a UUID: sent again with the same request, it makes no second key.
        #[oai(name = "Idempotency-Key")]
        idempotency_key: Header<Option<String>>,
        body: Strict<CreateServiceKeyRequest>,
    ) -> Result<Created, AdminProblem> {
        let request = creation("createServiceKey", &body.0, idempotency_key.0.as_deref());
        let plan = ServiceKeyPlan {
            name: body.0.name.clone(),
            scope: body.0.scope.into(),
            site: body.0.site.clone(),
            expires_at: body.0.expires_at,
        };
        let made = self.flows.make_service_key(&by.0, &plan, &request).await?;
        Ok(Created::Made(Json(NewServiceKeyObject::of(made))))
    }

    /// Revoke a service key
    ///
    /// At once and for good.
    #[oai(
        path = "/service-keys/:id",
        method = "delete",
        operation_id = "revokeServiceKey",
        tag = "Group::ServiceKeys"
    )]
    async fn revoke(&self, by: By<Admin>, id: Path<Uuid>) -> Result<Gone, AdminProblem> {
        self.flows.revoke_service_key(&by.0, id.0).await?;
        Ok(Gone::Done)
    }
}

/// How far a key reaches; each scope includes those before it.
#[derive(Debug, Clone, Copy, Deserialize, Enum)]
#[oai(rename = "Scope", rename_all = "lowercase")]
#[serde(rename_all = "lowercase")]
pub(super) enum ScopeWord {
    /// Looks at everything, changes nothing.
    Read,
    /// Helps people: ends sessions, lifts limits, decides requests.
    Support,
    /// Everything.
    Admin,
}

impl From<ScopeWord> for Scope {
    fn from(word: ScopeWord) -> Self {
        match word {
            ScopeWord::Read => Self::Read,
            ScopeWord::Support => Self::Support,
            ScopeWord::Admin => Self::Admin,
        }
    }
}

/// A service key to be.
#[derive(Debug, Deserialize, Object)]
#[oai(example, skip_serializing_if_is_none)]
#[serde(deny_unknown_fields)]
struct CreateServiceKeyRequest {
    /// What it is for, 1 to 100 characters.
    #[oai(validator(min_length = 1, max_length = 100))]
    name: String,
    /// How far it reaches.
    scope: ScopeWord,
    /// The id of the site that it speaks for on the auth API where the host of a request names none. It limits nothing.
    site: Option<String>,
    /// When it ends by itself; without it, when it is revoked.
    expires_at: Option<DateTime<Utc>>,
}

impl Example for CreateServiceKeyRequest {
    fn example() -> Self {
        Self { name: "Nightly report".into(), scope: ScopeWord::Read, site: None, expires_at: None }
    }
}

/// A new service key
#[derive(ApiResponse)]
enum Created {
    /// The key; keep it, it is not shown again
    #[oai(status = 201)]
    Made(Json<NewServiceKeyObject>),
}

/// A service key and its secret.
#[derive(Debug, Object)]
#[oai(rename = "NewServiceKey")]
struct NewServiceKeyObject {
    /// Names it.
    id: Uuid,
    /// The key: send it as `Authorization: Bearer`.
    key: String,
    /// What it is for.
    name: String,
    /// `read`, `support` or `admin`.
    scope: String,
    /// The site that it speaks for on the auth API where the host of a request names none.
    site: Option<String>,
    /// When it ends by itself.
    expires_at: Option<Timestamp>,
    /// When it was made.
    created_at: Timestamp,
}

impl NewServiceKeyObject {
    fn of(made: MadeServiceKey) -> Self {
        Self {
            id: made.id,
            key: made.key,
            name: made.name,
            scope: made.scope,
            site: made.site,
            expires_at: made.expires_at.map(Timestamp::from),
            created_at: made.created_at.into(),
        }
    }
}

/// A service key.
#[derive(Debug, Object)]
#[oai(rename = "ServiceKey")]
struct ServiceKeyObject {
    /// Names it.
    id: Uuid,
    /// What it is for.
    name: String,
    /// `read`, `support` or `admin`.
    scope: String,
    /// The site that it speaks for on the auth API where the host of a request names none.
    site: Option<String>,
    /// When it ends by itself.
    expires_at: Option<Timestamp>,
    /// When it was revoked.
    revoked_at: Option<Timestamp>,
    /// When it was last used, to the minute.
    last_used_at: Option<Timestamp>,
    /// When it was made.
    created_at: Timestamp,
}

impl ServiceKeyObject {
    fn of(key: ServiceKeyRecord) -> Self {
        Self {
            id: key.id,
            name: key.name,
            scope: key.scope,
            site: key.site,
            expires_at: key.expires_at.map(Timestamp::from),
            revoked_at: key.revoked_at.map(Timestamp::from),
            last_used_at: key.last_used_at.map(Timestamp::from),
            created_at: key.created_at.into(),
        }
    }
}
