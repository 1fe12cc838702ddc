//! The store in this process's memory: the same rules as the scripts in Redis, for one replica.
//!
//! What it holds is gone at a stop, codes and their mails alike; production refuses it.

mod counts;
mod events;
mod guesses;
mod queue;
mod windows;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::Notify;
use uuid::Uuid;

use self::windows::{DAY, HOUR, Times};
use super::{
    Claim, ClaimCode, ClaimEnd, Claimed, CodeLimits, CountSend, Issue, IssueCode, Issued, KeepProof, Proof,
    QueuedMail, StopCode, Witness,
};
use crate::domain::{AddressTag, AuditAction, ChallengeId, CodeKind, LimitTag, Slot};
use crate::ports::clock::Clock;

/// Codes, limits and mails of one process.
#[derive(Debug, Clone)]
pub struct MemoryCodes {
    limits: CodeLimits,
    clock: Clock,
    held: Arc<Mutex<Held>>,
    mail_came: Arc<Notify>,
}

#[derive(Debug, Default)]
struct Held {
    challenges: HashMap<Key, Challenge>,
    sends: HashMap<AddressTag, VecDeque<(DateTime<Utc>, String, Slot)>>,
    /// Sends in reserve of an address's known devices.
    reserve: HashMap<AddressTag, Times>,
    /// Wrong guesses at an address, by devices that nobody knows, or by those that somebody does.
    wrong: HashMap<(AddressTag, bool), Times>,
    /// Until when an address gets no mails that strangers ask for.
    cooling: HashMap<AddressTag, DateTime<Utc>>,
    /// Until when an address has used up its wrong guesses of thirty days.
    spent: HashMap<AddressTag, DateTime<Utc>>,
    /// Guesses of before this process have been brought back.
    has_remembered: bool,
    /// Wrong guesses at all addresses.
    guesses: Times,
    /// Until when they were told to be too many.
    tripped_until: Option<DateTime<Utc>>,
    client_sends: HashMap<LimitTag, Times>,
    client_wrong: HashMap<LimitTag, Times>,
    site_mails: HashMap<String, (DateTime<Utc>, u32)>,
    host_mails: HashMap<LimitTag, (DateTime<Utc>, u32)>,
    once: HashMap<(AddressTag, String), DateTime<Utc>>,
    mail: VecDeque<QueuedMail>,
    events: events::Events,
    /// Each mail that waits or is being sent, and when it was queued.
    unfinished_mail: BTreeMap<u64, (DateTime<Utc>, Vec<u8>)>,
    mails_so_far: u64,
    next_sweep: Option<DateTime<Utc>>,
}

/// Whose code, for which site and for what.
type Key = (AddressTag, String, Slot);

#[derive(Debug)]
struct Challenge {
    id: ChallengeId,
    /// None fits a proof that is no code.
    kind: Option<CodeKind>,
    mac: String,
    link_mac: String,
    stop_mac: String,
    context: Vec<u8>,
    tries: u32,
    /// When it was guessed at wrongly.
    wrong_at: Vec<DateTime<Utc>>,
    expires_at: DateTime<Utc>,
    lease: Option<(Uuid, DateTime<Utc>)>,
}

/// Why a claim is refused where there is nothing to be right about.
const NONE_WAITING: &str = "none_waiting";
/// Why a claim is refused where nothing is compared.
const IN_USE: &str = "in_use";

/// Why a claim came to nothing.
enum Refused {
    /// The client has presented too many that were wrong.
    Client(Duration),
    /// In the word of the record.
    For(&'static str),
}

impl MemoryCodes {
    /// An empty store.
    #[must_use]
    pub fn new(limits: CodeLimits, clock: Clock) -> Self {
        Self { limits, clock, held: Arc::default(), mail_came: Arc::default() }
    }

