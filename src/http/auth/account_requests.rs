//! What clients send about sessions and accounts that exist.

use std::collections::HashMap;

use poem::http::StatusCode;
use poem_openapi::Object;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::requests::{given, read_challenge};
use crate::domain::{EmailAddress, SignInCode, UserMetadata};
use crate::http::Problem;

/// What a session is continued or opened with.
#[derive(Debug, Deserialize, Object)]
pub(super) struct TokenBody {
    /// For `refresh_token`: the newest one of the session, or the one before it.
    refresh_token: Option<String>,
    /// For `pkce`: the code that a mailed link ended in.
    auth_code: Option<String>,
    /// For `pkce`: what the code challenge was made from.
    code_verifier: Option<String>,
}

/// A [`TokenBody`] that was found in order.
pub(super) enum Grant {
    Refresh(String),
    AuthCode { code: String, verifier: String },
}

impl TokenBody {
    pub(super) fn read(self, grant_type: Option<&str>) -> Result<Grant, Problem> {
        match grant_type {
            Some("refresh_token") => given(self.refresh_token)
                .map(Grant::Refresh)
                .ok_or_else(|| Problem::invalid("refresh_token required")),
            Some("pkce") => given(self.auth_code)
                .zip(given(self.code_verifier))
                .map(|(code, verifier)| Grant::AuthCode { code, verifier })
                .ok_or_else(|| {
                    Problem::invalid("invalid request: both auth code and code verifier should be non-empty")
                }),
            _ => Err(Problem::new(StatusCode::BAD_REQUEST, "invalid_credentials", "unsupported_grant_type")),
        }
    }
}

/// A change of one's account.
#[derive(Debug, Deserialize, Object)]
pub(super) struct UpdateUserBody {
    /// Merged into the user metadata; a null removes a field.
    data: Option<HashMap<String, Value>>,
    /// An address to have in place of the present one: a code goes to each of the two.
    email: Option<String>,
    /// There are no passwords here.
    password: Option<String>,
    /// There are no phones here.
    phone: Option<String>,
    /// For administrators only.
    app_metadata: Option<Value>,
    /// PKCE challenge, only together with its method. The codes of a change are typed, so no verifier is asked for.
    code_challenge: Option<String>,
    /// `s256` or `plain`.
    code_challenge_method: Option<String>,
}

/// An [`UpdateUserBody`] that was found in order.
pub(super) struct UserChanges {
    /// To be merged. `None` if only the address is to change.
    pub(super) metadata: Option<UserMetadata>,
    pub(super) email: Option<EmailAddress>,
}

impl UpdateUserBody {
    pub(super) fn read(self) -> Result<UserChanges, Problem> {
        read_challenge(self.code_challenge.as_deref(), self.code_challenge_method.as_deref())?;
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
        let email = given(self.email).map(|email| EmailAddress::parse(&email)).transpose()?;
        let metadata = match self.data {
            None if email.is_some() => None,
            data => Some(UserMetadata::parse(data.map(Map::from_iter).unwrap_or_default())?),
        };
        Ok(UserChanges { metadata, email })
    }
}

/// A wish to delete one's account.
#[derive(Debug, Deserialize, Object)]
pub(super) struct DeleteUserBody {
    /// The code that was mailed for this.
    token: Option<String>,
}

impl DeleteUserBody {
    /// The code; nothing where the text cannot be one.
    pub(super) fn read(self) -> Result<Option<SignInCode>, Problem> {
        let token = given(self.token)
            .ok_or_else(|| Problem::invalid("token is required: ask for a code at /user/deletion-code"))?;
        Ok(SignInCode::parse(&token))
    }
}
