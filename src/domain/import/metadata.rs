//! Metadata of people who come from elsewhere, held to the bounds of everybody's.

use serde_json::{Map, Value, json};

use super::super::account::{ADMIN_SCOPE, AppMetadata, AppMetadataError};
use super::super::fields::turns_text;
use super::super::user::{MAX_DEPTH, MetadataError, UserMetadata};
use super::reading::object;
use super::{ImportRecord, ImportRules, LeftOut, Outcome};

/// What we write into the metadata of everybody, beside what is theirs.
const OURS: [&str; 4] = ["sub", "email", "email_verified", "phone_verified"];
/// What is kept longest where metadata has to become smaller: people see these.
const SHOWN: [&str; 3] = ["display_name", "full_name", "avatar_url"];

/// The metadata, and whether a right to administer was taken out of it.
pub(super) fn app_metadata(
    record: &ImportRecord,
    rules: ImportRules,
) -> Result<(Map<String, Value>, bool), LeftOut> {
    let Some(mut metadata) = object(record, "raw_app_meta_data", "app_metadata")? else {
        return Ok((email_provider(), false));
    };
    // Whatever the word meant over there, here it would open the console.
    let demoted = !rules.administrators && metadata.remove(ADMIN_SCOPE).is_some();
    AppMetadata::parse(metadata.clone()).map_err(|error| match error {
        AppMetadataError::Bounds(bound) => refused(Outcome::AppMetadataRefused, bound),
        AppMetadataError::Scope => {
            LeftOut { outcome: Outcome::AppMetadataRefused, detail: Some(ADMIN_SCOPE.to_owned()) }
        }
    })?;
    for (key, value) in email_provider() {
        metadata.entry(key).or_insert(value);
    }
    Ok((metadata, demoted))
}

/// What the account of somebody who signs in by email says of it.
fn email_provider() -> Map<String, Value> {
    Map::from_iter([("provider".to_owned(), json!("email")), ("providers".to_owned(), json!(["email"]))])
}

fn refused(outcome: Outcome, bound: MetadataError) -> LeftOut {
    let bound = match bound {
        MetadataError::TooLarge => "too_large",
        MetadataError::TooDeep => "too_deep",
        MetadataError::Unprintable => "unprintable",
    };
    LeftOut { outcome, detail: Some(bound.to_owned()) }
}

/// The metadata, and whether it had to be trimmed.
pub(super) fn user_metadata(
    record: &ImportRecord,
    rules: ImportRules,
) -> Result<(Map<String, Value>, bool), LeftOut> {
    let metadata = object(record, "raw_user_meta_data", "user_metadata")?.unwrap_or_default();
    match check(&metadata) {
        Ok(()) => Ok((metadata, false)),
        Err(_) if rules.trim_metadata => Ok((trimmed(metadata), true)),
        Err(error) => Err(refused(Outcome::MetadataRefused, error)),
    }
}

/// The bounds are those of what a person may write; what we add to it does not count.
fn check(metadata: &Map<String, Value>) -> Result<(), MetadataError> {
    let mut theirs = metadata.clone();
    theirs.retain(|key, _| !OURS.contains(&key.as_str()));
    UserMetadata::parse(theirs)?;
    let ours = metadata.iter().filter(|(key, _)| OURS.contains(&key.as_str()));
    let ours: Map<_, _> = ours.map(|(key, value)| (key.clone(), value.clone())).collect();
    UserMetadata::parse(ours).map(drop)
}

/// Metadata made to fit: without unprintable characters, without what is nested too deeply, and without as many of the
/// largest fields as it takes.
fn trimmed(metadata: Map<String, Value>) -> Map<String, Value> {
    let mut kept: Map<String, Value> = metadata
        .into_iter()
        .filter_map(|(key, value)| Some((printable(&key), trimmed_value(value, 1)?)))
        .collect();
    while check(&kept).is_err() {
        let size = |value: &Value| value.to_string().len();
        let largest = kept
            .iter()
            .max_by_key(|(key, value)| (!SHOWN.contains(&key.as_str()), size(value)))
            .map(|(key, _)| key.clone());
        let Some(largest) = largest else { break };
        kept.remove(&largest);
    }
    kept
}

fn trimmed_value(value: Value, depth: usize) -> Option<Value> {
    if depth > MAX_DEPTH {
        return None;
    }
    Some(match value {
        Value::String(text) => Value::String(printable(&text)),
        Value::Array(items) => {
            Value::Array(items.into_iter().filter_map(|item| trimmed_value(item, depth + 1)).collect())
        }
        Value::Object(fields) => Value::Object(
            fields
                .into_iter()
                .filter_map(|(key, value)| Some((printable(&key), trimmed_value(value, depth + 1)?)))
                .collect(),
        ),
        plain => plain,
    })
}

fn printable(text: &str) -> String {
    text.chars().filter(|c| (!c.is_control() || matches!(c, '\n' | '\r' | '\t')) && !turns_text(*c)).collect()
}
