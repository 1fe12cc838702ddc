//! Access requests: seen and decided where a library's own leaders cannot, or have not.

use poem_openapi::param::{Header, Path, Query};
use poem_openapi::payload::Json;
use poem_openapi::types::Example;
use poem_openapi::{ApiResponse, Object, OpenApi, Tags};
use serde::Deserialize;
use uuid::Uuid;

use super::caller::{By, Read, Support};
use super::errors::AdminProblem;
use super::strict::Strict;
use crate::domain::{AccessRequest, Role};
use crate::flows::SharedFlows;
use crate::http::library::{AccessRequestObject, List, RoleWord, entity_tag, note, page, required};

/// See the module.
pub(super) struct AccessRequestsApi {
    pub(super) flows: SharedFlows,
}

/// Groups of operations.
#[derive(Tags)]
enum Group {
    /// Who asks to work at a library.
    #[oai(rename = "Access requests")]
    AccessRequests,
}

#[OpenApi]
impl AccessRequestsApi {
    /// Access requests
    ///
    /// Newest first, at one library or at all.
    #[oai(
        path = "/access-requests",
        method = "get",
        operation_id = "listAccessRequests",
        tag = "Group::AccessRequests"
    )]
    async fn list(
        &self,
        by: By<Read>,
        /// Only those at this library, by its id.
        library: Query<Option<Uuid>>,
        /// Only those that are `pending`, `approved`, `declined` or `withdrawn`.
        status: Query<Option<String>>,
        /// 1 to 100; default 50.
        limit: Query<Option<i64>>,
        /// The `next` of the part before.
        after: Query<Option<Uuid>>,
    ) -> Result<Json<List<AccessRequestObject>>, AdminProblem> {
        let page = page(&limit, &after)?;
        let part = self.flows.list_access_requests(&by.0, library.0, status.0.as_deref(), page).await?;
        Ok(Json(List::of(part, AccessRequestObject::of)))
    }

    /// An access request
    #[oai(
        path = "/access-requests/:id",
        method = "get",
        operation_id = "getAccessRequest",
        tag = "Group::AccessRequests"
    )]
    async fn show(&self, by: By<Read>, id: Path<Uuid>) -> Result<RequestAnswer, AdminProblem> {
        Ok(RequestAnswer::of(self.flows.find_access_request(&by.0, id.0).await?))
    }

    /// Decide an access request
    ///
    /// With a role: approved, and the person is staff. Without: declined. The person gets a mail. To make somebody an
    /// owner takes the scope `admin`.
    #[oai(
        path = "/access-requests/:id/decision",
        method = "post",
        operation_id = "decideAccessRequest",
        tag = "Group::AccessRequests"
    )]
    async fn decide(
        &self,
        by: By<Support>,
        id: Path<Uuid>,
        /// The `ETag` of the request.
        #[oai(name = "If-Match")]
        if_match: Header<Option<String>>,
        body: Strict<DecideAccessRequest>,
    ) -> Result<RequestAnswer, AdminProblem> {
        let version = required(if_match.0.as_deref())?;
        let role = body.0.role.map(Role::from);
        let said = note("note", body.0.note.as_deref())?;
        let decided = self.flows.decide_request_as_admin(&by.0, id.0, version, role, said.as_deref()).await?;
        Ok(RequestAnswer::of(decided))
    }
}

/// A decision.
#[derive(Debug, Deserialize, Object)]
#[oai(example, skip_serializing_if_is_none)]
#[serde(deny_unknown_fields)]
struct DecideAccessRequest {
    /// The role to grant; absent: the request is declined.
    role: Option<RoleWord>,
    /// What to tell the person, at most 1000 characters.
    note: Option<String>,
}

impl Example for DecideAccessRequest {
    fn example() -> Self {
        Self { role: Some(RoleWord::Librarian), note: Some("Welcome".into()) }
    }
}

/// A request and its version.
#[derive(ApiResponse)]
enum RequestAnswer {
    /// The request
    #[oai(status = 200)]
    Found(
        Json<AccessRequestObject>,
        /// The version; send it back as `If-Match` with a change.
        #[oai(header = "ETag")]
        String,
    ),
}

impl RequestAnswer {
    fn of(request: AccessRequest) -> Self {
        let tag = entity_tag(request.version);
        Self::Found(Json(AccessRequestObject::of(request)), tag)
    }
}
