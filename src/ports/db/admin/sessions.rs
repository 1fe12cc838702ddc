//! Other people's sessions.

use uuid::Uuid;

use super::Actor;
use crate::domain::{OwnSession, Page, SessionId, UserId};
use crate::ports::PortError;
use crate::ports::db::Db;

impl Db {
    /// The sessions of an account that are not over, newest first. `None` if there is no such account.
    pub async fn list_sessions_of(
        &self,
        user: UserId,
        page: Page,
    ) -> Result<Option<Vec<OwnSession>>, PortError> {
        let rows = self
            .run(|sql| {
                let statement = sqlx::query!(
                    r#"select s.id as "id?", s.site as "site?", s.user_agent, host(s.ip) as ip,
                              s.created_at as "opened_at?", coalesce(s.refreshed_at, s.created_at) as seen_at
                         from auth.users u
                         left join auth.sessions s on s.user_id = u.id and s.not_after > now() and (
                              $3::uuid is null
                              or (s.created_at, s.id) < (select c.created_at, c.id from auth.sessions c where c.id = $3))
                        where u.id = $1
                        order by s.created_at desc, s.id desc limit $2"#,
                    user.0,
                    page.limit,
                    page.after,
                );
                Box::pin(statement.fetch_all(sql))
            })
            .await?;
        if rows.is_empty() {
            return Ok(None);
        }
        let sessions = rows.into_iter().filter_map(|row| {
            Some(OwnSession {
                id: SessionId(row.id?),
                site: row.site?,
                user_agent: row.user_agent,
                ip: row.ip,
                opened_at: row.opened_at?,
                seen_at: row.seen_at?,
            })
        });
        Ok(Some(sessions.collect()))
    }

    /// Ends one session, or all of an account, and says how many.
    pub async fn end_sessions_of(
        &self,
        actor: &Actor<'_>,
        user: Option<UserId>,
        session: Option<Uuid>,
    ) -> Result<u64, PortError> {
        self.run(|sql| {
            let statement = sqlx::query!(
                "with ended as (
                   delete from auth.sessions
                    where ($1::uuid is not null or $2::uuid is not null)
                      and user_id = coalesce($1, user_id) and id = coalesce($2, id)
                   returning id, user_id, site, created_at
                 )
                 insert into auth.audit_log
                     (actor_kind, actor_id, action, target_id, session_id, site, ip, agent, details)
                 select $3, $4, 'session_revoked', user_id, id, site, $5::text::inet, $6,
                        jsonb_build_object('opened_at', created_at)
                   from ended",
                user.map(|user| user.0),
                session,
                actor.kind(),
                actor.id(),
                actor.ip(),
                actor.agent,
            );
            Box::pin(statement.execute(sql))
        })
        .await
        .map(|ended| ended.rows_affected())
    }
}
