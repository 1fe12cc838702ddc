//! Reads one section: takes each setting out, checks it, and notes what is wrong.
//!
//! A setting that is wrong still yields a value, a stand-in, so that reading goes on to the next problem. No
//! stand-in gets out: a configuration with problems is never handed over.

use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use secrecy::SecretString;
use serde::de::DeserializeOwned;
use toml::{Table, Value};

use super::names::is_printable;
use super::problems::{Problem, Problems, shown};

/// A setting that is one of a few words.
pub(super) trait Word: DeserializeOwned + Copy {
    /// The words as a person reads them, "a or b".
    const WORDS: &'static str;
    /// What stands in for a word that is none of them.
    const STAND_IN: Self;
}

/// One section while it is read.
pub(super) struct Reader<'a> {
    section: &'a str,
    table: Table,
    problems: &'a mut Problems,
}

impl<'a> Reader<'a> {
    pub(super) fn new(section: &'a str, table: Table, problems: &'a mut Problems) -> Self {
        Self { section, table, problems }
    }

    /// Ends reading. In a test, a setting that nobody read fails: it would be one that does nothing.
    pub(super) fn finish(self) {
        debug_assert!(self.table.is_empty(), "nobody reads {:?} of {}", self.table, self.section);
    }

    /// Leaves the rest unread.
    pub(super) fn skip(&mut self) {
        self.table.clear();
    }

    /// The full name of a key of this section.
    pub(super) fn path(&self, key: &str) -> String {
        format!("{}.{key}", self.section)
    }

    /// Whether nothing is wrong with `key` so far, so that its value is no stand-in.
    pub(super) fn is_unblamed(&self, key: &str) -> bool {
        let path = self.path(key);
        self.problems.as_slice().iter().all(|problem| problem.key != path)
    }

    /// Notes that `key` is not as `expected`. `found` is left out where it may not be printed.
    pub(super) fn blame(&mut self, key: &str, found: Option<String>, expected: impl Into<String>) {
        let path = self.path(key);
        let found = found.filter(|_| is_printable(&path));
        self.add(Problem::of(&path, found, expected));
    }

    /// Notes a problem that has a remedy of its own.
    pub(super) fn add(&mut self, problem: Problem) {
        self.problems.add(problem);
    }

    fn take(&mut self, key: &str) -> Option<Value> {
        let value = self.table.remove(key);
        if value.is_none() {
            self.blame(key, Some("(nothing)".to_owned()), "a value of its own");
        }
        value
    }

    /// A string as it is.
    pub(super) fn text(&mut self, key: &str) -> String {
        match self.take(key) {
            Some(Value::String(text)) => text,
            _ => String::new(),
        }
    }

    /// A secret as it is, perhaps empty.
    pub(super) fn secret(&mut self, key: &str) -> SecretString {
        self.text(key).into()
    }

    /// The name of a file; `None` if empty.
    pub(super) fn file(&mut self, key: &str) -> Option<PathBuf> {
        let text = self.text(key);
        (!text.is_empty()).then(|| PathBuf::from(text))
    }

    /// Notes that a file cannot be read, if there is one.
    pub(super) fn judge_file(&mut self, key: &str, file: Option<&Path>) {
        if let Some(file) = file
            && let Err(error) = std::fs::File::open(file)
        {
            let found = shown(&file.display().to_string());
            self.blame(key, Some(found), format!("a readable file ({error})"));
        }
    }

    /// True or false.
    pub(super) fn flag(&mut self, key: &str) -> bool {
        matches!(self.take(key), Some(Value::Boolean(true)))
    }

    /// A whole number of `unit` (empty for a bare count) in `range`.
    pub(super) fn number<N: TryFrom<i64> + Default>(
        &mut self,
        key: &str,
        range: RangeInclusive<i64>,
        unit: &str,
    ) -> N {
        let Some(Value::Integer(number)) = self.take(key) else { return N::default() };
        if !range.contains(&number) {
            let expected = format!("{} to {} {unit}", range.start(), range.end());
            self.blame(key, Some(number.to_string()), expected.trim_end());
        }
        N::try_from(number.clamp(*range.start(), *range.end())).unwrap_or_default()
    }

    /// One of a few words.
    pub(super) fn word<W: Word>(&mut self, key: &str) -> W {
        let Some(value) = self.take(key) else { return W::STAND_IN };
        let found = value.as_str().map(shown);
        value.try_into().unwrap_or_else(|_| {
            self.blame(key, found, W::WORDS);
            W::STAND_IN
        })
    }

    /// A string that `parse` understands; `None` after noting that it does not, or that there is none.
    pub(super) fn parsed<T>(
        &mut self,
        key: &str,
        expected: &str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Option<T> {
        let Some(Value::String(text)) = self.take(key) else { return None };
        let parsed = parse(&text);
        if parsed.is_none() {
            self.blame(key, Some(shown(&text)), expected);
        }
        parsed
    }

    /// A string that `accept` accepts.
    pub(super) fn checked(&mut self, key: &str, expected: &str, accept: impl Fn(&str) -> bool) -> String {
        self.parsed(key, expected, |text| accept(text).then(|| text.to_owned())).unwrap_or_default()
    }

    /// A list of strings that `parse` understands, without those that it does not: each of them is noted.
    pub(super) fn list<T>(&mut self, key: &str, expected: &str, parse: impl Fn(&str) -> Option<T>) -> Vec<T> {
        let Some(Value::Array(items)) = self.take(key) else { return Vec::new() };
        let mut list = Vec::with_capacity(items.len());
        for item in items.iter().filter_map(Value::as_str) {
            match parse(item) {
                Some(parsed) => list.push(parsed),
                None => self.blame(key, Some(shown(item)), expected),
            }
        }
        list
    }
}
