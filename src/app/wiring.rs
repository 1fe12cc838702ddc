//! From settings to parts.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::{START_PATIENCE, StartError, connect, db_settings, patiently, statement_limits};
use crate::config::{Config, DatabasePooler, MailTransport, SiteConfig, SmtpTls};
use crate::domain::{KeyRing, SharedNetworks, Site, Sites};
use crate::flows::{self, AuditSettings, ClockMemory, Flows, GateMemory, KeyKeeping, RewrapReport};
use crate::http::{ConnectionLimits, HttpSettings};
use crate::ports::clock::Clock;
use crate::ports::codes::{
    CodeLimits, Codes, KnownDeviceLimits, MemoryCodes, NetworkLimits, RedisCodes, RedisSettings, TripLimits,
};
#[cfg(feature = "embedded")]
use crate::ports::db::EmbeddedPostgres;
use crate::ports::db::{Db, Owner, Vault};
use crate::ports::limits::{ClientLimits, Limits};
use crate::ports::mail::{self, MailError, SmtpMailer, SmtpSettings};
use crate::ports::refusals::Refusals;
use crate::ports::tokens::Tokens;
use crate::telemetry::{DbCounts, LimitCounts, Metrics, StoreCounts, causes};

/// How long the embedded database may take to answer: it is ours and not dead, and on a busy machine it takes its time.
#[cfg(feature = "embedded")]
const EMBEDDED_PATIENCE: Duration = Duration::from_secs(30);

/// The database, as it is run.
pub(super) enum Database {
    /// A server that others run.
    Served,
    /// Ours, in this process.
    #[cfg(feature = "embedded")]
    Embedded(Box<EmbeddedPostgres>),
}

impl Database {
    pub(super) async fn open(config: &Config) -> Result<Self, StartError> {
        if !config.database.is_embedded() {
            return Ok(Self::Served);
        }
        #[cfg(feature = "embedded")]
        {
            let folder = config.database.data_dir.join("postgres");
            let place = folder.display().to_string();
            let started = EmbeddedPostgres::start(&folder).await;
            started.map(|server| Self::Embedded(Box::new(server))).map_err(|error| {
                super::dead_or_unusable("embedded database", place, "database.data_dir", error)
            })
        }
        #[cfg(not(feature = "embedded"))]
        Err(StartError::NotInThisBuild(
            "this build has no embedded database: set database.url to a PostgreSQL server, or build with --features embedded",
        ))
    }

    /// A pool under the server's own role, on a schema that is found up to date.
    pub(super) async fn connect(&self, config: &Config, counts: DbCounts) -> Result<Db, StartError> {
        let (url, place) = match self {
            Self::Served => (config.database.url.clone(), config.database.redacted_url()),
            #[cfg(feature = "embedded")]
            Self::Embedded(server) => (server.login_url(), config.database.data_dir.display().to_string()),
        };
        if config.database.migrate_at_start {
            self.migrate(config).await?;
        }
        let embedded = config.database.is_embedded();
        let db = connect(&db_settings(config, url, embedded), counts, &place)?;
        patiently("database", &place, "database.url", db.check()).await?;
        // Whether it answers is seen when something is read: the server does not stand or fall with it.
        let Some(replica) = &config.database.replica_url else { return Ok(db) };
        let patience = Duration::from_millis(config.database.replica_patience_ms);
        let replica = db_settings(config, replica.clone(), false);
        db.with_replica(&replica, patience)
            .map_err(|error| super::dead_or_unusable("read replica", place, "database.replica_url", error))
    }

    /// The owner of the tables, and where it is: the database and the setting that says so.
    async fn owner(&self, config: &Config) -> Result<(Owner, String, &'static str), StartError> {
        let (url, patience, place, setting) = match self {
            Self::Served => {
                let url = config.database.owner_url.clone().ok_or(StartError::NoOwner)?;
                (url, START_PATIENCE, config.database.redacted_owner_url(), "database.owner_url")
            }
            #[cfg(feature = "embedded")]
            Self::Embedded(server) => {
                let place = config.database.data_dir.display().to_string();
                (server.owner_url(), EMBEDDED_PATIENCE, place, "database.data_dir")
            }
        };
        let owner = Owner::connect(&url, patience).await;
        let owner =
            owner.map_err(|error| super::dead_or_unusable("database", place.clone(), setting, error))?;
        Ok((owner, place, setting))
    }

