//! Lists of people in files: read record by record, and written.
//!
//! A file is read in a thread of its own and only ever a few records ahead, so memory does not grow with it. What a
//! record means is decided by `domain`; here is only its form: CSV with a heading, JSON lines, a JSON array, or the pages
//! of an admin API one after the other.

mod csv;
mod json;
mod write;

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use aws_lc_rs::digest;
use tokio::sync::mpsc;

pub use self::write::{Format, RosterWriter};
use crate::domain::{ImportRecord, SourceId};

/// How many records are read ahead.
const AHEAD: usize = 1000;
/// How much is read at once.
const CHUNK: usize = 64 * 1024;

/// Why a list cannot be read on. What a file says that is broken is not quoted: it is about people.
#[derive(Debug, thiserror::Error)]
pub enum RosterError {
    /// The file cannot be opened or read.
    #[error("cannot read {}", path.display())]
    Io {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// There is nothing in it.
    #[error("the file is empty")]
    Empty,
    /// The form is broken.
    #[error("record {record} is not {form}: {problem}")]
    Form {
        /// Which record, counted from 1.
        record: u64,
        /// What it should be.
        form: &'static str,
        /// What is wrong with it.
        problem: String,
    },
    /// A heading without a column that is needed.
    #[error(
        "the heading of the CSV file has no column {0}: export with `\\copy auth.users to 'users.csv' csv header`"
    )]
    NoColumn(&'static str),
}

/// A list of people that is being read.
#[derive(Debug)]
pub struct Roster {
    source: SourceId,
    records: mpsc::Receiver<Result<ImportRecord, RosterError>>,
    read: Arc<AtomicU64>,
    size: u64,
}

impl Roster {
    /// Opens a file; its first byte tells JSON from CSV.
    ///
    /// # Errors
    /// If it cannot be read or is empty.
    pub async fn open(path: &Path) -> Result<Self, RosterError> {
        let path = path.to_owned();
        let opened = tokio::task::spawn_blocking(move || open(&path)).await;
        opened.unwrap_or_else(|error| {
            Err(RosterError::Io { path: PathBuf::new(), source: io::Error::other(error) })
        })
    }

    /// The next record; `None` at the end.
    ///
    /// # Errors
    /// A [`RosterError`]; then there is no more.
    pub async fn next(&mut self) -> Result<Option<ImportRecord>, RosterError> {
        self.records.recv().await.transpose()
    }

    /// The content's name.
    #[must_use]
    pub fn source(&self) -> SourceId {
        self.source
    }

    /// Bytes read, and in all.
    #[must_use]
    pub fn progress(&self) -> (u64, u64) {
        (self.read.load(Ordering::Relaxed), self.size)
    }
}

fn open(path: &Path) -> Result<Roster, RosterError> {
    let failed = |source| RosterError::Io { path: path.to_owned(), source };
    let source = name(path).map_err(failed)?;
    let file = File::open(path).map_err(failed)?;
    let size = file.metadata().map_err(failed)?.len();
    let read = Arc::new(AtomicU64::new(0));
    let counted = Counted { file, read: Arc::clone(&read) };
    let mut text = BufReader::with_capacity(CHUNK, counted);
    skip_byte_order_mark(&mut text).map_err(failed)?;
    let Some(first) = json::peek(&mut text).map_err(failed)? else { return Err(RosterError::Empty) };
    let (sender, records) = mpsc::channel(AHEAD);
    std::thread::spawn(move || {
        let mut send = |record| sender.blocking_send(Ok(record)).is_ok();
        let outcome = match first {
            b'{' | b'[' => json::read(text, &mut send),
            _ => csv::read(text, &mut send),
        };
        if let Err(error) = outcome {
            // Nobody listens any more: nobody has to be told.
            let _ = sender.blocking_send(Err(error));
        }
    });
    Ok(Roster { source, records, read, size })
}

fn name(path: &Path) -> io::Result<SourceId> {
    let mut file = File::open(path)?;
    let mut content = digest::Context::new(&digest::SHA256);
    let mut chunk = vec![0; CHUNK];
    loop {
        match file.read(&mut chunk)? {
            0 => break,
            length => content.update(&chunk[..length]),
        }
    }
    let mut name = [0; 32];
    name.copy_from_slice(content.finish().as_ref());
    Ok(SourceId::from_digest(name))
}

/// Some programs begin a text with one.
fn skip_byte_order_mark(text: &mut impl BufRead) -> io::Result<()> {
    if text.fill_buf()?.starts_with("\u{feff}".as_bytes()) {
        text.consume('\u{feff}'.len_utf8());
    }
    Ok(())
}

/// Counts what is read.
struct Counted {
    file: File,
    read: Arc<AtomicU64>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.file.read(buffer)?;
        self.read.fetch_add(length as u64, Ordering::Relaxed);
        Ok(length)
    }
}

#[cfg(test)]
mod tests;
