//! Access requests: a person asks a library, its owners and managers decide.

use poem_openapi::param::{Header, Path, Query};
use poem_openapi::payload::Json;
use poem_openapi::{ApiResponse, Object, OpenApi, Tags};
use serde::Deserialize;
use uuid::Uuid;

use super::caller::SignedIn;
use super::errors::LibraryProblem;
use super::invitations::{Made, note};
use super::page::{List, page};
use super::staff::RoleWord;
use super::version::{entity_tag, required};
use crate::domain::{AccessRequest, Role};
use crate::flows::SharedFlows;
use crate::http::body::Body;
use crate::http::timestamp::Timestamp;

/// See the module.
pub(in crate::http) struct AccessRequestsApi {
    pub(super) flows: SharedFlows,
}

/// Groups of operations.
#[derive(Tags)]
enum Group {
    /// A person asks, somebody decides.
    #[oai(rename = "Access requests")]
    AccessRequests,
}

#[OpenApi]
impl AccessRequestsApi {
    /// Ask a library for access
    ///
    /// On a management site, without any staff record; one open request a library. Its owners and managers get a mail.
    #[oai(
        path = "/libraries/:code/access-requests",
        method = "post",
        operation_id = "createAccessRequest",
        tag = "Group::AccessRequests"
    )]
    async fn create_access_request(
        &self,
        caller: SignedIn,
        code: Path<String>,
        body: Body<AccessRequestBody>,
    ) -> Result<Made<AccessRequestObject>, LibraryProblem> {
        let message = note("message", body.0.message.as_deref())?;
        let made = self.flows.request_access(&caller.0, &code.0, message.as_deref()).await?;
        Ok(Made::Created(Json(AccessRequestObject::of(made))))
    }

    /// A library's access requests
    #[oai(
        path = "/libraries/:code/access-requests",
        method = "get",
        operation_id = "listAccessRequests",
        tag = "Group::AccessRequests"
    )]
    async fn list_access_requests(
        &self,
        caller: SignedIn,
        code: Path<String>,
        /// 1 to 100; default 50.
        limit: Query<Option<i64>>,
        /// The `next` of the part before.
        after: Query<Option<Uuid>>,
    ) -> Result<Json<List<AccessRequestObject>>, LibraryProblem> {
        let part = self.flows.access_requests(&caller.0, Some(&code.0), page(&limit, &after)?).await?;
        Ok(Json(List::of(part, AccessRequestObject::of)))
    }

    /// My access requests
    #[oai(
        path = "/access-requests",
        method = "get",
        operation_id = "listMyAccessRequests",
        tag = "Group::AccessRequests"
    )]
    async fn list_my_access_requests(
        &self,
        caller: SignedIn,
        /// 1 to 100; default 50.
        limit: Query<Option<i64>>,
        /// The `next` of the part before.
        after: Query<Option<Uuid>>,
    ) -> Result<Json<List<AccessRequestObject>>, LibraryProblem> {
        let part = self.flows.access_requests(&caller.0, None, page(&limit, &after)?).await?;
        Ok(Json(List::of(part, AccessRequestObject::of)))
    }

    /// Decide an access request
    ///
    /// With a role: approved, and the person is staff. Without: declined. The person gets a mail.
    #[oai(
        path = "/access-requests/:id/decision",
        method = "post",
        operation_id = "decideAccessRequest",
        tag = "Group::AccessRequests"
    )]
    async fn decide_access_request(
        &self,
        caller: SignedIn,
        id: Path<Uuid>,
        /// The version of the request, in quotes.
        #[oai(name = "If-Match")]
        if_match: Header<Option<String>>,
        body: Body<DecisionBody>,
    ) -> Result<RequestAnswer, LibraryProblem> {
        let version = required(if_match.0.as_deref())?;
        let said = note("note", body.0.note.as_deref())?;
        let role = body.0.role.map(Role::from);
        let request =
            self.flows.decide_access_request(&caller.0, id.0, version, role, said.as_deref()).await?;
        Ok(RequestAnswer::of(request))
    }

    /// Withdraw my access request
    #[oai(
        path = "/access-requests/:id/withdraw",
        method = "post",
        operation_id = "withdrawAccessRequest",
        tag = "Group::AccessRequests"
    )]
    async fn withdraw_access_request(
        &self,
        caller: SignedIn,
        id: Path<Uuid>,
        /// The version of the request, in quotes.
        #[oai(name = "If-Match")]
        if_match: Header<Option<String>>,
    ) -> Result<RequestAnswer, LibraryProblem> {
        let version = required(if_match.0.as_deref())?;
        Ok(RequestAnswer::of(self.flows.withdraw_access_request(&caller.0, id.0, version).await?))
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

/// Why somebody wants access.
#[derive(Debug, Deserialize, Object)]
struct AccessRequestBody {
    /// At most 1000 characters.
    message: Option<String>,
}

/// A decision.
#[derive(Debug, Deserialize, Object)]
struct DecisionBody {
    /// The role to grant; absent: the request is declined.
    role: Option<RoleWord>,
    /// What to tell the person, at most 1000 characters.
    note: Option<String>,
}

/// Somebody's request to become staff.
#[derive(Debug, Object)]
#[oai(rename = "AccessRequest")]
pub(in crate::http) struct AccessRequestObject {
    /// Its id.
    id: Uuid,
    /// At which library.
    library_id: Uuid,
    /// The library's name.
    library_name: String,
    /// The library's code.
    library_code: String,
    /// Who asks.
    user_id: Uuid,
    /// For owners and managers: what the person is called.
    display_name: Option<String>,
    /// For owners and managers: the account's address.
    email: Option<String>,
    /// Why.
    message: Option<String>,
    /// `pending`, `approved`, `declined` or `withdrawn`.
    status: String,
    /// When it was decided.
    decided_at: Option<Timestamp>,
    /// What whoever decided had to say.
    decision_note: Option<String>,
    /// What was granted.
    granted_role: Option<String>,
    /// Send it back as `If-Match` with a change.
    version: i32,
    /// When it was made.
    created_at: Timestamp,
}

impl AccessRequestObject {
    pub(in crate::http) fn of(request: AccessRequest) -> Self {
        Self {
            id: request.id,
            library_id: request.library_id,
            library_name: request.library_name,
            library_code: request.library_code,
            user_id: request.user_id,
            display_name: request.display_name,
            email: request.email,
            message: request.message,
            status: request.status,
            decided_at: request.decided_at.map(Timestamp::from),
            decision_note: request.decision_note,
            granted_role: request.granted_role,
            version: request.version,
            created_at: request.created_at.into(),
        }
    }
}
