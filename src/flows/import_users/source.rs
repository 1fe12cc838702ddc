//! Where people come from: a file, or another database.

use std::path::Path;

use secrecy::SecretString;
use uuid::Uuid;

use super::ImportError;
use crate::domain::{ImportRecord, SourceId};
use crate::ports::db::SupabaseUsers;
use crate::ports::roster::Roster;

/// Somewhere to read people from.
#[derive(Debug)]
pub struct ImportSource {
    place: Place,
    /// The person read last, where that is how a place is found again.
    last_id: Option<Uuid>,
}

#[derive(Debug)]
enum Place {
    File(Roster),
    Database(Box<SupabaseUsers>),
}

impl ImportSource {
    /// A file.
    ///
    /// # Errors
    /// If it cannot be read.
    pub async fn file(path: &Path) -> Result<Self, ImportError> {
        Ok(Self { place: Place::File(Roster::open(path).await?), last_id: None })
    }

    /// A database of that family.
    ///
    /// # Errors
    /// If it cannot be reached or has no such table.
    pub async fn database(url: &SecretString) -> Result<Self, ImportError> {
        let users = SupabaseUsers::open(url).await.map_err(ImportError::Source)?;
        Ok(Self { place: Place::Database(Box::new(users)), last_id: None })
    }

    pub(super) fn id(&self) -> SourceId {
        match &self.place {
            Place::File(roster) => roster.source(),
            Place::Database(users) => users.source(),
        }
    }

    /// Goes to where an earlier run stopped.
    pub(super) async fn skip(&mut self, records: u64, last_id: Option<Uuid>) -> Result<(), ImportError> {
        match &mut self.place {
            Place::File(roster) => {
                for _ in 0..records {
                    roster.next().await?;
                }
            }
            Place::Database(users) => users.skip(last_id, records),
        }
        self.last_id = last_id;
        Ok(())
    }

    pub(super) async fn next(&mut self) -> Result<Option<ImportRecord>, ImportError> {
        match &mut self.place {
            Place::File(roster) => Ok(roster.next().await?),
            Place::Database(users) => users.next().await.map_err(ImportError::Source),
        }
    }

    /// A record is part of the batch now.
    pub(super) fn pass(&mut self, record: &ImportRecord) {
        if matches!(self.place, Place::Database(_)) {
            let id = record.get("id").and_then(|id| id.as_str());
            self.last_id = id.and_then(|id| Uuid::parse_str(id).ok());
        }
    }

    /// Where to go on from after the batch.
    pub(super) fn last_id(&self) -> Option<Uuid> {
        self.last_id
    }

    /// How much is read and how much there is: bytes of a file, people of a database.
    #[must_use]
    pub fn progress(&self) -> (u64, u64) {
        match &self.place {
            Place::File(roster) => roster.progress(),
            Place::Database(users) => users.progress(),
        }
    }
}
