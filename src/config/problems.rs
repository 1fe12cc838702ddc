//! What is wrong with a configuration, said all at once.
//!
//! Whoever starts a server wants to correct it once and not once per mistake, so nothing here stops at the
//! first. Values of secrets never get this far: the callers leave `found` empty for them.

use std::fmt;

use super::names::variable;

/// One thing to correct.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The setting, as `codes.ttl_secs`; or the environment variable or the file, where no setting is meant.
    pub key: String,
    /// The value as it was found. `None` where there is none, and always for a secret.
    pub found: Option<String>,
    /// What would be accepted, with range and unit.
    pub expected: String,
    /// What to do.
    pub remedy: String,
}

impl Problem {
    /// A problem with the value of `key`, which the usual two places correct.
    pub(super) fn of(key: &str, found: Option<String>, expected: impl Into<String>) -> Self {
        let remedy = format!("set it in the file or as {}", variable(key));
        Self { key: key.to_owned(), found, expected: expected.into(), remedy }
    }

    /// The same problem with another way out than to set the key itself.
    pub(super) fn remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = remedy.into();
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.key)?;
        if let Some(found) = &self.found {
            write!(f, " = {found}")?;
        }
        write!(f, ": expected {}; {}", self.expected, self.remedy)
    }
}

/// Everything that is wrong with a configuration, in the order in which it was found: layers, values, how
/// values fit together, and what production refuses.
#[derive(Clone, Debug, Default)]
pub struct Problems {
    list: Vec<Problem>,
    /// How many of them earlier rounds found.
    earlier: usize,
}

impl Problems {
    /// The problems in the order in which they were found.
    #[must_use]
    pub fn as_slice(&self) -> &[Problem] {
        &self.list
    }

    /// Notes a problem, unless an earlier round already found fault with its key: then the value that is
    /// judged now is a stand-in, and a second complaint about it would mislead.
    pub(super) fn add(&mut self, problem: Problem) {
        if self.is_sound(&problem.key) {
            self.list.push(problem);
        }
    }

    /// Whether no earlier round found fault with `key`.
    pub(super) fn is_sound(&self, key: &str) -> bool {
        self.list[..self.earlier].iter().all(|problem| problem.key != key)
    }

    /// Starts a round of judging; see [`Problems::add`].
    pub(super) fn next_round(&mut self) {
        self.earlier = self.list.len();
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.list.len() {
            1 => f.write_str("1 problem in the configuration:")?,
            count => write!(f, "{count} problems in the configuration:")?,
        }
        self.list.iter().try_for_each(|problem| write!(f, "\n  {problem}"))
    }
}

impl std::error::Error for Problems {}

/// A string value in a form fit for printing: quoted, on one line, short, and without the password of a URL.
pub(super) fn shown(text: &str) -> String {
    /// Enough to recognise a value by.
    const LONGEST: usize = 80;
    let mut masked = match (text.find("://"), text.rfind('@')) {
        (Some(scheme), Some(at)) if scheme < at => format!("{}://***{}", &text[..scheme], &text[at..]),
        _ => text.to_owned(),
    };
    if let Some((end, _)) = masked.char_indices().nth(LONGEST) {
        masked.truncate(end);
        masked.push('…');
    }
    format!("{masked:?}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_names_key_value_range_and_remedy() {
        let problem = Problem::of("codes.ttl_secs", Some("5".into()), "60 to 600 seconds");
        assert_eq!(
            problem.to_string(),
            "codes.ttl_secs = 5: expected 60 to 600 seconds; \
             set it in the file or as DOORCODE__CODES__TTL_SECS"
        );
    }

    #[test]
    fn problems_are_counted_and_listed() {
        let mut problems = Problems::default();
        problems.add(Problem::of("a.b", None, "x"));
        assert!(problems.to_string().starts_with("1 problem in the configuration:\n  a.b: expected x; "));
        problems.add(Problem::of("a.c", None, "y"));
        assert!(problems.to_string().starts_with("2 problems in the configuration:\n"));
        assert_eq!(problems.to_string().lines().count(), 3);
    }

    #[test]
    fn a_key_that_an_earlier_round_blamed_is_not_blamed_again() {
        let mut problems = Problems::default();
        problems.add(Problem::of("a.b", None, "x"));
        problems.add(Problem::of("a.b", None, "also x"));
        problems.next_round();
        problems.add(Problem::of("a.b", None, "y"));
        assert_eq!(problems.as_slice().len(), 2);
    }

    #[test]
    fn a_shown_value_is_short_one_line_and_without_a_url_password() {
        assert_eq!(shown("https://ada:secret@example.org/x"), "\"https://***@example.org/x\"");
        assert_eq!(shown("a\nb"), "\"a\\nb\"");
        assert!(shown(&"é".repeat(500)).chars().count() < 90);
    }
}
