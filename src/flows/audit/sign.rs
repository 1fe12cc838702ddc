//! Rows of the log are signed, by whichever replica is first.

use std::time::Instant;

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use crate::flows::Flows;
use crate::ports::PortError;
use crate::ports::db::{Extended, Window};
use crate::telemetry::causes;

/// How far a pass looks back for transactions that ended late: longer than most statements take. It is what each pass reads
/// again although it is signed, so under load it is what signing costs.
const USUAL: TimeDelta = TimeDelta::seconds(3);
/// How far back some passes look, each so many: longer than any statement of the server may take, and what somebody wrote
/// by hand and kept open for long.
const FURTHER: [(u32, TimeDelta); 2] = [(300, TimeDelta::hours(1)), (15, TimeDelta::seconds(30))];

/// Signing rests so many times as long as a batch took, unless the server stops: what a second has brought, signed in one
/// go, takes a core away from those who sign in meanwhile.
const REST: u32 = 3;

impl Flows {
    /// Signs what came since the last time.
    pub(super) async fn sign_audit(&self, round: u32) {
        let further = FURTHER.iter().find(|(every, _)| round.is_multiple_of(*every));
        let back = further.map_or(USUAL, |(_, back)| *back);
        if let Err(error) = self.sign_all(Window::BehindTheLast(back)).await {
            tracing::warn!(error = %causes(&error), "audit rows wait to be signed");
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

    async fn sign_all(&self, mut window: Window) -> Result<(), PortError> {
        loop {
            let began = Instant::now();
            let outcome = self.db.extend_chain(window, |head, row| head.sign(&self.keys, row)).await?;
            let Extended::Signed(_) = outcome else { return Ok(()) };
            window = window.after_a_batch();
            self.goes_on_after(REST * began.elapsed()).await;
        }
    }
}
