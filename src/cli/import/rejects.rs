//! Who was not taken over, as JSON lines. The one place where an import writes whole addresses, because its operator has
//! to write to these people; so only where a file is named, and readable by its owner alone.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::path::Path;

use doorcode::flows::Reject;
use serde_json::{Value, json};

/// The list.
pub(super) struct Rejects {
    file: File,
}

impl Rejects {
    /// Begins a list, or goes on with that of an earlier run: what it says of records up to `records` stays.
    pub(super) fn open(path: &Path, records: u64) -> io::Result<Self> {
        let kept = if records > 0 { lines_until(path, records)? } else { Vec::new() };
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(path)?;
        for line in kept {
            writeln!(file, "{line}")?;
        }
        Ok(Self { file })
    }

    /// Adds people; they are in the file when this returns.
    pub(super) fn add(&mut self, rejects: &[Reject]) -> io::Result<()> {
        let mut lines = Vec::new();
        for reject in rejects {
            let line = json!({
                "record": reject.record,
                "reason": reject.outcome,
                "detail": reject.detail,
                "id": reject.id,
                "email": reject.email,
            });
            writeln!(lines, "{line}")?;
        }
        self.file.write_all(&lines)
    }
}

fn lines_until(path: &Path, records: u64) -> io::Result<Vec<String>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut kept = Vec::new();
    for line in BufReader::new(file).lines() {
        let line = line?;
        // The last line of a run that was killed may be half a line.
        let record = serde_json::from_str(&line).ok().and_then(|line: Value| line["record"].as_u64());
        if record.is_some_and(|record| record <= records) {
            kept.push(line);
        }
    }
    Ok(kept)
}
