//! Accounts: search, make, change, ban, unlock, delete.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use poem_openapi::param::{Header, Path, Query};
use poem_openapi::payload::Json;
use poem_openapi::types::{Example, MaybeUndefined};
use poem_openapi::{ApiResponse, Object, OpenApi, Tags};
use serde::Deserialize;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::caller::{Admin, By, Read, Support};
use super::creation::creation;
use super::errors::AdminProblem;
use super::strict::Strict;
use crate::domain::{
    Account, AccountChange, AccountPlan, AccountSearch, AddressPrefix, AppMetadata, Ban, EmailAddress,
    UserId, UserMetadata,
};
use crate::flows::{AdminError, SharedFlows};
use crate::http::library::{Gone, List, entity_tag, page, required};
use crate::http::timestamp::Timestamp;

/// See the module.
pub(super) struct UsersApi {
    pub(super) flows: SharedFlows,
}

/// Groups of operations.
#[derive(Tags)]
enum Group {
    /// Accounts: one a person, for all sites.
    Users,
}

#[OpenApi]
impl UsersApi {
    /// Find accounts
    ///
    /// Those that meet every condition given: newest first, or in the order of their addresses where `email` is given.
    #[oai(path = "/users", method = "get", operation_id = "listUsers", tag = "Group::Users")]
    #[expect(clippy::too_many_arguments, reason = "one a condition")]
    async fn list(
        &self,
        _by: By<Read>,
        /// What the address begins with.
        email: Query<Option<String>>,
        /// Exactly this account.
        id: Query<Option<Uuid>>,
        /// Staff of the library with this code.
        library: Query<Option<String>>,
        /// Last signed in then or later.
        last_seen_after: Query<Option<DateTime<Utc>>>,
        /// Last signed in earlier.
        last_seen_before: Query<Option<DateTime<Utc>>>,
        /// Banned now, or not.
        banned: Query<Option<bool>>,
        /// 1 to 100; default 50.
        limit: Query<Option<i64>>,
        /// The `next` of the part before.
        after: Query<Option<Uuid>>,
    ) -> Result<Json<List<UserObject>>, AdminProblem> {
        let search = AccountSearch {
            id: id.0.map(UserId),
            prefix: email.0.as_deref().map(AddressPrefix::parse).transpose()?,
            library: library.0,
            seen_after: last_seen_after.0,
            seen_before: last_seen_before.0,
            banned: banned.0,
        };
        let part = self.flows.find_accounts(&search, page(&limit, &after)?).await?;
        Ok(Json(List::of(part, UserObject::of)))
    }

    /// An account
    #[oai(path = "/users/:id", method = "get", operation_id = "getUser", tag = "Group::Users")]
    async fn show(&self, _by: By<Read>, id: Path<Uuid>) -> Result<Found, AdminProblem> {
        Ok(Found::of(self.flows.account(UserId(id.0)).await?))
    }

    /// Make an account
    ///
    /// With its profile and preferences. No mail is sent: the person signs in with a code as everybody does.
    #[oai(path = "/users", method = "post", operation_id = "createUser", tag = "Group::Users")]
    async fn create(
        &self,
        by: By<Admin>,
        /// Any text of your own, such as a UUID: sent again with the same request, it makes no second account.
        #[oai(name = "Idempotency-Key")]
        idempotency_key: Header<Option<String>>,
        body: Strict<CreateUserRequest>,
    ) -> Result<Created, AdminProblem> {
        let request = creation("createUser", &body.0, idempotency_key.0.as_deref());
        let plan = body.0.read()?;
        Ok(Created::of(self.flows.create_account(&by.0, &plan, &request).await?))
    }

