//! Rows of the log are signed, by whichever replica is first.

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use crate::flows::Flows;
use crate::ports::PortError;
use crate::ports::db::{Extended, Window};

/// How far a usual pass looks back for transactions that ended late: longer than any statement of the server may take.
const USUAL: TimeDelta = TimeDelta::seconds(30);
/// How far it looks back now and then.
const FAR: TimeDelta = TimeDelta::hours(1);
/// Every so many passes.
const FAR_EVERY: u32 = 300;

impl Flows {
    /// Signs what came since the last time.
    pub(super) async fn sign_audit(&self, round: u32) {
        let back = if round.is_multiple_of(FAR_EVERY) { FAR } else { USUAL };
        if let Err(error) = self.sign_all(Window::BehindTheLast(back)).await {
            tracing::warn!(error = &error as &dyn std::error::Error, "audit rows wait to be signed");
        }
    }

    /// Signs rows that came so late that no pass looks back to them: whoever wrote by hand and kept that open.
    pub(super) async fn sign_stragglers(&self) -> Result<(), PortError> {
        let mut place = Some((DateTime::<Utc>::UNIX_EPOCH, Uuid::nil()));
        while let Some(after) = place {
            let page = self.db.unsigned_rows(after).await?;
            if let Some(first) = page.unsigned.iter().map(|(.., arrived_at)| *arrived_at).min() {
                self.sign_all(Window::From(first)).await?;
            }
            place = page.next;
        }
        Ok(())
    }

    async fn sign_all(&self, window: Window) -> Result<(), PortError> {
        while let Extended::Signed(_) =
            self.db.extend_chain(window, |head, row| head.sign(&self.keys, row)).await?
        {}
        Ok(())
    }
}
