//! What clients send about sessions and accounts that exist.

use std::collections::HashMap;

use poem::http::StatusCode;
use poem_openapi::Object;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::requests::given;
use crate::domain::UserMetadata;
use crate::http::Problem;

/// A refresh token.
#[derive(Debug, Deserialize, Object)]
pub(super) struct RefreshBody {
    /// The newest one of the session, or the one before it.
    refresh_token: Option<String>,
}

impl RefreshBody {
    pub(super) fn read(self, grant_type: Option<&str>) -> Result<String, Problem> {
        if grant_type != Some("refresh_token") {
            return Err(Problem::new(
                StatusCode::BAD_REQUEST,
                "invalid_credentials",
                "unsupported_grant_type",
            ));
        }
        given(self.refresh_token).ok_or_else(|| Problem::invalid("refresh_token required"))
    }
}

/// A change of one's account.
#[derive(Debug, Deserialize, Object)]
pub(super) struct UpdateUserBody {
    /// Merged into the user metadata; a null removes a field.
    data: Option<HashMap<String, Value>>,
    /// Not supported yet.
    email: Option<String>,
    /// There are no passwords here.
    password: Option<String>,
    /// There are no phones here.
    phone: Option<String>,
    /// For administrators only.
    app_metadata: Option<Value>,
}

impl UpdateUserBody {
    pub(super) fn read(self) -> Result<UserMetadata, Problem> {
        if self.app_metadata.is_some() {
            return Err(Problem::new(StatusCode::FORBIDDEN, "not_admin", "User not allowed"));
        }
        let refused =
            |what: &'static str| Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "validation_failed", what);
        if given(self.password).is_some() {
            return Err(refused("Accounts here have no password: people sign in with a code sent by email"));
        }
        if given(self.phone).is_some() {
            return Err(refused("Accounts here have no phone number"));
        }
        if given(self.email).is_some() {
            return Err(refused("The email address of an account cannot be changed here yet"));
        }
        Ok(UserMetadata::parse(self.data.map(Map::from_iter).unwrap_or_default())?)
    }
}
