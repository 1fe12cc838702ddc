//! The fields of a record: texts, flags, instants and objects, from JSON or from CSV, where everything is text.

use chrono::{DateTime, NaiveDate, Utc};
use serde_json::{Map, Value};

use super::{ImportRecord, LeftOut, Outcome};

pub(super) fn left_out(outcome: Outcome) -> LeftOut {
    LeftOut { outcome, detail: None }
}

pub(super) fn unreadable(field: &str) -> LeftOut {
    LeftOut { outcome: Outcome::Unreadable, detail: Some(field.to_owned()) }
}

/// Whether a field holds anything. CSV tells no empty text from nothing at all.
pub(super) fn present(record: &ImportRecord, field: &str) -> bool {
    !matches!(record.get(field), None | Some(Value::Null)) && record[field] != ""
}

pub(super) fn text<'r>(record: &'r ImportRecord, field: &str) -> Result<Option<&'r str>, LeftOut> {
    match record.get(field) {
        Some(Value::String(text)) => Ok(Some(text.as_str()).filter(|text| !text.is_empty())),
        None | Some(Value::Null) => Ok(None),
        Some(_) => Err(unreadable(field)),
    }
}

pub(super) fn flag(record: &ImportRecord, field: &str) -> Result<bool, LeftOut> {
    match record.get(field) {
        Some(Value::Bool(flag)) => Ok(*flag),
        _ => match text(record, field)? {
            Some("t" | "true") => Ok(true),
            None | Some("f" | "false") => Ok(false),
            Some(_) => Err(unreadable(field)),
        },
    }
}

/// An instant as JSON (RFC 3339) or as PostgreSQL writes it, `2026-01-02 03:04:05.678901+00`, always with its offset.
pub(super) fn instant(record: &ImportRecord, field: &str) -> Result<Option<DateTime<Utc>>, LeftOut> {
    let Some(text) = text(record, field)? else { return Ok(None) };
    if text == "infinity" {
        // A ban without an end; the latest year that every reader of our API understands.
        return Ok(NaiveDate::from_ymd_opt(9999, 12, 31)
            .and_then(|day| day.and_hms_opt(23, 59, 59))
            .map(|end| end.and_utc()));
    }
    DateTime::parse_from_rfc3339(text)
        .or_else(|_| DateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S%.f%#z"))
        .map(|instant| Some(instant.to_utc()))
        .map_err(|_| unreadable(field))
}

/// An object under either of its names; CSV has it as text.
pub(super) fn object(
    record: &ImportRecord,
    column: &str,
    name: &str,
) -> Result<Option<Map<String, Value>>, LeftOut> {
    let field = if present(record, column) { column } else { name };
    match record.get(field) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Object(object)) => Ok(Some(object.clone())),
        Some(Value::String(text)) if text.is_empty() => Ok(None),
        Some(Value::String(text)) => serde_json::from_str(text).map_err(|_| unreadable(field)),
        Some(_) => Err(unreadable(field)),
    }
}
