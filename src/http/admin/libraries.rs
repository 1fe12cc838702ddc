//! Libraries: listed, made, changed.

use poem_openapi::param::{Header, Path, Query};
use poem_openapi::payload::Json;
use poem_openapi::types::Example;
use poem_openapi::{ApiResponse, Enum, Object, OpenApi, Tags};
use serde::Deserialize;
use uuid::Uuid;

use super::caller::{Admin, By, Read};
use super::creation::creation;
use super::errors::AdminProblem;
use super::staff::PersonRequest;
use super::strict::Strict;
use crate::domain::LibraryRecord;
use crate::flows::{LibraryChange, LibraryFilter, LibraryPlan, SharedFlows};
use crate::http::library::{List, entity_tag, page, required};
use crate::http::timestamp::Timestamp;

/// See the module.
pub(super) struct LibrariesApi {
    pub(super) flows: SharedFlows,
}

/// Groups of operations.
#[derive(Tags)]
enum Group {
    /// The libraries of the platform.
    Libraries,
}

#[OpenApi]
impl LibrariesApi {
    /// The libraries
    ///
    /// Newest first, whatever their status.
    #[oai(path = "/libraries", method = "get", operation_id = "listLibraries", tag = "Group::Libraries")]
    async fn list(
        &self,
        by: By<Read>,
        /// Only those of this status.
        status: Query<Option<LibraryStatus>>,
        /// Only those whose name begins so, in any case.
        name: Query<Option<String>>,
        /// 1 to 100; default 50.
        limit: Query<Option<i64>>,
        /// The `next` of the part before.
        after: Query<Option<Uuid>>,
    ) -> Result<Json<List<LibraryObject>>, AdminProblem> {
        let filter = LibraryFilter { status: status.0.map(LibraryStatus::word), name: name.0 };
        let part = self.flows.list_libraries(&by.0, &filter, page(&limit, &after)?).await?;
        Ok(Json(List::of(part, LibraryObject::of)))
    }

    /// A library
    #[oai(path = "/libraries/:id", method = "get", operation_id = "getLibrary", tag = "Group::Libraries")]
    async fn show(&self, by: By<Read>, id: Path<Uuid>) -> Result<LibraryAnswer, AdminProblem> {
        Ok(LibraryAnswer::of(self.flows.find_library(&by.0, id.0).await?))
    }

    /// Make a library
    ///
    /// With its first owner, if you name one: somebody who has an account. They get a mail.
    #[oai(path = "/libraries", method = "post", operation_id = "createLibrary", tag = "Group::Libraries")]
    async fn create(
        &self,
        by: By<Admin>,
        /// Any text of your own, such as a UUID: sent again with the same request, it makes no second library.
        #[oai(name = "Idempotency-Key")]
        idempotency_key: Header<Option<String>>,
        body: Strict<CreateLibraryRequest>,
    ) -> Result<MadeLibrary, AdminProblem> {
        let request = creation("createLibrary", &body.0, idempotency_key.0.as_deref());
        let plan = LibraryPlan {
            name: body.0.name.clone(),
            code: body.0.code.clone(),
            status: body.0.status.unwrap_or(LibraryStatus::Active).word(),
            owner: body.0.owner.as_ref().map(PersonRequest::read).transpose()?,
        };
        let library = self.flows.make_library(&by.0, &plan, &request).await?;
        let tag = entity_tag(library.version);
        Ok(MadeLibrary::Made(Json(LibraryObject::of(library)), tag))
    }

    /// Change a library
    ///
    /// Fields that are absent stay as they are. Where a library is not active, its staff have no rights there.
    #[oai(
        path = "/libraries/:id",
        method = "patch",
        operation_id = "updateLibrary",
        tag = "Group::Libraries"
    )]
    async fn update(
        &self,
        by: By<Admin>,
        id: Path<Uuid>,
        /// The `ETag` of the library that the change was made on.
        #[oai(name = "If-Match")]
        if_match: Header<Option<String>>,
        body: Strict<UpdateLibraryRequest>,
    ) -> Result<LibraryAnswer, AdminProblem> {
        let version = required(if_match.0.as_deref())?;
        let change = LibraryChange {
            name: body.0.name,
            code: body.0.code,
            status: body.0.status.map(LibraryStatus::word),
        };
        let changed = self.flows.change_library_as_admin(&by.0, id.0, version, &change).await?;
        Ok(LibraryAnswer::of(changed))
    }
}

