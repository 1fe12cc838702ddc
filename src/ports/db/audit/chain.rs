//! Rows are signed, by one replica at a time and in order of their arrival.
//!
//! What is still to be signed is found by looking for rows without a link, in a window that reaches back from the last row
//! that was signed. A window, because a transaction may commit after a later one was signed: its row waits for a pass that
//! looks back further than its statement took. (A watermark of transaction ids would need no window, but does not outlive a
//! dump and a restore, and stands still behind the oldest transaction of the whole cluster.)

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use crate::domain::audit_chain::{ChainHead, ChainLink, ChainRow};
use crate::ports::db::pool::Connection;
use crate::ports::db::{Db, db_error};
use crate::ports::{Dependency, PortError};

/// Rows signed at once: a few milliseconds' work.
const BATCH: i64 = 100;

/// Where a pass looks for rows without a link.
#[derive(Debug, Clone, Copy)]
pub enum Window {
    /// This far back from the last row that was signed, and everything since.
    BehindTheLast(TimeDelta),
    /// From this arrival on, for an hour.
    From(DateTime<Utc>),
}

impl Window {
    /// Where the next batch of a pass is looked for: rows are signed in order, so what this window holds before the last of
    /// them has been looked at.
    #[must_use]
    pub fn after_a_batch(self) -> Self {
        match self {
            Self::BehindTheLast(_) => Self::BehindTheLast(TimeDelta::zero()),
            from @ Self::From(_) => from,
        }
    }
}

/// What became of a pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extended {
    /// Another replica is at it, or somebody is being forgotten.
    NotOurTurn,
    /// So many rows were signed; there may be more.
    Signed(usize),
    /// There was nothing left to sign.
    UpToDate,
}

struct UnsignedRow {
    id: Uuid,
    created_at: DateTime<Utc>,
    actor_kind: String,
    action: String,
    site: Option<String>,
    actor_id: Option<Uuid>,
    target_id: Option<Uuid>,
    session_id: Option<Uuid>,
    ip: Option<String>,
    agent: Option<String>,
    lasting: Option<String>,
    other: Option<String>,
}

impl Db {
    /// Signs what is not signed yet, up to 100 rows.
    pub async fn extend_chain(
        &self,
        window: Window,
        sign: impl Fn(ChainHead, &ChainRow) -> ChainLink + Send + Sync,
    ) -> Result<Extended, PortError> {
        let pass = async {
            let mut connection = self.pool.acquire().await?;
            match extend(&mut connection, window, sign).await {
                Ok(outcome) => {
                    connection.commit().await?;
                    Ok(outcome)
                }
                Err(error) => {
                    connection.give_back_after(&error);
                    Err(error)
                }
            }
        };
        self.within_deadline(pass).await.map_err(db_error)
    }

    /// Where the chain ends. `None` while nothing was ever signed.
    pub async fn chain_head(&self) -> Result<Option<ChainHead>, PortError> {
        let row = self
            .run(|sql| {
                let statement = sqlx::query!(
                    r#"select seq as "seq!", link as "link!" from (
                         (select seq, link from auth.audit_chain order by seq desc limit 1)
                         union all (select seq, link from auth.audit_checkpoints order by seq desc limit 1)
                       ) as ends order by seq desc limit 1"#
                );
                Box::pin(statement.fetch_optional(sql))
            })
            .await?;
        row.map(|row| head(row.seq, &row.link)).transpose()
    }
}

/// A place in the chain, as it is stored.
pub(super) fn head(seq: i64, link: &[u8]) -> Result<ChainHead, PortError> {
    let link = link.try_into().map_err(|error| PortError::unexpected(Dependency::Database, error))?;
    Ok(ChainHead { seq, link })
}

