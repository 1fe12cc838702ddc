//! What no statement of the database was the act of is put on record: from the store, and from the shield.

use crate::flows::Flows;
use crate::ports::PortError;
use crate::telemetry::causes;

/// Which of the events that wait are put on record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Which {
    /// A batch, unless they pile up.
    Some,
    /// All of them.
    All,
}

impl Flows {
    /// Puts events of a partition on record: all, or a batch, and more only where so many wait that some could be lost. They
    /// stay in the store until they are, and an event that is taken twice is on record once: so none is lost or doubled by
    /// whatever ends in between.
    ///
    /// Whoever asks for codes as fast as they can makes events, too: the database is not to feel that as it comes.
    pub(super) async fn record_store_events(&self, partition: u16, which: Which) {
        let work = async {
            while self.record_some(partition).await? > 0
                && (which == Which::All || self.codes.events_pile_up(partition).await?)
            {}
            Ok::<_, PortError>(())
        };
        if let Err(error) = work.await {
            tracing::warn!(error = %causes(&error), "events wait to be put on record");
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
                tracing::warn!(error = %causes(&error), "refusals wait to be put on record");
            }
        }
    }
}
