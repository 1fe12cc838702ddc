//! Tokens whose signature was found good, remembered so that a client's next request with the same token is not
//! checked by elliptic curves again.
//!
//! Only the signature is taken from memory. The time and the site are judged on every use, and each memory belongs to
//! one set of keys of one site: with the keys it is gone, also for a check that is still under way.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aws_lc_rs::digest::{SHA256, SHA256_OUTPUT_LEN, digest};

use super::Claims;

/// Tokens remembered for one site, at most: some 20 MB.
pub(super) const MOST_REMEMBERED: usize = 10_000;
/// Longest token that is remembered, in octets. One with little metadata has some 900; unpacked, metadata takes many
/// times its length, and nobody shall fill the memory with it.
const LONGEST: usize = 1536;
/// Parts with a lock of their own, so that requests hardly ever wait for each other.
const PARTS: usize = 16;

/// A token's SHA-256: memory holds no token that could be stolen from it.
type Fingerprint = [u8; SHA256_OUTPUT_LEN];

/// Claims by token. Full, it forgets the oldest: a flood of new tokens costs what it cost before, and no more.
#[derive(Default)]
pub(super) struct Verified {
    parts: [Mutex<Part>; PARTS],
}

#[derive(Default)]
struct Part {
    claims: HashMap<Fingerprint, Arc<Claims>>,
    oldest_first: VecDeque<Fingerprint>,
}

impl Verified {
    /// What a token says, if its signature was found good before.
    pub(super) fn find(&self, token: &str) -> Option<Arc<Claims>> {
        if token.len() > LONGEST {
            return None;
        }
        let fingerprint = fingerprint(token);
        self.part(fingerprint).claims.get(&fingerprint).map(Arc::clone)
    }

    /// Remembers what a token says, whose signature was found good.
    pub(super) fn insert(&self, token: &str, claims: &Arc<Claims>) {
        if token.len() > LONGEST {
            return;
        }
        let fingerprint = fingerprint(token);
        let mut part = self.part(fingerprint);
        if part.claims.insert(fingerprint, Arc::clone(claims)).is_some() {
            return;
        }
        part.oldest_first.push_back(fingerprint);
        if part.oldest_first.len() > MOST_REMEMBERED / PARTS
            && let Some(oldest) = part.oldest_first.pop_front()
        {
            part.claims.remove(&oldest);
        }
    }

    fn part(&self, fingerprint: Fingerprint) -> MutexGuard<'_, Part> {
        self.parts[usize::from(fingerprint[0]) % PARTS].lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        let counts = |part: &Mutex<Part>| {
            let part = part.lock().unwrap();
            assert_eq!(part.claims.len(), part.oldest_first.len());
            part.claims.len()
        };
        self.parts.iter().map(counts).sum()
    }
}

fn fingerprint(token: &str) -> Fingerprint {
    let mut fingerprint = [0; SHA256_OUTPUT_LEN];
    fingerprint.copy_from_slice(digest(&SHA256, token.as_bytes()).as_ref());
    fingerprint
}
