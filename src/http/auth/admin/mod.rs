//! The wire's operations for administrators: what `supabase.auth.admin` calls.
//!
//! They tell the same stories as the admin API, and are more forgiving: fields that nobody knows are ignored, and a change
//! needs no version.

mod answers;
mod caller;
mod requests;

use poem::http::StatusCode;
use poem_openapi::param::{Header, Path, Query};
use poem_openapi::payload::Json;
use poem_openapi::{OpenApi, Tags};
use serde_json::Value;

use self::answers::{AuditAnswer, LinkObject, UserListAnswer, wire_action};
use self::caller::By;
use self::requests::{
    AdminDeleteUserBody, AdminUserBody, GenerateLinkBody, InviteBody, audit_filter, numbered_page,
    oldest_first, user_id,
};
use super::answers::{Empty, NoContent};
use super::objects::UserObject;
use super::requests::given;
use crate::domain::AuditAction;
use crate::flows::{AdminError, AdminRequest, SharedFlows};
use crate::http::Problem;
use crate::http::admin::{Admin, Read, Support};
use crate::http::body::{Body, OptionalBody};
use crate::http::site::ForSite;

/// See the module.
pub(in crate::http) struct WireAdminApi {
    pub(super) flows: SharedFlows,
}

/// Groups of operations.
#[derive(Tags)]
enum Group {
    /// For whoever runs the server, with a service key or a `service_role` token.
    Admin,
}

#[OpenApi]
impl WireAdminApi {
    /// List accounts
    #[oai(path = "/admin/users", method = "get", operation_id = "adminListUsers", tag = "Group::Admin")]
    async fn list(
        &self,
        _by: By<Read>,
        site: ForSite,
        /// From 1.
        page: Query<Option<String>>,
        /// Up to 1000; default 50.
        per_page: Query<Option<String>>,
        /// A part of an address or of a full name.
        filter: Query<Option<String>>,
        /// `created_at desc`, the default, or `created_at asc`.
        sort: Query<Option<String>>,
    ) -> Result<UserListAnswer, Problem> {
        let page = numbered_page(page.0, per_page.0)?;
        let filter = given(filter.0).map(|filter| filter.to_lowercase());
        let oldest_first = oldest_first(sort.0)?;
        let found = self.flows.accounts_by_number(filter.as_deref(), oldest_first, page).await;
        Ok(UserListAnswer::of(&site.0, page, found.map_err(wire)?))
    }

    /// Make an account
    ///
    /// No mail is sent: the person signs in with a code as everybody does.
    #[oai(path = "/admin/users", method = "post", operation_id = "adminCreateUser", tag = "Group::Admin")]
    async fn create(
        &self,
        by: By<Admin>,
        site: ForSite,
        body: Body<AdminUserBody>,
    ) -> Result<Json<UserObject>, Problem> {
        let plan = body.0.read_plan(self.flows.now())?;
        let request = AdminRequest { operation: "adminCreateUser", body: String::new(), key: None };
        let account = self.flows.create_account(&by.0, &plan, &request).await.map_err(wire)?;
        Ok(Json(UserObject::of_account(&site.0, account)))
    }

    /// An account
    #[oai(path = "/admin/users/:id", method = "get", operation_id = "adminGetUser", tag = "Group::Admin")]
    async fn show(
        &self,
        _by: By<Read>,
        site: ForSite,
        id: Path<String>,
    ) -> Result<Json<UserObject>, Problem> {
        let account = self.flows.account(user_id(&id)?).await.map_err(wire)?;
        Ok(Json(UserObject::of_account(&site.0, account)))
    }

    /// Change an account
    ///
    /// What is absent stays. A ban, and another address, end all sessions at once.
    #[oai(path = "/admin/users/:id", method = "put", operation_id = "adminUpdateUser", tag = "Group::Admin")]
    async fn change(
        &self,
        by: By<Admin>,
        site: ForSite,
        id: Path<String>,
        body: Body<AdminUserBody>,
    ) -> Result<Json<UserObject>, Problem> {
        let id = user_id(&id)?;
        let change = body.0.read_change(self.flows.now())?;
        let account = self.flows.change_account_now(&by.0, id, &change).await.map_err(wire)?;
        Ok(Json(UserObject::of_account(&site.0, account)))
    }

