//! Writing a list of people, in the names and forms that reading understands.

use std::io::{self, Write};

use serde_json::{Value, json};

use crate::domain::Newcomer;

/// The columns, named as the table of that family names them; `locale` is ours.
const COLUMNS: [&str; 10] = [
    "id",
    "email",
    "email_confirmed_at",
    "raw_user_meta_data",
    "raw_app_meta_data",
    "banned_until",
    "last_sign_in_at",
    "created_at",
    "updated_at",
    "locale",
];

/// The form of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// A JSON object a line.
    JsonLines,
    /// A heading, then a row a person.
    Csv,
}

/// A list that is being written.
pub struct RosterWriter<W: Write> {
    out: Out<W>,
}

enum Out<W: Write> {
    JsonLines(W),
    Csv(Box<csv::Writer<W>>),
}

impl<W: Write> RosterWriter<W> {
    /// Begins a list.
    ///
    /// # Errors
    /// If nothing can be written.
    pub fn new(out: W, format: Format) -> io::Result<Self> {
        let out = match format {
            Format::JsonLines => Out::JsonLines(out),
            Format::Csv => {
                let mut rows = csv::Writer::from_writer(out);
                rows.write_record(COLUMNS)?;
                Out::Csv(Box::new(rows))
            }
        };
        Ok(Self { out })
    }

    /// Adds a person.
    ///
    /// # Errors
    /// If nothing can be written.
    pub fn write(&mut self, person: &Newcomer) -> io::Result<()> {
        let values = values(person);
        match &mut self.out {
            Out::JsonLines(out) => {
                let fields = COLUMNS.into_iter().map(str::to_owned).zip(values);
                serde_json::to_writer(&mut *out, &Value::Object(fields.collect()))?;
                out.write_all(b"\n")
            }
            Out::Csv(rows) => {
                rows.write_record(values.iter().map(|value| match value {
                    Value::Null => String::new(),
                    Value::String(text) => text.clone(),
                    other => other.to_string(),
                }))?;
                Ok(())
            }
        }
    }

    /// Ends the list.
    ///
    /// # Errors
    /// If nothing can be written.
    pub fn finish(self) -> io::Result<()> {
        match self.out {
            Out::JsonLines(mut out) => out.flush(),
            Out::Csv(mut rows) => rows.flush(),
        }
    }
}

/// In the order of [`COLUMNS`].
fn values(person: &Newcomer) -> [Value; 10] {
    let instant = |at: Option<chrono::DateTime<chrono::Utc>>| match at {
        Some(at) => json!(at.to_rfc3339_opts(chrono::SecondsFormat::Micros, true)),
        None => Value::Null,
    };
    [
        json!(person.id.0),
        json!(person.email.as_str()),
        instant(person.email_confirmed_at),
        Value::Object(person.user_metadata.clone()),
        Value::Object(person.app_metadata.clone()),
        instant(person.banned_until),
        instant(person.last_sign_in_at),
        instant(Some(person.created_at)),
        instant(Some(person.updated_at)),
        json!(person.locale.map(crate::domain::Locale::tag)),
    ]
}
