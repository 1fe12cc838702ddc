//! Staff records: seen by library and by person, granted, changed, revoked.

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
use crate::domain::fields::FieldError;
use crate::domain::{EmailAddress, Role, StaffEntry};
use crate::flows::{Person, SharedFlows, StaffFilter, StaffPlan, StaffUpdate};
use crate::http::library::{Gone, List, RoleWord, entity_tag, page, required};
use crate::http::timestamp::Timestamp;

/// See the module.
pub(super) struct StaffApi {
    pub(super) flows: SharedFlows,
}

/// Groups of operations.
#[derive(Tags)]
enum Group {
    /// Who works at which library.
    Staff,
}

#[OpenApi]
impl StaffApi {
    /// A library's staff
    ///
    /// Newest first, removed records too.
    #[oai(
        path = "/libraries/:id/staff",
        method = "get",
        operation_id = "listLibraryStaff",
        tag = "Group::Staff"
    )]
    async fn list_at_library(
        &self,
        by: By<Read>,
        id: Path<Uuid>,
        /// 1 to 100; default 50.
        limit: Query<Option<i64>>,
        /// The `next` of the part before.
        after: Query<Option<Uuid>>,
    ) -> Result<Json<List<StaffObject>>, AdminProblem> {
        let whose = StaffFilter::Library(id.0);
        let part = self.flows.list_staff(&by.0, whose, page(&limit, &after)?).await?;
        Ok(Json(List::of(part, StaffObject::of)))
    }

    /// Where an account is staff
    ///
    /// Newest first, removed records too.
    #[oai(path = "/users/:id/staff", method = "get", operation_id = "listUserStaff", tag = "Group::Staff")]
    async fn list_of_person(
        &self,
        by: By<Read>,
        id: Path<Uuid>,
        /// 1 to 100; default 50.
        limit: Query<Option<i64>>,
        /// The `next` of the part before.
        after: Query<Option<Uuid>>,
    ) -> Result<Json<List<StaffObject>>, AdminProblem> {
        let part = self.flows.list_staff(&by.0, StaffFilter::Person(id.0), page(&limit, &after)?).await?;
        Ok(Json(List::of(part, StaffObject::of)))
    }

    /// Grant a role at a library
    ///
    /// To somebody who is not on its staff, or no longer: its first owner, another one, or any other role. They get a
    /// mail. Whoever is on its staff already gets another role by a change of their record.
    #[oai(path = "/libraries/:id/staff", method = "post", operation_id = "grantStaff", tag = "Group::Staff")]
    async fn grant(
        &self,
        by: By<Admin>,
        id: Path<Uuid>,
        /// Any text of your own, such as a UUID: sent again with the same request, it is answered as before.
        #[oai(name = "Idempotency-Key")]
        idempotency_key: Header<Option<String>>,
        body: Strict<GrantStaffRequest>,
    ) -> Result<Granted, AdminProblem> {
        let mut request = creation("grantStaff", &body.0, idempotency_key.0.as_deref());
        request.body.push_str(&id.0.to_string());
        let person = PersonRequest { user_id: body.0.user_id, email: body.0.email };
        let plan = StaffPlan { library: id.0, person: person.read()?, role: body.0.role.into() };
        let record = self.flows.grant_staff(&by.0, &plan, &request).await?;
        let tag = entity_tag(record.version);
        Ok(Granted::Made(Json(StaffObject::of(record)), tag))
    }

    /// A staff record
    #[oai(path = "/staff/:id", method = "get", operation_id = "getStaff", tag = "Group::Staff")]
    async fn show(&self, by: By<Read>, id: Path<Uuid>) -> Result<StaffAnswer, AdminProblem> {
        Ok(StaffAnswer::of(self.flows.find_staff(&by.0, id.0).await?))
    }

    /// Change somebody's role or status
    ///
    /// A library keeps an active owner, whoever asks. The person gets a mail.
    #[oai(path = "/staff/:id", method = "patch", operation_id = "updateStaff", tag = "Group::Staff")]
    async fn update(
        &self,
        by: By<Admin>,
        id: Path<Uuid>,
        /// The `ETag` of the record that the change was made on.
        #[oai(name = "If-Match")]
        if_match: Header<Option<String>>,
        body: Strict<UpdateStaffRequest>,
    ) -> Result<StaffAnswer, AdminProblem> {
        let version = required(if_match.0.as_deref())?;
        let update = StaffUpdate {
            role: body.0.role.map(Role::from),
            status: body.0.status.map(|status| status.word().to_owned()),
        };
        Ok(StaffAnswer::of(self.flows.update_staff(&by.0, id.0, version, &update).await?))
    }

    /// Revoke a staff record
    ///
    /// Its rights are gone at once; the record stays, with when. A library keeps an active owner, whoever asks.
    #[oai(path = "/staff/:id", method = "delete", operation_id = "revokeStaff", tag = "Group::Staff")]
    async fn revoke(
        &self,
        by: By<Admin>,
        id: Path<Uuid>,
        /// The `ETag` of the record.
        #[oai(name = "If-Match")]
        if_match: Header<Option<String>>,
    ) -> Result<Gone, AdminProblem> {
        let version = required(if_match.0.as_deref())?;
        self.flows.revoke_staff(&by.0, id.0, version).await?;
        Ok(Gone::Done)
    }
}

