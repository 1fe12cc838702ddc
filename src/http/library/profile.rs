//! Profile and permissions of whoever asks, and what others show of themselves.

use poem_openapi::param::{Header, Path};
use poem_openapi::payload::Json;
use poem_openapi::{ApiResponse, Object, OpenApi, Tags};
use serde::Deserialize;
use serde_json::Value;
use uuid::Uuid;

use super::caller::SignedIn;
use super::errors::LibraryProblem;
use super::version::{entity_tag, required};
use crate::domain::fields::FieldError;
use crate::domain::{Change, Profile, UserId};
use crate::flows::{LibraryError, SharedFlows};
use crate::http::body::Body;
use crate::http::timestamp::Timestamp;

/// See the module.
pub(in crate::http) struct ProfileApi {
    pub(super) flows: SharedFlows,
}

/// Groups of operations.
#[derive(Tags)]
enum Group {
    /// What the platform keeps about a person.
    Profile,
    /// What a person may do where.
    Permissions,
}

#[OpenApi]
impl ProfileApi {
    /// My profile
    #[oai(path = "/profile", method = "get", operation_id = "getProfile", tag = "Group::Profile")]
    async fn get_profile(&self, caller: SignedIn) -> Result<ProfileAnswer, LibraryProblem> {
        Ok(ProfileAnswer::of(self.flows.own_profile(&caller.0).await?))
    }

    /// Change my profile
    ///
    /// Fields that are absent stay as they are; an empty text empties its field.
    #[oai(path = "/profile", method = "patch", operation_id = "updateProfile", tag = "Group::Profile")]
    async fn update_profile(
        &self,
        caller: SignedIn,
        /// The `ETag` of the profile that the change was made on.
        #[oai(name = "If-Match")]
        if_match: Header<Option<String>>,
        body: Body<ProfileChange>,
    ) -> Result<ProfileAnswer, LibraryProblem> {
        let version = required(if_match.0.as_deref())?;
        let change = body.0.check().map_err(LibraryError::from)?;
        Ok(ProfileAnswer::of(self.flows.change_profile(&caller.0, version, &change).await?))
    }

    /// Somebody's profile
    ///
    /// What its owner lets others see; a profile that is not public is not there.
    #[oai(path = "/profiles/:id", method = "get", operation_id = "getPublicProfile", tag = "Group::Profile")]
    async fn get_public_profile(
        &self,
        caller: SignedIn,
        id: Path<Uuid>,
    ) -> Result<Json<Value>, LibraryProblem> {
        Ok(Json(Value::Object(self.flows.public_profile(&caller.0, UserId(id.0)).await?)))
    }

    /// What I may do
    ///
    /// `{is_reader, is_library_staff, staff_libraries, staff_permissions}`, fresh from the database. Staff rights exist on
    /// management sites only: on a reader site even an owner is a reader.
    #[oai(path = "/permissions", method = "get", operation_id = "getPermissions", tag = "Group::Permissions")]
    async fn get_permissions(&self, caller: SignedIn) -> Result<Json<Value>, LibraryProblem> {
        Ok(Json(self.flows.permissions(&caller.0).await?))
    }
}

/// A profile as its owner sees it.
#[derive(Debug, Object)]
#[oai(rename = "Profile")]
struct ProfileObject {
    /// The account's id.
    id: Uuid,
    /// The account's address; changed with the account, not here.
    email: String,
    /// Shown to others.
    display_name: Option<String>,
    /// Shown to others.
    avatar_url: Option<String>,
    /// Shown to others.
    bio: Option<String>,
    /// `city`, `country`, `timezone`.
    location: Value,
    /// `website`, `goodreads`, `twitter`, `instagram`.
    social_links: Value,
    /// Kept by the platform.
    reading_stats: Value,
    /// When it last changed.
    updated_at: Timestamp,
}

/// A profile and its version.
#[derive(ApiResponse)]
enum ProfileAnswer {
    /// The profile
    #[oai(status = 200)]
    Found(
        Json<ProfileObject>,
        /// The version; send it back as `If-Match` with a change.
        #[oai(header = "ETag")]
        String,
    ),
}

impl ProfileAnswer {
    fn of(profile: Profile) -> Self {
        let object = ProfileObject {
            id: profile.id.0,
            email: profile.email,
            display_name: profile.display_name,
            avatar_url: profile.avatar_url,
            bio: profile.bio,
            location: profile.location,
            social_links: profile.social_links,
            reading_stats: profile.reading_stats,
            updated_at: profile.updated_at.into(),
        };
        Self::Found(Json(object), entity_tag(profile.version))
    }
}

/// A change of a profile.
#[derive(Debug, Deserialize, Object)]
struct ProfileChange {
    /// 1 to 64 characters.
    display_name: Option<String>,
    /// An `http` or `https` URL.
    avatar_url: Option<String>,
    /// At most 2000 characters.
    bio: Option<String>,
    /// Where the person is.
    location: Option<LocationChange>,
    /// Where else the person can be found.
    social_links: Option<LinksChange>,
}

/// A change of a location.
#[derive(Debug, Deserialize, Object)]
struct LocationChange {
    /// At most 80 characters.
    city: Option<String>,
    /// At most 80 characters.
    country: Option<String>,
    /// An IANA name such as `Asia/Ho_Chi_Minh`; at most 64 characters.
    timezone: Option<String>,
}

/// A change of links.
#[derive(Debug, Deserialize, Object)]
struct LinksChange {
    /// An `http` or `https` URL.
    website: Option<String>,
    /// An `http` or `https` URL.
    goodreads: Option<String>,
    /// A name or URL, at most 100 characters.
    twitter: Option<String>,
    /// A name or URL, at most 100 characters.
    instagram: Option<String>,
}

/// Reads a change of a profile from the same JSON that the API takes.
///
/// # Errors
/// Names the field that breaks a rule.
pub(in crate::http) fn profile_change(json: Value) -> Result<Change, FieldError> {
    serde_json::from_value::<ProfileChange>(json)
        .map_err(|_| FieldError { field: "profile", rule: "cannot be read" })?
        .check()
}

impl ProfileChange {
    fn check(&self) -> Result<Change, FieldError> {
        let mut change = Change::default();
        change.set_line("display_name", self.display_name.as_deref(), 64, "must have 1 to 64 characters")?;
        change.set_web_address("avatar_url", self.avatar_url.as_deref())?;
        change.set_paragraph("bio", self.bio.as_deref(), 2000, "must have at most 2000 characters")?;
        if let Some(location) = &self.location {
            let mut group = Change::default();
            group.set_line("city", location.city.as_deref(), 80, "must have at most 80 characters")?;
            group.set_line("country", location.country.as_deref(), 80, "must have at most 80 characters")?;
            group.set_line(
                "timezone",
                location.timezone.as_deref(),
                64,
                "must have at most 64 characters",
            )?;
            change.set_group("location", group);
        }
        if let Some(links) = &self.social_links {
            let mut group = Change::default();
            group.set_web_address("website", links.website.as_deref())?;
            group.set_web_address("goodreads", links.goodreads.as_deref())?;
            group.set_line("twitter", links.twitter.as_deref(), 100, "must have at most 100 characters")?;
            group.set_line(
                "instagram",
                links.instagram.as_deref(),
                100,
                "must have at most 100 characters",
            )?;
            change.set_group("social_links", group);
        }
        Ok(change)
    }
}