    pub(super) async fn migrate(&self, config: &Config) -> Result<(), StartError> {
        let (mut owner, ..) = self.owner(config).await?;
        match self {
            Self::Served => {
                owner.migrate(&config.database.url).await?;
                if config.database.pooler == DatabasePooler::PgbouncerPrepared {
                    owner.limit_login_role(&config.database.url, statement_limits(config)).await?;
                }
            }
            #[cfg(feature = "embedded")]
            Self::Embedded(server) => owner.migrate(&server.login_url()).await?,
        }
        owner.close().await;
        Ok(())
    }

    /// Fills an empty database with people and libraries to try things on.
    pub(super) async fn fill_demo(&self, config: &Config) -> Result<(), StartError> {
        let (mut owner, ..) = self.owner(config).await?;
        owner.fill_demo().await?;
        owner.close().await;
        Ok(())
    }

    /// Encrypts everything at rest under the newest master secret.
    pub(super) async fn rewrap(
        &self,
        config: &Config,
        keys: &KeyRing,
        progress: &mut (dyn FnMut(&'static str, u64) + Send),
    ) -> Result<RewrapReport, StartError> {
        let (owner, place, setting) = self.owner(config).await?;
        let mut vault = Vault::of(owner);
        let report = flows::rewrap(keys, &mut vault, progress)
            .await
            .map_err(|error| super::dead_or_unusable("database", place, setting, error))?;
        vault.close().await;
        Ok(report)
    }

    pub(super) async fn stop(self) {
        match self {
            Self::Served => {}
            #[cfg(feature = "embedded")]
            Self::Embedded(server) => {
                if let Err(error) = server.stop().await {
                    tracing::warn!(
                        error = %causes(&error),
                        "the embedded database did not close cleanly"
                    );
                }
            }
        }
    }
}

/// What is counted, from now on.
pub(super) fn metrics(config: &Config, clock: &Clock) -> Arc<Metrics> {
    Arc::new(Metrics::new(clock.now(), config.sites.keys().map(String::as_str)))
}

/// The stories, on their ports.
pub(super) fn flows(
    config: &Config,
    metrics: Arc<Metrics>,
    clock: Clock,
    keys: KeyRing,
    codes: Codes,
    db: Db,
) -> Flows {
    Flows {
        sites: sites(config),
        keys,
        codes,
        db,
        tokens: Tokens::default(),
        key_keeping: key_keeping(config),
        limits: client_limits(config, metrics.limits.clone()),
        refusals: Refusals::default(),
        audit: audit(config),
        gate_memory: GateMemory::default(),
        clock_memory: ClockMemory::default(),
        started_at: clock.now(),
        metrics,
        clock,
        code_life: Duration::from_secs(config.codes.ttl_secs),
        wrong_per_month: config.codes.wrong_per_month,
        send_gap: Duration::from_secs(config.limits.send_gap_secs),
        may_generate_links: config.admin.generate_link,
        unfinished: TaskTracker::new(),
        outbox_filled: Notify::new(),
        draining: CancellationToken::new(),
        finishing: CancellationToken::new(),
    }
}

fn code_limits(config: &Config) -> CodeLimits {
    CodeLimits {
        life: Duration::from_secs(config.codes.ttl_secs),
        tries: config.codes.tries,
        wrong_per_day: config.codes.wrong_per_day,
        lease: Duration::from_secs(config.codes.lease_secs),
        send_gap: Duration::from_secs(config.limits.send_gap_secs),
        sends_per_hour: config.limits.sends_per_hour,
        sends_per_day: config.limits.sends_per_day,
        cooling: Duration::from_secs(config.limits.cooling_secs),
        host_mails_per_hour: config.limits.host_mails_per_hour,
        networks: NetworkLimits {
            client_sends_per_ten_minutes: config.limits.client_sends_per_10min,
            client_sends_per_hour: config.limits.client_sends_per_hour,
            network_sends_per_hour: config.limits.network_sends_per_hour,
            client_wrong_per_ten_minutes: config.limits.client_wrong_per_10min,
            network_wrong_per_hour: config.limits.network_wrong_per_hour,
        },
        trip: TripLimits {
            per_ten_minutes: config.codes.guesses_per_10min,
            per_day: config.codes.guesses_per_day,
        },
        known: KnownDeviceLimits {
            sends_per_hour: config.limits.known_sends_per_hour,
            wrong_per_day: config.codes.known_wrong_per_day,
        },
        events_waiting: config.audit.events_waiting,
    }
}

pub(super) fn memory_codes(config: &Config, clock: Clock) -> Codes {
    Codes::Memory(MemoryCodes::new(code_limits(config), clock))
}

pub(super) async fn codes(config: &Config, clock: Clock, counts: StoreCounts) -> Result<Codes, StartError> {
    let Some(address) = config.redis.address.clone() else { return Ok(memory_codes(config, clock)) };
    let place = address.to_string();
    let unusable =
        |source| StartError::Unusable { what: "certificates of Redis", place: place.clone(), source };
    let ca_pem = config.redis.ca_file.as_ref().map(std::fs::read).transpose();
    let settings = RedisSettings {
        address,
        ca_pem: ca_pem.map_err(|error| unusable(error.into()))?,
        sentinel_login: config.redis.sentinel_login.clone(),
        key_prefix: config.redis.key_prefix.clone(),
        partitions: config.redis.partitions,
        timeout: Duration::from_millis(config.redis.timeout_ms),
        limits: code_limits(config),
    };
    let codes = patiently("Redis", &place, "redis.url", async {
        let codes = Codes::Redis(Box::new(RedisCodes::new(settings, counts)?));
        codes.connect().await?;
        codes.check().await?;
        Ok(codes)
    })
    .await?;
    judge_eviction(&codes, place, config.server.is_production()).await?;
    Ok(codes)
}

/// A Redis that makes room by forgetting takes limits for room.
async fn judge_eviction(codes: &Codes, place: String, is_production: bool) -> Result<(), StartError> {
    match patiently("Redis", &place, "redis.url", codes.eviction()).await {
        Ok(None) => Ok(()),
        Ok(Some(policy)) if is_production => Err(StartError::Forgets { place, policy }),
        Ok(Some(policy)) => {
            tracing::warn!(
                place,
                policy,
                "a full Redis would forget limits: set maxmemory-policy noeviction"
            );
            Ok(())
        }
        // Its user may not ask (`+info`), or it was called something else there.
        Err(StartError::Unusable { source, .. }) => {
            tracing::warn!(
                error = %causes(&*source),
                place,
                "Redis does not say what it does when it is full: see that its maxmemory-policy is noeviction"
            );
            Ok(())
        }
        Err(error) => Err(error),
    }
}

/// The sites of a configuration.
#[must_use]
pub fn sites(config: &Config) -> Sites {
    let sites = config.sites.iter().map(|(id, site)| site_of(id, site)).collect();
    Sites::new(sites, &config.server.shared_hosts)
}

fn site_of(id: &str, config: &SiteConfig) -> Site {
    Site {
        id: id.to_owned(),
        kind: config.kind,
        name: config.name.clone(),
        url: config.url.clone(),
        origins: std::iter::once(config.url.origin().ascii_serialization())
            .chain(config.origins.clone())
            .collect(),
        publishable_key: config.publishable_key.clone(),
        audience: config.audience.clone(),
        sign_up: config.sign_up,
        reveal_unknown_accounts: config.reveal_unknown_accounts,
        sender_name: config.sender_name.clone(),
        sender: config.sender_address.clone(),
        locale: config.locale,
        algorithm: config.token_algorithm,
        access_token_life: Duration::from_secs(config.access_token_secs),
        session_idle: Duration::from_secs(config.session_idle_secs),
        session_max: Duration::from_secs(config.session_max_secs),
        mails_per_hour: config.mails_per_hour,
        mail_link: config.mail_link.clone(),
        look: config.look.clone(),
        gate: config.gate.clone(),
    }
}

pub(super) fn key_keeping(config: &Config) -> KeyKeeping {
    let rotate_every = Duration::from_secs(config.keys.rotate_days * 86_400);
    KeyKeeping::new(
        (!rotate_every.is_zero()).then_some(rotate_every),
        Duration::from_secs(config.keys.publish_ahead_secs),
    )
}

pub(super) fn client_limits(config: &Config, counts: LimitCounts) -> Limits {
    // The configuration has been checked: no limit is zero.
    let number = |limit: u32| NonZeroU32::new(limit).unwrap_or(NonZeroU32::MIN);
    let limits = ClientLimits {
        window: Duration::from_secs(config.limits.window_secs),
        code_requests: number(config.limits.code_requests),
        verifies: number(config.limits.verifies),
        refreshes: number(config.limits.refreshes),
        networks: SharedNetworks::new(config.limits.networks.clone()),
    };
    Limits::new(&limits, counts)
}

pub(super) fn audit(config: &Config) -> AuditSettings {
    AuditSettings { retention_days: config.audit.retention_days, ip_days: config.audit.ip_days }
}

pub(super) fn inbox_address(config: &Config) -> Option<SocketAddr> {
    (config.mail.transport == MailTransport::Inbox).then_some(config.mail.inbox_listen)
}

pub(super) fn smtp(config: &Config) -> Result<SmtpMailer, StartError> {
    let mail = &config.mail;
    let ca_pem = match &mail.smtp_ca_file {
        Some(path) => Some(std::fs::read(path).map_err(|error| MailError::Permanent(error.into()))?),
        None => None,
    };
    Ok(SmtpMailer::new(&SmtpSettings {
        host: mail.smtp_host.clone(),
        port: mail.smtp_port,
        tls: match mail.smtp_tls {
            SmtpTls::StartTls => mail::SmtpTls::StartTls,
            SmtpTls::Tls => mail::SmtpTls::Tls,
            SmtpTls::None => mail::SmtpTls::None,
        },
        credentials: (!mail.smtp_user.is_empty())
            .then(|| (mail.smtp_user.clone(), mail.smtp_password.clone())),
        ca_pem,
        pool_size: mail.smtp_pool,
        command_timeout: Duration::from_secs(mail.command_timeout_secs),
    })?)
}

pub(super) fn http(config: &Config) -> HttpSettings {
    HttpSettings {
        trusted_proxies: config.server.trusted_proxies.clone(),
        body_limit: usize::try_from(config.server.body_limit_bytes).unwrap_or(usize::MAX),
        url_limit: usize::try_from(config.server.url_limit_bytes).unwrap_or(usize::MAX),
        request_timeout: Duration::from_secs(config.server.request_timeout_secs),
        strict_transport: config.server.is_production(),
    }
}

pub(super) fn connection_limits(config: &Config) -> ConnectionLimits {
    let server = &config.server;
    let count = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
    ConnectionLimits {
        header_read: Duration::from_secs(server.header_timeout_secs),
        body_read: Duration::from_secs(server.body_timeout_secs),
        write_stall: Duration::from_secs(server.write_timeout_secs),
        idle: Duration::from_secs(server.idle_timeout_secs),
        connections: count(server.max_connections),
        connections_per_client: count(server.max_connections_per_client),
        trusted_proxies: server.trusted_proxies.clone(),
        header_block: count(server.header_limit_bytes),
        headers: count(server.max_headers),
        http2_streams: server.http2_streams,
        strict_transport: server.is_production(),
    }
}

/// Whether the mail server answers. If not, that is logged; codes wait in the queue meanwhile.
pub(super) async fn try_mail_server(smtp: &SmtpMailer, config: &Config) -> bool {
    let place = format!("{}:{}", config.mail.smtp_host, config.mail.smtp_port);
    match tokio::time::timeout(START_PATIENCE, smtp.check()).await {
        Ok(Ok(())) => true,
        Ok(Err(error)) => {
            tracing::warn!(
                error = %causes(&error),
                place,
                "the mail server does not answer: mails wait until it does, or until their codes end (mail.smtp_host)"
            );
            false
        }
        Err(_) => {
            tracing::warn!(place, "the mail server does not answer in time (mail.smtp_host)");
            false
        }
    }
}
