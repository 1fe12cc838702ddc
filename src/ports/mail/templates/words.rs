//! The text under the letters: filling phrases, cleaning what strangers wrote, breaking lines.
//!
//! Nothing here knows a letter, and nothing escapes: that is the HTML templates' part.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use chrono::{DateTime, Utc};

use super::TemplateError;

/// Section → key → phrase. Phrases are plain text with `{placeholders}`.
pub(super) type Words = BTreeMap<String, BTreeMap<String, String>>;

/// Columns of the text part. RFC 5322 §2.1.1 asks for at most 78; the rest is room for quoting.
const TEXT_WIDTH: usize = 72;

/// An instant as a locale writes it; `pattern` is strftime.
pub(super) fn format_time(when: &DateTime<Utc>, pattern: &str) -> Result<String, TemplateError> {
    let mut shown = String::new();
    // Not `to_string`, which panics at a pattern that is not one.
    write!(shown, "{}", when.format(pattern)).map_err(|_| TemplateError::Value("time"))?;
    Ok(shown)
}

/// A section's phrases with their placeholders filled.
///
/// A phrase that wants a value this letter lacks is left out: a template that needs it then fails on an
/// undefined word, rather than to print a hole.
pub(super) fn fill_section<'a>(
    words: &'a Words,
    section: &str,
    values: &BTreeMap<&str, String>,
) -> BTreeMap<&'a str, String> {
    let phrases = words.get(section).into_iter().flatten();
    phrases.filter_map(|(key, phrase)| Some((key.as_str(), fill(phrase, values)?))).collect()
}

/// Replaces each `{name}` in one pass, so that braces in a value mean nothing.
fn fill(phrase: &str, values: &BTreeMap<&str, String>) -> Option<String> {
    let mut filled = String::with_capacity(phrase.len() * 2);
    let mut rest = phrase;
    while let Some((before, after)) = rest.split_once('{') {
        let (name, behind) = after.split_once('}')?;
        filled.push_str(before);
        filled.push_str(values.get(name)?);
        rest = behind;
    }
    filled.push_str(rest);
    Some(filled)
}

/// The longest name that a mail shows, in characters.
const MAX_NAME: usize = 64;

/// The longest message of a person that a mail shows, in characters.
const MAX_MESSAGE: usize = 1000;

/// The most lines such a message is given: what we say ourselves must not be pushed out of sight.
const MAX_MESSAGE_LINES: usize = 30;

/// What a name shows of itself: one line of at most 64 characters, maybe none.
pub(super) fn short_name(value: &str) -> String {
    let name: String = one_line(value).chars().take(MAX_NAME).collect();
    name.trim_end().to_owned()
}

/// A message as its writer broke it, bounded, each line clean and at most one blank between two; maybe none.
pub(super) fn message_lines(value: &str) -> Vec<String> {
    let mut lines: Vec<String> = value.replace("\r\n", "\n").split(['\n', '\r']).map(one_line).collect();
    lines.dedup_by(|line, before| line.is_empty() && before.is_empty());
    let clean = lines.join("\n");
    let clean = clean.trim_matches('\n');
    let shown = match clean.char_indices().nth(MAX_MESSAGE) {
        Some(_) => clean.chars().take(MAX_MESSAGE - 1).chain(['…']).collect(),
        None => clean.to_owned(),
    };
    // The last piece is all that is left, and becomes one line.
    let lines = shown.splitn(MAX_MESSAGE_LINES, '\n').map(one_line);
    if shown.is_empty() { Vec::new() } else { lines.collect() }
}

/// Marks every line of a message in a text part, so that none can pass for a line of ours. A word that is
/// longer than a line is broken.
pub(super) fn quote(lines: &[String]) -> String {
    const MARK: &str = "> ";
    let room = TEXT_WIDTH - MARK.len();
    let mut quoted = String::new();
    for line in lines {
        let mut pieces = Vec::new();
        for word in line.split_whitespace() {
            let chars: Vec<char> = word.chars().collect();
            pieces.extend(chars.chunks(room).map(String::from_iter));
        }
        if pieces.is_empty() {
            quoted.push_str(MARK);
        }
        fold(&mut quoted, MARK, pieces.iter().map(String::as_str));
        quoted.push('\n');
    }
    quoted
}

/// One line of clean text: white space and control characters become single spaces, invisible direction
/// marks, which can make a name read as another one, go.
pub(super) fn one_line(value: &str) -> String {
    let hidden = |c: &char| matches!(c, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
    let visible: String =
        value.chars().filter(|c| !hidden(c)).map(|c| if c.is_control() { ' ' } else { c }).collect();
    visible.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Breaks the lines of a text part at spaces, keeps their indent, and leaves one blank line where a template
/// left several. A space that breaks no line, as before a French question mark, is part of its word.
pub(super) fn wrap(text: &str) -> String {
    let mut wrapped = String::with_capacity(text.len() + 64);
    let mut blank = true;
    for line in text.lines().map(str::trim_end) {
        if line.is_empty() {
            if !blank {
                wrapped.push('\n');
            }
            blank = true;
            continue;
        }
        blank = false;
        let indent = &line[..line.len() - line.trim_start().len()];
        fold(&mut wrapped, indent, line.split_ascii_whitespace());
        wrapped.push('\n');
    }
    wrapped.truncate(wrapped.trim_end().len());
    wrapped.push('\n');
    wrapped
}

/// Writes words with spaces between, and begins each line they need with `start`; ends none.
fn fold<'a>(text: &mut String, start: &str, words: impl Iterator<Item = &'a str>) {
    let mut column = 0;
    for word in words {
        let width = word.chars().count();
        if column > 0 && column + 1 + width <= TEXT_WIDTH {
            text.push(' ');
            column += 1;
        } else {
            if column > 0 {
                text.push('\n');
            }
            text.push_str(start);
            column = start.chars().count();
        }
        text.push_str(word);
        column += width;
    }
}