    /// Change an account
    ///
    /// What is absent stays. With the scope `support` only `banned_until` may be sent, and not for somebody who
    /// administers with a wider scope; everything else needs `admin`. A ban, and another address, end all sessions at once.
    #[oai(path = "/users/:id", method = "patch", operation_id = "updateUser", tag = "Group::Users")]
    async fn change(
        &self,
        by: By<Support>,
        id: Path<Uuid>,
        /// The `ETag` of the account that the change was made on.
        #[oai(name = "If-Match")]
        if_match: Header<Option<String>>,
        body: Strict<UpdateUserRequest>,
    ) -> Result<Found, AdminProblem> {
        let version = required(if_match.0.as_deref())?;
        let change = body.0.read()?;
        Ok(Found::of(self.flows.change_account(&by.0, UserId(id.0), version, &change).await?))
    }

    /// Delete an account
    ///
    /// On every site, at once and for good, with all that belongs to it. Refused while the person is the last active owner
    /// of a library.
    #[oai(path = "/users/:id", method = "delete", operation_id = "deleteUser", tag = "Group::Users")]
    async fn delete(
        &self,
        by: By<Admin>,
        id: Path<Uuid>,
        /// The `ETag` of the account as it was read.
        #[oai(name = "If-Match")]
        if_match: Header<Option<String>>,
    ) -> Result<Gone, AdminProblem> {
        let version = required(if_match.0.as_deref())?;
        self.flows.remove_account(&by.0, UserId(id.0), Some(version), false).await?;
        Ok(Gone::Done)
    }

    /// Lift the limits of an address
    ///
    /// Forgets the wrong guesses at the account's address and the mails sent to it: a short code works again, and another
    /// can be asked for at once.
    #[oai(path = "/users/:id/unlock", method = "post", operation_id = "unlockUser", tag = "Group::Users")]
    async fn unlock(&self, by: By<Support>, id: Path<Uuid>) -> Result<Gone, AdminProblem> {
        self.flows.unlock_account(&by.0, UserId(id.0)).await?;
        Ok(Gone::Done)
    }
}

/// An account to be.
#[derive(Debug, Deserialize, Object)]
#[oai(example, skip_serializing_if_is_none)]
#[serde(deny_unknown_fields)]
struct CreateUserRequest {
    /// Its address.
    email: String,
    /// The id that it had elsewhere; without it, a new one.
    id: Option<Uuid>,
    /// Whether the address counts as proven. Default: false; the first sign-in proves it.
    #[serde(default)]
    #[oai(default)]
    email_confirmed: bool,
    /// What its owner may change; at most 2048 bytes of JSON.
    user_metadata: Option<HashMap<String, Value>>,
    /// What its owner may not change; at most 2048 bytes of JSON. `admin_scope` (`read`, `support`, `admin`) lets its
    /// owner administer at the console.
    app_metadata: Option<HashMap<String, Value>>,
    /// Until when it opens nothing.
    banned_until: Option<DateTime<Utc>>,
}

impl Example for CreateUserRequest {
    fn example() -> Self {
        Self {
            email: "ada@example.org".into(),
            id: None,
            email_confirmed: true,
            user_metadata: Some(HashMap::from([("full_name".to_owned(), "Ada".into())])),
            app_metadata: None,
            banned_until: None,
        }
    }
}

impl CreateUserRequest {
    fn read(self) -> Result<AccountPlan, AdminProblem> {
        Ok(AccountPlan {
            id: self.id.map(UserId),
            email: EmailAddress::parse(&self.email).map_err(AdminError::from)?,
            is_confirmed: self.email_confirmed,
            user_metadata: user_metadata(self.user_metadata.unwrap_or_default())?,
            app_metadata: app_metadata(self.app_metadata.unwrap_or_default())?,
            banned_until: self.banned_until,
        })
    }
}

/// A change of an account.
#[derive(Debug, Deserialize, Object)]
#[oai(example, skip_serializing_if_is_none)]
#[serde(deny_unknown_fields)]
struct UpdateUserRequest {
    /// Another address, at once. The old one is told, if it was proven.
    email: Option<String>,
    /// Whether the address counts as proven. With another address and without this: it does not.
    email_confirmed: Option<bool>,
    /// Merged field by field; null removes a field.
    user_metadata: Option<HashMap<String, Value>>,
    /// Merged field by field; null removes a field.
    app_metadata: Option<HashMap<String, Value>>,
    /// Until when it opens nothing; null lifts a ban.
    #[serde(default)]
    banned_until: MaybeUndefined<DateTime<Utc>>,
}

