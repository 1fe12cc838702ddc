//! Everything outside the process, addressed in domain types.
//!
//! A port knows one dependency and nothing of the others, of the flows or of HTTP. It says whether a failure is
//! the dependency's ([`PortError::Unavailable`]: try again later, nothing was lost) or ours.

pub mod clock;
pub mod codes;
pub mod db;
pub mod limits;
pub mod mail;
pub mod refusals;
pub mod roster;
pub mod tokens;

use std::error::Error;
use std::fmt;

/// What the server leans on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dependency {
    /// PostgreSQL: accounts, sessions, keys, audit.
    Database,
    /// Redis or the in-process store: codes, limits, the mail queue.
    CodeStore,
    /// The mail server.
    Mail,
}

impl fmt::Display for Dependency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Database => "database",
            Self::CodeStore => "code store",
            Self::Mail => "mail server",
        })
    }
}

/// A port could not do its work.
#[derive(Debug, thiserror::Error)]
pub enum PortError {
    /// The dependency did not answer, or said that it cannot now. Worth another try.
    #[error("the {dependency} is unavailable")]
    Unavailable {
        /// Which one.
        dependency: Dependency,
        /// What it said.
        source: Box<dyn Error + Send + Sync>,
    },
    /// The dependency answered, and not as our code expects: a mistake of ours, or data changed behind us.
    #[error("the {dependency} gave an unexpected answer")]
    Unexpected {
        /// Which one.
        dependency: Dependency,
        /// What it said.
        source: Box<dyn Error + Send + Sync>,
    },
}

impl PortError {
    pub(crate) fn unavailable(
        dependency: Dependency,
        source: impl Into<Box<dyn Error + Send + Sync>>,
    ) -> Self {
        Self::Unavailable { dependency, source: source.into() }
    }

    pub(crate) fn unexpected(
        dependency: Dependency,
        source: impl Into<Box<dyn Error + Send + Sync>>,
    ) -> Self {
        Self::Unexpected { dependency, source: source.into() }
    }

    /// Whether a later try may succeed.
    #[must_use]
    pub fn is_unavailable(&self) -> bool {
        matches!(self, Self::Unavailable { .. })
    }
}
