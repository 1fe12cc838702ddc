//! Invitations and access requests: the two ways to become staff.

use poem_openapi::param::{Header, Path, Query};
use poem_openapi::payload::Json;
use poem_openapi::{ApiResponse, Object, OpenApi, Tags};
use serde::Deserialize;
use uuid::Uuid;

use super::caller::SignedIn;
use super::errors::LibraryProblem;
use super::libraries::{Gone, RoleWord};
use super::page::{List, page};
use super::version::{entity_tag, required};
use crate::domain::fields::{FieldError, paragraph};
use crate::domain::{AccessRequest, EmailAddress, Invitation, Offer, Role};
use crate::flows::{LibraryError, SharedFlows};
use crate::http::body::Body;
use crate::http::timestamp::Timestamp;

/// See the module.
pub(in crate::http) struct InvitationsApi {
    pub(super) flows: SharedFlows,
}

/// Groups of operations.
#[derive(Tags)]
enum Group {
    /// An owner invites an address.
    Invitations,
    /// A person asks, somebody decides.
    #[oai(rename = "Access requests")]
    AccessRequests,
}

#[OpenApi]
impl InvitationsApi {
    /// Invite somebody to work here
    ///
    /// The mail carries the only link; it works for seven days, for the invited address alone.
    #[oai(
        path = "/libraries/:code/invitations",
        method = "post",
        operation_id = "createInvitation",
        tag = "Group::Invitations"
    )]
    async fn create_invitation(
        &self,
        caller: SignedIn,
        code: Path<String>,
        body: Body<InvitationBody>,
    ) -> Result<Made<InvitationObject>, LibraryProblem> {
        let (email, role, message) = body.0.check()?;
        let made = self.flows.invite(&caller.0, &code.0, &email, role, message.as_deref()).await?;
        Ok(Made::Created(Json(InvitationObject::of(made))))
    }

    /// The library's invitations
    #[oai(
        path = "/libraries/:code/invitations",
        method = "get",
        operation_id = "listInvitations",
        tag = "Group::Invitations"
    )]
    async fn list_invitations(
        &self,
        caller: SignedIn,
        code: Path<String>,
        /// 1 to 100; default 50.
        limit: Query<Option<i64>>,
        /// The `next` of the part before.
        after: Query<Option<Uuid>>,
    ) -> Result<Json<List<InvitationObject>>, LibraryProblem> {
        let part = self.flows.invitations(&caller.0, &code.0, page(&limit, &after)?).await?;
        Ok(Json(List::of(part, InvitationObject::of)))
    }

    /// Cancel an invitation
    #[oai(
        path = "/libraries/:code/invitations/:id",
        method = "delete",
        operation_id = "cancelInvitation",
        tag = "Group::Invitations"
    )]
    async fn cancel_invitation(
        &self,
        caller: SignedIn,
        code: Path<String>,
        id: Path<Uuid>,
        /// The version of the invitation, in quotes.
        #[oai(name = "If-Match")]
        if_match: Header<Option<String>>,
    ) -> Result<Gone, LibraryProblem> {
        let version = required(if_match.0.as_deref())?;
        self.flows.cancel_invitation(&caller.0, &code.0, id.0, version).await?;
        Ok(Gone::Done)
    }

    /// What a link offers
    ///
    /// The token travels in the body, so that it is in no log of URLs.
    #[oai(
        path = "/invitations/lookup",
        method = "post",
        operation_id = "lookUpInvitation",
        tag = "Group::Invitations"
    )]
    async fn look_up_invitation(
        &self,
        caller: SignedIn,
        body: Body<TokenBody>,
    ) -> Result<Json<OfferObject>, LibraryProblem> {
        Ok(Json(OfferObject::of(self.flows.offer(&caller.0, body.0.token()).await?)))
    }

    /// Accept an invitation
    ///
    /// The caller's account must have the invited address. Answers the library's code.
    #[oai(
        path = "/invitations/accept",
        method = "post",
        operation_id = "acceptInvitation",
        tag = "Group::Invitations"
    )]
    async fn accept_invitation(
        &self,
        caller: SignedIn,
        body: Body<TokenBody>,
    ) -> Result<Json<AcceptedObject>, LibraryProblem> {
        let library_code = self.flows.accept_invitation(&caller.0, body.0.token()).await?;
        Ok(Json(AcceptedObject { library_code }))
    }

    /// Decline an invitation
    #[oai(
        path = "/invitations/decline",
        method = "post",
        operation_id = "declineInvitation",
        tag = "Group::Invitations"
    )]
    async fn decline_invitation(
        &self,
        caller: SignedIn,
        body: Body<TokenBody>,
    ) -> Result<Gone, LibraryProblem> {
        self.flows.decline_invitation(&caller.0, body.0.token()).await?;
        Ok(Gone::Done)
    }

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

