//! The store in this process's memory: the same rules as the scripts in Redis, for one replica.
//!
//! What it holds is gone at a stop, codes and their mails alike; production refuses it.

mod events;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::Notify;
use uuid::Uuid;

use super::{
    Claim, ClaimCode, ClaimEnd, Claimed, CodeLimits, CountSend, Issue, IssueCode, Issued, KeepProof, Proof,
    QueueLook, QueueStanding, QueuedMail, Witness,
};
use crate::domain::{AddressTag, AuditAction, ChallengeId, CodeKind, Slot};
use crate::ports::clock::Clock;

/// How long a worker waits for the next mail before it looks around.
const MAIL_WAIT: Duration = Duration::from_secs(2);

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
    wrong: HashMap<AddressTag, VecDeque<DateTime<Utc>>>,
    site_mails: HashMap<String, (DateTime<Utc>, u32)>,
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
    context: Vec<u8>,
    tries: u32,
    expires_at: DateTime<Utc>,
    lease: Option<(Uuid, DateTime<Utc>)>,
}

/// Why a claim is refused where there is nothing to be right about.
const NONE_WAITING: &str = "none_waiting";

const HOUR: TimeDelta = TimeDelta::hours(1);
const DAY: TimeDelta = TimeDelta::days(1);

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
            Issued::TooSoon(_) => Some((AuditAction::CodeLimited, "address")),
            Issued::SiteBudget(_) => Some((AuditAction::CodeLimited, "site")),
            Issued::Counted => None,
        };
        if let Some((action, outcome)) = told {
            self.note(&mut held, issue.witness, (issue.site, issue.slot), action, outcome);
        }
        issued
    }

    fn issue_now(&self, held: &mut Held, issue: &IssueCode<'_>, now: DateTime<Utc>) -> Issued {
        let key = (issue.address, issue.site.to_owned(), issue.slot);
        let waiting = held.challenges.get(&key).filter(|challenge| challenge.expires_at > now);
        let context = match (issue.how, waiting) {
            (Issue::Replacement, None) => return Issued::NothingToReplace,
            (Issue::Replacement, Some(challenge)) => challenge.context.clone(),
            (Issue::New | Issue::Counted, _) => issue.context.to_vec(),
        };
        if issue.how != Issue::Counted {
            let send = CountSend {
                address: issue.address,
                site: issue.site,
                slot: issue.slot,
                site_mails_per_hour: issue.site_mails_per_hour,
                witness: None,
            };
            match self.count(held, &send, now) {
                Issued::Counted => {}
                refused => return refused,
            }
        }
        let long = held.wrong_in_day(issue.address, now) >= self.limits.wrong_per_day as usize;
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
                context,
                tries: 0,
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
        let limit = match counted {
            Issued::TooSoon(_) => Some("address"),
            Issued::SiteBudget(_) => Some("site"),
            _ => None,
        };
        if let Some(limit) = limit {
            self.note(&mut held, send.witness, (send.site, send.slot), AuditAction::CodeLimited, limit);
        }
        counted
    }

    /// Judges the limits and counts the sending: all or nothing.
    fn count(&self, held: &mut Held, send: &CountSend<'_>, now: DateTime<Utc>) -> Issued {
        if let Some(wait) = self.send_wait(held, send, now) {
            return Issued::TooSoon(wait);
        }
        let budget = held.site_mails.entry(send.site.to_owned()).or_insert((now + HOUR, 0));
        if budget.0 <= now {
            *budget = (now + HOUR, 0);
        }
        if budget.1 >= send.site_mails_per_hour {
            return Issued::SiteBudget((budget.0 - now).to_std().unwrap_or_default());
        }
        budget.1 += 1;
        let sends = held.sends.entry(send.address).or_default();
        sends.push_back((now, send.site.to_owned(), send.slot));
        while sends.len() > self.limits.sends_per_day as usize {
            sends.pop_front();
        }
        Issued::Counted
    }

    fn send_wait(&self, held: &Held, send: &CountSend<'_>, now: DateTime<Utc>) -> Option<Duration> {
        let sends = held.sends.get(&send.address)?;
        let gap = sends
            .iter()
            .filter(|(_, site, slot)| site == send.site && *slot == send.slot)
            .map(|(at, ..)| *at + self.limits.send_gap);
        let window = |length: TimeDelta, limit: u32| {
            let inside: Vec<_> = sends.iter().filter(|(at, ..)| *at > now - length).collect();
            (inside.len() >= limit as usize).then(|| inside.first().map(|(at, ..)| *at + length)).flatten()
        };
        gap.chain(window(HOUR, self.limits.sends_per_hour))
            .chain(window(DAY, self.limits.sends_per_day))
            .max()
            .and_then(|free_at| (free_at - now).to_std().ok())
            .filter(|wait| !wait.is_zero())
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
                context: proof.context.to_vec(),
                tries: 0,
                expires_at: now + proof.life,
                lease,
            },
        );
        self.note(&mut held, proof.witness, (proof.site, proof.slot), AuditAction::LinkConfirmed, "");
    }

    pub(super) fn claim(&self, claim: &ClaimCode<'_>) -> Claimed {
        let mut held = self.lock();
        match self.claim_now(&mut held, claim) {
            Ok(claim) => Claimed::Claim(claim),
            Err(reason) => {
                let missing = reason == NONE_WAITING;
                if !(missing && claim.missing_is_no_news) {
                    let place = (claim.site, claim.slot);
                    self.note(&mut held, claim.witness, place, AuditAction::CodeRefused, reason);
                }
                if missing { Claimed::Missing } else { Claimed::Refused }
            }
        }
    }

    /// The claim, or why it is refused, in the word of the record.
    fn claim_now(&self, held: &mut Held, claim: &ClaimCode<'_>) -> Result<Claim, &'static str> {
        let now = self.clock.now();
        let wrong_before = held.wrong_in_day(claim.address, now);
        let key = (claim.address, claim.site.to_owned(), claim.slot);
        let Some(challenge) = held.challenges.get_mut(&key).filter(|challenge| challenge.expires_at > now)
        else {
            return Err(NONE_WAITING);
        };
        if challenge.lease.is_some_and(|(_, until)| until > now) {
            return Err("in_use");
        }
        match claim.proof {
            Proof::Link(mac) if mac == challenge.link_mac => {}
            Proof::Link(_) => return Err("wrong"),
            Proof::Code(kind, _) if Some(kind) != challenge.kind => return Err("wrong"),
            Proof::Code(kind, _)
                if kind == CodeKind::Short && wrong_before >= self.limits.wrong_per_day as usize =>
            {
                return Err("guesses_spent");
            }
            Proof::Code(_, mac) => {
                challenge.tries += 1;
                if mac != challenge.mac {
                    if challenge.tries >= self.limits.tries {
                        held.challenges.remove(&key);
                    }
                    let wrong = held.wrong.entry(claim.address).or_default();
                    wrong.push_back(now);
                    while wrong.len() > self.limits.wrong_per_day as usize {
                        wrong.pop_front();
                    }
                    return Err("wrong");
                }
            }
        }
        let holder = Uuid::new_v4();
        challenge.lease = Some((holder, now + self.limits.lease));
        Ok(Claim {
            challenge: challenge.id,
            context: challenge.context.clone(),
            address: claim.address,
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
        let key = (claim.address, claim.site.clone(), claim.slot);
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
        held.wrong.remove(&address);
    }

    pub(super) async fn next_mail(&self) -> Option<QueuedMail> {
        let take = || self.lock().mail.pop_front();
        if let Some(mail) = take() {
            return Some(mail);
        }
        // A mail that comes between the look and the wait leaves a permit, so it is not slept through.
        let _ = tokio::time::timeout(MAIL_WAIT, self.mail_came.notified()).await;
        take()
    }

    pub(super) fn mail_done(&self, mail: &QueuedMail) {
        if let Ok(number) = mail.id.parse() {
            self.lock().unfinished_mail.remove(&number);
        }
    }

    pub(super) fn queue(&self) -> QueueStanding {
        let now = self.clock.now();
        let held = self.lock();
        let oldest = held.unfinished_mail.first_key_value();
        QueueStanding {
            depth: held.unfinished_mail.len() as u64,
            oldest_age: oldest.and_then(|(_, (at, _))| (now - *at).to_std().ok()).unwrap_or_default(),
        }
    }

    pub(super) fn look_at_mail(&self, most: u16) -> QueueLook {
        let held = self.lock();
        let waiting = held.unfinished_mail.len() as u64;
        QueueLook {
            waiting,
            in_hand: waiting.saturating_sub(held.mail.len() as u64),
            oldest_at: held.unfinished_mail.first_key_value().map(|(_, (at, _))| *at),
            jobs: held.unfinished_mail.values().take(most.into()).map(|(_, job)| job.clone()).collect(),
        }
    }

    pub(super) fn mail_give_back(&self, mail: QueuedMail) {
        self.lock().mail.push_front(mail);
        self.mail_came.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        // Nothing here panics halfway through a change.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    fn wrong_in_day(&self, address: AddressTag, now: DateTime<Utc>) -> usize {
        self.wrong.get(&address).map_or(0, |wrong| wrong.iter().filter(|at| **at > now - DAY).count())
    }

    /// Forgets what no limit looks at any more, at most once a minute.
    fn sweep(&mut self, now: DateTime<Utc>) {
        if self.next_sweep.is_some_and(|at| at > now) {
            return;
        }
        self.next_sweep = Some(now + TimeDelta::minutes(1));
        self.challenges.retain(|_, challenge| challenge.expires_at > now);
        self.sends.retain(|_, sends| sends.back().is_some_and(|(at, ..)| *at > now - DAY));
        self.wrong.retain(|_, wrong| wrong.back().is_some_and(|at| *at > now - DAY));
        self.once.retain(|_, until| *until > now);
    }
}