    pub(super) fn issue(&self, issue: &IssueCode<'_>) -> Issued {
        let now = self.clock.now();
        let mut held = self.lock();
        held.sweep(now);
        let issued = self.issue_now(&mut held, issue, now);
        let told = match issued {
            Issued::Queued(kind) => Some((AuditAction::CodeAsked, kind.as_str())),
            Issued::NothingToReplace => Some((AuditAction::CodeNotWaiting, "")),
            refused => limit_of(refused).map(|limit| (AuditAction::CodeLimited, limit)),
        };
        if let Some((action, outcome)) = told {
            let send = &issue.send;
            self.note(&mut held, send.witness, (send.site, send.slot), action, outcome);
        }
        issued
    }

    fn issue_now(&self, held: &mut Held, issue: &IssueCode<'_>, now: DateTime<Utc>) -> Issued {
        let send = &issue.send;
        let key = (send.place(), send.site.to_owned(), send.slot);
        let waiting = held.challenges.get(&key).filter(|challenge| challenge.expires_at > now);
        let context = match (issue.how, waiting) {
            (Issue::Replacement, None) => return Issued::NothingToReplace,
            (Issue::Replacement, Some(challenge)) => challenge.context.clone(),
            (Issue::New | Issue::Counted, _) => issue.context.to_vec(),
        };
        if issue.how != Issue::Counted {
            match self.count(held, send, now) {
                Issued::Counted => {}
                refused => return refused,
            }
        }
        let is_known = send.device.is_some();
        let long = self.wrong_are_spent(held, send.address, is_known, now)
            || !is_known && self.guesses_are_too_many(held, now);
        let kind = if long { CodeKind::Long } else { CodeKind::Short };
        let (mac, job) =
            if long { (issue.long_mac, issue.long_job) } else { (issue.short_mac, issue.short_job) };
        // A lease, as in Redis, is on the address and site: it outlives a challenge that is replaced under it.
        let lease = held.challenges.remove(&key).and_then(|challenge| challenge.lease);
        held.challenges.insert(
            key,
            Challenge {
                id: issue.challenge,
                kind: Some(kind),
                mac: mac.to_owned(),
                link_mac: issue.link_mac.to_owned(),
                stop_mac: issue.stop_mac.to_owned(),
                context,
                tries: 0,
                wrong_at: Vec::new(),
                expires_at: now + self.limits.life,
                lease,
            },
        );
        held.mails_so_far += 1;
        let number = held.mails_so_far;
        held.unfinished_mail.insert(number, (now, job.to_vec()));
        held.mail.push_back(QueuedMail { job: job.to_vec(), partition: 0, id: number.to_string() });
        self.mail_came.notify_one();
        Issued::Queued(kind)
    }

    pub(super) fn count_send(&self, send: &CountSend<'_>) -> Issued {
        let now = self.clock.now();
        let mut held = self.lock();
        held.sweep(now);
        let counted = self.count(&mut held, send, now);
        let limit = limit_of(counted);
        if let Some(limit) = limit {
            self.note(&mut held, send.witness, (send.site, send.slot), AuditAction::CodeLimited, limit);
        }
        counted
    }

    pub(super) fn keep(&self, proof: &KeepProof<'_>) {
        let now = self.clock.now();
        let mut held = self.lock();
        held.sweep(now);
        let key = (proof.tag, proof.site.to_owned(), proof.slot);
        let lease = held.challenges.remove(&key).and_then(|challenge| challenge.lease);
        held.challenges.insert(
            key,
            Challenge {
                id: proof.challenge,
                kind: proof.short_mac.map(|_| CodeKind::Short),
                mac: proof.short_mac.unwrap_or_default().to_owned(),
                link_mac: proof.link_mac.to_owned(),
                stop_mac: String::new(),
                context: proof.context.to_vec(),
                tries: 0,
                wrong_at: Vec::new(),
                expires_at: now + proof.life,
                lease,
            },
        );
        self.note(&mut held, proof.witness, (proof.site, proof.slot), AuditAction::LinkConfirmed, "");
    }

