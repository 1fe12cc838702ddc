//! What the server does by itself, now and then.

use std::sync::Arc;
use std::time::Duration;

use super::Flows;
use crate::telemetry::causes;

/// The length of a round.
const ROUND: Duration = Duration::from_secs(60);
/// How many of those rounds pass between two sweeps of the database.
const ROUNDS_PER_SWEEP: u32 = 60;

impl Flows {
    /// Keeps house until the server stops.
    pub fn start_housekeeping(self: &Arc<Self>) {
        let flows = Arc::clone(self);
        self.unfinished.spawn(async move {
            let mut round: u32 = 0;
            loop {
                tokio::select! {
                    () = flows.finishing.cancelled() => return,
                    () = tokio::time::sleep(ROUND) => {}
                }
                flows.limits.sweep();
                if let Err(error) = flows.db.expire_invitations().await {
                    tracing::warn!(
                        error = %causes(&error),
                        "invitations could not be expired"
                    );
                }
                if round.is_multiple_of(ROUNDS_PER_SWEEP) {
                    flows.keep_audit().await;
                    if let Err(error) = flows.db.forget_answers().await {
                        tracing::warn!(
                            error = %causes(&error),
                            "answers to creations could not be forgotten"
                        );
                    }
                    if let Err(error) = flows.db.sweep_mail_records().await {
                        tracing::warn!(
                            error = %causes(&error),
                            "records of mails could not be swept"
                        );
                    }
                    if let Err(error) = flows.db.sweep_wrong_guesses().await {
                        tracing::warn!(
                            error = %causes(&error),
                            "old wrong guesses could not be swept"
                        );
                    }
                    match flows.db.sweep().await {
                        Ok(0) => {}
                        Ok(sessions) => tracing::info!(sessions, "removed sessions that ended long ago"),
                        Err(error) => {
                            tracing::warn!(
                                error = %causes(&error),
                                "the database could not be swept"
                            );
                        }
                    }
                }
                round = round.wrapping_add(1);
            }
        });
    }
}