/// Where a library stands.
#[derive(Debug, Clone, Copy, Deserialize, Enum)]
#[oai(rename_all = "lowercase")]
#[serde(rename_all = "lowercase")]
enum LibraryStatus {
    /// Open: everybody sees it.
    Active,
    /// Closed: nobody but its owners sees it, and its staff have no rights there.
    Inactive,
    /// Waits to be opened.
    Pending,
}

impl LibraryStatus {
    fn word(self) -> String {
        match self {
            Self::Active => "active",
            Self::Inactive => "inactive",
            Self::Pending => "pending",
        }
        .to_owned()
    }
}

/// A library to be.
#[derive(Debug, Deserialize, Object)]
#[oai(example, skip_serializing_if_is_none)]
#[serde(deny_unknown_fields)]
struct CreateLibraryRequest {
    /// What people call it, 1 to 200 characters.
    name: String,
    /// Names it in URLs: 1 to 63 lower-case letters, digits and inner hyphens.
    code: String,
    /// Default: active.
    status: Option<LibraryStatus>,
    /// Its first owner.
    owner: Option<PersonRequest>,
}

impl Example for CreateLibraryRequest {
    fn example() -> Self {
        Self {
            name: "Central Library".into(),
            code: "central".into(),
            status: None,
            owner: Some(PersonRequest::example()),
        }
    }
}

/// A change of a library.
#[derive(Debug, Deserialize, Object)]
#[oai(example, skip_serializing_if_is_none)]
#[serde(deny_unknown_fields)]
struct UpdateLibraryRequest {
    /// What people call it, 1 to 200 characters.
    name: Option<String>,
    /// Names it in URLs; links with the old one lead nowhere.
    code: Option<String>,
    /// Activates or deactivates it.
    status: Option<LibraryStatus>,
}

impl Example for UpdateLibraryRequest {
    fn example() -> Self {
        Self { name: None, code: None, status: Some(LibraryStatus::Inactive) }
    }
}

/// A library and its version.
#[derive(ApiResponse)]
enum LibraryAnswer {
    /// The library
    #[oai(status = 200)]
    Found(
        Json<LibraryObject>,
        /// The version; send it back as `If-Match` with a change.
        #[oai(header = "ETag")]
        String,
    ),
}

impl LibraryAnswer {
    fn of(library: LibraryRecord) -> Self {
        let tag = entity_tag(library.version);
        Self::Found(Json(LibraryObject::of(library)), tag)
    }
}

/// A new library
#[derive(ApiResponse)]
enum MadeLibrary {
    /// The library
    #[oai(status = 201)]
    Made(
        Json<LibraryObject>,
        /// The version; send it back as `If-Match` with a change.
        #[oai(header = "ETag")]
        String,
    ),
}

/// A library.
#[derive(Debug, Object)]
#[oai(rename = "AdminLibrary")]
struct LibraryObject {
    /// Its id.
    id: Uuid,
    /// What people call it.
    name: String,
    /// Names it in URLs.
    code: String,
    /// `active`, `inactive` or `pending`.
    status: String,
    /// How many owners it has; without any, grant somebody the role.
    owners: i64,
    /// How many people work there, owners among them.
    staff: i64,
    /// Send it back as `If-Match` with a change.
    version: i32,
    /// When it was made.
    created_at: Timestamp,
    /// When it last changed.
    updated_at: Timestamp,
}

impl LibraryObject {
    fn of(library: LibraryRecord) -> Self {
        Self {
            id: library.id,
            name: library.name,
            code: library.code,
            status: library.status,
            owners: library.owners,
            staff: library.staff,
            version: library.version,
            created_at: library.created_at.into(),
            updated_at: library.updated_at.into(),
        }
    }
}
