//! The store in this process's memory: the same rules as the scripts in Redis, for one replica.
//!
//! What it holds is gone at a stop, codes and their mails alike; production refuses it.

mod events;
mod guesses;
mod windows;

use std::borrow::Borrow;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::Notify;
use uuid::Uuid;

use self::windows::{DAY, HOUR, TEN_MINUTES, Times};
use super::{
    Claim, ClaimCode, ClaimEnd, Claimed, ClientTags, CodeLimits, CountSend, Issue, IssueCode, Issued,
    KeepProof, NetworkLimits, Proof, QueueLook, QueueStanding, QueuedMail, StopCode, Witness,
};
use crate::domain::{AddressTag, AuditAction, ChallengeId, CodeKind, LimitTag, Slot};
use crate::ports::clock::Clock;
use crate::ports::codes::events::About;

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

    /// Judges the limits and counts the sending: all or nothing.
    fn count(&self, held: &mut Held, send: &CountSend<'_>, now: DateTime<Utc>) -> Issued {
        let networks = send.client.map(|client| (client, self.limits.networks.times(client.times)));
        if let Some(wait) =
            networks.and_then(|(client, limits)| client_sends_wait(held, client, &limits, now))
        {
            return Issued::ClientLimited(wait);
        }
        let cooling = held.cooling.get(&send.address).filter(|_| send.device.is_none());
        if let Some(wait) =
            cooling.filter(|until| **until > now).and_then(|until| (*until - now).to_std().ok())
        {
            return Issued::Cooling(wait);
        }
        let mut from_reserve = false;
        if let Some(wait) = self.send_wait(held, send, now) {
            // Strangers may have used up the mails of the address, and the gap: a known device has some that only it can use.
            let known = self.limits.known.sends_per_hour;
            let gap = TimeDelta::from_std(self.limits.send_gap).unwrap_or_default();
            let reserve = held.reserve.entry(send.address).or_default();
            let reserve = [reserve.wait(1, gap, now), reserve.wait(known, HOUR, now)];
            let wait = if send.device.is_some() { reserve.into_iter().flatten().max() } else { Some(wait) };
            match wait {
                Some(wait) => return Issued::TooSoon(wait),
                None => from_reserve = true,
            }
        }
        if let Some(wait) = budget_wait(&held.site_mails, send.site, send.site_mails_per_hour, now) {
            return Issued::SiteBudget(wait);
        }
        if let Some(wait) = budget_wait(&held.host_mails, &send.host, self.limits.host_mails_per_hour, now) {
            return Issued::HostBudget(wait);
        }
        count_budget(held.site_mails.entry(send.site.to_owned()).or_insert((now, 0)), now);
        count_budget(held.host_mails.entry(send.host).or_insert((now, 0)), now);
        if let Some((client, limits)) = networks {
            let lists = [
                (client.line, limits.client_sends_per_hour),
                (client.network, limits.network_sends_per_hour),
            ];
            for (tag, most) in lists {
                held.client_sends.entry(tag).or_default().count(most, now);
            }
        }
        if from_reserve {
            held.reserve.entry(send.address).or_default().count(self.limits.known.sends_per_hour, now);
            return Issued::Counted;
        }
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

    fn count_guess(&self, held: &mut Held, address: AddressTag, is_known: bool, now: DateTime<Utc>) {
        let trip = self.limits.trip;
        let wrong = held.wrong.entry((address, is_known)).or_default();
        wrong.count(self.wrong_per_day(is_known), now);
        held.guesses.count(trip.per_ten_minutes.max(trip.per_day), now);
        if self.guesses_are_too_many(held, now) && held.tripped_until.is_none_or(|until| until <= now) {
            held.tripped_until = Some(now + TEN_MINUTES);
            self.tell(held, About::default(), AuditAction::GuessingTripped, "");
        }
    }

    fn wrong_per_day(&self, is_known: bool) -> u32 {
        if is_known { self.limits.known.wrong_per_day } else { self.limits.wrong_per_day }
    }

    /// Whether six digits no longer count as proof for an address.
    fn wrong_are_spent(&self, held: &Held, address: AddressTag, is_known: bool, now: DateTime<Utc>) -> bool {
        let wrong = held.wrong.get(&(address, is_known));
        wrong.and_then(|wrong| wrong.wait(self.wrong_per_day(is_known), DAY, now)).is_some()
            || held.spent.get(&address).is_some_and(|until| *until > now)
    }

    fn guesses_are_too_many(&self, held: &Held, now: DateTime<Utc>) -> bool {
        let trip = self.limits.trip;
        held.guesses.wait(trip.per_ten_minutes, TEN_MINUTES, now).is_some()
            || held.guesses.wait(trip.per_day, DAY, now).is_some()
    }

    pub(super) fn is_tripped(&self) -> bool {
        self.guesses_are_too_many(&self.lock(), self.clock.now())
    }

    fn wrong_proofs_wait(&self, held: &Held, client: ClientTags, now: DateTime<Utc>) -> Option<Duration> {
        let limits = self.limits.networks.times(client.times);
        let wait =
            |tag, most, length| held.client_wrong.get(&tag).and_then(|times| times.wait(most, length, now));
        wait(client.line, limits.client_wrong_per_ten_minutes, TEN_MINUTES).max(wait(
            client.network,
            limits.network_wrong_per_hour,
            HOUR,
        ))
    }

    fn count_wrong_proof(&self, held: &mut Held, client: ClientTags) {
        let (limits, now) = (self.limits.networks.times(client.times), self.clock.now());
        let lists = [
            (client.line, limits.client_wrong_per_ten_minutes),
            (client.network, limits.network_wrong_per_hour),
        ];
        for (tag, most) in lists {
            held.client_wrong.entry(tag).or_default().count(most, now);
        }
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

fn client_sends_wait(
    held: &Held,
    client: ClientTags,
    limits: &NetworkLimits,
    now: DateTime<Utc>,
) -> Option<Duration> {
    let wait =
        |tag, most, length| held.client_sends.get(&tag).and_then(|times| times.wait(most, length, now));
    wait(client.line, limits.client_sends_per_ten_minutes, TEN_MINUTES)
        .max(wait(client.line, limits.client_sends_per_hour, HOUR))
        .max(wait(client.network, limits.network_sends_per_hour, HOUR))
}

/// How long until a budget begins again, if it is used up.
fn budget_wait<K, Q>(
    budgets: &HashMap<K, (DateTime<Utc>, u32)>,
    name: &Q,
    most: u32,
    now: DateTime<Utc>,
) -> Option<Duration>
where
    K: Borrow<Q> + Eq + Hash,
    Q: Eq + Hash + ?Sized,
{
    let (until, used) = budgets.get(name)?;
    (*until > now && *used >= most).then(|| (*until - now).to_std().unwrap_or_default())
}

fn count_budget(budget: &mut (DateTime<Utc>, u32), now: DateTime<Utc>) {
    if budget.0 <= now {
        *budget = (now + HOUR, 0);
    }
    budget.1 += 1;
}
