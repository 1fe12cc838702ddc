//! Looking for events.

use crate::domain::{ActorKind, AuditAction, AuditCursor, AuditFilter, AuditPart, AuditRecord};
use crate::ports::PortError;
use crate::ports::db::Db;

impl Db {
    /// Events that fit, newest first: at most `limit`, those that come after a place.
    pub async fn search_audit(
        &self,
        filter: &AuditFilter,
        limit: i64,
        after: Option<AuditCursor>,
    ) -> Result<AuditPart, PortError> {
        let mut items = self
            .read(|sql| {
                // One more than is wanted says whether there is more.
                let statement = sqlx::query_as!(
                    AuditRecord,
                    r#"select id, created_at, actor_kind, actor_id, action, target_id, session_id, site,
                              host(ip) as ip, agent, details
                         from auth.audit_log
                        where ($1::uuid is null or actor_id = $1)
                          and ($2::text is null or actor_kind = $2)
                          and ($3::text is null or action = $3)
                          and ($4::uuid is null or target_id = $4)
                          and ($5::text is null or site = $5)
                          and ($6::timestamptz is null or created_at >= $6)
                          and ($7::timestamptz is null or created_at < $7)
                          and ($8::timestamptz is null or (created_at, id) < ($8, $9::uuid))
                        order by created_at desc, id desc
                        limit $10"#,
                    filter.actor,
                    filter.actor_kind.map(ActorKind::as_str),
                    filter.action.map(AuditAction::as_str),
                    filter.target,
                    filter.site.as_deref(),
                    filter.since,
                    filter.until,
                    after.map(|cursor| cursor.created_at),
                    after.map(|cursor| cursor.id),
                    limit + 1,
                );
                Box::pin(statement.fetch_all(sql))
            })
            .await?;
        let wanted = usize::try_from(limit).unwrap_or(usize::MAX);
        let more = items.len() > wanted;
        items.truncate(wanted);
        let last = items.last().filter(|_| more);
        let next = last.map(|last| AuditCursor { created_at: last.created_at, id: last.id });
        Ok(AuditPart { items, next })
    }
}
