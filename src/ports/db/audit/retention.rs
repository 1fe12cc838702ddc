//! What was kept long enough: addresses are cleared, months dropped. The functions of the owner do it, and no more.

use chrono::{DateTime, Utc};

use crate::domain::audit_chain::{ChainHead, Checkpoint};
use crate::ports::PortError;
use crate::ports::db::{Db, db_error};

impl Db {
    /// Clears the addresses and clients of events that are older than so many days; says how many rows.
    pub async fn clear_audit_addresses(&self, days: u32) -> Result<u64, PortError> {
        let span = self
            .run(|sql| {
                let statement = sqlx::query!(
                    r#"select s.before as "before!", s.since as "since!" from (
                         select date_trunc('day', now()) - make_interval(days => $1) as before,
                                -- Since the last time, and a week for what came late; everything, the first time.
                                coalesce((
                                    select max((a.details ->> 'before')::timestamptz) - interval '8 days'
                                      from auth.audit_log a
                                     where a.action = 'audit_addresses_cleared'
                                       and a.created_at > now() - interval '8 days'),
                                  (select min(a.created_at) from auth.audit_log a), now()) as since
                       ) as s"#,
                    i32::try_from(days).unwrap_or(i32::MAX),
                );
                Box::pin(statement.fetch_one(sql))
            })
            .await?;
        if span.since >= span.before {
            return Ok(0);
        }
        let begun = self
            .run(|sql| {
                let statement =
                    sqlx::query_scalar!(r#"select auth.begin_audit_clearing($1) as "begun!""#, span.before);
                Box::pin(statement.fetch_one(sql))
            })
            .await?;
        tracing::debug!(begun, "clearing what is old in the audit log");
        let (mut since, mut cleared) = (span.since, 0);
        // A day at a time, so that no statement looks through all there is.
        while since < span.before {
            let until = span.before.min(since + chrono::TimeDelta::days(1));
            let rows = self
                .run(|sql| {
                    let statement = sqlx::query_scalar!(
                        r#"select auth.clear_audit_addresses($1, $2) as "rows!""#,
                        since,
                        until,
                    );
                    Box::pin(statement.fetch_one(sql))
                })
                .await?;
            cleared += u64::try_from(rows).unwrap_or(0);
            if rows == 0 {
                since = until;
            }
        }
        Ok(cleared)
    }

    /// Drops the months that ended more than so many days ago, and lets the chain begin behind them; says how many.
    pub async fn drop_audit_months(
        &self,
        days: u32,
        sign: impl Fn(&Checkpoint) -> [u8; 32] + Send + Sync,
    ) -> Result<i32, PortError> {
        let span = self
            .run(|sql| {
                let statement = sqlx::query!(
                    r#"select b.before as "before!",
                              exists (select from auth.audit_log a where a.created_at < b.before) as "any!"
                         from (select date_trunc('month', (now() - make_interval(days => $1)) at time zone 'utc')
                                        at time zone 'utc' as before) as b"#,
                    i32::try_from(days).unwrap_or(i32::MAX),
                );
                Box::pin(statement.fetch_one(sql))
            })
            .await?;
        let dropped = if span.any { self.drop_before(span.before, sign).await? } else { 0 };
        // A drop that was cut off may have left links behind.
        while self.trim_chain().await? > 0 {}
        Ok(dropped)
    }

    async fn drop_before(
        &self,
        before: DateTime<Utc>,
        sign: impl Fn(&Checkpoint) -> [u8; 32] + Send + Sync,
    ) -> Result<i32, PortError> {
        let work = async {
            let mut connection = self.pool.acquire().await?;
            connection.begin().await?;
            sqlx::query!(r#"select pg_advisory_xact_lock(hashtext('auth.audit_chain'))::text as "locked""#)
                .fetch_one(&mut connection)
                .await?;
            // All links before the first that is to stay. Some behind it may sign rows that go, having come late.
            let last = sqlx::query!(
                r#"select ends.seq as "seq!", ends.link as "link!" from (
                     (select c.seq, c.link from auth.audit_chain c
                       where c.seq < coalesce(
                               (select s.seq from auth.audit_chain s where s.event_at >= $1 order by s.seq limit 1),
                               9223372036854775807)
                       order by c.seq desc limit 1)
                     union all
                     (select k.seq, k.link from auth.audit_checkpoints k order by k.seq desc limit 1)
                   ) as ends order by ends.seq desc limit 1"#,
                before,
            )
            .fetch_optional(&mut connection)
            .await?;
            let head = match last {
                Some(last) => ChainHead {
                    seq: last.seq,
                    link: last.link.as_slice().try_into().map_err(|_| sqlx::Error::RowNotFound)?,
                },
                None => ChainHead::START,
            };
            let checkpoint = Checkpoint { head, dropped_before: before };
            let months = sqlx::query_scalar!(
                r#"select auth.drop_audit_months($1, $2, $3, $4) as "months!""#,
                before,
                head.seq,
                &head.link[..],
                &sign(&checkpoint)[..],
            )
            .fetch_one(&mut connection)
            .await?;
            connection.commit().await?;
            Ok(months)
        };
        self.within_deadline(work).await.map_err(db_error)
    }

    async fn trim_chain(&self) -> Result<i64, PortError> {
        self.run(|sql| {
            let statement = sqlx::query_scalar!(r#"select auth.trim_audit_chain() as "trimmed!""#);
            Box::pin(statement.fetch_one(sql))
        })
        .await
    }
}
