//! What a trial has seen before in the same source: it writes nothing that the database could judge by.

use std::collections::HashSet;
use std::hash::{BuildHasher as _, RandomState};

use crate::domain::{Newcomer, Outcome};

/// Ids, addresses and pairs of them, as hashes: 24 octets a person, and a chance of about one in ten million that a
/// million people make one mistake.
#[derive(Default)]
pub(super) struct Seen {
    hasher: RandomState,
    ids: HashSet<u64>,
    emails: HashSet<u64>,
    pairs: HashSet<u64>,
}

impl Seen {
    /// Corrects what the database says of people by those who came before them.
    pub(super) fn judge(&mut self, people: &[Newcomer], found: Vec<Outcome>) -> Vec<Outcome> {
        people.iter().zip(found).map(|(person, outcome)| self.judge_one(person, outcome)).collect()
    }

    fn judge_one(&mut self, person: &Newcomer, outcome: Outcome) -> Outcome {
        if outcome != Outcome::Imported {
            return outcome;
        }
        let (id, email) = (person.id.0, person.email.as_str());
        let pair = self.hasher.hash_one((id, email));
        let (id, email) = (self.hasher.hash_one(id), self.hasher.hash_one(email));
        if self.pairs.contains(&pair) {
            return Outcome::AlreadyHere;
        }
        if self.ids.contains(&id) {
            return Outcome::IdTaken;
        }
        if self.emails.contains(&email) {
            return Outcome::AddressTaken;
        }
        self.ids.insert(id);
        self.emails.insert(email);
        self.pairs.insert(pair);
        outcome
    }
}
