//! JSON: a person a line, an array of people, or pages `{"users": […]}`, as many as there are.

use std::fmt;
use std::io::{self, BufRead};

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use super::RosterError;
use crate::domain::ImportRecord;

/// Hands over record after record until there are no more or nobody takes them.
pub(super) fn read(
    mut text: impl BufRead,
    take: &mut dyn FnMut(ImportRecord) -> bool,
) -> Result<(), RosterError> {
    let mut records: u64 = 0;
    let mut wanted = true;
    loop {
        let form = |records: u64, problem| RosterError::Form { record: records + 1, form: "JSON", problem };
        if peek(&mut text).map_err(|error| form(records, error.kind().to_string()))?.is_none() {
            return Ok(());
        }
        let mut take = |record| {
            records += 1;
            wanted = take(record);
            wanted
        };
        let outcome = People(&mut take).deserialize(&mut serde_json::Deserializer::from_reader(&mut text));
        match outcome {
            Ok(()) => {}
            Err(_) if !wanted => return Ok(()),
            Err(error) => return Err(form(records, problem(&error))),
        }
    }
}

/// The next byte that is no white space.
pub(super) fn peek(text: &mut impl BufRead) -> io::Result<Option<u8>> {
    loop {
        let buffer = text.fill_buf()?;
        if buffer.is_empty() {
            return Ok(None);
        }
        if let Some(at) = buffer.iter().position(|byte| !byte.is_ascii_whitespace()) {
            let first = buffer[at];
            text.consume(at);
            return Ok(Some(first));
        }
        let blank = buffer.len();
        text.consume(blank);
    }
}

/// What kind of thing went wrong; the error's own words may quote the text.
fn problem(error: &serde_json::Error) -> String {
    let kind = match error.classify() {
        serde_json::error::Category::Eof => "it ends too early",
        serde_json::error::Category::Io => "it cannot be read",
        serde_json::error::Category::Data => "neither a user nor a list of users",
        // `\copy (select to_jsonb(…)) to …` doubles every backslash, which breaks JSON.
        serde_json::error::Category::Syntax => {
            "a syntax error (JSON lines come from `psql -At -c`, not from `\\copy`, which changes backslashes)"
        }
    };
    kind.to_owned()
}

/// Takes people out of whatever holds them, one by one.
struct People<'t>(&'t mut dyn FnMut(ImportRecord) -> bool);

impl<'de> DeserializeSeed<'de> for People<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for People<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a user or a list of users")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        while list.next_element_seed(People(&mut *self.0))?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<(), A::Error> {
        let mut record = ImportRecord::new();
        let mut is_page = false;
        while let Some(name) = fields.next_key::<String>()? {
            if name == "users" {
                is_page = true;
                fields.next_value_seed(People(&mut *self.0))?;
            } else {
                record.insert(name, fields.next_value::<Value>()?);
            }
        }
        if is_page || (self.0)(record) { Ok(()) } else { Err(A::Error::custom("nobody takes it")) }
    }
}
