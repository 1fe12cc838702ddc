//! Wrong guesses are remembered in the database for thirty days, and told to a code store that has lost them.
//!
//! No request waits for it. A guess is an event of the code store; when events are put on record, the guesses among them
//! are remembered too, each once, and an address that has made its number of them is marked in the code store, where the
//! scripts that issue and claim codes look.

use crate::domain::{AuditEvent, WrongGuess};
use crate::flows::Flows;
use crate::ports::PortError;
use crate::telemetry::causes;

impl Flows {
    /// Remembers the guesses among events, and marks their addresses where they are too many.
    pub(super) async fn remember_guesses(&self, events: &[AuditEvent]) -> Result<(), PortError> {
        let guesses: Vec<_> = events.iter().filter_map(WrongGuess::of).collect();
        if guesses.is_empty() {
            return Ok(());
        }
        for spent in self.db.note_wrong_guesses(&guesses, self.wrong_per_month).await? {
            self.codes.spend_guesses(&spent).await?;
        }
        Ok(())
    }

    /// Brings the guesses back to a code store that has none: a new one, or one that lost what it had.
    pub(super) async fn restore_guesses(&self, partition: u16) {
        // That the store is away is said by whoever takes its events.
        let Ok(true) = self.codes.lacks_guesses(partition).await else { return };
        if let Err(error) = self.restore_lost_guesses(partition).await {
            tracing::warn!(
                error = %causes(&error),
                "wrong guesses of before are not known to the code store yet"
            );
        }
    }

    async fn restore_lost_guesses(&self, partition: u16) -> Result<(), PortError> {
        let mut after = None;
        loop {
            let page = match self.db.remembered_guesses(after, self.wrong_per_month).await {
                Ok(page) => page,
                Err(error) => {
                    self.codes.still_lacks_guesses();
                    return Err(error);
                }
            };
            let Some(last) = page.last() else { break };
            after = Some(last.address);
            self.codes.restore_guesses(partition, &page).await?;
        }
        self.codes.has_guesses(partition).await
    }
}
