//! Mailed codes: how they are made, read and named, and what each is for.

use std::fmt;

use rand::{Rng, RngExt};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Digits of a short code. Six give a guesser one in a million a try, which only holds together with the
/// limits on tries a code and an address.
const SHORT_LENGTH: usize = 6;
/// Characters of a long code: 13 of Crockford's base 32 are 65 bits, past the 64 from which NIST SP 800-63B-4
/// §3.2.2 asks for no throttling.
const LONG_LENGTH: usize = 13;
/// Crockford's base 32: no I, L, O or U, so that nothing typed from a mail can be misread.
const CROCKFORD: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// A code in the clear, as mailed and as typed. Never stored: the store holds a keyed hash.
#[derive(Clone, PartialEq, Eq)]
pub struct SignInCode(String);

/// Which of the two alphabets a code uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CodeKind {
    /// Six digits: the usual one.
    Short,
    /// Thirteen characters: for an address whose budget of wrong guesses is used up, so that its owner can still
    /// sign in while a guesser gets nowhere.
    Long,
}

impl CodeKind {
    /// The word for it in the store.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Short => "short",
            Self::Long => "long",
        }
    }
}

/// What a code is for. One of each can wait for an address and site, and none is ever taken for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Slot {
    /// Signing in.
    SignIn,
    /// Letting the address of an account go: sent to that address.
    EmailChangeCurrent,
    /// Taking an address for an account: sent to that address.
    EmailChangeNew,
    /// Deleting an account.
    DeleteAccount,
    /// Trading what a mailed link proved for a session, by whoever asked for the mail (RFC 7636). Never mailed.
    AuthCode,
    /// Accepting an invitation to an account. Its link alone is mailed.
    Invitation,
}

impl Slot {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::SignIn,
        Self::EmailChangeCurrent,
        Self::EmailChangeNew,
        Self::DeleteAccount,
        Self::AuthCode,
        Self::Invitation,
    ];

    /// Reads a word as it stands in a link. `None` for everything else.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|slot| slot.as_str() == word)
    }

    /// The word for it in the store and in keyed hashes.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SignIn => "sign_in",
            Self::EmailChangeCurrent => "email_change_current",
            Self::EmailChangeNew => "email_change_new",
            Self::DeleteAccount => "delete_account",
            Self::AuthCode => "auth_code",
            Self::Invitation => "invitation",
        }
    }
}

impl SignInCode {
    /// A new code, uniform over its alphabet; leading zeros occur and count.
    pub fn generate(kind: CodeKind, rng: &mut impl Rng) -> Self {
        // `random_range` rejects instead of reducing, so no code is likelier than another.
        let pick = |alphabet: &[u8], length, rng: &mut _| -> String {
            (0..length).map(|_| char::from(alphabet[RngExt::random_range(rng, 0..alphabet.len())])).collect()
        };
        Self(match kind {
            CodeKind::Short => pick(&CROCKFORD[..10], SHORT_LENGTH, rng),
            CodeKind::Long => pick(CROCKFORD, LONG_LENGTH, rng),
        })
    }

    /// Reads a code as typed. `None` if it cannot be one: that is not a guess and is not counted as one.
    ///
    /// Long codes are read as Crockford asks: any case, hyphens ignored, `I` and `L` as one, `O` as zero.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() == SHORT_LENGTH && text.bytes().all(|b| b.is_ascii_digit()) {
            return Some(Self(text.to_owned()));
        }
        if text.len() > 2 * LONG_LENGTH {
            return None;
        }
        let read: String = text
            .bytes()
            .filter(|b| *b != b'-')
            .map(|b| match b.to_ascii_uppercase() {
                b'I' | b'L' => '1',
                b'O' => '0',
                other => char::from(other),
            })
            .collect();
        (read.len() == LONG_LENGTH && read.bytes().all(|b| CROCKFORD.contains(&b))).then_some(Self(read))
    }

    /// Which alphabet this code uses.
    #[must_use]
    pub fn kind(&self) -> CodeKind {
        if self.0.len() == SHORT_LENGTH { CodeKind::Short } else { CodeKind::Long }
    }

    /// The code in the clear: for the mail and the keyed hash, nothing else.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SignInCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SignInCode(***)")
    }
}

/// Names one issued code. A session remembers the challenge that opened it, and no second one can.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ChallengeId(pub Uuid);

impl ChallengeId {
    /// A new id; version 7, so that the index over it grows at one end (RFC 9562 §5.7).
    #[must_use]
    pub fn new() -> Self {
        Self(Uuid::now_v7())
    }
}

impl Default for ChallengeId {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use rand::{SeedableRng, rngs::StdRng};

    use super::*;

    #[test]
    fn short_codes_are_uniform_and_keep_their_leading_zeros() {
        let mut rng = StdRng::seed_from_u64(7);
        let draws = 100_000_u32;
        let mut buckets = vec![0_u32; 1000];
        let mut leading_zero = 0_u32;
        for _ in 0..draws {
            let code = SignInCode::generate(CodeKind::Short, &mut rng);
            assert_eq!(code.expose().len(), SHORT_LENGTH);
            leading_zero += u32::from(code.expose().starts_with('0'));
            buckets[code.expose()[..3].parse::<usize>().expect("digits")] += 1;
        }
        // Chi-square with 999 degrees of freedom: mean 999, deviation about 44.7; five deviations either way.
        let expected = f64::from(draws) / 1000.0;
        let chi: f64 = buckets.iter().map(|n| (f64::from(*n) - expected).powi(2) / expected).sum();
        assert!((775.0..1223.0).contains(&chi), "chi-square {chi}");
        assert!((9_500..10_500).contains(&leading_zero), "{leading_zero} of {draws} start with a zero");
    }

    #[test]
    fn long_codes_are_read_the_way_people_retype_them() {
        let code = SignInCode::generate(CodeKind::Long, &mut StdRng::seed_from_u64(7));
        assert_eq!(code.expose().len(), LONG_LENGTH);
        assert_eq!(code.kind(), CodeKind::Long);
        let retyped = format!("{}-{}", &code.expose()[..5], &code.expose()[5..]).to_lowercase();
        assert_eq!(SignInCode::parse(&retyped), Some(code));
        assert_eq!(SignInCode::parse("OIL0123456789"), SignInCode::parse("0110123456789"));
    }

    #[test]
    fn what_cannot_be_a_code_is_not_read_as_one() {
        for text in ["", "12345", "1234567", "12345a", "１２３４５６", " 12345", "0123456789ABU", "12 345"]
        {
            assert_eq!(SignInCode::parse(text), None, "{text:?}");
        }
        assert_eq!(SignInCode::parse("012345").map(|code| code.kind()), Some(CodeKind::Short));
    }

    #[test]
    fn debug_does_not_show_the_code() {
        assert_eq!(format!("{:?}", SignInCode::parse("123456")), "Some(SignInCode(***))");
    }
}