    pub(super) fn stop(&self, stop: &StopCode<'_>) -> bool {
        let now = self.clock.now();
        let mut held = self.lock();
        let key = (stop.place, stop.site.to_owned(), stop.slot);
        let waiting = held.challenges.get(&key).filter(|challenge| challenge.expires_at > now);
        if waiting.is_none_or(|challenge| challenge.stop_mac != stop.stop_mac) {
            return false;
        }
        held.challenges.remove(&key);
        held.cooling.insert(stop.address, now + self.limits.cooling);
        self.note(&mut held, Some(stop.witness), (stop.site, stop.slot), AuditAction::CodeDisowned, "");
        true
    }

    pub(super) fn claim(&self, claim: &ClaimCode<'_>) -> Claimed {
        let mut held = self.lock();
        let reason = match self.claim_now(&mut held, claim) {
            Ok(claim) => return Claimed::Claim(claim),
            Err(Refused::Client(wait)) => return Claimed::ClientLimited(wait),
            Err(Refused::For(reason)) => reason,
        };
        let missing = reason == NONE_WAITING;
        if !(missing && claim.missing_is_no_news) {
            // What is told counts for the client: one answer once, however many looks it takes.
            if let (Some(client), Some(_)) = (claim.client, claim.witness)
                && reason != IN_USE
            {
                self.count_wrong_proof(&mut held, client);
            }
            let place = (claim.site, claim.slot);
            self.note(&mut held, claim.witness, place, AuditAction::CodeRefused, reason);
        }
        if missing { Claimed::Missing } else { Claimed::Refused }
    }

    /// The claim, or why it is refused.
    fn claim_now(&self, held: &mut Held, claim: &ClaimCode<'_>) -> Result<Claim, Refused> {
        let (now, is_known) = (self.clock.now(), claim.device.is_some());
        let wait = claim.client.and_then(|client| self.wrong_proofs_wait(held, client, now));
        wait.map_or(Ok(()), |wait| Err(Refused::Client(wait)))?;
        let is_spent = self.wrong_are_spent(held, claim.address, is_known, now);
        let is_tripped = !is_known && self.guesses_are_too_many(held, now);
        let key = (claim.place(), claim.site.to_owned(), claim.slot);
        let challenge = held.challenges.get_mut(&key).filter(|challenge| challenge.expires_at > now);
        let challenge = challenge.ok_or(Refused::For(NONE_WAITING))?;
        if challenge.lease.is_some_and(|(_, until)| until > now) {
            return Err(Refused::For(IN_USE));
        }
        match claim.proof {
            Proof::Link(mac) if mac == challenge.link_mac => {}
            Proof::Link(_) => return Err(Refused::For("wrong_link")),
            Proof::Code(kind, _) if Some(kind) != challenge.kind => return Err(Refused::For("wrong_length")),
            Proof::Code(CodeKind::Short, _) if is_spent => return Err(Refused::For("guesses_spent")),
            Proof::Code(CodeKind::Short, _) if is_tripped => return Err(Refused::For("tripped")),
            Proof::Code(kind, mac) => {
                challenge.tries += 1;
                if mac != challenge.mac {
                    challenge.wrong_at.push(now);
                    if challenge.tries >= self.limits.tries {
                        held.challenges.remove(&key);
                    }
                    if kind == CodeKind::Long {
                        return Err(Refused::For("wrong_long"));
                    }
                    self.count_guess(held, claim.address, is_known, now);
                    return Err(Refused::For(if is_known { "wrong_known" } else { "wrong" }));
                }
                // They were typing errors of whoever has the code now, and no attack on anybody.
                for at in challenge.wrong_at.drain(..) {
                    held.guesses.forget(at);
                }
            }
        }
        let holder = Uuid::new_v4();
        challenge.lease = Some((holder, now + self.limits.lease));
        Ok(Claim {
            challenge: challenge.id,
            context: challenge.context.clone(),
            place: claim.place(),
            site: claim.site.to_owned(),
            slot: claim.slot,
            by_code: matches!(claim.proof, Proof::Code(..)),
            holder,
        })
    }

