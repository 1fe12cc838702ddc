//! The store in Redis: each operation is one script, so that no two replicas can interleave.
//!
//! All keys of an operation live in one slot of a cluster; `keys` says how, and what they are called. How Redis is run, and
//! where a slot is, `connection` knows.

mod address;
mod breaker;
mod claims;
mod connection;
mod events;
mod failure;
mod guesses;
mod keys;
mod queue;
mod shares;
mod standing;

use std::fmt;
use std::future::Future;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use redis::aio::MultiplexedConnection;
use redis::{AsyncCommands, RedisError, Script, ScriptInvocation};
use secrecy::SecretString;
use tokio::sync::Mutex;
use tracing::Instrument as _;
use uuid::Uuid;

pub use self::address::RedisAddress;
use self::connection::{At, Connections};
use self::failure::store_error;
use self::keys::client_tags;
use super::{CodeLimits, CountSend, Issue, IssueCode, Issued, KeepProof, StopCode};
use crate::domain::{AddressTag, ChallengeId, CodeKind, Slot};
use crate::ports::{Dependency, PortError};
use crate::telemetry::{StoreCall, StoreCounts, traces};

static ISSUE: LazyLock<Script> = LazyLock::new(|| script(&[WINDOWS, NOTE, include_str!("issue.lua")]));
static KEEP: LazyLock<Script> = LazyLock::new(|| script(&[NOTE, include_str!("keep.lua")]));
static STOP: LazyLock<Script> = LazyLock::new(|| script(&[NOTE, include_str!("stop.lua")]));
static TRIPPED: LazyLock<Script> = LazyLock::new(|| script(&[WINDOWS, include_str!("tripped.lua")]));

/// In front of every script that asks about limits.
const WINDOWS: &str = include_str!("windows.lua");
/// In front of every script that has something to tell.
const NOTE: &str = include_str!("audit.lua");

/// A script, with what it uses in front of it.
fn script(parts: &[&str]) -> Script {
    Script::new(&[include_str!("clock.lua"), &parts.concat()].concat())
}

/// How to reach Redis and how long to wait for it.
#[derive(Debug, Clone)]
pub struct RedisSettings {
    /// Where, and as whom.
    pub address: RedisAddress,
    /// Whom to believe who a server is (PEM), where it is not those whom the system believes.
    pub ca_pem: Option<Vec<u8>>,
    /// User, perhaps empty, and password of the Sentinels, where they ask for one.
    pub sentinel_login: Option<(String, SecretString)>,
    /// In front of every key.
    pub key_prefix: String,
    /// Hash-tag partitions; the same for every replica.
    pub partitions: u16,
    /// How long a request waits for an answer.
    pub timeout: Duration,
    /// The limits on codes.
    pub limits: CodeLimits,
}

/// A connection shared by all requests, and one a partition for waiting on mail.
#[derive(Clone)]
pub struct RedisCodes {
    settings: RedisSettings,
    connections: Connections,
    /// A waiting read blocks its connection, so each partition's worker has one of its own.
    waiting: std::sync::Arc<[Mutex<Option<MultiplexedConnection>>]>,
    consumer: String,
    counts: StoreCounts,
}

impl RedisCodes {
    /// Prepares the connection; it is made when it is first used, and again whenever it breaks.
    ///
    /// # Errors
    /// If the certificates cannot be read.
    pub fn new(settings: RedisSettings, counts: StoreCounts) -> Result<Self, PortError> {
        let connections = Connections::new(&settings, &counts).map_err(unexpected)?;
        let waiting = (0..settings.partitions).map(|_| Mutex::new(None)).collect();
        let consumer = Uuid::new_v4().simple().to_string();
        Ok(Self { settings, connections, waiting, consumer, counts })
    }

    pub(super) fn partitions(&self) -> u16 {
        self.settings.partitions
    }

    pub(super) async fn issue(&self, issue: &IssueCode<'_>) -> Result<Issued, PortError> {
        let send = &issue.send;
        let how = match issue.how {
            Issue::New => "new",
            Issue::Replacement => "replacement",
            Issue::Counted => "counted",
        };
        let mut call = self.prepare_issue(send, how);
        call.arg(issue.challenge.0.to_string())
            .arg(issue.short_mac)
            .arg(issue.long_mac)
            .arg(issue.link_mac)
            .arg(issue.stop_mac)
            .arg(issue.context)
            .arg(issue.short_job)
            .arg(issue.long_job);
        self.note_arguments(&mut call, send.witness, send.site, send.slot);
        self.issued(send.address, call).await
    }

