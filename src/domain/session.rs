//! Sessions and refresh tokens: their form and their limits.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::keys::{KeyRing, MAC_LENGTH};

/// Names one sign-in on one site; constant across refreshes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SessionId(pub Uuid);

/// In front of every refresh token, so that secret scanners recognise a leaked one.
const PREFIX: &str = "dcrt_";
/// Format of the bytes that follow. Another format gets another number, and both are read for a while.
const VERSION: u8 = 1;
/// Version, session, counter, MAC.
const LENGTH: usize = 1 + 16 + 4 + MAC_LENGTH;

/// What a refresh token says once its MAC was found to be ours.
///
/// There is no table of refresh tokens. A session row holds a counter, and a token proves that we once handed out
/// this counter for this session on this site; the key for that never enters the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RefreshToken {
    /// The session it continues.
    pub session: SessionId,
    /// How many refreshes had happened when it was handed out.
    pub counter: u32,
}

/// Why a refresh token was refused before any I/O.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RefreshTokenError {
    /// Not of our form.
    #[error("the refresh token is malformed")]
    Malformed,
    /// Of our form, but not made by us for this site.
    #[error("the refresh token was not issued here")]
    Unknown,
}

impl RefreshToken {
    /// The opaque text for clients of `site`.
    #[must_use]
    pub fn encode(&self, site: &str, keys: &KeyRing) -> String {
        let mut bytes = [0; LENGTH];
        bytes[0] = VERSION;
        bytes[1..17].copy_from_slice(self.session.0.as_bytes());
        bytes[17..21].copy_from_slice(&self.counter.to_be_bytes());
        bytes[21..].copy_from_slice(&keys.refresh_mac(site, self.session, self.counter));
        format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes))
    }

    /// Reads a token that a client of `site` presents.
    ///
    /// # Errors
    /// [`RefreshTokenError::Malformed`] for anything but our form, [`RefreshTokenError::Unknown`] where the MAC is
    /// not ours, which a token of another site is not.
    pub fn parse(text: &str, site: &str, keys: &KeyRing) -> Result<Self, RefreshTokenError> {
        let encoded = text.strip_prefix(PREFIX).ok_or(RefreshTokenError::Malformed)?;
        // Length first: nothing is decoded for a text that cannot be one.
        if encoded.len() != LENGTH.div_ceil(3) * 4 - 2 {
            return Err(RefreshTokenError::Malformed);
        }
        let mut bytes = [0; LENGTH + 2];
        match URL_SAFE_NO_PAD.decode_slice(encoded, &mut bytes) {
            Ok(LENGTH) if bytes[0] == VERSION => {}
            _ => return Err(RefreshTokenError::Malformed),
        }
        let field = |from: usize| -> &[u8] { &bytes[from..] };
        let token = Self {
            session: SessionId(Uuid::from_bytes(
                *field(1).first_chunk().ok_or(RefreshTokenError::Malformed)?,
            )),
            counter: u32::from_be_bytes(*field(17).first_chunk().ok_or(RefreshTokenError::Malformed)?),
        };
        let mac = field(21).first_chunk().ok_or(RefreshTokenError::Malformed)?;
        if keys.knows_refresh_mac(site, token.session, token.counter, mac) {
            Ok(token)
        } else {
            Err(RefreshTokenError::Unknown)
        }
    }
}

/// Which of a person's sessions on one site a sign-out ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignOutScope {
    /// The one that asks.
    Local,
    /// All on this site.
    Global,
    /// All on this site but the one that asks.
    Others,
}

impl SignOutScope {
    /// The word for it on the wire and in the audit log.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Global => "global",
            Self::Others => "others",
        }
    }
}

/// A session, as its owner sees it in a list of all of theirs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnSession {
    /// Its id.
    pub id: SessionId,
    /// The site it is signed in to.
    pub site: String,
    /// What its client calls itself.
    pub user_agent: Option<String>,
    /// The network address it was last used from.
    pub ip: Option<String>,
    /// When it was opened.
    pub opened_at: DateTime<Utc>,
    /// When it was last used.
    pub seen_at: DateTime<Utc>,
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use rand::{Rng, SeedableRng, rngs::StdRng};

    use super::*;

    fn keys() -> KeyRing {
        KeyRing::new(&[7; 32], &[])
    }

    #[test]
    fn a_token_comes_back_as_it_was_made_on_its_own_site_only() {
        let token = RefreshToken { session: SessionId(Uuid::from_u128(0xfeed)), counter: u32::MAX };
        let text = token.encode("reader", &keys());
        assert_eq!(RefreshToken::parse(&text, "reader", &keys()), Ok(token));
        assert_eq!(RefreshToken::parse(&text, "management", &keys()), Err(RefreshTokenError::Unknown));
        assert_eq!(
            RefreshToken::parse(&text, "reader", &KeyRing::new(&[8; 32], &[])),
            Err(RefreshTokenError::Unknown)
        );
    }

    #[test]
    fn no_changed_character_makes_another_valid_token() {
        let text = RefreshToken { session: SessionId(Uuid::from_u128(0xfeed)), counter: 5 }
            .encode("reader", &keys());
        for place in 0..text.len() {
            for other in ["A", "z", "-", "=", "+", "\u{e9}"] {
                let bent = format!("{}{other}{}", &text[..place], &text[place + 1..]);
                if bent != text {
                    assert!(RefreshToken::parse(&bent, "reader", &keys()).is_err(), "{bent}");
                }
            }
        }
    }

    #[test]
    fn random_input_is_refused_without_a_panic() {
        let mut rng = StdRng::seed_from_u64(3);
        for length in 0..200 {
            let mut bytes = vec![0; length];
            rng.fill_bytes(&mut bytes);
            let text = format!("{PREFIX}{}", String::from_utf8_lossy(&bytes));
            assert_eq!(RefreshToken::parse(&text, "reader", &keys()), Err(RefreshTokenError::Malformed));
        }
    }
}
