//! The errors of the admin API, and what its document says of them.

use poem::http::StatusCode;
use poem_openapi::ApiResponse;
use poem_openapi::registry::{MetaResponses, Registry};

use crate::domain::Scope;
use crate::flows::AdminError;
use crate::http::Problem;
use crate::http::library::described;

/// A problem of this API.
#[derive(Debug)]
pub(super) struct AdminProblem(Problem);

impl<E: Into<Problem>> From<E> for AdminProblem {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl From<AdminProblem> for poem::Error {
    fn from(problem: AdminProblem) -> Self {
        problem.0.into()
    }
}

impl ApiResponse for AdminProblem {
    fn meta() -> MetaResponses {
        described(&[
            (400, "The request cannot be read"),
            (401, "No service key, or one that is unknown, revoked or past its end"),
            (403, "The key's scope does not reach so far"),
            (404, "There is no such thing"),
            (409, "The state does not allow this"),
            (412, "Somebody else has changed it: read it again"),
            (413, "The body is larger than the limit"),
            (422, "A value is out of its bounds, or a field is not described; `field` names it"),
            (428, "If-Match is missing"),
            (500, "A mistake of ours; it has been logged"),
            (503, "Something the server needs is down; Retry-After says when to try again"),
            (504, "The request took too long"),
        ])
    }

    fn register(registry: &mut Registry) {
        crate::http::library::register_problem(registry);
    }
}

impl From<AdminError> for Problem {
    fn from(error: AdminError) -> Self {
        match error {
            AdminError::UnknownKey => Self::new(
                StatusCode::UNAUTHORIZED,
                "invalid_service_key",
                "The service key is unknown, revoked or past its end: make another with `doorcode service-key create`",
            ),
            AdminError::KeyReused => Self::new(
                StatusCode::CONFLICT,
                "idempotency_key_reused",
                "Another request was sent under this Idempotency-Key: use a new one for each thing to create",
            ),
            AdminError::NoSuchAccount(field) => Self {
                field: Some(field.into()),
                ..Self::new(
                    StatusCode::UNPROCESSABLE_ENTITY,
                    "no_such_account",
                    "There is no account of this id or address: its owner has to sign in once, or make it first",
                )
            },
            AdminError::AccountExists => Self::new(
                StatusCode::CONFLICT,
                "account_exists",
                "Another account has this address or this id: look for it and change that one",
            ),
            AdminError::Token(error) => error.into(),
            AdminError::NotAdministrator => Self::new(StatusCode::FORBIDDEN, "not_admin", "User not allowed"),
            AdminError::SessionOver => {
                Self::new(StatusCode::FORBIDDEN, "session_expired", "The session of this token is over")
            }
            AdminError::LinksOff => Self::new(
                StatusCode::FORBIDDEN,
                "feature_disabled",
                "This server does not hand out codes and links: its owner can allow it with admin.generate_link",
            ),
            AdminError::Mail(error) => error.into(),
            AdminError::Scope(scope) => insufficient_scope(scope),
            AdminError::AppMetadata(error) => Self {
                field: Some("app_metadata".into()),
                ..Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_value", error.to_string())
            },
            AdminError::Metadata(error) => Self {
                field: Some("user_metadata".into()),
                ..Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_value", error.to_string())
            },
            AdminError::Email(error) => Self {
                field: Some("email".into()),
                ..Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_value", error.to_string())
            },
            AdminError::Act(error) => error.into(),
            AdminError::Field(error) => error.into(),
            AdminError::Unavailable(error) => error.into(),
        }
    }
}

/// The caller may do less than this needs.
pub(in crate::http) fn insufficient_scope(needed: Scope) -> Problem {
    let needed = needed.as_str();
    Problem::new(
        StatusCode::FORBIDDEN,
        "insufficient_scope",
        format!("This needs a service key of the scope {needed}"),
    )
}
