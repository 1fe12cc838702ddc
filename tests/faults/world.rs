//! Everything that the scenarios share: stores of their own behind proxies that fail, three replicas, a load balancer.

use std::net::SocketAddr;
use std::process::Child;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use doorcode::ports::db::Owner;
use futures_util::future::join_all;
use redis::aio::MultiplexedConnection;
use sqlx::AssertSqlSafe;
use sqlx::postgres::{PgPool, PgPoolOptions};
use tempfile::TempDir;
use tokio::task::block_in_place;
use uuid::Uuid;

use crate::cluster::Cluster;
use crate::failover::masters;
use crate::ledger::Ledger;
use crate::mailbox::Mailbox;
use crate::own::Own;
use crate::proxy::{FaultProxy, Mode};
use crate::redis::OwnRedis;
use crate::replica::{BALANCER, Balancer, Program, Replica};
use crate::services::setting;
use crate::tally::Tally;
use crate::upgrade;

/// How long a new key is published before it signs: the least that may be set.
pub(crate) const PUBLISH_AHEAD: Duration = Duration::from_secs(660);
/// After a killed replica, requests under way may end without an answer for so long.
const KILL_SHOWS: Duration = Duration::from_secs(3);

/// What replicas find when they are started.
pub(crate) enum Start {
    /// A database that is up to date.
    Ready,
    /// One that is behind: they bring it up to date themselves. All at the same moment.
    Together {
        /// Migrations that it lacks.
        behind: usize,
    },
    /// An empty one, that this build of the server brings up to date. One after the other.
    With(Program),
}

/// See the module.
pub(crate) struct World {
    pub(crate) redis: FaultProxy,
    pub(crate) postgres: FaultProxy,
    pub(crate) mail: FaultProxy,
    pub(crate) mailbox: Mailbox,
    pub(crate) replicas: Vec<Replica>,
    pub(crate) balancer: Balancer,
    /// The database, past the proxy, as its superuser.
    pub(crate) sql: PgPool,
    pub(crate) tally: Tally,
    pub(crate) ledger: Ledger,
    /// Everybody's addresses end with it.
    pub(crate) domain: String,
    long: bool,
    pub(crate) stores: Stores,
    /// The Redis that the replicas use in place of the one here.
    elsewhere: Mutex<Option<Arc<OwnRedis>>>,
    killed: Mutex<Option<Instant>>,
    pub(crate) folder: TempDir,
}

impl World {
    pub(crate) async fn start(long: bool) -> Self {
        Self::begin(long, Start::Ready).await
    }

