//! What a browser holds for the hosted pages: who it is, and which session it is signed in with.
//!
//! Neither says anything about a person: one is random, the other a session's id under a MAC.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rand::Rng;
use uuid::Uuid;

use super::SessionId;
use super::keys::{KeyRing, MAC_LENGTH};

/// Names a browser to us, for as long as it keeps the cookie: 128 random bits (OWASP ASVS 5.0, 7.2.3).
///
/// A code that was asked for on a hosted page works in the browser that asked, and every form carries a proof made
/// for it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct BrowserId(pub(super) [u8; 16]);

impl BrowserId {
    /// A new one.
    pub fn generate(rng: &mut impl Rng) -> Self {
        let mut bytes = [0; 16];
        rng.fill_bytes(&mut bytes);
        Self(bytes)
    }

    /// Its text: 22 characters of base64url.
    #[must_use]
    pub fn encode(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.0)
    }

    /// Reads its text. `None` for anything else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        decode::<16>(text).map(Self)
    }
}

// It proves a browser, so it is nothing for a log.
impl fmt::Debug for BrowserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BrowserId(…)")
    }
}

/// In front of every session cookie's value, so that secret scanners recognise a leaked one.
const PREFIX: &str = "dcsc_";
/// Format of the bytes that follow.
const VERSION: u8 = 1;
/// Version, session, MAC.
const LENGTH: usize = 1 + 16 + MAC_LENGTH;

/// The value of a session cookie: a session of one site, and the proof that we put it there.
///
/// It stays the same for as long as the session lives, so tabs that load at once cannot race. Signing in makes a new
/// session, and so a new value; ending the session ends it, and the key of the MAC never enters the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionCookie(pub SessionId);

impl SessionCookie {
    /// The value for a browser that is signed in to `site`.
    #[must_use]
    pub fn encode(self, site: &str, keys: &KeyRing) -> String {
        let mut bytes = [0; LENGTH];
        bytes[0] = VERSION;
        bytes[1..17].copy_from_slice(self.0.0.as_bytes());
        bytes[17..].copy_from_slice(&keys.cookie_mac(site, self.0));
        format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes))
    }

    /// Reads a value that a browser sent to `site`. `None` for what we did not make for that site.
    #[must_use]
    pub fn parse(text: &str, site: &str, keys: &KeyRing) -> Option<Self> {
        let bytes = decode::<LENGTH>(text.strip_prefix(PREFIX)?).filter(|bytes| bytes[0] == VERSION)?;
        let session = SessionId(Uuid::from_bytes(*bytes[1..].first_chunk()?));
        keys.knows_cookie_mac(site, session, bytes[17..].first_chunk()?).then_some(Self(session))
    }
}

/// Exactly `N` bytes of base64url without padding.
fn decode<const N: usize>(text: &str) -> Option<[u8; N]> {
    // Length first: nothing is decoded for a text that cannot be one.
    if text.len() != (N * 4).div_ceil(3) {
        return None;
    }
    URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use rand::{SeedableRng, rngs::StdRng};

    use super::*;

    #[test]
    fn a_browser_is_read_back_and_never_shown() {
        let browser = BrowserId::generate(&mut StdRng::seed_from_u64(1));
        let text = browser.encode();
        assert_eq!(BrowserId::parse(&text), Some(browser));
        assert!(!format!("{browser:?}").contains(&text));
        for other in ["", "x", &text[1..], &format!("{text}A"), "é".repeat(11).as_str()] {
            assert_eq!(BrowserId::parse(other), None, "{other:?}");
        }
    }

    #[test]
    fn t24_t30_a_cookie_is_read_back_on_its_own_site_only() {
        let keys = KeyRing::new(&[7; 32], &[]);
        let session = SessionId(Uuid::from_u128(0xfeed));
        let text = SessionCookie(session).encode("reader", &keys);
        assert_eq!(SessionCookie::parse(&text, "reader", &keys), Some(SessionCookie(session)));
        assert_eq!(SessionCookie::parse(&text, "management", &keys), None);
        assert_eq!(SessionCookie::parse(&text, "reader", &KeyRing::new(&[8; 32], &[])), None);
        let rotated = KeyRing::new(&[8; 32], &[[7; 32]]);
        assert_eq!(SessionCookie::parse(&text, "reader", &rotated), Some(SessionCookie(session)));
        let refresh = super::super::RefreshToken { session, counter: 0 }.encode("reader", &keys);
        assert_eq!(SessionCookie::parse(&refresh, "reader", &keys), None);
        for place in 0..text.len() {
            for other in ["A", "z", "-", "=", "\u{e9}"] {
                let bent = format!("{}{other}{}", &text[..place], &text[place + 1..]);
                assert!(bent == text || SessionCookie::parse(&bent, "reader", &keys).is_none(), "{bent}");
            }
        }
    }
}
