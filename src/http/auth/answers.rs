//! Answers that are more than a body.

use poem_openapi::payload::Json;
use poem_openapi::{ApiResponse, Object, Union};

use super::objects::{KeySet, SessionObject};
use crate::domain::Site;
use crate::domain::signing_key::KEY_SET_LIFE;
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

/// What a proof led to.
#[derive(Debug, Union)]
#[oai(one_of)]
#[expect(clippy::large_enum_variant, reason = "it lives for one answer")]
pub(super) enum Verified {
    /// A session.
    Session(SessionObject),
    /// One of the two codes of a change of address.
    Halfway(HalfwayObject),
}

/// One of the two codes of a change of address was taken; the other is still to come.
#[derive(Debug, Object)]
#[oai(rename = "EmailChangeHalfway")]
pub(super) struct HalfwayObject {
    /// Always `200`, as a text.
    code: String,
    /// For people.
    msg: String,
}

/// A session, or word that another code is to come.
#[derive(ApiResponse)]
pub(super) enum VerifyAnswer {
    /// The session; or, for the first of two codes of a change of address, that it was taken
    #[oai(status = 200)]
    Taken(
        Json<Verified>,
        /// The account, with a session.
        #[oai(header = "sb-auth-user-id")]
        Option<String>,
        /// The session.
        #[oai(header = "sb-auth-session-id")]
        Option<String>,
        /// How often the session was refreshed.
        #[oai(header = "sb-auth-refresh-token-counter")]
        Option<u32>,
    ),
}

impl VerifyAnswer {
    pub(super) fn session(site: &Site, signed_in: SignedIn) -> Self {
        let user = signed_in.user.id.0.to_string();
        let session = signed_in.session.to_string();
        let counter = signed_in.counter;
        let object = SessionObject::of(site, signed_in);
        Self::Taken(Json(Verified::Session(object)), Some(user), Some(session), Some(counter))
    }

    pub(super) fn halfway() -> Self {
        // The words are the wire's, and so is the code, which is a text.
        let object = HalfwayObject {
            code: "200".to_owned(),
            msg: "Confirmation link accepted. Please proceed to confirm link sent to the other email"
                .to_owned(),
        };
        Self::Taken(Json(Verified::Halfway(object)), None, None, None)
    }
}

/// Elsewhere.
#[derive(ApiResponse)]
pub(super) enum Redirect {
    /// To the page that asks
    #[oai(status = 303)]
    SeeOther(
        /// The page.
        #[oai(header = "Location")]
        String,
    ),
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
        Self::Keys(Json(keys), format!("public, max-age={}", KEY_SET_LIFE.as_secs()))
    }
}