    /// Delete an account
    ///
    /// On every site, at once and for good. With `should_soft_delete` a husk stays that keeps the id and nothing about its
    /// owner. Refused with 409 while the person is the last active owner of a library.
    #[oai(
        path = "/admin/users/:id",
        method = "delete",
        operation_id = "adminDeleteUser",
        tag = "Group::Admin"
    )]
    async fn delete(
        &self,
        by: By<Admin>,
        id: Path<String>,
        body: OptionalBody<AdminDeleteUserBody>,
    ) -> Result<Json<Empty>, Problem> {
        let leave_husk = body.0.should_soft_delete.unwrap_or(false);
        self.flows.remove_account(&by.0, user_id(&id)?, None, leave_husk).await.map_err(wire)?;
        Ok(Json(Empty {}))
    }

    /// End all sessions of an account
    #[oai(
        path = "/admin/users/:id/logout",
        method = "post",
        operation_id = "adminSignOutUser",
        tag = "Group::Admin"
    )]
    async fn sign_out(&self, by: By<Support>, id: Path<String>) -> Result<NoContent, Problem> {
        let id = user_id(&id)?;
        self.flows.account(id).await.map_err(wire)?;
        self.flows.revoke_sessions_of(&by.0, id).await.map_err(wire)?;
        Ok(NoContent::Done)
    }

    /// An account's second factors
    ///
    /// There are none here: always an empty list.
    #[oai(
        path = "/admin/users/:id/factors",
        method = "get",
        operation_id = "adminListFactors",
        tag = "Group::Admin"
    )]
    async fn factors(&self, _by: By<Read>, id: Path<String>) -> Result<Json<Vec<Value>>, Problem> {
        self.flows.account(user_id(&id)?).await.map_err(wire)?;
        Ok(Json(Vec::new()))
    }

    /// Make a code and a link, and mail neither
    ///
    /// Whoever gets them can sign in as the account's owner: it takes a server that allows it (`admin.generate_link`), and
    /// each time is in the audit log. Both live as long as any code.
    #[oai(
        path = "/admin/generate_link",
        method = "post",
        operation_id = "adminGenerateLink",
        tag = "Group::Admin"
    )]
    async fn generate_link(
        &self,
        by: By<Admin>,
        site: ForSite,
        /// As the body's
        #[oai(name = "redirect_to")]
        redirect_to: Query<Option<String>>,
        /// As the body's
        #[oai(name = "redirect_to")]
        redirect_header: Header<Option<String>>,
        body: Body<GenerateLinkBody>,
    ) -> Result<Json<LinkObject>, Problem> {
        let wish = body.0.read(redirect_header.0.or(redirect_to.0))?;
        let link = self.flows.generate_link(&by.0, &site.0, &wish).await.map_err(wire_link)?;
        Ok(Json(LinkObject::of(&site.0, link)))
    }

    /// Invite somebody
    ///
    /// Makes the account if there is none and mails a link that opens it, once and within seven days. The limits on mails to
    /// an address hold.
    #[oai(path = "/invite", method = "post", operation_id = "adminInvite", tag = "Group::Admin")]
    async fn invite(
        &self,
        by: By<Admin>,
        site: ForSite,
        /// Where the link is to lead in the end; what the site does not list is taken for its home
        #[oai(name = "redirect_to")]
        redirect_to: Query<Option<String>>,
        /// As the query's; goes over it
        #[oai(name = "redirect_to")]
        redirect_header: Header<Option<String>>,
        body: Body<InviteBody>,
    ) -> Result<Json<UserObject>, Problem> {
        let (email, metadata) = body.0.read()?;
        let redirect_to = given(redirect_header.0.or(redirect_to.0));
        let invited =
            self.flows.invite_to_account(&by.0, &site.0, &email, &metadata, redirect_to.as_deref()).await;
        Ok(Json(UserObject::of_account(&site.0, invited.map_err(wire)?)))
    }

    /// The audit log
    #[oai(path = "/admin/audit", method = "get", operation_id = "adminListAudit", tag = "Group::Admin")]
    async fn audit(
        &self,
        _by: By<Read>,
        /// From 1.
        page: Query<Option<String>>,
        /// Up to 1000; default 50.
        per_page: Query<Option<String>>,
        /// `author:`, `action:` or `type:` and a part of a word.
        query: Query<Option<String>>,
    ) -> Result<AuditAnswer, Problem> {
        let page = numbered_page(page.0, per_page.0)?;
        let filter = audit_filter(query.0, actions)?;
        Ok(AuditAnswer::of(page, self.flows.audit_by_number(&filter, page).await.map_err(wire)?))
    }
}

/// Our words for the actions whose wire name, or kind, contains a part of a word.
fn actions(field: &str, part: &str) -> Vec<String> {
    let fits = |action: &&AuditAction| {
        let (name, kind) = wire_action(action.as_str());
        if field == "type" { kind.contains(part) } else { name.contains(part) }
    };
    AuditAction::ALL.iter().filter(fits).map(|action| action.as_str().to_owned()).collect()
}

/// What went wrong, in the words and numbers of the wire.
fn wire(error: AdminError) -> Problem {
    let problem = Problem::from(error);
    let unprocessable = StatusCode::UNPROCESSABLE_ENTITY;
    match problem.code {
        "not_found" => Problem::new(StatusCode::NOT_FOUND, "user_not_found", "User not found"),
        "account_exists" => {
            let taken = "A user with this email address has already been registered";
            Problem::new(unprocessable, "email_exists", taken)
        }
        "invalid_value" => Problem::invalid(problem.message),
        _ => problem,
    }
}

/// As [`wire`], where the account is named by its address.
fn wire_link(error: AdminError) -> Problem {
    let problem = wire(error);
    if problem.code == "user_not_found" {
        return Problem { message: "User with this email not found".into(), ..problem };
    }
    problem
}
