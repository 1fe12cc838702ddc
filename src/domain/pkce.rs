//! Proof Key for Code Exchange (RFC 7636): a session goes only to who asked for the mail, whoever opens its link.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

/// What a client keeps to itself, seen through its method.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CodeChallenge {
    method: Method,
    text: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Method {
    S256,
    Plain,
}

/// Why a challenge was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CodeChallengeError {
    /// One of the two was sent without the other.
    #[error("PKCE flow requires code_challenge_method and code_challenge")]
    Incomplete,
    /// RFC 7636 §4.2.
    #[error("code challenge has to be 43 to 128 characters of [A-Za-z0-9._~-]")]
    Malformed,
    /// RFC 7636 §4.3.
    #[error("code_challenge_method has to be s256 or plain")]
    Method,
}

impl CodeChallenge {
    /// Reads what a client sends; empty is as good as absent.
    ///
    /// # Errors
    /// A [`CodeChallengeError`].
    pub fn parse(challenge: &str, method: &str) -> Result<Option<Self>, CodeChallengeError> {
        match (challenge, method) {
            ("", "") => return Ok(None),
            ("", _) | (_, "") => return Err(CodeChallengeError::Incomplete),
            _ if !is_well_formed(challenge) => return Err(CodeChallengeError::Malformed),
            _ => {}
        }
        let method = match method.to_ascii_lowercase().as_str() {
            "s256" => Method::S256,
            "plain" => Method::Plain,
            _ => return Err(CodeChallengeError::Method),
        };
        Ok(Some(Self { method, text: challenge.to_owned() }))
    }

    /// Whether this verifier is the one that the challenge was made from (RFC 7636 §4.6).
    #[must_use]
    pub fn is_met_by(&self, verifier: &str) -> bool {
        let seen = match self.method {
            Method::S256 => URL_SAFE_NO_PAD.encode(digest(&SHA256, verifier.as_bytes())),
            Method::Plain => verifier.to_owned(),
        };
        is_well_formed(verifier) && verify_slices_are_equal(seen.as_bytes(), self.text.as_bytes()).is_ok()
    }
}

fn is_well_formed(text: &str) -> bool {
    (43..=128).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._~-".contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    // RFC 7636 appendix B.
    const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

    fn challenge(text: &str, method: &str) -> CodeChallenge {
        CodeChallenge::parse(text, method).expect("well-formed").expect("given")
    }

    #[test]
    fn the_example_of_the_rfc_is_met_by_its_verifier_alone() {
        let s256 = challenge(CHALLENGE, "S256");
        assert!(s256.is_met_by(VERIFIER));
        for other in ["", CHALLENGE, &VERIFIER[1..], &format!("{VERIFIER}="), &VERIFIER.to_lowercase()] {
            assert!(!s256.is_met_by(other), "{other}");
        }
        let plain = challenge(VERIFIER, "plain");
        assert!(plain.is_met_by(VERIFIER) && !plain.is_met_by(CHALLENGE));
    }

    #[test]
    fn a_challenge_is_whole_and_well_formed_or_refused() {
        assert_eq!(CodeChallenge::parse("", ""), Ok(None));
        for (text, method, error) in [
            (CHALLENGE, "", CodeChallengeError::Incomplete),
            ("", "s256", CodeChallengeError::Incomplete),
            (&CHALLENGE[1..], "s256", CodeChallengeError::Malformed),
            (&"a".repeat(129), "plain", CodeChallengeError::Malformed),
            (&format!("{CHALLENGE}="), "s256", CodeChallengeError::Malformed),
            (CHALLENGE, "s512", CodeChallengeError::Method),
        ] {
            assert_eq!(CodeChallenge::parse(text, method), Err(error), "{text} {method}");
        }
    }
}