    pub(super) async fn count_send(&self, send: &CountSend<'_>) -> Result<Issued, PortError> {
        let mut call = self.prepare_issue(send, "count");
        self.note_arguments(&mut call, send.witness, send.site, send.slot);
        self.issued(send.address, call).await
    }

    fn prepare_issue(&self, send: &CountSend<'_>, how: &str) -> ScriptInvocation<'static> {
        let (limits, address) = (&self.settings.limits, send.address);
        let partition = self.partition(address);
        let wrong = if send.device.is_some() { "wrong_known" } else { "wrong" };
        let mut call = ISSUE.prepare_invoke();
        call.key(self.challenge_key(send.place(), send.site, send.slot))
            .key(self.address_key("sends", address))
            .key(self.address_key(wrong, address))
            .key(self.mail_key(partition))
            .key(self.key(partition, "mails", send.site))
            .key(self.key(partition, "host_mails", &send.host.to_hex()));
        for tag in client_tags(send.client) {
            call.key(self.key(partition, "client_sends", &tag));
        }
        call.key(self.partition_key(partition, "guesses"))
            .key(self.address_key("cooling", address))
            .key(self.address_key("reserve", address))
            .key(self.address_key("spent", address));
        self.note_keys(&mut call, partition);
        let networks = self.network_limits(send.client);
        call.arg(how)
            .arg(format!("{}:{}", send.site, send.slot.as_str()))
            .arg(millis(limits.send_gap))
            .arg(limits.sends_per_hour)
            .arg(limits.sends_per_day)
            .arg(self.wrong_per_day(send.device))
            .arg(self.partition_share(send.site_mails_per_hour))
            .arg(self.partition_share(limits.host_mails_per_hour))
            .arg(networks.client_sends_per_ten_minutes)
            .arg(networks.client_sends_per_hour)
            .arg(networks.network_sends_per_hour)
            .arg(self.fair_share(limits.trip.per_ten_minutes))
            .arg(self.fair_share(limits.trip.per_day))
            .arg(send.device.map_or(0, |_| limits.known.sends_per_hour))
            .arg(millis(limits.life));
        call
    }

    async fn issued(&self, address: AddressTag, call: ScriptInvocation<'_>) -> Result<Issued, PortError> {
        let (word, wait): (String, u64) =
            self.timed(StoreCall::Issue, call.invoke_async(&mut self.at(address))).await?;
        match word.as_str() {
            "counted" => Ok(Issued::Counted),
            "short" => Ok(Issued::Queued(CodeKind::Short)),
            "long" => Ok(Issued::Queued(CodeKind::Long)),
            "nothing" => Ok(Issued::NothingToReplace),
            "too_soon" => Ok(Issued::TooSoon(Duration::from_millis(wait))),
            "cooling" => Ok(Issued::Cooling(Duration::from_millis(wait))),
            "site_budget" => Ok(Issued::SiteBudget(Duration::from_millis(wait))),
            "host_budget" => Ok(Issued::HostBudget(Duration::from_millis(wait))),
            "client" => Ok(Issued::ClientLimited(Duration::from_millis(wait))),
            _ => Err(unknown_word(&word)),
        }
    }

    pub(super) async fn keep(&self, proof: &KeepProof<'_>) -> Result<(), PortError> {
        let mut call = KEEP.prepare_invoke();
        call.key(self.challenge_key(proof.tag, proof.site, proof.slot));
        self.note_keys(&mut call, self.partition(proof.tag));
        call.arg(proof.challenge.0.to_string())
            .arg(proof.link_mac)
            .arg(proof.context)
            .arg(millis(proof.life))
            .arg(if proof.short_mac.is_some() { "short" } else { "none" })
            .arg(proof.short_mac.unwrap_or_default());
        self.note_arguments(&mut call, proof.witness, proof.site, proof.slot);
        self.timed(StoreCall::Keep, call.invoke_async::<()>(&mut self.at(proof.tag))).await
    }

    pub(super) async fn stop(&self, stop: &StopCode<'_>) -> Result<bool, PortError> {
        let mut call = STOP.prepare_invoke();
        call.key(self.challenge_key(stop.place, stop.site, stop.slot))
            .key(self.address_key("cooling", stop.address));
        self.note_keys(&mut call, self.partition(stop.address));
        call.arg(stop.stop_mac).arg(millis(self.settings.limits.cooling));
        self.note_arguments(&mut call, Some(stop.witness), stop.site, stop.slot);
        self.timed(StoreCall::Stop, call.invoke_async(&mut self.at(stop.address))).await
    }

    /// What an address may get wrong in a day: a device that it knows has a reserve of its own.
    fn wrong_per_day(&self, device: Option<AddressTag>) -> u32 {
        let limits = &self.settings.limits;
        device.map_or(limits.wrong_per_day, |_| limits.known.wrong_per_day)
    }

    pub(super) async fn is_tripped(&self) -> Result<bool, PortError> {
        let trip = self.settings.limits.trip;
        let (ten_minutes, day) = (self.fair_share(trip.per_ten_minutes), self.fair_share(trip.per_day));
        for partition in 0..self.settings.partitions {
            let key = self.partition_key(partition, "guesses");
            let mut call = TRIPPED.prepare_invoke();
            call.key(key).arg(ten_minutes).arg(day);
            // `false` is nothing, in a script's answer.
            let mut connection = self.connections.at(partition);
            let answer = call.invoke_async::<Option<bool>>(&mut connection);
            if self.timed(StoreCall::Tripped, answer).await?.unwrap_or_default() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    pub(super) async fn is_current(
        &self,
        address: AddressTag,
        site: &str,
        slot: Slot,
        id: ChallengeId,
    ) -> Result<bool, PortError> {
        let key = self.challenge_key(address, site, slot);
        let current: Option<String> =
            self.timed(StoreCall::Current, self.at(address).hget(key, "id")).await?;
        Ok(current == Some(id.0.to_string()))
    }

    pub(super) async fn once_per(
        &self,
        address: AddressTag,
        what: &str,
        every: Duration,
    ) -> Result<bool, PortError> {
        let key = format!("{}:{what}", self.address_key("once", address));
        let options = redis::SetOptions::default()
            .conditional_set(redis::ExistenceCheck::NX)
            .with_expiration(redis::SetExpiry::PX(millis(every)));
        let set: Option<String> =
            self.timed(StoreCall::Once, self.at(address).set_options(key, 1, options)).await?;
        Ok(set.is_some())
    }

    pub(super) async fn unlock(&self, address: AddressTag) -> Result<(), PortError> {
        // One command, and so one step.
        let keys = ["sends", "wrong", "reserve", "wrong_known", "cooling", "spent"]
            .map(|kind| self.address_key(kind, address));
        self.timed(StoreCall::Unlock, self.at(address).del::<_, ()>(&keys)).await
    }

    /// Makes a call within its deadline, and counts it.
    async fn timed<T>(
        &self,
        call: StoreCall,
        answer: impl Future<Output = Result<T, RedisError>>,
    ) -> Result<T, PortError> {
        let (began, span) = (Instant::now(), traces::store_call(call.as_str()));
        // Twice the answer's own limit: the first call after a break also connects.
        let outcome = match tokio::time::timeout(2 * self.settings.timeout, answer).instrument(span).await {
            Ok(answer) => answer.map_err(store_error),
            Err(elapsed) => Err(PortError::unavailable(Dependency::CodeStore, elapsed)),
        };
        match &outcome {
            Ok(_) => self.counts.call(call, began.elapsed()),
            Err(error) => self.counts.failed(error.is_unavailable()),
        }
        outcome
    }

    /// The connection to where an address is kept.
    fn at(&self, address: AddressTag) -> At {
        self.connections.at(self.partition(address))
    }
}

impl fmt::Debug for RedisCodes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisCodes").field("key_prefix", &self.settings.key_prefix).finish_non_exhaustive()
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn unexpected(error: impl std::error::Error + Send + Sync + 'static) -> PortError {
    PortError::unexpected(Dependency::CodeStore, error)
}

fn unknown_word(word: &str) -> PortError {
    PortError::unexpected(Dependency::CodeStore, format!("unknown answer {word:?}"))
}