async fn extend(
    connection: &mut Connection,
    window: Window,
    sign: impl Fn(ChainHead, &ChainRow) -> ChainLink,
) -> sqlx::Result<Extended> {
    connection.begin().await?;
    let ours =
        sqlx::query_scalar!(r#"select pg_try_advisory_xact_lock(hashtext('auth.audit_chain')) as "ours!""#)
            .fetch_one(&mut *connection)
            .await?;
    if !ours {
        return Ok(Extended::NotOurTurn);
    }
    // A statement of its own, after the lock: it sees what whoever had the lock before has signed.
    let end = sqlx::query!(
        r#"select ends.seq as "seq!", ends.link as "link!", a.arrived_at as "arrived_at?"
             from (
               (select seq, link, event_id, event_at from auth.audit_chain order by seq desc limit 1)
               union all
               (select seq, link, null, null from auth.audit_checkpoints order by seq desc limit 1)
             ) as ends
             left join auth.audit_log a on a.created_at = ends.event_at and a.id = ends.event_id
            order by ends.seq desc limit 1"#
    )
    .fetch_optional(&mut *connection)
    .await?;
    let (mut from, last) = match &end {
        Some(end) => {
            let link = end.link.as_slice().try_into().map_err(|_| sqlx::Error::RowNotFound)?;
            (ChainHead { seq: end.seq, link }, end.arrived_at)
        }
        None => (ChainHead::START, None),
    };
    let (since, until) = match window {
        Window::BehindTheLast(back) => (last.map(|last| last - back), None),
        Window::From(since) => (Some(since), Some(since + TimeDelta::hours(1))),
    };
    let rows = sqlx::query_as!(
        UnsignedRow,
        r#"select a.id, a.created_at, a.actor_kind, a.action, a.site, a.actor_id, a.target_id, a.session_id,
                  a.ip::text as ip, a.agent, auth.audit_lasting(a.details)::text as lasting,
                  (a.details - array['library_id', 'changes', 'scope', 'ended'])::text as other
             from auth.audit_log a
            where a.arrived_at >= coalesce($1::timestamptz, '-infinity')
              and a.arrived_at < coalesce($2::timestamptz, 'infinity')
              and not exists (select from auth.audit_chain c where c.event_id = a.id)
            order by a.arrived_at, a.created_at, a.id
            limit $3"#,
        since,
        until,
        BATCH,
    )
    .fetch_all(&mut *connection)
    .await?;
    if rows.is_empty() {
        return Ok(Extended::UpToDate);
    }
    let mut links = Vec::with_capacity(rows.len());
    for row in rows {
        let link = sign(from, &row.into());
        from = ChainHead::behind(&link);
        links.push(link);
    }
    insert(connection, &links).await?;
    Ok(Extended::Signed(links.len()))
}

async fn insert(connection: &mut Connection, links: &[ChainLink]) -> sqlx::Result<()> {
    let numbers: Vec<_> = links.iter().map(|link| link.seq).collect();
    let ids: Vec<_> = links.iter().map(|link| link.event_id).collect();
    let times: Vec<_> = links.iter().map(|link| link.event_at).collect();
    let parts: Vec<_> = links.iter().map(|link| link.parts.clone()).collect();
    let macs: Vec<_> = links.iter().map(|link| link.link.clone()).collect();
    sqlx::query!(
        "insert into auth.audit_chain (seq, event_id, event_at, parts, link)
         select * from unnest($1::bigint[], $2::uuid[], $3::timestamptz[], $4::bytea[], $5::bytea[])",
        &numbers,
        &ids,
        &times,
        &parts,
        &macs,
    )
    .execute(&mut *connection)
    .await
    .map(drop)
}

impl From<UnsignedRow> for ChainRow {
    fn from(row: UnsignedRow) -> Self {
        Self {
            id: row.id,
            created_at: row.created_at,
            actor_kind: row.actor_kind,
            action: row.action,
            site: row.site,
            actor_id: row.actor_id,
            target_id: row.target_id,
            session_id: row.session_id,
            ip: row.ip,
            agent: row.agent,
            lasting: row.lasting.unwrap_or_default(),
            other: row.other.unwrap_or_default(),
        }
    }
}
