//! What no statement of the database was the act of is put on record: from the store, and from the shield.

use crate::flows::Flows;
use crate::ports::PortError;

impl Flows {
    /// Puts the events of a partition on record. They stay in the store until they are, and an event that is taken twice is
    /// on record once: so none is lost or doubled by whatever ends in between.
    pub(super) async fn record_store_events(&self, partition: u16) {
        loop {
            match self.record_some(partition).await {
                Ok(0) => return,
                Ok(_) => {}
                Err(error) => {
                    tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        "events wait to be put on record"
                    );
                    return;
                }
            }
        }
    }

    async fn record_some(&self, partition: u16) -> Result<usize, PortError> {
        let taken = self.codes.take_events(partition).await?;
        self.db.record_events(&taken.events).await?;
        self.remember_guesses(&taken.events).await?;
        self.codes.events_done(&taken).await?;
        Ok(taken.events.len())
    }

    /// Puts on record how often clients were refused before anything was looked at.
    pub(super) async fn record_refusals(&self) {
        let events = self.refusals.events(self.clock.now());
        match self.db.record_events(&events).await {
            Ok(()) => self.refusals.on_record(),
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "refusals wait to be put on record");
            }
        }
    }
}
