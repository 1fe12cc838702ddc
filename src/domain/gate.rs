//! Who may pass to which path of a site behind a proxy: the rules. `target` reads the paths.

mod target;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use self::target::is_plain;
pub use self::target::{Target, TargetError};

/// The names of what staff may do, as the database has them; which role may do what is said there alone.
pub const PERMISSIONS: [&str; 7] = [
    "manage_members",
    "manage_inventory",
    "process_loans",
    "manage_staff",
    "admin_settings",
    "manage_catalog",
    "view_reports",
];

/// The rules of one site: the first whose pattern matches decides; where none does, a session is needed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Gate {
    rules: Vec<Rule>,
}

/// One line: a demand and the paths it is made for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    demand: Demand,
    pattern: Pattern,
}

/// What whoever asks must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Demand {
    /// Anybody.
    Public,
    /// Somebody with a session of the site.
    SignedIn,
    /// Staff of any library.
    Staff,
    /// Staff of the library that the path names.
    Library,
    /// Staff who may do this: at the library that the path names, or else at any.
    Permission(&'static str),
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Pattern {
    segments: Vec<Segment>,
    /// Whatever follows matches too.
    and_below: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Segment {
    Literal(String),
    Any,
    Library,
}

/// Why a line is no rule. The text says what one is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RuleError {
    /// Not two words.
    #[error("a demand and a path pattern with a space between, such as \"signed_in /profile/**\"")]
    Form,
    /// The first word is no demand.
    #[error(
        "a line that begins with public, signed_in, staff, library or permission:NAME, with NAME one of manage_members, \
         manage_inventory, process_loans, manage_staff, admin_settings, manage_catalog, view_reports"
    )]
    Demand,
    /// The second word is no pattern.
    #[error(
        "a path of plain segments as a browser shows them, * for one segment, {{library}} once for a library's code, and \
         ** at the end for any rest; no slash at the end"
    )]
    Pattern,
    /// `library` is about a library that the pattern does not name.
    #[error("a pattern with {{library}} in it, because the demand is about that library")]
    NoLibrary,
}

/// What a rule demands for one path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Required<'a> {
    /// What whoever asks must be.
    pub demand: Demand,
    /// The library that the path names, if the rule has it.
    pub library: Option<&'a str>,
}

/// What somebody may do at which library: codes and names of permissions. Empty for whoever is no staff.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StaffRights(pub BTreeMap<String, BTreeSet<String>>);

/// Whether somebody may pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Yes.
    Pass,
    /// Not without a session.
    SignIn,
    /// Not without being staff somewhere.
    NotStaff,
    /// Not with the rights they have.
    Refused,
}

impl Gate {
    /// The rules in the order in which they are tried.
    #[must_use]
    pub fn new(rules: Vec<Rule>) -> Self {
        Self { rules }
    }

    /// The rules, in order.
    pub fn rules(&self) -> impl Iterator<Item = &Rule> {
        self.rules.iter()
    }

    /// What is demanded for a path.
    #[must_use]
    pub fn required<'a>(&self, target: &'a Target) -> Required<'a> {
        self.rules.iter().find(|rule| rule.pattern.matches(&target.segments)).map_or(
            Required { demand: Demand::SignedIn, library: None },
            |rule| Required { demand: rule.demand, library: rule.pattern.library_in(&target.segments) },
        )
    }
}

impl Rule {
    /// Reads a line, "DEMAND PATTERN".
    ///
    /// # Errors
    /// A [`RuleError`] that says what was expected.
    pub fn parse(line: &str) -> Result<Self, RuleError> {
        let mut words = line.split_ascii_whitespace();
        let (Some(demand), Some(pattern), None) = (words.next(), words.next(), words.next()) else {
            return Err(RuleError::Form);
        };
        let demand = Demand::parse(demand).ok_or(RuleError::Demand)?;
        let pattern = Pattern::parse(pattern).ok_or(RuleError::Pattern)?;
        if demand == Demand::Library && !pattern.segments.contains(&Segment::Library) {
            return Err(RuleError::NoLibrary);
        }
        Ok(Self { demand, pattern })
    }

