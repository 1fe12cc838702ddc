//! The store in Redis: each operation is one script, so that no two replicas can interleave.
//!
//! Keys are `<prefix>:{<partition>}:<kind>:…`. The braces are a hash tag (Redis Cluster specification, "Hash tags"):
//! all keys of an operation share it and so live in one slot. An address picks its partition by its tag.

use std::fmt;
use std::future::Future;
use std::sync::LazyLock;
use std::time::Duration;

use redis::aio::{ConnectionManager, ConnectionManagerConfig, MultiplexedConnection};
use redis::streams::{StreamAutoClaimReply, StreamReadOptions, StreamReadReply};
use redis::{AsyncCommands, AsyncConnectionConfig, RedisError, Script};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::Mutex;
use uuid::Uuid;

use super::{
    Claim, ClaimCode, ClaimEnd, Claimed, CodeLimits, IssueCode, Issued, MAIL_LEASE, Proof, QueuedMail,
};
use crate::domain::{AddressTag, ChallengeId, CodeKind};
use crate::ports::{Dependency, PortError};

static ISSUE: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("issue.lua")));
static CLAIM: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("claim.lua")));
static RELEASE: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("release.lua")));

/// The consumer group of every mail worker.
const MAILERS: &str = "mailers";
/// How long a worker waits on Redis for the next mail before it looks around.
const MAIL_WAIT: Duration = Duration::from_secs(2);

/// How to reach Redis and how long to wait for it.
#[derive(Debug, Clone)]
pub struct RedisSettings {
    /// `redis://` or `rediss://`, with user and password where needed.
    pub url: SecretString,
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
    client: redis::Client,
    shared: ConnectionManager,
    /// A waiting read blocks its connection, so each partition's worker has one of its own.
    waiting: std::sync::Arc<[Mutex<Option<MultiplexedConnection>>]>,
    consumer: String,
}

impl RedisCodes {
    /// Prepares the connection; it is made in the background and again whenever it breaks.
    ///
    /// # Errors
    /// If the URL cannot be read.
    pub fn new(settings: RedisSettings) -> Result<Self, PortError> {
        // The error of a bad URL may quote it, password and all; it is dropped on purpose.
        let client = redis::Client::open(settings.url.expose_secret())
            .map_err(|_| PortError::unexpected(Dependency::CodeStore, "the Redis URL cannot be read"))?;
        let config = ConnectionManagerConfig::new()
            .set_connection_timeout(Some(Duration::from_secs(1)))
            .set_response_timeout(Some(settings.timeout))
            // A request fails at its own deadline; what comes after it finds a new connection.
            .set_number_of_retries(1)
            .set_min_delay(Duration::from_millis(50));
        let shared = client.get_connection_manager_lazy(config).map_err(store_error)?;
        let waiting = (0..settings.partitions).map(|_| Mutex::new(None)).collect();
        Ok(Self { settings, client, shared, waiting, consumer: Uuid::new_v4().simple().to_string() })
    }

    pub(super) fn partitions(&self) -> u16 {
        self.settings.partitions
    }

    pub(super) async fn issue(&self, issue: &IssueCode<'_>) -> Result<Issued, PortError> {
        let limits = &self.settings.limits;
        let mut call = ISSUE.prepare_invoke();
        call.key(self.challenge_key(issue.address, issue.site))
            .key(self.address_key("sends", issue.address))
            .key(self.address_key("wrong", issue.address))
            .key(self.mail_key(self.partition(issue.address)))
            .key(self.key(self.partition(issue.address), "mails", issue.site))
            .arg(issue.site)
            .arg(millis(limits.send_gap))
            .arg(limits.sends_per_hour)
            .arg(limits.sends_per_day)
            .arg(limits.wrong_per_day)
            .arg(self.partition_share(issue.site_mails_per_hour))
            .arg(millis(limits.life))
            .arg(issue.challenge.0.to_string())
            .arg(issue.short_mac)
            .arg(issue.long_mac)
            .arg(issue.link_mac)
            .arg(issue.context)
            .arg(issue.short_job)
            .arg(issue.long_job)
            .arg(u8::from(issue.only_replace));
        let (word, wait): (String, u64) =
            self.within_deadline(call.invoke_async(&mut self.shared.clone())).await?;
        match word.as_str() {
            "short" => Ok(Issued::Queued(CodeKind::Short)),
            "long" => Ok(Issued::Queued(CodeKind::Long)),
            "nothing" => Ok(Issued::NothingToReplace),
            "too_soon" => Ok(Issued::TooSoon(Duration::from_millis(wait))),
            "site_budget" => Ok(Issued::SiteBudget(Duration::from_millis(wait))),
            _ => Err(unknown_word(&word)),
        }
    }