    pub(crate) async fn begin(long: bool, start: Start) -> Self {
        let (stores, folder) = (Stores::start(), tempfile::tempdir().unwrap());
        let domain = format!("@{}.example.org", &Uuid::new_v4().simple().to_string()[..12]);
        let local = |port| SocketAddr::from(([127, 0, 0, 1], port));
        let postgres = FaultProxy::before(local(stores.postgres.port)).await;
        let redis = FaultProxy::before(local(stores.redis.port)).await;
        let mail = FaultProxy::before(local(setting("DOORCODE_TEST_SMTP_PORT").parse().unwrap())).await;
        let owner = stores.postgres.url("postgres");
        let login = format!("postgres://doorcode:secret@127.0.0.1:{}/postgres", postgres.port);
        let sql = PgPoolOptions::new().max_connections(4).connect(&owner).await.unwrap();
        match start {
            Start::Ready => {
                let mut owner =
                    Owner::connect(&owner.as_str().into(), Duration::from_secs(30)).await.unwrap();
                owner.migrate(&login.as_str().into()).await.unwrap();
            }
            Start::Together { behind } => upgrade::migrate_but(&sql, behind).await,
            Start::With(_) => {}
        }
        let settings = [
            ("DATABASE__URL", login),
            ("DATABASE__OWNER_URL", owner),
            ("DATABASE__MIGRATE_AT_START", (!matches!(start, Start::Ready)).to_string()),
            ("REDIS__URL", format!("redis://127.0.0.1:{}/0", redis.port)),
            ("SECRETS__MASTER", "h1QeZbJkN0s3x5vY8aBcD2fGiKlMnOpQrStUwXzA46E=".to_owned()),
            ("SERVER__TRUSTED_PROXIES", BALANCER.to_owned()),
            ("SERVER__GRACE_SECS", "2".to_owned()),
            ("SERVER__METRICS_LISTEN", "127.0.0.1:0".to_owned()),
            ("MAIL__TRANSPORT", "smtp".to_owned()),
            ("MAIL__SMTP_HOST", "localhost".to_owned()),
            ("MAIL__SMTP_PORT", mail.port.to_string()),
            ("MAIL__SMTP_TLS", "starttls".to_owned()),
            ("MAIL__SMTP_CA_FILE", setting("DOORCODE_TEST_SMTP_CA")),
            // Said to a mail server that has shown who it is.
            ("MAIL__SMTP_USER", "doorcode".to_owned()),
            ("MAIL__SMTP_PASSWORD", "relay-secret".to_owned()),
            ("MAIL__COMMAND_TIMEOUT_SECS", "2".to_owned()),
            // Whoever was turned away asks again, and soon.
            ("LIMITS__SEND_GAP_SECS", "1".to_owned()),
            ("LIMITS__SENDS_PER_HOUR", "1000".to_owned()),
            ("LIMITS__SENDS_PER_DAY", "1000".to_owned()),
            ("LIMITS__CLIENT_SENDS_PER_10MIN", "1000".to_owned()),
            ("LIMITS__CLIENT_SENDS_PER_HOUR", "1000".to_owned()),
            ("LIMITS__NETWORK_SENDS_PER_HOUR", "1000".to_owned()),
            // All addresses are of one host.
            ("LIMITS__HOST_MAILS_PER_HOUR", "1000000".to_owned()),
            ("SITES__READER__MAILS_PER_HOUR", "1000000".to_owned()),
            ("SITES__MANAGEMENT__MAILS_PER_HOUR", "1000000".to_owned()),
            // What is typed wrongly here is no attack.
            ("CODES__GUESSES_PER_10MIN", "1000000".to_owned()),
            ("CODES__GUESSES_PER_DAY", "1000000".to_owned()),
            ("KEYS__PUBLISH_AHEAD_SECS", PUBLISH_AHEAD.as_secs().to_string()),
            // A day's guesses at an address and a few more.
            ("CODES__WRONG_PER_MONTH", "25".to_owned()),
            ("LOG__FILTER", "warn".to_owned()),
        ];
        let settings = settings.map(|(name, value)| (name.to_owned(), value));
        let program = if let Start::With(program) = &start { program.clone() } else { Program::present() };
        let replicas: Vec<_> = (0..3).map(|_| Replica::new(&settings, &program)).collect();
        if let Start::Together { .. } = start {
            join_all(replicas.iter().map(|replica| replica.start(folder.path()))).await;
        }
        for replica in &replicas {
            replica.start(folder.path()).await;
        }
        let balancer = Balancer::before(&replicas, folder.path()).await;
        balancer.has_ready(replicas.len()).await;
        Self {
            redis,
            postgres,
            mail,
            mailbox: Mailbox::of(domain.clone()),
            replicas,
            balancer,
            sql,
            tally: Tally::default(),
            ledger: Ledger::default(),
            domain,
            long,
            stores,
            elsewhere: Mutex::new(None),
            killed: Mutex::new(None),
            folder,
        }
    }

    /// How often something is tried: in the short form of the suite, or in the long one.
    pub(crate) fn rounds(&self, short: usize, long: usize) -> usize {
        if self.long { long } else { short }
    }

    /// Lets all replicas leave in peace.
    pub(crate) async fn end(&self) {
        join_all(self.replicas.iter().map(Replica::stop)).await;
    }

    /// Everything as it was at the start, whatever a scenario has left.
    pub(crate) async fn heal(&self) {
        for proxy in [&self.redis, &self.postgres, &self.mail] {
            proxy.set(Mode::Pass);
        }
        self.start_redis();
        self.release_postgres();
        self.start_postgres();
        self.fill_redis(false).await;
        if self.elsewhere.lock().unwrap().is_some() {
            self.use_redis(None).await;
        }
        self.database_takes(true, None).await;
        self.set_clocks([0; 3]).await;
        for replica in &self.replicas {
            replica.start(self.folder.path()).await;
        }
        self.balancer.has_ready(self.replicas.len()).await;
    }