    /// Whether only staff can meet it.
    #[must_use]
    pub fn is_for_staff(&self) -> bool {
        !matches!(self.demand, Demand::Public | Demand::SignedIn)
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.demand {
            Demand::Public => f.write_str("public ")?,
            Demand::SignedIn => f.write_str("signed_in ")?,
            Demand::Staff => f.write_str("staff ")?,
            Demand::Library => f.write_str("library ")?,
            Demand::Permission(name) => write!(f, "permission:{name} ")?,
        }
        for segment in &self.pattern.segments {
            match segment {
                Segment::Literal(text) => write!(f, "/{text}")?,
                Segment::Any => f.write_str("/*")?,
                Segment::Library => f.write_str("/{library}")?,
            }
        }
        match (self.pattern.and_below, self.pattern.segments.is_empty()) {
            (true, _) => f.write_str("/**"),
            (false, true) => f.write_str("/"),
            (false, false) => Ok(()),
        }
    }
}

impl Demand {
    fn parse(word: &str) -> Option<Self> {
        Some(match word {
            "public" => Self::Public,
            "signed_in" => Self::SignedIn,
            "staff" => Self::Staff,
            "library" => Self::Library,
            _ => {
                let name = word.strip_prefix("permission:")?;
                Self::Permission(PERMISSIONS.into_iter().find(|known| *known == name)?)
            }
        })
    }
}

impl Required<'_> {
    /// Whether somebody with these rights may pass; `None` is nobody that we know.
    #[must_use]
    pub fn judge(&self, rights: Option<&StaffRights>) -> Verdict {
        if self.demand == Demand::Public {
            return Verdict::Pass;
        }
        let Some(StaffRights(rights)) = rights else { return Verdict::SignIn };
        let at_library = self.library.and_then(|code| rights.get(code));
        let may = match self.demand {
            Demand::Public | Demand::SignedIn => return Verdict::Pass,
            Demand::Staff => !rights.is_empty(),
            Demand::Library => at_library.is_some(),
            Demand::Permission(name) if self.library.is_some() => {
                at_library.is_some_and(|permissions| permissions.contains(name))
            }
            Demand::Permission(name) => rights.values().any(|permissions| permissions.contains(name)),
        };
        match (may, rights.is_empty()) {
            (true, _) => Verdict::Pass,
            (false, true) => Verdict::NotStaff,
            (false, false) => Verdict::Refused,
        }
    }
}

impl Pattern {
    fn parse(text: &str) -> Option<Self> {
        let rest = text.strip_prefix('/')?;
        let (rest, and_below) = match rest.strip_suffix("**") {
            Some(before) => (before.strip_suffix('/').or(before.is_empty().then_some(""))?, true),
            None => (rest, false),
        };
        let mut segments = Vec::new();
        for word in rest.split('/').filter(|_| !rest.is_empty()) {
            segments.push(match word {
                "*" => Segment::Any,
                "{library}" if segments.contains(&Segment::Library) => return None,
                "{library}" => Segment::Library,
                // What no path can be read as would be a rule that never holds.
                _ if word.contains(['*', '{', '}', '%']) || !is_plain(word) => return None,
                _ => Segment::Literal(word.to_owned()),
            });
        }
        Some(Self { segments, and_below })
    }

    fn matches(&self, path: &[String]) -> bool {
        let is_as_long = path.len() == self.segments.len();
        let is_longer = path.len() > self.segments.len();
        (is_as_long || (is_longer && self.and_below))
            && self.segments.iter().zip(path).all(|(wanted, segment)| match wanted {
                Segment::Literal(text) => text == segment,
                Segment::Any | Segment::Library => true,
            })
    }

    /// The library that a path which matches names.
    fn library_in<'a>(&self, path: &'a [String]) -> Option<&'a str> {
        let place = self.segments.iter().position(|segment| *segment == Segment::Library)?;
        path.get(place).map(String::as_str)
    }
}

#[cfg(test)]
mod tests;