    pub(super) async fn claim(&self, claim: &ClaimCode<'_>) -> Result<Claimed, PortError> {
        let limits = &self.settings.limits;
        let holder = Uuid::new_v4();
        let (kind, mac) = match claim.proof {
            Proof::Code(kind, mac) => (kind.as_str(), mac),
            Proof::Link(mac) => ("link", mac),
        };
        let mut call = CLAIM.prepare_invoke();
        call.key(self.challenge_key(claim.address, claim.site))
            .key(self.address_key("wrong", claim.address))
            .key(self.lease_key(claim.address, claim.site))
            .arg(kind)
            .arg(mac)
            .arg(limits.tries)
            .arg(limits.wrong_per_day)
            .arg(millis(limits.lease))
            .arg(holder.to_string());
        let answer: Vec<Vec<u8>> = self.within_deadline(call.invoke_async(&mut self.shared.clone())).await?;
        match answer.as_slice() {
            [word, id, context] if word == b"claimed" => Ok(Claimed::Claim(Claim {
                challenge: ChallengeId(Uuid::try_parse_ascii(id).map_err(unexpected)?),
                context: context.clone(),
                address: claim.address,
                site: claim.site.to_owned(),
                by_code: matches!(claim.proof, Proof::Code(..)),
                holder,
            })),
            [word] if [b"missing".as_slice(), b"wrong", b"leased"].contains(&word.as_slice()) => {
                Ok(Claimed::Refused)
            }
            _ => Err(unknown_word(&String::from_utf8_lossy(answer.first().map_or(b"", Vec::as_slice)))),
        }
    }

    pub(super) async fn end_claim(&self, claim: &Claim, end: ClaimEnd) -> Result<(), PortError> {
        let mut call = RELEASE.prepare_invoke();
        call.key(self.challenge_key(claim.address, &claim.site))
            .key(self.lease_key(claim.address, &claim.site))
            .arg(if end == ClaimEnd::Spent { "spent" } else { "unused" })
            .arg(claim.challenge.0.to_string())
            .arg(claim.holder.to_string())
            .arg(u8::from(claim.by_code));
        self.within_deadline(call.invoke_async::<()>(&mut self.shared.clone())).await
    }

    pub(super) async fn is_current(
        &self,
        address: AddressTag,
        site: &str,
        id: ChallengeId,
    ) -> Result<bool, PortError> {
        let key = self.challenge_key(address, site);
        let current: Option<String> = self.within_deadline(self.shared.clone().hget(key, "id")).await?;
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
            self.within_deadline(self.shared.clone().set_options(key, 1, options)).await?;
        Ok(set.is_some())
    }

    pub(super) async fn next_mail(&self, partition: u16) -> Result<Option<QueuedMail>, PortError> {
        let slot = self.waiting.get(usize::from(partition)).ok_or_else(|| unknown_word("partition"))?;
        let mut slot = slot.lock().await;
        let connection = match slot.take() {
            Some(connection) => connection,
            None => self.connect_for_waiting().await?,
        };
        let outcome = self.read_mail(partition, &mut connection.clone()).await;
        // A connection that failed is not kept: the next call makes a new one.
        if outcome.is_ok() {
            *slot = Some(connection);
        }
        outcome
    }

    pub(super) async fn mail_done(&self, mail: &QueuedMail) -> Result<(), PortError> {
        let key = self.mail_key(mail.partition);
        let mut both = redis::pipe();
        both.atomic().xack(&key, MAILERS, &[&mail.id]).ignore().xdel(&key, &[&mail.id]).ignore();
        self.within_deadline(both.query_async::<()>(&mut self.shared.clone())).await
    }

    pub(super) async fn mail_renew(&self, mail: &QueuedMail) -> Result<(), PortError> {
        self.set_idle(mail, Duration::ZERO).await
    }

    pub(super) async fn mail_give_back(&self, mail: &QueuedMail) -> Result<(), PortError> {
        self.set_idle(mail, MAIL_LEASE).await
    }

    pub(super) async fn check(&self) -> Result<(), PortError> {
        self.within_deadline(self.shared.clone().ping::<()>()).await
    }

