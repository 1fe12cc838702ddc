//! Answers that are more than a body.

use poem_openapi::payload::Json;
use poem_openapi::{ApiResponse, Object};

use super::objects::{KeySet, SessionObject};
use crate::domain::Site;
use crate::flows::SignedIn;

/// Nothing to say but that it was taken.
#[derive(Debug, Object)]
pub(super) struct Empty {}

/// A session, with what operators look for in the headers.
#[derive(ApiResponse)]
pub(super) enum SessionAnswer {
    /// The session
    #[oai(status = 200)]
    Open(
        Json<SessionObject>,
        /// The account.
        #[oai(header = "sb-auth-user-id")]
        String,
        /// The session.
        #[oai(header = "sb-auth-session-id")]
        String,
        /// How often the session was refreshed.
        #[oai(header = "sb-auth-refresh-token-counter")]
        u32,
    ),
}

impl SessionAnswer {
    pub(super) fn of(site: &Site, signed_in: SignedIn) -> Self {
        let user = signed_in.user.id.0.to_string();
        let session = signed_in.session.to_string();
        let counter = signed_in.counter;
        Self::Open(Json(SessionObject::of(site, signed_in)), user, session, counter)
    }
}

/// Done, without a body.
#[derive(ApiResponse)]
pub(super) enum NoContent {
    /// Done
    #[oai(status = 204)]
    Done,
}

/// Public keys, which may be kept for a while.
#[derive(ApiResponse)]
pub(super) enum KeySetAnswer {
    /// The keys
    #[oai(status = 200)]
    Keys(
        Json<KeySet>,
        /// Ten minutes: a new key is published at least as long before it signs.
        #[oai(header = "Cache-Control")]
        String,
    ),
}

impl KeySetAnswer {
    pub(super) fn of(keys: KeySet) -> Self {
        Self::Keys(Json(keys), "public, max-age=600".to_owned())
    }
}