impl Example for UpdateUserRequest {
    fn example() -> Self {
        Self {
            email: Some("ada.new@example.org".into()),
            email_confirmed: Some(true),
            user_metadata: None,
            app_metadata: None,
            banned_until: MaybeUndefined::Undefined,
        }
    }
}

impl UpdateUserRequest {
    fn read(self) -> Result<AccountChange, AdminProblem> {
        Ok(AccountChange {
            email: self
                .email
                .map(|email| EmailAddress::parse(&email))
                .transpose()
                .map_err(AdminError::from)?,
            is_confirmed: self.email_confirmed,
            user_metadata: self.user_metadata.map(user_metadata).transpose()?,
            app_metadata: self.app_metadata.map(app_metadata).transpose()?,
            ban: match self.banned_until {
                MaybeUndefined::Undefined => None,
                MaybeUndefined::Null => Some(Ban::Lifted),
                MaybeUndefined::Value(until) => Some(Ban::Until(until)),
            },
        })
    }
}

fn user_metadata(fields: HashMap<String, Value>) -> Result<UserMetadata, AdminProblem> {
    Ok(UserMetadata::parse(Map::from_iter(fields)).map_err(AdminError::from)?)
}

fn app_metadata(fields: HashMap<String, Value>) -> Result<AppMetadata, AdminProblem> {
    Ok(AppMetadata::parse(Map::from_iter(fields)).map_err(AdminError::from)?)
}

/// An account and its version.
#[derive(ApiResponse)]
enum Found {
    /// The account
    #[oai(status = 200)]
    Account(
        Json<UserObject>,
        /// The version; send it back as `If-Match` with a change.
        #[oai(header = "ETag")]
        String,
    ),
}

impl Found {
    fn of(account: Account) -> Self {
        let tag = entity_tag(account.version);
        Self::Account(Json(UserObject::of(account)), tag)
    }
}

/// A new account and its version.
#[derive(ApiResponse)]
enum Created {
    /// The account
    #[oai(status = 201)]
    Account(
        Json<UserObject>,
        /// The version; send it back as `If-Match` with a change.
        #[oai(header = "ETag")]
        String,
    ),
}

impl Created {
    fn of(account: Account) -> Self {
        let tag = entity_tag(account.version);
        Self::Account(Json(UserObject::of(account)), tag)
    }
}

/// An account.
#[derive(Debug, Object)]
#[oai(rename = "AdminUser")]
struct UserObject {
    /// Names it.
    id: Uuid,
    /// Its address.
    email: String,
    /// When the address was first proven.
    email_confirmed_at: Option<Timestamp>,
    /// The last sign-in, on any site.
    last_sign_in_at: Option<Timestamp>,
    /// Until when it opens nothing.
    banned_until: Option<Timestamp>,
    /// When somebody was last invited to it.
    invited_at: Option<Timestamp>,
    /// When it was deleted, where a husk was left that keeps its id.
    deleted_at: Option<Timestamp>,
    /// What its owner may change; grants nothing.
    user_metadata: Value,
    /// What its owner may not change.
    app_metadata: Value,
    /// When it was made.
    created_at: Timestamp,
    /// When it last changed.
    updated_at: Timestamp,
}

impl UserObject {
    fn of(account: Account) -> Self {
        let user = account.user;
        Self {
            id: user.id.0,
            email: user.email.as_str().to_owned(),
            email_confirmed_at: user.email_confirmed_at.map(Timestamp::from),
            last_sign_in_at: user.last_sign_in_at.map(Timestamp::from),
            banned_until: account.banned_until.map(Timestamp::from),
            invited_at: account.invited_at.map(Timestamp::from),
            deleted_at: account.deleted_at.map(Timestamp::from),
            user_metadata: Value::Object(user.user_metadata),
            app_metadata: Value::Object(user.app_metadata),
            created_at: user.created_at.into(),
            updated_at: user.updated_at.into(),
        }
    }
}
