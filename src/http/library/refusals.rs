//! What acting in a library can be refused for, and the database with it: status, stable code, words.

use poem::http::StatusCode;

use crate::flows::{AccountError, LibraryError};
use crate::http::problem::{Problem, no_session};
use crate::ports::db::ActError;

impl From<LibraryError> for Problem {
    fn from(error: LibraryError) -> Self {
        match error {
            LibraryError::Token(error) => error.into(),
            LibraryError::NoUser => AccountError::NoUser.into(),
            LibraryError::NoSession => no_session(),
            LibraryError::Banned => AccountError::Banned.into(),
            LibraryError::Act(error) => error.into(),
            LibraryError::Field(error) => error.into(),
            LibraryError::Unavailable(error) => error.into(),
        }
    }
}

impl From<ActError> for Problem {
    fn from(error: ActError) -> Self {
        let conflict = |code, message: String| Self::new(StatusCode::CONFLICT, code, message);
        match error {
            ActError::Missing => {
                Self::new(StatusCode::NOT_FOUND, "not_found", "There is nothing there that you may see")
            }
            ActError::Stale => Self::new(
                StatusCode::PRECONDITION_FAILED,
                "stale_version",
                "Somebody has changed this since you read it: read it again and repeat your change",
            ),
            ActError::Refused => Self::forbidden("forbidden", "Your role does not allow this"),
            ActError::LastOwner => conflict(
                "last_owner",
                "The library would be left without an active owner: make somebody else an owner first"
                    .to_owned(),
            ),
            ActError::IllegalState(state) => {
                conflict("illegal_state", format!("This cannot be done any more, or not yet: {state}"))
            }
            ActError::Duplicate => conflict(
                "already_exists",
                "There is one already that has not ended: look at the list".to_owned(),
            ),
            ActError::OutOfBounds(rule) => Self {
                field: Some(rule.into()),
                ..Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_value", "A value is out of its bounds")
            },
            ActError::Failed(error) => error.into(),
        }
    }
}
