//! CSV as `\copy … csv header` writes it: a heading, then a record a row, texts throughout.

use std::io::BufRead;

use serde_json::Value;

use super::RosterError;
use crate::domain::ImportRecord;

/// Without these nobody can be taken over, and a file without them is another kind of file.
const NEEDED: [&str; 3] = ["id", "email", "email_confirmed_at"];

/// Hands over record after record until there are no more or nobody takes them.
pub(super) fn read(
    text: impl BufRead,
    take: &mut dyn FnMut(ImportRecord) -> bool,
) -> Result<(), RosterError> {
    let mut rows = csv::Reader::from_reader(text);
    let columns = rows.headers().map_err(|error| broken(0, &error))?.clone();
    for needed in NEEDED {
        if !columns.iter().any(|column| column == needed) {
            return Err(RosterError::NoColumn(needed));
        }
    }
    for (row, number) in rows.records().zip(1..) {
        let row = row.map_err(|error| broken(number, &error))?;
        let fields = columns.iter().zip(&row);
        let record =
            fields.map(|(column, text)| (column.to_owned(), Value::String(text.to_owned()))).collect();
        if !take(record) {
            return Ok(());
        }
    }
    Ok(())
}

fn broken(record: u64, error: &csv::Error) -> RosterError {
    let problem = match error.kind() {
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
            format!("{len} fields where the heading has {expected_len}")
        }
        csv::ErrorKind::Utf8 { .. } => "not UTF-8".to_owned(),
        csv::ErrorKind::Io(error) => error.kind().to_string(),
        _ => "broken".to_owned(),
    };
    RosterError::Form { record, form: "CSV", problem }
}
