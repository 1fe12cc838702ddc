//! Tokens whose signature was found good, remembered so that a client's next request with the same token is not
//! checked by elliptic curves again.
//!
//! Only the signature is taken from memory: what the token says is read from it again, its time and site are judged on
//! every use, and each memory belongs to one set of keys of one site. With the keys it is gone, also for a check that is
//! still under way.

use std::collections::{HashSet, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use aws_lc_rs::digest::{SHA256, SHA256_OUTPUT_LEN, digest};

/// Tokens remembered for one site, at most: some 6 MB. More clients than that in turn, and each is checked every time.
pub(super) const MOST_REMEMBERED: usize = 1 << 16;
/// Parts with a lock of their own, so that requests hardly ever wait for each other.
const PARTS: usize = 16;

/// A token's SHA-256: memory holds no token that could be stolen from it, and the same little for a long one.
type Fingerprint = [u8; SHA256_OUTPUT_LEN];

/// Fingerprints of tokens. Full, it forgets the oldest: a flood of new tokens costs what it cost before, and no more.
#[derive(Default)]
pub(super) struct Verified {
    parts: [Mutex<Part>; PARTS],
}

#[derive(Default)]
struct Part {
    known: HashSet<Fingerprint>,
    oldest_first: VecDeque<Fingerprint>,
}

impl Verified {
    /// Whether a token's signature was found good before.
    pub(super) fn knows(&self, token: &str) -> bool {
        let fingerprint = fingerprint(token);
        self.part(fingerprint).known.contains(&fingerprint)
    }

    /// Remembers a token whose signature was found good.
    pub(super) fn insert(&self, token: &str) {
        let fingerprint = fingerprint(token);
        let mut part = self.part(fingerprint);
        if !part.known.insert(fingerprint) {
            return;
        }
        part.oldest_first.push_back(fingerprint);
        if part.oldest_first.len() > MOST_REMEMBERED / PARTS
            && let Some(oldest) = part.oldest_first.pop_front()
        {
            part.known.remove(&oldest);
        }
    }

    fn part(&self, fingerprint: Fingerprint) -> MutexGuard<'_, Part> {
        self.parts[usize::from(fingerprint[0]) % PARTS].lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        let counts = |part: &Mutex<Part>| {
            let part = part.lock().unwrap();
            assert_eq!(part.known.len(), part.oldest_first.len());
            part.known.len()
        };
        self.parts.iter().map(counts).sum()
    }
}

fn fingerprint(token: &str) -> Fingerprint {
    let mut fingerprint = [0; SHA256_OUTPUT_LEN];
    fingerprint.copy_from_slice(digest(&SHA256, token.as_bytes()).as_ref());
    fingerprint
}
