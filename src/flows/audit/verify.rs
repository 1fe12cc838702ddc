//! Whoever runs the server sees whether the log is whole.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::domain::KeyRing;
use crate::domain::audit_chain::{AuditReport, ChainHead, Inspection};
use crate::flows::Flows;
use crate::ports::PortError;
use crate::ports::db::Db;

/// What of the log is looked at.
#[derive(Debug, Clone, Copy, Default)]
pub struct AuditRange {
    /// From the first event since then on; from the beginning where not set.
    pub since: Option<DateTime<Utc>>,
    /// A head that was noted earlier and must still be met.
    pub head: Option<ChainHead>,
}

impl Flows {
    /// Looks at every link and row. `progress` is told how many of how many links were looked at.
    ///
    /// # Errors
    /// If the database is out of reach.
    pub async fn verify_audit(
        &self,
        range: AuditRange,
        progress: impl FnMut(i64, i64) + Send,
    ) -> Result<AuditReport, PortError> {
        verify_audit(&self.db, &self.keys, range, progress).await
    }
}

/// As [`Flows::verify_audit`], where nothing but the database and the secrets is there.
///
/// # Errors
/// If the database is out of reach.
pub async fn verify_audit(
    db: &Db,
    keys: &KeyRing,
    range: AuditRange,
    mut progress: impl FnMut(i64, i64) + Send,
) -> Result<AuditReport, PortError> {
    let checkpoint = db.audit_checkpoint().await?;
    let beginning = checkpoint.as_ref().map_or(ChainHead::START, |(checkpoint, _)| checkpoint.head);
    let from = match range.since {
        Some(since) => db.chain_before(since).await?.unwrap_or(beginning),
        None => beginning,
    };
    let signed = checkpoint.as_ref().map(|(checkpoint, mac)| (checkpoint, mac.as_slice()));
    let mut inspection = Inspection::new(keys, from, signed, range.head);
    let (begin, end) = (from.seq, db.chain_length().await?);
    let mut after = from.seq;
    loop {
        let links = db.read_chain(after).await?;
        let Some((last, _)) = links.last() else { break };
        after = last.seq;
        for (link, row) in &links {
            inspection.look_at(link, row.as_ref());
        }
        progress(after - begin, end.max(after) - begin);
    }
    let mut place = Some((range.since.unwrap_or(DateTime::UNIX_EPOCH), Uuid::nil()));
    while let Some(after) = place {
        let page = db.unsigned_rows(after).await?;
        for (event, at, _) in page.unsigned {
            inspection.unsigned(event, at);
        }
        place = page.next;
    }
    Ok(inspection.finish())
}
