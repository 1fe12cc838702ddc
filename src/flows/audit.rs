//! The audit log as a whole: what the stores and the shield have to tell is put on record, every row is signed, what was
//! kept long enough goes, and anybody who runs the server can search it and see that it is whole.

mod guesses;
mod keep;
mod record;
mod search;
mod sign;
mod verify;
mod witness;

use std::sync::Arc;
use std::time::Duration;

use self::record::Which;
pub use self::verify::{AuditRange, verify_audit};
pub(super) use self::witness::By;
use super::Flows;

/// How long what is told is kept.
#[derive(Debug, Clone, Copy)]
pub struct AuditSettings {
    /// Days a month is kept after its end.
    pub retention_days: u32,
    /// Days a client's address and name are kept.
    pub ip_days: u32,
}

/// How often events of the store are put on record, a batch at a time.
const RECORD_EVERY: Duration = Duration::from_millis(500);
/// How often refusals that were only counted are put on record.
const REFUSALS_EVERY: Duration = Duration::from_secs(60);
/// How often rows are signed.
const SIGN_EVERY: Duration = Duration::from_secs(1);

impl Flows {
    /// Keeps the log until the server stops.
    pub fn start_audit(self: &Arc<Self>) {
        for partition in 0..self.codes.partitions() {
            let flows = Arc::clone(self);
            self.unfinished.spawn(async move {
                while flows.goes_on_after(RECORD_EVERY).await {
                    flows.restore_guesses(partition).await;
                    flows.record_store_events(partition, Which::Some).await;
                }
            });
        }
        let flows = Arc::clone(self);
        self.unfinished.spawn(async move {
            while flows.goes_on_after(REFUSALS_EVERY).await {
                flows.record_refusals().await;
            }
        });
        let flows = Arc::clone(self);
        self.unfinished.spawn(async move {
            let mut round: u32 = 0;
            while flows.goes_on_after(SIGN_EVERY).await {
                flows.sign_audit(round).await;
                round = round.wrapping_add(1);
            }
        });
    }

    /// Puts on record what is still to be told when all work has ended.
    pub async fn finish_audit(&self) {
        self.record_refusals().await;
        for partition in 0..self.codes.partitions() {
            self.record_store_events(partition, Which::All).await;
        }
        self.sign_audit(1).await;
    }

    /// Waits; false if the server stops meanwhile.
    async fn goes_on_after(&self, pause: Duration) -> bool {
        tokio::select! {
            () = self.finishing.cancelled() => false,
            () = tokio::time::sleep(pause) => true,
        }
    }
}
