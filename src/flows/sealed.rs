//! What is kept in the code store besides hashes: sealed, so that the store can read none of it.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use rand::Rng;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::Flows;
use crate::domain::keys::{MAC_LENGTH, NotOurs, Sealed};
use crate::domain::{AddressTag, CodeChallenge, Slot};
use crate::ports::{Dependency, PortError};

/// What a challenge remembers until it is claimed.
#[derive(Serialize, Deserialize)]
pub(super) struct ChallengeContext {
    pub email: String,
    /// An account may be made.
    pub create: bool,
    pub metadata: Map<String, Value>,
    pub locale: Option<String>,
    /// What a client library wants of the mailed link.
    pub link: LinkWish,
}

/// Where a mailed link is to lead, for who asked for it with a client library.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct LinkWish {
    /// Checked: an address of a listed origin.
    pub redirect_to: Option<String>,
    /// The session goes only to who knows the verifier.
    pub challenge: Option<CodeChallenge>,
}

/// A mail to be written and sent by a worker of any replica.
#[derive(Serialize, Deserialize)]
pub(super) struct MailJob {
    pub challenge: Uuid,
    pub site: String,
    pub email: String,
    pub code: String,
    pub link: Option<String>,
    /// What ends the code, for whoever did not ask for it; servers of before knew of none.
    #[serde(default)]
    pub disown: Option<String>,
    pub letter: MailFor,
    /// What the request asked for.
    pub locale: Option<String>,
    pub requested_at: DateTime<Utc>,
    /// The name of the known device that asked, under which its code waits; servers of before knew of none.
    #[serde(default)]
    pub device: Option<String>,
}

/// What the mail with a code says, and with that what the code is for.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum MailFor {
    SignIn {
        /// An address without an account gets the code, instead of word that it has none.
        create: bool,
    },
    EmailChangeCurrent {
        /// The owner is to judge it, so it is shown whole.
        new_email: String,
    },
    EmailChangeNew,
    DeleteAccount,
}

impl MailFor {
    pub(super) fn slot(&self) -> Slot {
        match self {
            Self::SignIn { .. } => Slot::SignIn,
            Self::EmailChangeCurrent { .. } => Slot::EmailChangeCurrent,
            Self::EmailChangeNew => Slot::EmailChangeNew,
            Self::DeleteAccount => Slot::DeleteAccount,
        }
    }
}

impl Flows {
    pub(super) fn seal<T: Serialize>(
        &self,
        purpose: Sealed,
        context: &str,
        value: &T,
    ) -> Result<Vec<u8>, PortError> {
        let plain = serde_json::to_vec(value).map_err(not_ours)?;
        self.keys.seal(purpose, context, &plain).map_err(not_ours)
    }

    pub(super) fn open<T: DeserializeOwned>(
        &self,
        purpose: Sealed,
        context: &str,
        sealed: &[u8],
    ) -> Result<T, PortError> {
        let plain = self.keys.open(purpose, context, sealed).map_err(not_ours)?;
        serde_json::from_slice(&plain).map_err(not_ours)
    }
}

/// Something in the store that we cannot have written, or wrote under a master secret that is gone.
fn not_ours(error: impl std::error::Error + Send + Sync + 'static) -> PortError {
    // A JSON error may quote what it could not read; only its kind is kept.
    let _ = error;
    PortError::unexpected(Dependency::CodeStore, NotOurs)
}

/// The proof in a mailed link: which mailbox, and 128 random bits that say the mail was read.
///
/// It is independent of the code, and names the mailbox only by its keyed hash.
pub(super) struct LinkToken {
    pub address: AddressTag,
    pub secret: [u8; MAC_LENGTH],
}

impl LinkToken {
    pub(super) fn generate(address: AddressTag, rng: &mut impl Rng) -> Self {
        let mut secret = [0; MAC_LENGTH];
        rng.fill_bytes(&mut secret);
        Self { address, secret }
    }

    pub(super) fn encode(&self) -> String {
        URL_SAFE_NO_PAD.encode([self.address.0, self.secret].concat())
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut bytes = [0; 2 * MAC_LENGTH + 2];
        // Exactly the length of 32 bytes in base64url without padding.
        if text.len() != 43 || URL_SAFE_NO_PAD.decode_slice(text, &mut bytes) != Ok(2 * MAC_LENGTH) {
            return None;
        }
        let address = AddressTag(*bytes.first_chunk()?);
        let secret = *bytes[MAC_LENGTH..].first_chunk()?;
        Some(Self { address, secret })
    }
}

/// What ends a code that its reader did not ask for: which code, and 128 random bits that say the mail was read.
pub(super) struct DisownToken {
    /// Whose mailbox.
    pub address: AddressTag,
    /// Under which name the code waits.
    pub place: AddressTag,
    pub secret: [u8; MAC_LENGTH],
}

impl DisownToken {
    pub(super) fn generate(address: AddressTag, place: AddressTag, rng: &mut impl Rng) -> Self {
        let mut secret = [0; MAC_LENGTH];
        rng.fill_bytes(&mut secret);
        Self { address, place, secret }
    }

    pub(super) fn encode(&self) -> String {
        URL_SAFE_NO_PAD.encode([self.address.0, self.place.0, self.secret].concat())
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        // Exactly the length of 48 bytes in base64url.
        let bytes = (text.len() == 64).then(|| URL_SAFE_NO_PAD.decode(text).ok()).flatten()?;
        let [address, place, secret] = *bytes.as_chunks().0 else { return None };
        // Both are in one partition of the store, also where a stranger made them up.
        let token = Self { address: AddressTag(address), place: AddressTag(place), secret };
        (address[0] == place[0]).then_some(token)
    }
}

#[cfg(test)]
mod tests {
    use rand::{SeedableRng, rngs::StdRng};

    use super::*;

    #[test]
    fn a_token_that_ends_a_code_is_read_back_and_nothing_else_is() {
        let (address, place) =
            (AddressTag([3; 16]), AddressTag([3, 4, 5, 6, 7, 8, 9, 1, 2, 3, 4, 5, 6, 7, 8, 9]));
        let token = DisownToken::generate(address, place, &mut StdRng::seed_from_u64(1));
        let text = token.encode();
        let read = DisownToken::parse(&text).unwrap();
        assert_eq!((read.address, read.place, read.secret), (address, place, token.secret));
        let elsewhere = DisownToken { place: AddressTag([4; 16]), ..token }.encode();
        for other in ["", "x", &text[1..], &format!("{text}A"), &elsewhere] {
            assert!(DisownToken::parse(other).is_none(), "{other:?}");
        }
        assert!(LinkToken::parse(&text).is_none(), "it signs nobody in");
    }

    #[test]
    fn a_link_token_is_read_back_and_nothing_else_is() {
        let token = LinkToken::generate(AddressTag([3; 16]), &mut StdRng::seed_from_u64(1));
        let text = token.encode();
        let read = LinkToken::parse(&text).unwrap();
        assert_eq!((read.address, read.secret), (token.address, token.secret));
        for other in ["", "x", &text[1..], &format!("{text}A"), &format!("{}=", &text[1..]), &"é".repeat(22)]
        {
            assert!(LinkToken::parse(other).is_none(), "{other:?}");
        }
    }
}
