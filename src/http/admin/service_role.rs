//! Tokens of the role `service_role`: for back ends that administer by the auth API's wire.

use poem_openapi::param::Header;
use poem_openapi::payload::Json;
use poem_openapi::types::Example;
use poem_openapi::{ApiResponse, Object, OpenApi, Tags};
use serde::Deserialize;
use uuid::Uuid;

use super::caller::{Admin, By};
use super::creation::creation;
use super::errors::AdminProblem;
use super::strict::Strict;
use crate::flows::{MadeServiceRoleToken, SharedFlows};
use crate::http::timestamp::Timestamp;

/// See the module.
pub(super) struct ServiceRoleApi {
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
impl ServiceRoleApi {
    /// Make a `service_role` token
    ///
    /// A JWT signed with the site's key, for software that wants one; it may do what a key of the scope `admin` may. It
    /// cannot be revoked, but by revoking the signing key: give it a short life. The answer is the one time that it is shown.
    #[oai(
        path = "/service-role-tokens",
        method = "post",
        operation_id = "createServiceRoleToken",
        tag = "Group::ServiceKeys"
    )]
    async fn create(
        &self,
        by: By<Admin>,
        /// Any text of your own, such as a UUID: sent again with the same request, it makes no second token.
        #[oai(name = "Idempotency-Key")]
        idempotency_key: Header<Option<String>>,
        body: Strict<CreateServiceRoleTokenRequest>,
    ) -> Result<Created, AdminProblem> {
        let request = creation("createServiceRoleToken", &body.0, idempotency_key.0.as_deref());
        let life = body.0.expires_in.unwrap_or(3600);
        let made = self.flows.make_service_role_token(&by.0, &body.0.site, life, &request).await?;
        Ok(Created::Made(Json(ServiceRoleToken::of(made))))
    }
}

/// A token to be.
#[derive(Debug, Deserialize, Object)]
#[oai(example, skip_serializing_if_is_none)]
#[serde(deny_unknown_fields)]
struct CreateServiceRoleTokenRequest {
    /// The id of the site that it is for.
    site: String,
    /// Its life, 60 seconds to 30 days; default an hour.
    expires_in: Option<u64>,
}

impl Example for CreateServiceRoleTokenRequest {
    fn example() -> Self {
        Self { site: "reader".into(), expires_in: Some(3600) }
    }
}

/// A new token
#[derive(ApiResponse)]
enum Created {
    /// The token; keep it, it is not shown again
    #[oai(status = 201)]
    Made(Json<ServiceRoleToken>),
}

/// A token of the role `service_role`.
#[derive(Debug, Object)]
struct ServiceRoleToken {
    /// Names it in the audit log: its `jti`.
    id: Uuid,
    /// The token: send it as `Authorization: Bearer`.
    token: String,
    /// The site that it is for.
    site: String,
    /// When it ends.
    expires_at: Timestamp,
}

impl ServiceRoleToken {
    fn of(made: MadeServiceRoleToken) -> Self {
        Self { id: made.id, token: made.token, site: made.site, expires_at: made.expires_at.into() }
    }
}
