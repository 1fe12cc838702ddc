//! Everybody's account as a list that [`ImportUsers`](super::ImportUsers) takes: for a copy, or for leaving.

use std::io::{self, Write};

use crate::ports::PortError;
use crate::ports::db::Db;
use crate::ports::roster::{Format, RosterWriter};

/// People read at once.
const PAGE: i64 = 2000;

/// What ended an export early.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The database failed.
    #[error("the database failed")]
    Database(#[from] PortError),
    /// The list cannot be written.
    #[error("the list cannot be written")]
    Write(#[from] io::Error),
}

/// Writes everybody to `out`, in the order of their ids; answers how many. Whoever signs up meanwhile may be in it.
///
/// # Errors
/// An [`ExportError`]; the list is then incomplete.
pub async fn export_users(
    db: &Db,
    out: impl Write,
    format: Format,
    mut goes_on: impl FnMut(u64),
) -> Result<u64, ExportError> {
    // First: a list that was cut off has left the house as well.
    db.audit_export().await?;
    let mut list = RosterWriter::new(out, format)?;
    let mut after = None;
    let mut count = 0;
    loop {
        let people = db.people_after(after, PAGE).await?;
        let Some(end) = people.last() else { break };
        after = Some(end.id.0);
        for person in &people {
            list.write(person)?;
        }
        count += people.len() as u64;
        goes_on(count);
    }
    list.finish()?;
    Ok(count)
}
