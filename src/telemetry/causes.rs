//! An error in the words of all that it came from.
//!
//! "The code store is unavailable" is half of the news: what it came from says whether for want of a connection, of an answer
//! in time, or because it is left alone for a moment. Of an error that is given to the log as one, JSON lines leave that out.

use std::error::Error;
use std::fmt;

/// See the module.
pub(crate) struct Causes<'a>(&'a dyn Error);

/// What to write to the log of an error.
pub(crate) fn causes(error: &dyn Error) -> Causes<'_> {
    Causes(error)
}

impl fmt::Display for Causes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut said = self.0.to_string();
        f.write_str(&said)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            let words = error.to_string();
            // Some say what came from their cause as their own.
            if !said.ends_with(&words) {
                write!(f, ": {words}")?;
            }
            said = words;
            cause = error.source();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Error, ErrorKind};

    use super::*;
    use crate::ports::{Dependency, PortError};

    #[derive(Debug, thiserror::Error)]
    #[error("not now: {0}")]
    struct Repeats(#[source] PortError);

    #[test]
    fn an_error_is_told_with_what_it_came_from_and_each_once() {
        let error = PortError::unavailable(Dependency::CodeStore, Error::from(ErrorKind::TimedOut));
        assert_eq!(causes(&error).to_string(), "the code store is unavailable: timed out");
        assert_eq!(causes(&Repeats(error)).to_string(), "not now: the code store is unavailable: timed out");
    }
}
