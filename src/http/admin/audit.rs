//! The audit log, searched.

use chrono::{DateTime, Utc};
use poem_openapi::param::Query;
use poem_openapi::payload::Json;
use poem_openapi::{Object, OpenApi, Tags};
use serde_json::Value;
use uuid::Uuid;

use super::caller::{By, Read};
use super::errors::AdminProblem;
use crate::domain::fields::FieldError;
use crate::domain::{ActorKind, AuditAction, AuditCursor, AuditFilter, AuditPart, AuditRecord};
use crate::flows::SharedFlows;
use crate::http::library::page;
use crate::http::timestamp::Timestamp;

/// See the module.
pub(super) struct AuditApi {
    pub(super) flows: SharedFlows,
}

/// Groups of operations.
#[derive(Tags)]
enum Group {
    /// Who did what to whom, where and when.
    #[oai(rename = "Audit log")]
    Audit,
}

#[OpenApi]
impl AuditApi {
    /// Search the audit log
    ///
    /// Newest first. What is given has to fit, all of it.
    #[oai(path = "/audit", method = "get", operation_id = "searchAudit", tag = "Group::Audit")]
    #[expect(clippy::too_many_arguments, reason = "one a condition")]
    async fn search(
        &self,
        _by: By<Read>,
        /// By whom: an account or a service key, by its id.
        actor: Query<Option<Uuid>>,
        /// By which kind of actor: `user`, `service_key`, `service_role`, `operator` or `system`.
        actor_kind: Query<Option<String>>,
        /// What, by its word, such as `login`, `code_refused` or `library_added`.
        action: Query<Option<String>>,
        /// To whom or what, by its id.
        target: Query<Option<Uuid>>,
        /// At which site, by its id.
        site: Query<Option<String>>,
        /// Not before this moment.
        from: Query<Option<DateTime<Utc>>>,
        /// Before this moment.
        to: Query<Option<DateTime<Utc>>>,
        /// 1 to 100; default 50.
        limit: Query<Option<i64>>,
        /// The `next` of the part before.
        after: Query<Option<String>>,
    ) -> Result<Json<AuditList>, AdminProblem> {
        let limit = page(&limit, &Query(None))?.limit;
        let known = |field, rule| move || FieldError { field, rule };
        let filter = AuditFilter {
            actor: actor.0,
            actor_kind: actor_kind
                .0
                .map(|word| {
                    let rule = "must be user, service_key, service_role, operator or system";
                    ActorKind::parse(&word).ok_or_else(known("actor_kind", rule))
                })
                .transpose()?,
            action: action
                .0
                .map(|word| {
                    let rule = "must be the word of an action: the README lists them";
                    AuditAction::parse(&word).ok_or_else(known("action", rule))
                })
                .transpose()?,
            target: target.0,
            site: site.0,
            since: from.0,
            until: to.0,
        };
        let after = after
            .0
            .map(|text| {
                AuditCursor::parse(&text).ok_or_else(known("after", "must be a `next` as it was sent"))
            })
            .transpose()?;
        Ok(Json(AuditList::of(self.flows.search_audit(&filter, limit, after).await?)))
    }
}

/// A part of the audit log.
#[derive(Debug, Object)]
struct AuditList {
    /// Newest first.
    items: Vec<AuditObject>,
    /// Send it back as `after` for what comes next; null at the end.
    next: Option<String>,
}

impl AuditList {
    fn of(part: AuditPart) -> Self {
        Self {
            items: part.items.into_iter().map(AuditObject::of).collect(),
            next: part.next.map(|cursor| cursor.encode()),
        }
    }
}

/// An event.
#[derive(Debug, Object)]
#[oai(rename = "AuditEvent")]
struct AuditObject {
    /// Names it.
    id: Uuid,
    /// When it happened.
    created_at: Timestamp,
    /// `user`, `service_key`, `service_role`, `operator` or `system`.
    actor_kind: String,
    /// Who it was, unless nobody knew, there is but one of the kind, or they were forgotten.
    actor_id: Option<Uuid>,
    /// What happened.
    action: String,
    /// To whom or what.
    target_id: Option<Uuid>,
    /// The session concerned.
    session_id: Option<Uuid>,
    /// Where.
    site: Option<String>,
    /// The client's address, until it is cleared.
    ip: Option<String>,
    /// What the client called itself, until it is cleared.
    agent: Option<String>,
    /// What else there is to say, such as old and new values.
    details: Value,
}

impl AuditObject {
    fn of(event: AuditRecord) -> Self {
        Self {
            id: event.id,
            created_at: event.created_at.into(),
            actor_kind: event.actor_kind,
            actor_id: event.actor_id,
            action: event.action,
            target_id: event.target_id,
            session_id: event.session_id,
            site: event.site,
            ip: event.ip,
            agent: event.agent,
            details: event.details,
        }
    }
}