/// Somebody with an account: one of both.
#[derive(Debug, Deserialize, Object)]
#[oai(example, skip_serializing_if_is_none)]
#[serde(deny_unknown_fields)]
pub(super) struct PersonRequest {
    /// The account's id.
    user_id: Option<Uuid>,
    /// The account's address.
    email: Option<String>,
}

impl Example for PersonRequest {
    fn example() -> Self {
        Self { user_id: None, email: Some("ada@example.org".into()) }
    }
}

impl PersonRequest {
    pub(super) fn read(&self) -> Result<Person, FieldError> {
        match (self.user_id, &self.email) {
            (Some(id), None) => Ok(Person::Id(id)),
            (None, Some(email)) => EmailAddress::parse(email)
                .map(Person::Email)
                .map_err(|_| FieldError { field: "email", rule: "must be an email address" }),
            _ => Err(FieldError { field: "user_id", rule: "or email must name the account, and not both" }),
        }
    }
}

/// A role for somebody; name the account by one of both.
#[derive(Debug, Deserialize, Object)]
#[oai(example, skip_serializing_if_is_none)]
#[serde(deny_unknown_fields)]
struct GrantStaffRequest {
    /// The account's id.
    user_id: Option<Uuid>,
    /// The account's address.
    email: Option<String>,
    /// The role.
    role: RoleWord,
}

impl Example for GrantStaffRequest {
    fn example() -> Self {
        Self { user_id: None, email: Some("ada@example.org".into()), role: RoleWord::Librarian }
    }
}

/// A change of a staff record.
#[derive(Debug, Deserialize, Object)]
#[oai(example, skip_serializing_if_is_none)]
#[serde(deny_unknown_fields)]
struct UpdateStaffRequest {
    /// Another role; where the record differed from the old one is forgotten.
    role: Option<RoleWord>,
    /// Another status.
    status: Option<StaffStatus>,
}

impl Example for UpdateStaffRequest {
    fn example() -> Self {
        Self { role: Some(RoleWord::Manager), status: None }
    }
}

/// Whether a staff record is in force.
#[derive(Debug, Clone, Copy, Deserialize, Enum)]
#[oai(rename_all = "lowercase")]
#[serde(rename_all = "lowercase")]
enum StaffStatus {
    /// In force.
    Active,
    /// Not for the time being.
    Inactive,
    /// No longer.
    Terminated,
}

impl StaffStatus {
    fn word(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Inactive => "inactive",
            Self::Terminated => "terminated",
        }
    }
}

/// A staff record and its version.
#[derive(ApiResponse)]
enum StaffAnswer {
    /// The record
    #[oai(status = 200)]
    Found(
        Json<StaffObject>,
        /// The version; send it back as `If-Match` with a change.
        #[oai(header = "ETag")]
        String,
    ),
}

impl StaffAnswer {
    fn of(record: StaffEntry) -> Self {
        let tag = entity_tag(record.version);
        Self::Found(Json(StaffObject::of(record)), tag)
    }
}

/// A granted role
#[derive(ApiResponse)]
enum Granted {
    /// The record
    #[oai(status = 201)]
    Made(
        Json<StaffObject>,
        /// The version; send it back as `If-Match` with a change.
        #[oai(header = "ETag")]
        String,
    ),
}

/// Somebody's record at a library.
#[derive(Debug, Object)]
#[oai(rename = "AdminStaffRecord")]
struct StaffObject {
    /// The record.
    id: Uuid,
    /// Whose it is.
    user_id: Uuid,
    /// What the person is called.
    display_name: Option<String>,
    /// The account's address.
    email: Option<String>,
    /// At which library.
    library_id: Uuid,
    /// The library's name.
    library_name: String,
    /// The library's code.
    library_code: String,
    /// `owner`, `manager`, `librarian` or `volunteer`.
    role: String,
    /// `active`, `inactive` or `terminated`.
    status: String,
    /// When it was removed, if it was.
    deleted_at: Option<Timestamp>,
    /// Send it back as `If-Match` with a change.
    version: i32,
    /// When it was made.
    created_at: Timestamp,
}

impl StaffObject {
    fn of(record: StaffEntry) -> Self {
        Self {
            id: record.id,
            user_id: record.user_id,
            display_name: record.display_name,
            email: record.email,
            library_id: record.library_id,
            library_name: record.library_name,
            library_code: record.library_code,
            role: record.role,
            status: record.status,
            deleted_at: record.deleted_at.map(Timestamp::from),
            version: record.version,
            created_at: record.created_at.into(),
        }
    }
}
