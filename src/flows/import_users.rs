//! Taking over the people of another system, in batches of thousands, so that it can be cut off anywhere and gone on
//! with.
//!
//! A batch, how far the import has come by it and its audit row are one transaction. Whoever is here already is never
//! changed. A trial reads and compares the same way and writes nothing.

mod seen;
mod source;

use std::collections::HashSet;

use uuid::Uuid;

use self::seen::Seen;
pub use self::source::ImportSource;
use crate::domain::{ImportRules, Newcomer, Outcome, Tally};
use crate::ports::PortError;
use crate::ports::db::{Db, ImportState, ImportTaken};
use crate::ports::roster::RosterError;

/// People in one transaction: few enough for a second or so on a slow disk, enough that its end weighs nothing.
const BATCH: usize = 2000;
/// Records in one batch, where most are left out.
const BATCH_RECORDS: u64 = 20_000;

/// What is to be taken over, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ImportUsers {
    /// Write nothing; say what would become of everybody.
    pub trial: bool,
    /// What is done with doubtful records.
    pub rules: ImportRules,
}

/// Somebody who was not taken over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reject {
    /// Which record, counted from 1.
    pub record: u64,
    /// Why.
    pub outcome: Outcome,
    /// The field or bound it is about.
    pub detail: Option<String>,
    /// The id, as the source has it.
    pub id: String,
    /// The address, as the source has it: for the operator's own file, and for nothing else.
    pub email: String,
}

/// How an import is getting on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportProgress {
    /// What became of the records so far, those of an earlier run included.
    pub tally: Tally,
    /// How much of the source is read, and how much there is, in one unit.
    pub read: (u64, u64),
}

/// What somebody who watches an import is told.
#[derive(Debug, Clone, Copy)]
pub enum ImportEvent<'i> {
    /// It begins, after so many records of an earlier run.
    Begins {
        /// The records settled before.
        records: u64,
    },
    /// These will not be taken over by the batch that is about to be kept.
    Rejects(&'i [Reject]),
    /// A batch was kept.
    Kept(&'i ImportProgress),
}

/// Somebody who watches. An error of theirs ends the import before the batch that it is about.
pub type ImportWatch<'w> = dyn FnMut(ImportEvent<'_>) -> std::io::Result<()> + 'w;

/// What ended an import early. What was kept stays; the same command goes on from there.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The list cannot be read.
    #[error(transparent)]
    Roster(#[from] RosterError),
    /// The other database failed.
    #[error("the database to read from failed")]
    Source(#[source] PortError),
    /// Our own database failed.
    #[error("the database to write to failed")]
    Database(#[from] PortError),
    /// Somebody else does it.
    #[error(transparent)]
    Taken(#[from] ImportTaken),
    /// What was left out cannot be written down.
    #[error("the list of rejects cannot be written")]
    Rejects(#[from] std::io::Error),
}

/// A batch while it fills.
#[derive(Default)]
struct Batch {
    people: Vec<(u64, Newcomer)>,
    ids: HashSet<Uuid>,
    emails: HashSet<String>,
    tally: Tally,
    rejects: Vec<Reject>,
}

impl ImportUsers {
    /// Takes everybody over, from where an earlier run of the same source stopped.
    ///
    /// # Errors
    /// An [`ImportError`]; what was kept until then stays.
    pub async fn run(
        self,
        db: &Db,
        source: &mut ImportSource,
        watch: &mut ImportWatch<'_>,
    ) -> Result<Tally, ImportError> {
        let mut state = if self.trial { nowhere() } else { db.begin_import(&source.id()).await? };
        source.skip(state.records, state.last_id).await?;
        watch(ImportEvent::Begins { records: state.records })?;
        let mut seen = Seen::default();
        let mut batch = Batch::default();
        let mut record = state.records;
        while let Some(fields) = source.next().await? {
            record += 1;
            match Newcomer::from_record(&fields, self.rules) {
                Ok(person) => {
                    // Two of one batch that clash are for the database to judge: the second in a batch of its own.
                    if batch.clashes_with(&person) {
                        state = self.settle(db, state, &mut batch, &mut seen, source, watch).await?;
                    }
                    batch.add(record, person);
                }
                Err(left_out) => {
                    let text = |field| fields.get(field).and_then(|value| value.as_str()).unwrap_or_default();
                    batch.reject(record, left_out.outcome, left_out.detail, text("id"), text("email"));
                }
            }
            batch.tally.records += 1;
            source.pass(&fields);
            if batch.is_full() {
                state = self.settle(db, state, &mut batch, &mut seen, source, watch).await?;
            }
        }
        state = self.settle(db, state, &mut batch, &mut seen, source, watch).await?;
        if !self.trial {
            db.finish_import(state.id).await?;
        }
        Ok(state.tally)
    }

    /// Puts a batch behind us: its people in the database, its rejects written down, the import moved on.
    async fn settle(
        self,
        db: &Db,
        state: ImportState,
        batch: &mut Batch,
        seen: &mut Seen,
        source: &ImportSource,
        watch: &mut ImportWatch<'_>,
    ) -> Result<ImportState, ImportError> {
        let Batch { people, mut tally, mut rejects, .. } = std::mem::take(batch);
        if tally.records == 0 {
            return Ok(state);
        }
        let (records, people): (Vec<u64>, Vec<Newcomer>) = people.into_iter().unzip();
        let mut transaction = db.begin_batch().await?;
        let outcomes = if self.trial {
            let found = transaction.compare(&people.iter().collect::<Vec<_>>()).await?;
            seen.judge(&people, found)
        } else {
            transaction.take_in(&people).await?
        };
        for ((record, person), outcome) in records.iter().zip(&people).zip(outcomes) {
            tally.add(outcome);
            if outcome == Outcome::Imported {
                tally.trimmed += u64::from(person.trimmed);
                tally.demoted += u64::from(person.demoted);
            }
            if !outcome.is_fine() {
                rejects.push(Reject {
                    record: *record,
                    outcome,
                    detail: None,
                    id: person.id.0.to_string(),
                    email: person.email.as_str().to_owned(),
                });
            }
        }
        rejects.sort_by_key(|reject| reject.record);
        // Before the batch is kept: a crash in between writes a reject twice, and never loses one.
        watch(ImportEvent::Rejects(&rejects))?;
        let state = if self.trial {
            let records = state.records + tally.records;
            ImportState { tally: state.tally.plus(&tally), records, ..state }
        } else {
            transaction.keep(&state, &tally, source.last_id()).await??
        };
        watch(ImportEvent::Kept(&ImportProgress { tally: state.tally.clone(), read: source.progress() }))?;
        Ok(state)
    }
}

/// Where a trial begins, whatever was imported before.
fn nowhere() -> ImportState {
    ImportState { id: Uuid::nil(), records: 0, last_id: None, tally: Tally::default() }
}

impl Batch {
    fn clashes_with(&self, person: &Newcomer) -> bool {
        self.ids.contains(&person.id.0) || self.emails.contains(person.email.as_str())
    }

    fn add(&mut self, record: u64, person: Newcomer) {
        self.ids.insert(person.id.0);
        self.emails.insert(person.email.as_str().to_owned());
        self.people.push((record, person));
    }

    fn reject(&mut self, record: u64, outcome: Outcome, detail: Option<String>, id: &str, email: &str) {
        self.tally.add(outcome);
        self.rejects.push(Reject { record, outcome, detail, id: id.to_owned(), email: email.to_owned() });
    }

    fn is_full(&self) -> bool {
        self.people.len() >= BATCH || self.tally.records >= BATCH_RECORDS
    }
}
