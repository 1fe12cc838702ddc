//! Who may pass to which path of a site behind a proxy: the rules, and how a path is read.
//!
//! A path is read once, strictly. Whatever the proxy or the application behind it might read in another way is
//! refused here, so that nobody walks round a rule by spelling a path differently.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

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

/// Longest path and query that is read, in octets: as much as proxies take.
const MAX_TARGET: usize = 8192;

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

/// A path with its query as a client asked for it, read.
#[derive(Clone, PartialEq, Eq)]
pub struct Target {
    text: String,
    segments: Vec<String>,
}

/// Why a path was not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// It does not begin with a slash, or is too long.
    #[error("not a path")]
    NotAPath,
    /// An application might read it as another path than we do.
    #[error("a path that can be read in two ways")]
    Ambiguous,
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

impl Target {
    /// Reads the path and query of a request line.
    ///
    /// A slash at the end makes no difference. Refused is what applications are known to read in different ways: empty and
    /// dot segments, encoded slashes, backslashes, control characters, parameters of a segment (`;`), what is still encoded
    /// after decoding once, and octets that are no UTF-8.
    ///
    /// # Errors
    /// A [`TargetError`].
    pub fn parse(text: &str) -> Result<Self, TargetError> {
        let path = text.split('?').next().unwrap_or_default();
        let inside =
            path.strip_prefix('/').filter(|_| text.len() <= MAX_TARGET).ok_or(TargetError::NotAPath)?;
        let inside = match inside.strip_suffix('/') {
            // `//` is not the root.
            Some("") => return Err(TargetError::Ambiguous),
            Some(before) => before,
            None => inside,
        };
        let decode = |raw| decode(raw).filter(|segment| is_plain(segment)).ok_or(TargetError::Ambiguous);
        let segments = if inside.is_empty() {
            Vec::new()
        } else {
            inside.split('/').map(decode).collect::<Result<_, _>>()?
        };
        Ok(Self { text: text.to_owned(), segments })
    }

    /// The path and query as they were asked for.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

// A query may hold a secret.
impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Target").field("segments", &self.segments.len()).finish_non_exhaustive()
    }
}

/// Whether a decoded segment can be read in one way only.
fn is_plain(segment: &str) -> bool {
    let unfit = |c: char| c.is_control() || matches!(c, '/' | '\\' | ';' | '?' | '#');
    // `.`, `..`, and what becomes one of them where a system drops spaces and dots at the end of a name.
    let dots = segment.chars().all(|c| c == '.' || c.is_whitespace());
    !(dots || segment.contains(unfit) || segment.trim() != segment || has_escape(segment))
}

/// Whether something is encoded in it: after one decoding, only where it was encoded twice.
fn has_escape(text: &str) -> bool {
    let hex = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_hexdigit);
    let bytes = text.as_bytes();
    (0..bytes.len()).any(|at| bytes[at] == b'%' && hex(bytes.get(at + 1)) && hex(bytes.get(at + 2)))
}

/// Takes the percent-encoding off; `None` where it is broken or does not make text (RFC 3986 §2.1).
fn decode(raw: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(raw.len());
    let mut rest = raw.bytes();
    while let Some(byte) = rest.next() {
        let decoded = match byte {
            b'%' => {
                let digit = |byte: Option<u8>| byte.and_then(|byte| char::from(byte).to_digit(16));
                let (high, low) = (digit(rest.next())?, digit(rest.next())?);
                u8::try_from(high * 16 + low).ok()?
            }
            plain => plain,
        };
        bytes.push(decoded);
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests;
