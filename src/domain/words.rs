//! Words for people: phrases of every language and the filling of them, and cleaning what strangers wrote.
//!
//! Nothing here knows a mail or a page, and nothing escapes: that is the HTML templates' part.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};

use chrono::{DateTime, Utc};

use super::Locale;

/// Section → key → phrase. Phrases are plain text with `{placeholders}`.
pub type Words = BTreeMap<String, BTreeMap<String, String>>;

/// A file of words is not TOML, or not phrases in sections.
#[derive(Debug, thiserror::Error)]
#[error("{file} cannot be read")]
pub struct WordsError {
    /// The file, as it was named.
    pub file: &'static str,
    /// What is wrong with it.
    pub source: Box<toml::de::Error>,
}

/// The words of every language.
#[derive(Debug)]
pub struct Phrases([Words; Locale::ALL.len()]);

impl Phrases {
    /// Reads the files of all languages, each a name and its content, in the order of [`Locale::ALL`].
    ///
    /// # Errors
    /// Names the first file that cannot be read.
    pub fn parse(files: [(&'static str, &str); Locale::ALL.len()]) -> Result<Self, WordsError> {
        let mut words = [const { Words::new() }; Locale::ALL.len()];
        for (parsed, (file, content)) in words.iter_mut().zip(files) {
            *parsed =
                toml::from_str(content).map_err(|source| WordsError { file, source: Box::new(source) })?;
        }
        Ok(Self(words))
    }

    /// The words of one language.
    #[must_use]
    pub fn of(&self, locale: Locale) -> &Words {
        // Every language is in the list, which its test holds; the first is the one that is always whole.
        let place = Locale::ALL.iter().position(|other| *other == locale);
        &self.0[place.unwrap_or_default()]
    }
}

/// An instant as a locale writes it; `pattern` is strftime.
///
/// # Errors
/// Where `pattern` is none.
pub fn format_time(when: &DateTime<Utc>, pattern: &str) -> Result<String, fmt::Error> {
    let mut shown = String::new();
    // Not `to_string`, which panics at a pattern that is not one.
    write!(shown, "{}", when.format(pattern))?;
    Ok(shown)
}

/// A section's phrases with their placeholders filled.
///
/// A phrase that wants a value that is not there is left out: a template that needs it then fails on an
/// undefined word, rather than to print a hole.
#[must_use]
pub fn fill_section<'a>(
    words: &'a Words,
    section: &str,
    values: &BTreeMap<&str, String>,
) -> BTreeMap<&'a str, String> {
    let phrases = words.get(section).into_iter().flatten();
    phrases.filter_map(|(key, phrase)| Some((key.as_str(), fill(phrase, values)?))).collect()
}

/// Replaces each `{name}` in one pass, so that braces in a value mean nothing; `None` if one has no value.
#[must_use]
pub fn fill(phrase: &str, values: &BTreeMap<&str, String>) -> Option<String> {
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

/// The longest name that is shown, in characters.
const MAX_NAME: usize = 64;

/// The longest message of a person that is shown, in characters.
const MAX_MESSAGE: usize = 1000;

/// The most lines such a message is given: what we say ourselves must not be pushed out of sight.
const MAX_MESSAGE_LINES: usize = 30;

/// What a name shows of itself: one line of at most 64 characters, maybe none.
#[must_use]
pub fn short_name(value: &str) -> String {
    let name: String = one_line(value).chars().take(MAX_NAME).collect();
    name.trim_end().to_owned()
}

/// A message as its writer broke it, bounded, each line clean and at most one blank between two; maybe none.
#[must_use]
pub fn message_lines(value: &str) -> Vec<String> {
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

/// One line of clean text: white space and control characters become single spaces, invisible direction
/// marks, which can make a name read as another one, go.
#[must_use]
pub fn one_line(value: &str) -> String {
    let hidden = |c: &char| matches!(c, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
    let visible: String =
        value.chars().filter(|c| !hidden(c)).map(|c| if c.is_control() { ' ' } else { c }).collect();
    visible.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// That all languages have the same keys with the same placeholders, and letters that are composed: some
    /// mail clients and fonts draw a combining accent beside its letter.
    pub(crate) fn assert_complete(phrases: &Phrases) {
        let outline = |words: &Words| -> Vec<(String, Vec<String>)> {
            let phrases = words.iter().flat_map(|(section, phrases)| {
                phrases.iter().map(move |(key, phrase)| (format!("{section}.{key}"), phrase))
            });
            phrases
                .map(|(key, phrase)| {
                    let names = phrase.split('{').skip(1).map(|rest| rest.split('}').next().unwrap());
                    let mut names: Vec<_> = names.map(str::to_owned).collect();
                    names.sort();
                    (key, names)
                })
                .collect()
        };
        for locale in Locale::ALL {
            let words = phrases.of(locale);
            let (ours, english) = (outline(words), outline(phrases.of(Locale::English)));
            for (ours, english) in ours.iter().zip(&english) {
                assert_eq!(ours, english, "{}", locale.tag());
            }
            assert_eq!(ours.len(), english.len(), "{}", locale.tag());
            for phrase in words.values().flat_map(BTreeMap::values) {
                assert!(!phrase.contains(|c| matches!(c, '\u{300}'..='\u{36f}')), "{phrase:?}");
                assert!(!phrase.trim().is_empty() && phrase.trim() == phrase, "{phrase:?}");
            }
        }
    }

    #[test]
    fn a_phrase_is_filled_once_and_wants_all_its_values() {
        let values = BTreeMap::from([("name", "{other}".to_owned())]);
        assert_eq!(fill("Hello {name}!", &values).as_deref(), Some("Hello {other}!"));
        assert_eq!(fill("Hello {other}", &values), None);
        assert_eq!(fill("no { end", &values), None);
    }

    #[test]
    fn each_language_has_its_own_file() {
        let files = Locale::ALL.map(|locale| ("file", format!("[a]\nb = \"{}\"", locale.tag())));
        let phrases = Phrases::parse(files.each_ref().map(|(file, text)| (*file, text.as_str()))).unwrap();
        for locale in Locale::ALL {
            assert_eq!(phrases.of(locale)["a"]["b"], locale.tag());
        }
    }
}