/// Something was made.
#[derive(ApiResponse)]
enum Made<T: poem_openapi::types::ToJSON + Send + Sync> {
    /// What was made
    #[oai(status = 201)]
    Created(Json<T>),
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

/// Whom to invite.
#[derive(Debug, Deserialize, Object)]
struct InvitationBody {
    /// The address that the invitation is for.
    email: Option<String>,
    /// The role offered.
    role: Option<RoleWord>,
    /// A note to the person, at most 1000 characters.
    message: Option<String>,
}

impl InvitationBody {
    fn check(self) -> Result<(EmailAddress, Role, Option<String>), LibraryError> {
        let email = EmailAddress::parse(self.email.as_deref().unwrap_or_default())
            .map_err(|_| FieldError { field: "email", rule: "must be a plain email address" })?;
        let role = self
            .role
            .ok_or(FieldError { field: "role", rule: "must be owner, manager, librarian or volunteer" })?;
        Ok((email, role.into(), note("message", self.message.as_deref())?))
    }
}

/// An optional note; an empty one is none.
fn note(field: &'static str, text: Option<&str>) -> Result<Option<String>, LibraryError> {
    let text =
        text.map(|text| paragraph(field, text, 1000, "must have at most 1000 characters")).transpose()?;
    Ok(text.filter(|text| !text.is_empty()))
}

/// The proof of a mailed link.
#[derive(Debug, Deserialize, Object)]
struct TokenBody {
    /// The last part of the link.
    token: Option<String>,
}

impl TokenBody {
    fn token(&self) -> &str {
        self.token.as_deref().unwrap_or_default()
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

/// Where an invitation led.
#[derive(Debug, Object)]
#[oai(rename = "AcceptedInvitation")]
struct AcceptedObject {
    /// The library's code.
    library_code: String,
}

/// An invitation, as the library's staff see it.
#[derive(Debug, Object)]
#[oai(rename = "Invitation")]
struct InvitationObject {
    /// Its id.
    id: Uuid,
    /// Whom it is for.
    email: String,
    /// The role offered.
    role: Option<String>,
    /// `library_staff` or `library_member`.
    kind: String,
    /// `pending`, `accepted`, `declined`, `expired` or `cancelled`.
    status: String,
    /// A note to the person.
    personal_message: Option<String>,
    /// When it runs out.
    expires_at: Timestamp,
    /// Send it back as `If-Match` with a change.
    version: i32,
    /// When it was made.
    created_at: Timestamp,
}

impl InvitationObject {
    fn of(invitation: Invitation) -> Self {
        Self {
            id: invitation.id,
            email: invitation.email,
            role: invitation.role,
            kind: invitation.kind,
            status: invitation.status,
            personal_message: invitation.personal_message,
            expires_at: invitation.expires_at.into(),
            version: invitation.version,
            created_at: invitation.created_at.into(),
        }
    }
}

/// An invitation, as the holder of its link sees it.
#[derive(Debug, Object)]
#[oai(rename = "Offer")]
struct OfferObject {
    /// The library's name.
    library_name: String,
    /// The library's code.
    library_code: String,
    /// `library_staff` or `library_member`.
    kind: String,
    /// The role offered.
    role: Option<String>,
    /// Who offers it.
    inviter_name: Option<String>,
    /// Whom it is for.
    email: String,
    /// A note to the person.
    personal_message: Option<String>,
    /// `pending`, `accepted`, `declined`, `expired` or `cancelled`.
    status: String,
    /// When it runs out.
    expires_at: Timestamp,
}

impl OfferObject {
    fn of(offer: Offer) -> Self {
        Self {
            library_name: offer.library_name,
            library_code: offer.library_code,
            kind: offer.kind,
            role: offer.role,
            inviter_name: offer.inviter_name,
            email: offer.email,
            personal_message: offer.personal_message,
            status: offer.status,
            expires_at: offer.expires_at.into(),
        }
    }
}

/// Somebody's request to become staff.
#[derive(Debug, Object)]
#[oai(rename = "AccessRequest")]
struct AccessRequestObject {
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
    fn of(request: AccessRequest) -> Self {
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
