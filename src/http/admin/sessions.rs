//! Sessions of accounts: a list, and an end to one or all.

use poem_openapi::param::{Path, Query};
use poem_openapi::payload::Json;
use poem_openapi::{Object, OpenApi, Tags};
use uuid::Uuid;

use super::caller::{By, Read, Support};
use super::errors::AdminProblem;
use crate::domain::{OwnSession, UserId};
use crate::flows::SharedFlows;
use crate::http::library::{Gone, List, page};
use crate::http::timestamp::Timestamp;

/// See the module.
pub(super) struct SessionsApi {
    pub(super) flows: SharedFlows,
}

/// Groups of operations.
#[derive(Tags)]
enum Group {
    /// Who is signed in where.
    Sessions,
}

#[OpenApi]
impl SessionsApi {
    /// An account's sessions
    ///
    /// Those that are not over, on all sites, newest first.
    #[oai(
        path = "/users/:id/sessions",
        method = "get",
        operation_id = "listSessions",
        tag = "Group::Sessions"
    )]
    async fn list(
        &self,
        _by: By<Read>,
        id: Path<Uuid>,
        /// 1 to 100; default 50.
        limit: Query<Option<i64>>,
        /// The `next` of the part before.
        after: Query<Option<Uuid>>,
    ) -> Result<Json<List<SessionObject>>, AdminProblem> {
        let part = self.flows.list_sessions(UserId(id.0), page(&limit, &after)?).await?;
        Ok(Json(List::of(part, SessionObject::of)))
    }

    /// End all sessions of an account
    ///
    /// On all sites, at once. The answer says how many there were.
    #[oai(
        path = "/users/:id/sessions",
        method = "delete",
        operation_id = "revokeSessions",
        tag = "Group::Sessions"
    )]
    async fn revoke_all(&self, by: By<Support>, id: Path<Uuid>) -> Result<Json<Ended>, AdminProblem> {
        let ended = self.flows.revoke_sessions_of(&by.0, UserId(id.0)).await?;
        Ok(Json(Ended { ended }))
    }

    /// End a session
    ///
    /// Its refresh token is dead at once; its access token is refused here at once, and elsewhere when it ends.
    #[oai(path = "/sessions/:id", method = "delete", operation_id = "revokeSession", tag = "Group::Sessions")]
    async fn revoke(&self, by: By<Support>, id: Path<Uuid>) -> Result<Gone, AdminProblem> {
        self.flows.revoke_session(&by.0, id.0).await?;
        Ok(Gone::Done)
    }
}

/// How many sessions were ended.
#[derive(Debug, Object)]
#[oai(rename = "EndedSessions")]
struct Ended {
    /// So many.
    ended: u64,
}

/// A session.
#[derive(Debug, Object)]
#[oai(rename = "AdminSession")]
struct SessionObject {
    /// Names it.
    id: Uuid,
    /// The site it is signed in to.
    site: String,
    /// What its client calls itself.
    user_agent: Option<String>,
    /// The network address it was last used from.
    ip: Option<String>,
    /// When it was opened.
    opened_at: Timestamp,
    /// When it was last used, to the minute or the last refresh.
    seen_at: Timestamp,
}

impl SessionObject {
    fn of(session: OwnSession) -> Self {
        Self {
            id: session.id.0,
            site: session.site,
            user_agent: session.user_agent,
            ip: session.ip,
            opened_at: session.opened_at.into(),
            seen_at: session.seen_at.into(),
        }
    }
}
