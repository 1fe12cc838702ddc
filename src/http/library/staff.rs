//! Who works at a library: seen, changed, removed, taken back.

use poem_openapi::param::{Header, Path, Query};
use poem_openapi::payload::Json;
use poem_openapi::{ApiResponse, Enum, Object, OpenApi, Tags};
use serde::Deserialize;
use serde_json::Value;
use uuid::Uuid;

use super::caller::SignedIn;
use super::errors::LibraryProblem;
use super::page::{List, page};
use super::version::{entity_tag, required};
use crate::domain::fields::FieldError;
use crate::domain::{Role, StaffChange, StaffRecord};
use crate::flows::{LibraryError, SharedFlows};
use crate::http::body::Body;
use crate::http::timestamp::Timestamp;

/// See the module.
pub(in crate::http) struct StaffApi {
    pub(super) flows: SharedFlows,
}

/// Groups of operations.
#[derive(Tags)]
enum Group {
    /// Who works at a library.
    Staff,
}

#[OpenApi]
impl StaffApi {
    /// Who works here
    ///
    /// Owners and managers see everybody, others themselves.
    #[oai(path = "/libraries/:code/staff", method = "get", operation_id = "listStaff", tag = "Group::Staff")]
    async fn list_staff(
        &self,
        caller: SignedIn,
        code: Path<String>,
        /// 1 to 100; default 50.
        limit: Query<Option<i64>>,
        /// The `next` of the part before.
        after: Query<Option<Uuid>>,
    ) -> Result<Json<List<StaffObject>>, LibraryProblem> {
        let part = self.flows.staff(&caller.0, &code.0, page(&limit, &after)?).await?;
        Ok(Json(List::of(part, StaffObject::of)))
    }

    /// Change somebody's role, status or rights
    ///
    /// Nobody grants what they may not, and a library keeps an active owner.
    #[oai(
        path = "/libraries/:code/staff/:id",
        method = "patch",
        operation_id = "updateStaff",
        tag = "Group::Staff"
    )]
    async fn update_staff(
        &self,
        caller: SignedIn,
        code: Path<String>,
        id: Path<Uuid>,
        /// The version of the record that the change was made on, in quotes.
        #[oai(name = "If-Match")]
        if_match: Header<Option<String>>,
        body: Body<StaffBody>,
    ) -> Result<StaffAnswer, LibraryProblem> {
        let version = required(if_match.0.as_deref())?;
        let change = body.0.check().map_err(LibraryError::from)?;
        let record = self.flows.change_staff(&caller.0, &code.0, id.0, version, &change).await?;
        Ok(StaffAnswer::of(record))
    }

    /// Remove somebody
    ///
    /// The record stays, with who removed it and when; its rights are gone at once.
    #[oai(
        path = "/libraries/:code/staff/:id",
        method = "delete",
        operation_id = "removeStaff",
        tag = "Group::Staff"
    )]
    async fn remove_staff(
        &self,
        caller: SignedIn,
        code: Path<String>,
        id: Path<Uuid>,
        /// The version of the record, in quotes.
        #[oai(name = "If-Match")]
        if_match: Header<Option<String>>,
    ) -> Result<Gone, LibraryProblem> {
        let version = required(if_match.0.as_deref())?;
        self.flows.remove_staff(&caller.0, &code.0, id.0, version).await?;
        Ok(Gone::Done)
    }

    /// Take somebody back
    #[oai(
        path = "/libraries/:code/staff/:id/rehire",
        method = "post",
        operation_id = "rehireStaff",
        tag = "Group::Staff"
    )]
    async fn rehire_staff(
        &self,
        caller: SignedIn,
        code: Path<String>,
        id: Path<Uuid>,
        /// The version of the record, in quotes.
        #[oai(name = "If-Match")]
        if_match: Header<Option<String>>,
        body: Body<RehireBody>,
    ) -> Result<StaffAnswer, LibraryProblem> {
        let version = required(if_match.0.as_deref())?;
        let role = body.0.role.map(Role::from);
        Ok(StaffAnswer::of(self.flows.rehire_staff(&caller.0, &code.0, id.0, version, role).await?))
    }
}

