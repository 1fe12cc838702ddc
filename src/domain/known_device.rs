//! A device that its owner has signed in with before, as a cookie tells it.
//!
//! It signs nobody in. It sets its owner apart from strangers who know the address too: with codes, mails and guesses of its
//! own, which nobody else can use up. It names no address: for each there is a proof, which fits that address alone.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rand::Rng;

use super::EmailAddress;
use super::keys::{KeyRing, MAC_LENGTH};

/// In front of every cookie's value, so that secret scanners recognise a leaked one.
const PREFIX: &str = "dcdv_";
/// Format of the bytes that follow.
const VERSION: u8 = 1;
/// Addresses that a device knows at most: those signed in with last. A family shares a computer.
const MOST_ADDRESSES: usize = 4;
/// Version and name.
const HEAD: usize = 1 + 16;

/// See the module.
#[derive(Clone, PartialEq, Eq)]
pub struct KnownDevice {
    id: [u8; 16],
    /// A proof for each address, the newest first.
    proofs: Vec<[u8; MAC_LENGTH]>,
}

impl KnownDevice {
    /// A device that nobody has signed in with yet.
    pub fn generate(rng: &mut impl Rng) -> Self {
        let mut id = [0; 16];
        rng.fill_bytes(&mut id);
        Self { id, proofs: Vec::new() }
    }

    /// Reads a cookie. `None` for what cannot be one; what its proofs are worth is judged by [`knows`](Self::knows).
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.strip_prefix(PREFIX)?;
        // Length first: nothing is decoded for a text that cannot be one.
        if text.len() > ((HEAD + MOST_ADDRESSES * MAC_LENGTH) * 4).div_ceil(3) {
            return None;
        }
        let bytes = URL_SAFE_NO_PAD.decode(text).ok().filter(|bytes| bytes.first() == Some(&VERSION))?;
        let id = *bytes.get(1..)?.first_chunk()?;
        let (proofs, rest) = bytes[HEAD..].as_chunks();
        rest.is_empty().then(|| Self { id, proofs: proofs.to_vec() })
    }

    /// The cookie.
    #[must_use]
    pub fn encode(&self) -> String {
        let bytes = [&[VERSION], self.id.as_slice(), self.proofs.as_flattened()].concat();
        format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes))
    }

    /// What names it to us: 128 random bits.
    pub(super) fn id(&self) -> &[u8; 16] {
        &self.id
    }

    /// Whether the owner of an address has signed in to `site` with it.
    #[must_use]
    pub fn knows(&self, site: &str, email: &EmailAddress, keys: &KeyRing) -> bool {
        self.proofs.iter().any(|proof| keys.knows_device_mac(site, &self.id, email, proof))
    }

    /// The device once the owner of an address has signed in to `site` with it.
    #[must_use]
    pub fn signed_in(mut self, site: &str, email: &EmailAddress, keys: &KeyRing) -> Self {
        // Made anew in any case: what was made under an older master lives on under the newest.
        self.proofs.retain(|proof| !keys.knows_device_mac(site, &self.id, email, proof));
        self.proofs.insert(0, keys.device_mac(site, &self.id, email));
        self.proofs.truncate(MOST_ADDRESSES);
        self
    }
}

// It opens what strangers are kept from, so it is nothing for a log.
impl fmt::Debug for KnownDevice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KnownDevice(…)")
    }
}

#[cfg(test)]
mod tests {
    use rand::{SeedableRng, rngs::StdRng};

    use super::*;

    fn email(text: &str) -> EmailAddress {
        EmailAddress::parse(text).unwrap()
    }

    fn device() -> KnownDevice {
        KnownDevice::generate(&mut StdRng::seed_from_u64(1))
    }

    #[test]
    fn t08_a_device_knows_who_signed_in_with_it_and_nobody_else() {
        let keys = KeyRing::new(&[7; 32], &[]);
        let (ada, eve) = (email("ada@example.org"), email("eve@example.org"));
        let known = device().signed_in("reader", &ada, &keys);
        let known = KnownDevice::parse(&known.encode()).unwrap();
        assert!(known.knows("reader", &ada, &keys));
        assert!(!known.knows("reader", &eve, &keys) && !known.knows("management", &ada, &keys));
        assert!(!known.knows("reader", &ada, &KeyRing::new(&[8; 32], &[])));
        assert!(known.knows("reader", &ada, &KeyRing::new(&[8; 32], &[[7; 32]])));
        let other = KnownDevice { id: [9; 16], proofs: known.proofs.clone() };
        assert!(!other.knows("reader", &ada, &keys), "a proof is worth nothing on another device");
    }

    #[test]
    fn a_device_remembers_the_last_few_each_once() {
        let keys = KeyRing::new(&[7; 32], &[]);
        let people: Vec<_> = (0..6).map(|number| email(&format!("p{number}@example.org"))).collect();
        let mut known = device();
        for person in people.iter().chain([&people[5], &people[5]]) {
            known = known.signed_in("reader", person, &keys);
        }
        let known = KnownDevice::parse(&known.encode()).unwrap();
        let who: Vec<_> = people.iter().map(|person| known.knows("reader", person, &keys)).collect();
        assert_eq!(who, [false, false, true, true, true, true]);
    }

    #[test]
    fn what_is_no_cookie_is_no_device_and_none_shows_itself() {
        let keys = KeyRing::new(&[7; 32], &[]);
        let text = device().signed_in("reader", &email("ada@example.org"), &keys).encode();
        assert!(!format!("{:?}", device()).contains(&text[PREFIX.len()..]));
        for other in ["", "dcdv_", "dcdv_AQ", &text[1..], &text[..text.len() - 1], &format!("{text}AAAA")] {
            assert_eq!(KnownDevice::parse(other), None, "{other}");
        }
        assert_eq!(KnownDevice::parse(&format!("dcdv_{}", "A".repeat(100_000))), None);
    }
}
