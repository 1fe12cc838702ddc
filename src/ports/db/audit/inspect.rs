//! The log and its chain are read from one end to the other, some thousand rows at a time.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::chain::head;
use crate::domain::audit_chain::{ChainHead, ChainLink, ChainRow, Checkpoint};
use crate::ports::PortError;
use crate::ports::db::Db;

/// Rows read at once.
const PAGE: i64 = 2000;

/// A part of the log in order of time, looked through for rows that should be signed and are not.
#[derive(Debug, Clone)]
pub struct InspectedPage {
    /// Where the next part begins; `None` at the end.
    pub next: Option<(DateTime<Utc>, Uuid)>,
    /// Rows without a link: event, time, arrival.
    pub unsigned: Vec<(Uuid, DateTime<Utc>, DateTime<Utc>)>,
}

impl Db {
    /// Where the chain begins once months were dropped, with the signature that is kept beside.
    pub async fn audit_checkpoint(&self) -> Result<Option<(Checkpoint, Vec<u8>)>, PortError> {
        let row = self
            .run(|sql| {
                let statement = sqlx::query!(
                    "select seq, link, dropped_before, mac from auth.audit_checkpoints order by seq desc limit 1"
                );
                Box::pin(statement.fetch_optional(sql))
            })
            .await?;
        row.map(|row| {
            let checkpoint =
                Checkpoint { head: head(row.seq, &row.link)?, dropped_before: row.dropped_before };
            Ok((checkpoint, row.mac))
        })
        .transpose()
    }

    /// The place behind the last link before the first event since a moment. `None` if there is no such link.
    pub async fn chain_before(&self, since: DateTime<Utc>) -> Result<Option<ChainHead>, PortError> {
        let row = self
            .run(|sql| {
                let statement = sqlx::query!(
                    r#"select seq, link from auth.audit_chain
                        where seq < coalesce((select c.seq from auth.audit_chain c where c.event_at >= $1
                                               order by c.seq limit 1), 9223372036854775807)
                        order by seq desc limit 1"#,
                    since,
                );
                Box::pin(statement.fetch_optional(sql))
            })
            .await?;
        row.map(|row| head(row.seq, &row.link)).transpose()
    }

    /// The last number of the chain.
    pub async fn chain_length(&self) -> Result<i64, PortError> {
        self.chain_head().await.map(|head| head.map_or(0, |head| head.seq))
    }

    /// The next links after a number, with the rows they sign where those are there.
    pub async fn read_chain(&self, after: i64) -> Result<Vec<(ChainLink, Option<ChainRow>)>, PortError> {
        let rows = self
            .run(|sql| {
                let statement = sqlx::query!(
                    r#"select c.seq, c.event_id, c.event_at, c.parts, c.link, a.id as "found?",
                              a.actor_kind as "actor_kind?", a.action as "action?", a.site, a.actor_id, a.target_id,
                              a.session_id, a.ip::text as ip, a.agent,
                              auth.audit_lasting(a.details)::text as lasting,
                              (a.details - array['library_id', 'changes', 'scope', 'ended'])::text as other
                         from (select * from auth.audit_chain where seq > $1 order by seq limit $2) as c
                         left join auth.audit_log a on a.created_at = c.event_at and a.id = c.event_id
                        order by c.seq"#,
                    after,
                    PAGE,
                );
                Box::pin(statement.fetch_all(sql))
            })
            .await?;
        let read = rows.into_iter().map(|row| {
            let signed = row.found.map(|id| ChainRow {
                id,
                created_at: row.event_at,
                actor_kind: row.actor_kind.unwrap_or_default(),
                action: row.action.unwrap_or_default(),
                site: row.site,
                actor_id: row.actor_id,
                target_id: row.target_id,
                session_id: row.session_id,
                ip: row.ip,
                agent: row.agent,
                lasting: row.lasting.unwrap_or_default(),
                other: row.other.unwrap_or_default(),
            });
            let link = ChainLink {
                seq: row.seq,
                event_id: row.event_id,
                event_at: row.event_at,
                parts: row.parts,
                link: row.link,
            };
            (link, signed)
        });
        Ok(read.collect())
    }

    /// Rows that came more than a minute ago and have no link, in the next part of the log.
    pub async fn unsigned_rows(&self, after: (DateTime<Utc>, Uuid)) -> Result<InspectedPage, PortError> {
        let rows = self
            .run(|sql| {
                let statement = sqlx::query!(
                    r#"with page as materialized (
                         select id, created_at, arrived_at from auth.audit_log
                          where (created_at, id) > ($1, $2::uuid)
                          order by created_at, id limit $3
                       ), last as (
                         select id, created_at from page order by created_at desc, id desc limit 1
                       )
                       select page.id, page.created_at, page.arrived_at, (select count(*) from page) as "read!",
                              page.id = last.id as "is_last!",
                              page.arrived_at < now() - interval '1 minute'
                                and not exists (select from auth.audit_chain c where c.event_id = page.id) as "unsigned!"
                         from page, last
                        where page.id = last.id
                           or (page.arrived_at < now() - interval '1 minute'
                               and not exists (select from auth.audit_chain c where c.event_id = page.id))
                        order by page.created_at, page.id"#,
                    after.0,
                    after.1,
                    PAGE,
                );
                Box::pin(statement.fetch_all(sql))
            })
            .await?;
        let last = rows.iter().find(|row| row.is_last && row.read == PAGE);
        let next = last.map(|row| (row.created_at, row.id));
        let unsigned = rows.iter().filter(|row| row.unsigned);
        let unsigned = unsigned.map(|row| (row.id, row.created_at, row.arrived_at)).collect();
        Ok(InspectedPage { next, unsigned })
    }
}