/// A role at a library.
#[derive(Debug, Clone, Copy, Deserialize, Enum)]
#[oai(rename = "Role", rename_all = "lowercase")]
#[serde(rename_all = "lowercase")]
pub(in crate::http) enum RoleWord {
    /// Everything, staff and settings included.
    Owner,
    /// Everything but staff and settings.
    Manager,
    /// Catalogue, inventory, members, loans.
    Librarian,
    /// Loans.
    Volunteer,
}

impl From<RoleWord> for Role {
    fn from(word: RoleWord) -> Self {
        match word {
            RoleWord::Owner => Self::Owner,
            RoleWord::Manager => Self::Manager,
            RoleWord::Librarian => Self::Librarian,
            RoleWord::Volunteer => Self::Volunteer,
        }
    }
}

/// Somebody's record at a library.
#[derive(Debug, Object)]
#[oai(rename = "StaffRecord")]
struct StaffObject {
    /// The record.
    id: Uuid,
    /// Whose it is.
    user_id: Uuid,
    /// For owners and managers: what the person is called.
    display_name: Option<String>,
    /// For owners and managers: the account's address.
    email: Option<String>,
    /// `owner`, `manager`, `librarian` or `volunteer`.
    role: String,
    /// `active`, `inactive` or `terminated`.
    status: String,
    /// Where the record differs from its role.
    permissions: Value,
    /// Number, department, dates.
    employment_info: Value,
    /// When it was removed, if it was.
    deleted_at: Option<Timestamp>,
    /// Send it back as `If-Match` with a change.
    version: i32,
    /// When it was made.
    created_at: Timestamp,
}

impl StaffObject {
    fn of(record: StaffRecord) -> Self {
        Self {
            id: record.id,
            user_id: record.user_id,
            display_name: record.display_name,
            email: record.email,
            role: record.role,
            status: record.status,
            permissions: record.permissions,
            employment_info: record.employment_info,
            deleted_at: record.deleted_at.map(Timestamp::from),
            version: record.version,
            created_at: record.created_at.into(),
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
    fn of(record: StaffRecord) -> Self {
        let tag = entity_tag(record.version);
        Self::Found(Json(StaffObject::of(record)), tag)
    }
}

/// Done, without a body.
#[derive(ApiResponse)]
pub(in crate::http) enum Gone {
    /// Done
    #[oai(status = 204)]
    Done,
}

/// A change of a staff record.
#[derive(Debug, Deserialize, Object)]
struct StaffBody {
    /// Another role; the old one's overrides go.
    role: Option<RoleWord>,
    /// `active`, `inactive` or `terminated`.
    status: Option<String>,
    /// `{permission: true or false}` where the record differs from its role.
    permissions: Option<Value>,
    /// Number, department, dates; at most 4000 bytes.
    employment_info: Option<Value>,
}

impl StaffBody {
    fn check(self) -> Result<StaffChange, FieldError> {
        let rule = "must be active, inactive or terminated";
        if self
            .status
            .as_deref()
            .is_some_and(|status| !["active", "inactive", "terminated"].contains(&status))
        {
            return Err(FieldError { field: "status", rule });
        }
        for (field, value) in [("permissions", &self.permissions), ("employment_info", &self.employment_info)]
        {
            if value.as_ref().is_some_and(|value| !value.is_object()) {
                return Err(FieldError { field, rule: "must be an object" });
            }
        }
        Ok(StaffChange {
            role: self.role.map(Role::from),
            status: self.status,
            permissions: self.permissions,
            employment_info: self.employment_info,
        })
    }
}

/// How to take somebody back.
#[derive(Debug, Deserialize, Object)]
struct RehireBody {
    /// Another role than before; default: the old one.
    role: Option<RoleWord>,
}