    async fn connect_for_waiting(&self) -> Result<MultiplexedConnection, PortError> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(Duration::from_secs(1)))
            .set_response_timeout(Some(MAIL_WAIT + Duration::from_secs(1)));
        self.client.get_multiplexed_async_connection_with_config(&config).await.map_err(store_error)
    }

    /// First a mail that some worker took and did not finish, then a new one.
    async fn read_mail(
        &self,
        partition: u16,
        connection: &mut MultiplexedConnection,
    ) -> Result<Option<QueuedMail>, PortError> {
        let key = self.mail_key(partition);
        let mail = |id: &redis::streams::StreamId| QueuedMail {
            job: id.get("job").unwrap_or_default(),
            partition,
            id: id.id.clone(),
        };
        let abandoned: Result<StreamAutoClaimReply, RedisError> = redis::cmd("XAUTOCLAIM")
            .arg(&key)
            .arg(MAILERS)
            .arg(&self.consumer)
            .arg(millis(MAIL_LEASE))
            .arg("0")
            .arg("COUNT")
            .arg(1)
            .query_async(connection)
            .await;
        match abandoned {
            Ok(reply) => {
                if let Some(id) = reply.claimed.first() {
                    return Ok(Some(mail(id)));
                }
            }
            // The queue expires with its last code, and its group with it.
            Err(error) if error.code() == Some("NOGROUP") => {
                self.make_group(&key, connection).await?;
            }
            Err(error) => return Err(store_error(error)),
        }
        let options = StreamReadOptions::default()
            .group(MAILERS, &self.consumer)
            .count(1)
            .block(usize::try_from(millis(MAIL_WAIT)).unwrap_or(0));
        let fresh: Result<Option<StreamReadReply>, RedisError> =
            connection.xread_options(&[&key], &[">"], &options).await;
        match fresh {
            Ok(reply) => {
                Ok(reply.and_then(|reply| reply.keys.first().and_then(|stream| stream.ids.first().map(mail))))
            }
            // Expired while we waited; the next call makes it again.
            Err(error) if matches!(error.code(), Some("NOGROUP" | "UNBLOCKED")) => Ok(None),
            Err(error) => Err(store_error(error)),
        }
    }

    async fn make_group(&self, key: &str, connection: &mut MultiplexedConnection) -> Result<(), PortError> {
        let mut make = redis::pipe();
        make.xgroup_create_mkstream(key, MAILERS, "0").ignore();
        // An empty queue must not outlive the server by more than a code's life either.
        make.pexpire(key, i64::try_from(2 * millis(self.settings.limits.life)).unwrap_or(i64::MAX)).ignore();
        match make.query_async::<()>(connection).await {
            Ok(()) => Ok(()),
            // Another worker was first.
            Err(error) if error.code() == Some("BUSYGROUP") => Ok(()),
            Err(error) => Err(store_error(error)),
        }
    }

    /// Says how long ago a taken mail was last touched: zero renews it, the whole lease frees it.
    async fn set_idle(&self, mail: &QueuedMail, idle: Duration) -> Result<(), PortError> {
        let mut claim = redis::cmd("XCLAIM");
        claim
            .arg(self.mail_key(mail.partition))
            .arg(MAILERS)
            .arg(&self.consumer)
            .arg(0)
            .arg(&mail.id)
            .arg("IDLE")
            .arg(millis(idle))
            .arg("JUSTID");
        self.within_deadline(claim.query_async::<redis::Value>(&mut self.shared.clone())).await.map(drop)
    }

    async fn within_deadline<T>(
        &self,
        call: impl Future<Output = Result<T, RedisError>>,
    ) -> Result<T, PortError> {
        // Twice the answer's own limit: the first call after a break also connects.
        match tokio::time::timeout(2 * self.settings.timeout, call).await {
            Ok(answer) => answer.map_err(store_error),
            Err(elapsed) => Err(PortError::unavailable(Dependency::CodeStore, elapsed)),
        }
    }

    fn partition(&self, address: AddressTag) -> u16 {
        u16::from(address.0[0]) % self.settings.partitions
    }

    /// Addresses spread evenly over the partitions, and so does a site's budget.
    fn partition_share(&self, budget: u32) -> u32 {
        budget.div_ceil(u32::from(self.settings.partitions))
    }

    fn key(&self, partition: u16, kind: &str, rest: &str) -> String {
        format!("{}:{{{partition}}}:{kind}:{rest}", self.settings.key_prefix)
    }

    fn address_key(&self, kind: &str, address: AddressTag) -> String {
        self.key(self.partition(address), kind, &address.to_hex())
    }

    fn challenge_key(&self, address: AddressTag, site: &str) -> String {
        format!("{}:{site}", self.address_key("code", address))
    }

    fn lease_key(&self, address: AddressTag, site: &str) -> String {
        format!("{}:{site}", self.address_key("lease", address))
    }

    fn mail_key(&self, partition: u16) -> String {
        format!("{}:{{{partition}}}:mail", self.settings.key_prefix)
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

fn store_error(error: RedisError) -> PortError {
    // What the server itself refuses by a mistake of ours is not an outage; everything else is, an out-of-memory
    // refusal and a loading or read-only server included.
    let ours = matches!(error.code(), Some("ERR" | "WRONGTYPE" | "NOSCRIPT" | "NOPERM" | "CROSSSLOT"));
    if ours {
        PortError::unexpected(Dependency::CodeStore, error)
    } else {
        PortError::unavailable(Dependency::CodeStore, error)
    }
}
