//! The one place where everything is built and wired, started and stopped.

mod master_key;
mod operation;
mod wiring;

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

pub use self::operation::{Documents, OpenDatabase, Operation, documents};
pub use self::wiring::sites;
use crate::config::{Config, DatabasePooler};
use crate::domain::audit_chain::AuditReport;
use crate::flows::{AuditRange, Flows, MailWorkers, RewrapReport, SharedFlows, SigningKeysError};
use crate::http::{self, ConnectionLimits, HttpSettings, LookError, Pages};
use crate::ports::PortError;
use crate::ports::clock::Clock;
use crate::ports::db::{Db, DbSettings, DemoError, MigrateError, Pooler, StatementLimits};
use crate::ports::mail::templates::{TemplateError, Templates};
use crate::ports::mail::{Inbox, MailError, Mailer};
use crate::telemetry::DbCounts;

/// How long a dependency may take to answer at start before it is named as dead.
const START_PATIENCE: Duration = Duration::from_secs(4);

/// How long the work behind requests may go on after the last answer: a mail that is being sent, at most. With the default
/// `grace_secs` and `drain_secs`, and the next, a stop takes less than 25 seconds.
const LAST_WORK: Duration = Duration::from_secs(7);
/// How long a stopping server may take to put the last events on record.
const LAST_EVENTS: Duration = Duration::from_secs(3);
/// How long the last statements may take.
const LAST_QUERIES: Duration = Duration::from_secs(2);

