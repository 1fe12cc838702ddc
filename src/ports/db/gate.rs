//! The statement behind every request that passes the gate: session, account and staff rights at once.

use std::collections::BTreeMap;
use std::net::IpAddr;

use chrono::{DateTime, Utc};
use serde::Deserialize;

use super::Db;
use super::answer::Answer;
use crate::domain::{SessionId, SiteKind, StaffRights, User, UserId};
use crate::ports::{Dependency, PortError};

/// What a credential proves, before the database is asked about it.
#[derive(Debug, Clone, Copy)]
pub struct GateClaim<'a> {
    /// The session it names.
    pub session: SessionId,
    /// Its owner, where the credential says so.
    pub user: Option<UserId>,
    /// The site it was presented on.
    pub site: &'a str,
    /// Staff rights exist on a management site alone.
    pub kind: SiteKind,
    /// For a cookie, whose use is what keeps the session alive: the longest pause, in seconds.
    pub idle_secs: Option<f64>,
    /// Shown to the owner in the list of sessions.
    pub user_agent: Option<&'a str>,
    /// Shown to the owner in the list of sessions.
    pub ip: IpAddr,
}

/// Who stands at the gate.
#[derive(Debug, Clone, PartialEq)]
pub struct AtGate {
    /// When their session was opened.
    pub opened_at: DateTime<Utc>,
    /// Their account.
    pub user: User,
    /// What they may do where.
    pub rights: StaffRights,
}

/// The part of `auth.my_permissions()` that matters here: permissions by a library's code.
#[derive(Deserialize)]
struct Permissions {
    staff_permissions: BTreeMap<String, BTreeMap<String, bool>>,
}

impl Db {
    /// Finds the session of a credential, its owner and their staff rights. `None` once it is over, or its owner banned.
    ///
    /// The rights are what `auth.my_permissions()` says to the owner's own token at this moment: the statement takes on the
    /// owner's claims for itself alone. Use of a cookie is noted once a minute, as everywhere.
    pub async fn find_at_gate(&self, claim: &GateClaim<'_>) -> Result<Option<AtGate>, PortError> {
        let row = self
            .run(|sql| {
                let statement = sqlx::query!(
                    r#"with seen as (
                         select s.id as session_id, s.created_at as opened_at,
                                coalesce(s.refreshed_at, s.created_at) as seen_at, u.*
                           from auth.sessions s join auth.users u on u.id = s.user_id
                          where s.id = $1 and s.site = $2 and s.not_after > now()
                            and ($3::uuid is null or s.user_id = $3)
                            and ($4::float8 is null
                                 or coalesce(s.refreshed_at, s.created_at) + make_interval(secs => $4) > now())
                            and coalesce(u.banned_until <= now(), true)
                       ), noted as (
                         update auth.sessions s set refreshed_at = now(), user_agent = $5, ip = $6::text::inet
                           from seen
                          where s.id = seen.session_id and $4::float8 is not null
                            and seen.seen_at < now() - interval '1 minute'
                       ), identity as materialized (
                         select set_config('request.jwt.claims',
                                  jsonb_build_object('sub', seen.id, 'site_kind', $7::text)::text, true) as claims
                           from seen
                       )
                       select seen.opened_at as "opened_at!", seen.id as "id!", seen.email as "email!",
                              seen.email_confirmed_at, seen.last_sign_in_at,
                              seen.raw_app_meta_data as "app_metadata!", seen.raw_user_meta_data as "user_metadata!",
                              seen.created_at as "created_at!", seen.updated_at as "updated_at!",
                              case when identity.claims is not null and $7 = 'management'
                                   then auth.my_permissions() end as permissions
                         from seen cross join identity"#,
                    claim.session.0,
                    claim.site,
                    claim.user.map(|user| user.0),
                    claim.idle_secs,
                    claim.user_agent,
                    claim.ip.to_string(),
                    claim.kind.as_str(),
                );
                Box::pin(statement.fetch_optional(sql))
            })
            .await?;
        let Some(row) = row else { return Ok(None) };
        let rights = row.permissions.map(rights_of).transpose()?.unwrap_or_default();
        let opened_at = row.opened_at;
        let answer = Answer {
            verdict: "ok".to_owned(),
            counter: None,
            opened_at: Some(opened_at),
            id: Some(row.id),
            email: Some(row.email),
            email_confirmed_at: row.email_confirmed_at,
            last_sign_in_at: row.last_sign_in_at,
            app_metadata: Some(row.app_metadata),
            user_metadata: Some(row.user_metadata),
            created_at: Some(row.created_at),
            updated_at: Some(row.updated_at),
            new_email: None,
            email_change_sent_at: None,
        };
        Ok(Some(AtGate { opened_at, user: *answer.user()?, rights }))
    }
}

fn rights_of(permissions: serde_json::Value) -> Result<StaffRights, PortError> {
    let read: Permissions = serde_json::from_value(permissions)
        .map_err(|error| PortError::unexpected(Dependency::Database, error))?;
    let allowed =
        |all: BTreeMap<String, bool>| all.into_iter().filter_map(|(name, may)| may.then_some(name)).collect();
    Ok(StaffRights(read.staff_permissions.into_iter().map(|(code, all)| (code, allowed(all))).collect()))
}
