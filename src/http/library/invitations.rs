//! Invitations: an owner invites an address, its owner accepts or declines.

use poem_openapi::param::{Header, Path, Query};
use poem_openapi::payload::Json;
use poem_openapi::{ApiResponse, Object, OpenApi, Tags};
use serde::Deserialize;
use uuid::Uuid;

use super::caller::SignedIn;
use super::errors::LibraryProblem;
use super::page::{List, page};
use super::staff::{Gone, RoleWord};
use super::version::required;
use crate::domain::fields::{FieldError, paragraph};
use crate::domain::{EmailAddress, Invitation, Offer, Role};
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
}

/// Something was made.
#[derive(ApiResponse)]
pub(super) enum Made<T: poem_openapi::types::ToJSON + Send + Sync> {
    /// What was made
    #[oai(status = 201)]
    Created(Json<T>),
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
pub(in crate::http) fn note(field: &'static str, text: Option<&str>) -> Result<Option<String>, LibraryError> {
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
