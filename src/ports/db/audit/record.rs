//! Events that no statement was the act of.

use serde_json::Value;

use crate::domain::{ActorKind, AuditAction, AuditEvent};
use crate::ports::PortError;
use crate::ports::db::Db;

impl Db {
    /// Puts events on record, all or none; those that are there already stay as they are.
    ///
    /// An account that was deleted since its event does not come back as a name; one that is being deleted just now waits,
    /// and then forgets these rows with the others.
    pub async fn record_events(&self, events: &[AuditEvent]) -> Result<(), PortError> {
        if events.is_empty() {
            return Ok(());
        }
        let ids: Vec<_> = events.iter().map(|event| event.id).collect();
        let times: Vec<_> = events.iter().map(|event| event.created_at).collect();
        let kinds: Vec<_> =
            events.iter().map(|event| ActorKind::as_str(event.actor_kind).to_owned()).collect();
        let actors: Vec<_> = events.iter().map(|event| event.actor_id).collect();
        let actions: Vec<_> =
            events.iter().map(|event| AuditAction::as_str(event.action).to_owned()).collect();
        let sessions: Vec<_> = events.iter().map(|event| event.session_id).collect();
        let sites: Vec<_> = events.iter().map(|event| event.site.clone()).collect();
        let addresses: Vec<_> = events.iter().map(|event| event.ip.clone()).collect();
        let agents: Vec<_> = events.iter().map(|event| event.agent.clone()).collect();
        let details: Vec<Value> = events.iter().map(|event| event.details.clone()).collect();
        self.run(|sql| {
            let statement = sqlx::query!(
                "with told as (
                   select * from unnest($1::uuid[], $2::timestamptz[], $3::text[], $4::uuid[], $5::text[], $6::uuid[],
                                        $7::text[], $8::text[], $9::text[], $10::jsonb[])
                       as told (id, created_at, actor_kind, actor_id, action, session_id, site, ip, agent, details)
                 ), known as materialized (
                   select u.id from auth.users u
                    where u.id in (select told.actor_id from told) for key share
                 ), judged as (
                   select told.*, known.id as known_id, told.actor_id is not null and known.id is null as gone
                     from told left join known on known.id = told.actor_id
                 )
                 insert into auth.audit_log
                     (id, created_at, actor_kind, actor_id, action, session_id, site, ip, agent, details)
                 select id, created_at, actor_kind, known_id, action,
                        case when not gone then session_id end, site,
                        case when not gone then ip::inet end, case when not gone then left(agent, 256) end,
                        case when gone then auth.audit_lasting(details) else details end
                   from judged
                     on conflict do nothing",
                &ids,
                &times,
                &kinds,
                &actors as &[Option<uuid::Uuid>],
                &actions,
                &sessions as &[Option<uuid::Uuid>],
                &sites as &[Option<String>],
                &addresses as &[Option<String>],
                &agents as &[Option<String>],
                &details,
            );
            Box::pin(statement.execute(sql))
        })
        .await
        .map(drop)
    }
}