/// What stopped the server from starting. Each says what to do.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Another process has the port.
    #[error("cannot listen on {address}: stop what uses it, or change {setting} ({variable})")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The setting that names it.
        setting: &'static str,
        /// The setting's environment variable.
        variable: &'static str,
        /// What the system said.
        source: std::io::Error,
    },
    /// The master secret could not be read or made.
    #[error("the master secret cannot be used: {0}")]
    MasterKey(String),
    /// A dependency is dead.
    #[error("cannot reach the {what} at {place}: start it, or correct {setting}")]
    Dead {
        /// What it is.
        what: &'static str,
        /// Where it should be, without a password.
        place: String,
        /// The setting that says where.
        setting: &'static str,
        /// What happened.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A dependency answers, and something in it is not as it must be.
    #[error("the {what} at {place} cannot be used")]
    Unusable {
        /// What it is.
        what: &'static str,
        /// Where it is, without a password.
        place: String,
        /// What is wrong.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Redis makes room by forgetting.
    #[error(
        "the Redis at {place} has maxmemory-policy {policy}, under which it forgets limits: set it to noeviction"
    )]
    Forgets {
        /// Where it is, without a password.
        place: String,
        /// What it says.
        policy: String,
    },
    /// The database could not be brought up to date.
    #[error("the database cannot be migrated")]
    Migrate(#[from] MigrateError),
    /// `migrate` or `key rewrap` has nobody to be.
    #[error(
        "database.owner_url is not set: this needs the role that owns the tables (DOORCODE__DATABASE__OWNER_URL)"
    )]
    NoOwner,
    /// The signing keys cannot be used.
    #[error("the signing keys cannot be used")]
    SigningKeys(#[from] SigningKeysError),
    /// A page is broken.
    #[error("a page is broken")]
    Pages(#[from] LookError),
    /// A mail template is broken.
    #[error("a mail template is broken")]
    Templates(#[from] TemplateError),
    /// The mail settings cannot be used.
    #[error("the mail settings cannot be used")]
    Mail(#[from] MailError),
    /// The demonstration data could not be written.
    #[error("no demonstration data was written")]
    Demo(#[from] DemoError),
    /// Something a production server does not do.
    #[error("{0} has no place on a production server (server.environment)")]
    NotInProduction(&'static str),
    /// Something this build cannot do.
    #[error("{0}")]
    NotInThisBuild(&'static str),
}

/// A server, ready to run.
pub struct App {
    flows: SharedFlows,
    http: HttpSettings,
    pages: Arc<Pages>,
    listener: TcpListener,
    inbox: Option<(TcpListener, Inbox)>,
    /// Where metrics are served.
    watch: Option<TcpListener>,
    mail: MailWorkers,
    connections: ConnectionLimits,
    grace: Duration,
    drain: Duration,
    store: wiring::Database,
}

impl App {
    /// Builds everything, in the order in which it can fail fastest: ports, secrets, stores, keys.
    ///
    /// # Errors
    /// A [`StartError`] within seconds; nothing keeps running.
    pub async fn start(config: &Config, clock: Clock) -> Result<Self, StartError> {
        let listener = listen(config.server.listen, "server.listen", "DOORCODE__SERVER__LISTEN").await?;
        let inbox = match wiring::inbox_address(config) {
            Some(address) => {
                let listener = listen(address, "mail.inbox_listen", "DOORCODE__MAIL__INBOX_LISTEN").await?;
                Some((listener, Inbox::default()))
            }
            None => None,
        };
        let metrics = wiring::metrics(config, &clock);
        let watch = match config.server.metrics_listen {
            Some(address) => {
                Some(listen(address, "server.metrics_listen", "DOORCODE__SERVER__METRICS_LISTEN").await?)
            }
            None => None,
        };
        let templates = Templates::parse()?;
        let pages = Arc::new(Pages::parse()?);
        let mailer = if let Some((_, inbox)) = &inbox {
            Mailer::Inbox(inbox.clone())
        } else {
            let smtp = wiring::smtp(config)?;
            metrics.mail.server_answered(wiring::try_mail_server(&smtp, config).await);
            Mailer::Smtp(smtp)
        };
        let keys = master_key::key_ring(config)?;
        let codes = wiring::codes(config, clock.clone(), metrics.store.clone()).await?;
        let store = wiring::Database::open(config).await?;
        let db = store.connect(config, metrics.database.clone()).await?;
        let flows = Arc::new(wiring::flows(config, metrics, clock, keys, codes, db));
        flows.load_signing_keys().await?;
        let mail = MailWorkers {
            flows: Arc::clone(&flows),
            mailer,
            templates,
            workers: config.mail.workers as usize,
            retry_after: [5, 15, 45, 120].map(Duration::from_secs).to_vec(),
        };
        Ok(Self {
            flows,
            http: wiring::http(config),
            pages,
            listener,
            inbox,
            watch,
            mail,
            connections: wiring::connection_limits(config),
            grace: Duration::from_secs(config.server.grace_secs),
            drain: Duration::from_secs(config.server.drain_secs),
            store,
        })
    }

    /// Where HTTP is served.
    ///
    /// # Errors
    /// If the system cannot say.
    pub fn local_addr(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// The stories that the server tells, for a program that tells them in other ways too.
    #[must_use]
    pub fn flows(&self) -> SharedFlows {
        Arc::clone(&self.flows)
    }

    /// Where the development inbox is served, if there is one.
    #[must_use]
    pub fn inbox_addr(&self) -> Option<SocketAddr> {
        self.inbox.as_ref().and_then(|(listener, _)| listener.local_addr().ok())
    }

    /// Where metrics are served, if they are.
    #[must_use]
    pub fn metrics_addr(&self) -> Option<SocketAddr> {
        self.watch.as_ref().and_then(|listener| listener.local_addr().ok())
    }

    /// The development inbox, if there is one.
    #[must_use]
    pub fn inbox(&self) -> Option<Inbox> {
        self.inbox.as_ref().map(|(_, inbox)| inbox.clone())
    }

    /// The pauses between tries of a mail; shorter where a test waits for the second one.
    #[must_use]
    pub fn with_mail_retries(mut self, retry_after: Vec<Duration>) -> Self {
        self.mail.retry_after = retry_after;
        self
    }

    /// Serves until `shutdown` resolves. Then, in this order: says that it is not ready and serves on for a while; accepts
    /// no more and answers what is under way; finishes or gives back the mails in hand; closes the stores.
    pub async fn run(self, shutdown: impl Future<Output = ()> + Send) {
        self.flows.start_housekeeping();
        self.flows.start_audit();
        self.flows.start_key_keeping();
        self.mail.start();
        if let Some((listener, inbox)) = self.inbox {
            let (limits, stop) = (self.connections.clone(), self.flows.finishing.clone());
            let routes = http::inbox::routes(inbox);
            self.flows.unfinished.spawn(http::serve(listener, routes, limits, stop, Duration::from_secs(1)));
        }
        // Until the last request has been answered: a stop is something to watch too.
        if let Some(listener) = self.watch {
            let (limits, stop) = (self.connections.clone(), self.flows.finishing.clone());
            let routes = http::watch::routes(Arc::clone(&self.flows));
            self.flows.unfinished.spawn(http::serve(listener, routes, limits, stop, Duration::from_secs(1)));
        }
        let closing = CancellationToken::new();
        let stop = async {
            shutdown.await;
            self.flows.draining.cancel();
            tokio::time::sleep(self.grace).await;
            closing.cancel();
        };
        let routes = http::routes(Arc::clone(&self.flows), self.pages, self.http);
        let served = http::serve(self.listener, routes, self.connections, closing.clone(), self.drain);
        tokio::join!(served, stop);
        finish(&self.flows).await;
        self.store.stop().await;
    }
}

/// Ends what goes on behind requests, and closes the database.
async fn finish(flows: &Flows) {
    flows.finishing.cancel();
    flows.unfinished.close();
    if tokio::time::timeout(LAST_WORK, flows.unfinished.wait()).await.is_err() {
        tracing::warn!("stopping with work unfinished: its leases will end by themselves");
    }
    // What ended just now had events of its own.
    if tokio::time::timeout(LAST_EVENTS, flows.finish_audit()).await.is_err() {
        tracing::warn!("stopping with events that are not on record");
    }
    if tokio::time::timeout(LAST_QUERIES, flows.db.close()).await.is_err() {
        tracing::warn!("stopping with database connections in use");
    }
}

/// Brings the configured database up to date, and does nothing else.
///
/// # Errors
/// A [`StartError`].
pub async fn migrate(config: &Config) -> Result<(), StartError> {
    let store = wiring::Database::open(config).await?;
    let outcome = store.migrate(config).await;
    store.stop().await;
    outcome
}

/// Encrypts everything at rest under the newest master secret; how, `flows::rewrap` says.
///
/// # Errors
/// A [`StartError`].
pub async fn rewrap(
    config: &Config,
    progress: &mut (dyn FnMut(&'static str, u64) + Send),
) -> Result<RewrapReport, StartError> {
    let keys = master_key::key_ring(config)?;
    let store = wiring::Database::open(config).await?;
    let outcome = store.rewrap(config, &keys, progress).await;
    store.stop().await;
    outcome
}

/// Looks whether the audit log of the configured database is whole; see [`crate::flows::verify_audit`].
///
/// # Errors
/// A [`StartError`].
pub async fn verify_audit(
    config: &Config,
    range: AuditRange,
    progress: impl FnMut(i64, i64) + Send,
) -> Result<AuditReport, StartError> {
    let keys = master_key::key_ring(config)?;
    let database = OpenDatabase::open(config).await?;
    let report = crate::flows::verify_audit(database.db(), &keys, range, progress).await;
    database.close().await;
    let place = config.database.redacted_url();
    report.map_err(|error| dead_or_unusable("database", place, "database.url", error))
}

/// Brings the configured database up to date and fills it with people and libraries to try things on.
///
/// # Errors
/// A [`StartError`]; a production server and a database that is in use are refused.
pub async fn fill_demo(config: &Config) -> Result<(), StartError> {
    if config.server.is_production() {
        return Err(StartError::NotInProduction("demonstration data"));
    }
    let store = wiring::Database::open(config).await?;
    let outcome = match store.migrate(config).await {
        Ok(()) => store.fill_demo(config).await,
        Err(error) => Err(error),
    };
    store.stop().await;
    outcome
}

async fn listen(
    address: SocketAddr,
    setting: &'static str,
    variable: &'static str,
) -> Result<TcpListener, StartError> {
    TcpListener::bind(address).await.map_err(|source| StartError::Listen {
        address,
        setting,
        variable,
        source,
    })
}

/// Names a dependency that failed at start.
fn dead_or_unusable(
    what: &'static str,
    place: String,
    setting: &'static str,
    error: PortError,
) -> StartError {
    match error {
        PortError::Unavailable { source, .. } => StartError::Dead { what, place, setting, source },
        PortError::Unexpected { source, .. } => StartError::Unusable { what, place, source },
    }
}

/// Waits for a dependency's first answer, but not for ever.
async fn patiently<T>(
    what: &'static str,
    place: &str,
    setting: &'static str,
    answer: impl Future<Output = Result<T, PortError>>,
) -> Result<T, StartError> {
    match tokio::time::timeout(START_PATIENCE, answer).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(dead_or_unusable(what, place.to_owned(), setting, error)),
        Err(elapsed) => {
            Err(StartError::Dead { what, place: place.to_owned(), setting, source: elapsed.into() })
        }
    }
}

/// Settings of the pool of connections.
fn db_settings(config: &Config, url: secrecy::SecretString, embedded: bool) -> DbSettings {
    DbSettings {
        url,
        // The embedded database has one connection, and making it takes most of a second.
        pool_size: if embedded { 1 } else { config.database.pool_size },
        acquire_timeout: if embedded {
            Duration::from_secs(10)
        } else {
            Duration::from_millis(config.database.acquire_timeout_ms)
        },
        limits: statement_limits(config),
        pooler: match config.database.pooler {
            DatabasePooler::None => Pooler::None,
            DatabasePooler::Pgbouncer => Pooler::Transaction,
            DatabasePooler::PgbouncerPrepared => Pooler::Prepared,
        },
        keep_open: embedded,
    }
}

fn statement_limits(config: &Config) -> StatementLimits {
    StatementLimits {
        statement_timeout: Duration::from_millis(config.database.statement_timeout_ms),
        lock_timeout: Duration::from_millis(config.database.lock_timeout_ms),
    }
}

fn connect(settings: &DbSettings, counts: DbCounts, place: &str) -> Result<Db, StartError> {
    Db::new(settings, counts)
        .map_err(|error| dead_or_unusable("database", place.to_owned(), "database.url", error))
}
