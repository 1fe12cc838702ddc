//! What a command shows: aligned tables for people, the API's own JSON for programs.

use serde_json::Value;

/// A column: its heading, and the field that fills it (`a.b` for one inside another).
pub(super) type Column = (&'static str, &'static str);

/// A list as a table, a line a thing.
pub(super) fn table(items: &[Value], columns: &[Column]) -> String {
    let heading = columns.iter().map(|(heading, _)| (*heading).to_owned()).collect();
    let rows = items.iter().map(|item| columns.iter().map(|(_, field)| cell(find(item, field))).collect());
    aligned(&std::iter::once(heading).chain(rows).collect::<Vec<Vec<String>>>())
}

/// One thing, a line a field.
pub(super) fn card(thing: &Value) -> String {
    let Value::Object(fields) = thing else { return format!("{}\n", cell(thing)) };
    aligned(&fields.iter().map(|(name, value)| vec![printable(name), cell(value)]).collect::<Vec<_>>())
}

fn find<'v>(item: &'v Value, field: &str) -> &'v Value {
    field.split('.').fold(item, |value, name| &value[name])
}

fn cell(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => printable(text),
        other => printable(&other.to_string()),
    }
}

/// Names are strangers' texts: nothing of them steers the terminal, or turns the line around.
pub(super) fn printable(text: &str) -> String {
    let unsafe_here = |c: char| c.is_control() || doorcode::domain::fields::turns_text(c);
    text.chars().map(|c| if unsafe_here(c) { '\u{fffd}' } else { c }).collect()
}

fn aligned(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or_default();
    let width = |column: usize| {
        rows.iter()
            .filter_map(|row| row.get(column))
            .map(|cell| cell.chars().count())
            .max()
            .unwrap_or_default()
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            line.push_str(cell);
            line.extend(std::iter::repeat_n(' ', width - cell.chars().count() + 2));
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn columns_are_aligned_and_strangers_texts_steer_nothing() {
        let items = [
            json!({"id": 1, "who": {"name": "Nguyễn"}}),
            json!({"id": 20, "who": {"name": "a\u{1b}[2J\n\u{202e}"}}),
        ];
        let shown = table(&items, &[("ID", "id"), ("NAME", "who.name"), ("GONE", "gone")]);
        let expected = "ID  NAME     GONE\n1   Nguyễn   -\n20  a\u{fffd}[2J\u{fffd}\u{fffd}  -\n";
        assert_eq!(shown, expected);
        assert_eq!(card(&json!({"id": 1, "name": null})), "id    1\nname  -\n");
    }
}