    pub(crate) async fn kill_replica(&self, which: usize) {
        *self.killed.lock().unwrap() = Some(Instant::now());
        self.replicas[which].kill().await;
    }

    /// Restarts the replicas whose clocks are not so many seconds ahead.
    pub(crate) async fn set_clocks(&self, ahead: [i64; 3]) {
        let replicas = self.replicas.iter().zip(ahead).filter(|(replica, ahead)| replica.clock() != *ahead);
        join_all(replicas.map(async |(replica, ahead)| {
            replica.stop().await;
            replica.set_clock(ahead);
            replica.start(self.folder.path()).await;
        }))
        .await;
    }

    /// Restarts the replicas with another Redis, or with their own; what was in the one before is lost.
    pub(crate) async fn use_redis(&self, redis: Option<Arc<OwnRedis>>) {
        let settings = redis.as_ref().map_or_else(Vec::new, |redis| {
            let partitions = if redis.masters.len() > 1 { "8" } else { "1" };
            let settings = [
                ("REDIS__URL", &*redis.url),
                ("REDIS__KEY_PREFIX", "t-doorcode"),
                ("REDIS__PARTITIONS", partitions),
            ];
            settings.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec()
        });
        let before = std::mem::replace(&mut *self.elsewhere.lock().unwrap(), redis);
        join_all(self.replicas.iter().map(async |replica| {
            replica.stop().await;
            replica.set_redis(&settings);
            replica.start(self.folder.path()).await;
        }))
        .await;
        drop(before);
        self.balancer.has_ready(self.replicas.len()).await;
    }

    /// Every server of Redis that takes writes, by its port, past the proxy.
    pub(crate) async fn redis_servers(&self) -> Vec<(u16, MultiplexedConnection)> {
        let elsewhere = self.elsewhere.lock().unwrap().clone();
        match elsewhere {
            Some(redis) => masters(&redis).await,
            None => vec![(self.stores.redis.port, self.redis_itself().await)],
        }
    }

    /// Whether a request may go without an answer because its replica was killed.
    pub(crate) fn was_killed_lately(&self) -> bool {
        self.killed.lock().unwrap().is_some_and(|at| at.elapsed() < KILL_SHOWS)
    }

    /// One number from the database.
    pub(crate) async fn count(&self, query: &str) -> i64 {
        let query = AssertSqlSafe(format!("select count(*) from {query}"));
        sqlx::query_scalar(query).fetch_one(&self.sql).await.unwrap()
    }

    /// A connection to Redis past the proxy.
    pub(crate) async fn redis_itself(&self) -> MultiplexedConnection {
        let client = redis::Client::open(format!("redis://127.0.0.1:{}/0", self.stores.redis.port)).unwrap();
        client.get_multiplexed_async_connection().await.unwrap()
    }

    /// Nobody's address so far.
    pub(crate) fn new_address(&self) -> String {
        format!("p{}{}", Uuid::new_v4().simple(), self.domain)
    }
}

/// The servers themselves. End with their owner.
pub(crate) struct Stores {
    pub(crate) postgres: Cluster,
    pub(crate) redis: Own,
    pub(crate) redis_process: Mutex<Option<Child>>,
}

impl Stores {
    fn start() -> Self {
        let (postgres, redis) = (Cluster::new(), Own::new());
        let redis_process = Mutex::new(Some(redis.start_redis()));
        let stores = Self { postgres, redis, redis_process };
        block_in_place(|| stores.postgres.start());
        stores
    }
}

impl Drop for Stores {
    fn drop(&mut self) {
        if let Some(mut redis) = self.redis_process.lock().unwrap().take() {
            let _ = redis.kill();
            let _ = redis.wait();
        }
    }
}

/// Waits for something that is to happen within a time.
pub(crate) async fn until(patience: Duration, what: &str, condition: impl AsyncFn() -> bool) {
    let end = Instant::now() + patience;
    while !condition().await {
        assert!(Instant::now() < end, "{what}: not within {patience:?}");
        // Often: what happens next may depend on seeing it at once.
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