    pub(super) fn end_claim(&self, claim: &Claim, end: ClaimEnd, refused: Option<(&str, &Witness<'_>)>) {
        let mut held = self.lock();
        if let Some((reason, witness)) = refused {
            let place = (claim.site.as_str(), claim.slot);
            self.note(&mut held, Some(witness), place, AuditAction::ProofRefused, reason);
        }
        let key = (claim.place, claim.site.clone(), claim.slot);
        let Some(challenge) = held.challenges.get_mut(&key) else { return };
        if challenge.lease.is_some_and(|(holder, _)| holder == claim.holder) {
            challenge.lease = None;
        }
        // A newer code may have replaced the challenge meanwhile: it is not ours to touch.
        if challenge.id == claim.challenge {
            match end {
                ClaimEnd::Spent => drop(held.challenges.remove(&key)),
                ClaimEnd::Unused if claim.by_code => challenge.tries = challenge.tries.saturating_sub(1),
                ClaimEnd::Unused => {}
            }
        }
    }

    pub(super) fn is_current(&self, address: AddressTag, site: &str, slot: Slot, id: ChallengeId) -> bool {
        let now = self.clock.now();
        self.lock()
            .challenges
            .get(&(address, site.to_owned(), slot))
            .is_some_and(|challenge| challenge.id == id && challenge.expires_at > now)
    }

    pub(super) fn once_per(&self, address: AddressTag, what: &str, every: Duration) -> bool {
        let now = self.clock.now();
        let mut held = self.lock();
        let until = held.once.entry((address, what.to_owned())).or_insert(now);
        let free = *until <= now;
        if free {
            *until = now + every;
        }
        free
    }

    pub(super) fn unlock(&self, address: AddressTag) {
        let mut held = self.lock();
        held.sends.remove(&address);
        held.reserve.remove(&address);
        held.spent.remove(&address);
        held.cooling.remove(&address);
        held.wrong.remove(&(address, false));
        held.wrong.remove(&(address, true));
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        // Nothing here panics halfway through a change.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    /// Forgets what no limit looks at any more, at most once a minute.
    fn sweep(&mut self, now: DateTime<Utc>) {
        if self.next_sweep.is_some_and(|at| at > now) {
            return;
        }
        self.next_sweep = Some(now + TimeDelta::minutes(1));
        self.challenges.retain(|_, challenge| challenge.expires_at > now);
        self.sends.retain(|_, sends| sends.back().is_some_and(|(at, ..)| *at > now - DAY));
        self.wrong.retain(|_, wrong| wrong.has_any_since(now - DAY));
        self.reserve.retain(|_, sends| sends.has_any_since(now - HOUR));
        self.client_sends.retain(|_, sends| sends.has_any_since(now - HOUR));
        self.client_wrong.retain(|_, wrong| wrong.has_any_since(now - HOUR));
        self.cooling.retain(|_, until| *until > now);
        self.spent.retain(|_, until| *until > now);
        self.host_mails.retain(|_, (until, _)| *until > now);
        self.once.retain(|_, until| *until > now);
    }
}

/// The limit that refused a sending, in the word of the record; what a client meets is counted elsewhere.
fn limit_of(issued: Issued) -> Option<&'static str> {
    match issued {
        Issued::TooSoon(_) => Some("address"),
        Issued::Cooling(_) => Some("cooling"),
        Issued::SiteBudget(_) => Some("site"),
        Issued::HostBudget(_) => Some("host"),
        Issued::Queued(_) | Issued::Counted | Issued::NothingToReplace | Issued::ClientLimited(_) => None,
    }
}
