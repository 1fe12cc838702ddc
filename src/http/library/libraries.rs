//! Libraries: those where the caller is staff, any by its code, and changes of one.

use poem_openapi::param::{Header, Path};
use poem_openapi::payload::Json;
use poem_openapi::{ApiResponse, Object, OpenApi, Tags};
use serde::Deserialize;
use serde_json::Value;
use uuid::Uuid;

use super::caller::SignedIn;
use super::errors::LibraryProblem;
use super::page::List;
use super::version::{entity_tag, required};
use crate::domain::fields::FieldError;
use crate::domain::{Change, Library};
use crate::flows::{LibraryError, SharedFlows};
use crate::http::body::Body;
use crate::http::timestamp::Timestamp;

/// See the module.
pub(in crate::http) struct LibrariesApi {
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
    /// The libraries where I am staff
    #[oai(path = "/libraries", method = "get", operation_id = "listMyLibraries", tag = "Group::Libraries")]
    async fn list_my_libraries(&self, caller: SignedIn) -> Result<Json<List<LibraryObject>>, LibraryProblem> {
        let libraries = self.flows.my_libraries(&caller.0).await?;
        Ok(Json(List::whole(libraries.into_iter().map(LibraryObject::of).collect())))
    }

    /// A library
    #[oai(path = "/libraries/:code", method = "get", operation_id = "getLibrary", tag = "Group::Libraries")]
    async fn get_library(
        &self,
        caller: SignedIn,
        code: Path<String>,
    ) -> Result<LibraryAnswer, LibraryProblem> {
        Ok(LibraryAnswer::of(self.flows.library(&caller.0, &code.0).await?))
    }

    /// Change a library
    ///
    /// Fields that are absent stay as they are. Its owners may.
    #[oai(
        path = "/libraries/:code",
        method = "patch",
        operation_id = "updateLibrary",
        tag = "Group::Libraries"
    )]
    async fn update_library(
        &self,
        caller: SignedIn,
        code: Path<String>,
        /// The `ETag` of the library that the change was made on.
        #[oai(name = "If-Match")]
        if_match: Header<Option<String>>,
        body: Body<LibraryChange>,
    ) -> Result<LibraryAnswer, LibraryProblem> {
        let version = required(if_match.0.as_deref())?;
        let change = body.0.check().map_err(LibraryError::from)?;
        Ok(LibraryAnswer::of(self.flows.change_library(&caller.0, &code.0, version, &change).await?))
    }
}

/// A library.
#[derive(Debug, Object)]
#[oai(rename = "Library")]
struct LibraryObject {
    /// Its id.
    id: Uuid,
    /// What people call it.
    name: String,
    /// Names it in URLs.
    code: String,
    /// Where it is.
    address: Value,
    /// How to reach it.
    contact_info: Value,
    /// Its rules for loans.
    settings: Value,
    /// Kept by the platform.
    stats: Value,
    /// `active`, `inactive` or `pending`.
    status: String,
    /// The caller's role there; null for everybody else, and always on a reader site.
    role: Option<String>,
    /// Send it back as `If-Match` with a change.
    version: i32,
    /// When it last changed.
    updated_at: Timestamp,
}

impl LibraryObject {
    fn of(library: Library) -> Self {
        Self {
            id: library.id,
            name: library.name,
            code: library.code,
            address: library.address,
            contact_info: library.contact_info,
            settings: library.settings,
            stats: library.stats,
            status: library.status,
            role: library.role,
            version: library.version,
            updated_at: library.updated_at.into(),
        }
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
    fn of(library: Library) -> Self {
        let tag = entity_tag(library.version);
        Self::Found(Json(LibraryObject::of(library)), tag)
    }
}

/// A change of a library.
#[derive(Debug, Deserialize, Object)]
struct LibraryChange {
    /// 1 to 200 characters.
    name: Option<String>,
    /// Free fields, at most 4000 bytes in all.
    address: Option<Value>,
    /// Free fields, at most 4000 bytes in all.
    contact_info: Option<Value>,
    /// `loan_period_days`, `max_renewals`, `max_books_per_member`, `allow_holds`, `allow_digital`, `membership_fee`,
    /// `late_fee_per_day`; others are kept as they are.
    settings: Option<Value>,
    /// `active` or `inactive`.
    status: Option<String>,
}

impl LibraryChange {
    fn check(&self) -> Result<Change, FieldError> {
        let mut change = Change::default();
        if self.name.as_ref().is_some_and(|name| name.trim().is_empty()) {
            return Err(FieldError { field: "name", rule: "must have 1 to 200 characters" });
        }
        change.set_line("name", self.name.as_deref(), 200, "must have 1 to 200 characters")?;
        for (field, value) in
            [("address", &self.address), ("contact_info", &self.contact_info), ("settings", &self.settings)]
        {
            if value.as_ref().is_some_and(|value| !value.is_object()) {
                return Err(FieldError { field, rule: "must be an object" });
            }
            change.set(field, value.clone());
        }
        if self.status.as_deref().is_some_and(|status| !["active", "inactive"].contains(&status)) {
            return Err(FieldError { field: "status", rule: "must be active or inactive" });
        }
        change.set("status", self.status.clone());
        Ok(change)
    }
}
