//! Values as layers give them, and the types that they must have.

use toml::{Table, Value};

use super::problems::shown;

/// A value as a layer gives it.
pub(super) enum Given {
    /// Typed, from a file.
    Typed(Value),
    /// Untyped, from the environment.
    Text(String),
}

impl Given {
    /// The value in the type of `default`; if it cannot be, what was found, in a form fit for printing.
    pub(super) fn typed_as(self, default: &Value) -> Result<Value, Option<String>> {
        match self {
            Self::Typed(value) if value.same_type(default) => match &value {
                // Every list of ours is one of strings.
                Value::Array(items) if !items.iter().all(Value::is_str) => Err(Some(value.to_string())),
                _ => Ok(value),
            },
            Self::Typed(Value::String(text)) => Err(Some(shown(&text))),
            Self::Typed(Value::Table(_)) => Err(Some("a table".to_owned())),
            Self::Typed(value) => Err(Some(value.to_string())),
            // The mark of a variable that was not UTF-8. A secret with a character lost would fail much
            // later.
            Self::Text(text) if text.contains(char::REPLACEMENT_CHARACTER) => {
                Err(Some("text that is not UTF-8".to_owned()))
            }
            Self::Text(text) => {
                let typed = match default {
                    Value::Integer(_) => text.trim().parse().ok().map(Value::Integer),
                    Value::Boolean(_) => text.trim().parse().ok().map(Value::Boolean),
                    Value::Array(_) => {
                        let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
                        Some(Value::Array(items.map(|item| Value::String(item.to_owned())).collect()))
                    }
                    _ => Some(Value::String(text.clone())),
                };
                typed.ok_or_else(|| Some(shown(&text)))
            }
        }
    }
}

/// What a person calls the type of `value`.
pub(super) fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Integer(_) => "a whole number",
        Value::Boolean(_) => "true or false",
        Value::Array(_) => "a list of strings",
        _ => "a string",
    }
}

/// The table that `text` is, or line and reason why it is none. The reason never quotes the text, in which
/// there may be a secret; the parser's own rendering would.
pub(super) fn parse(text: &str) -> Result<Table, (usize, String)> {
    text.parse::<Table>().map_err(|error| {
        let start = error.span().map_or(0, |span| span.start).min(text.len());
        let line = text.get(..start).map_or(1, |before| before.split('\n').count());
        (line, error.message().replace('\n', ", "))
    })
}
