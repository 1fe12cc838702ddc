//! Everything that the scenarios share: stores of their own behind proxies that fail, three replicas, a load balancer.

use std::net::SocketAddr;
use std::process::Child;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use sqlx::AssertSqlSafe;
use sqlx::postgres::{PgPool, PgPoolOptions};
use tempfile::TempDir;
use tokio::task::block_in_place;
use uuid::Uuid;

use crate::cluster::Cluster;
use crate::ledger::Ledger;
use crate::mailbox::Mailbox;
use crate::own::Own;
use crate::proxy::{FaultProxy, Mode};
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
    stores: Stores,
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
                doorcode::ports::db::migrate(&owner.as_str().into(), &login.as_str().into()).await.unwrap();
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
            ("SITES__READER__MAILS_PER_HOUR", "1000000".to_owned()),
            // Everybody is at one mail host, and what is typed wrongly here is no attack.
            ("LIMITS__HOST_MAILS_PER_HOUR", "1000000".to_owned()),
            ("CODES__GUESSES_PER_10MIN", "1000000".to_owned()),
            ("CODES__GUESSES_PER_DAY", "1000000".to_owned()),
            ("KEYS__PUBLISH_AHEAD_SECS", PUBLISH_AHEAD.as_secs().to_string()),
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
        self.start_postgres();
        for replica in &self.replicas {
            replica.start(self.folder.path()).await;
        }
        self.balancer.has_ready(self.replicas.len()).await;
    }

    /// Redis ends in peace, keeping what it has.
    pub(crate) fn stop_redis(&self) {
        if let Some(mut redis) = self.stores.redis_process.lock().unwrap().take() {
            block_in_place(|| {
                let pid = redis.id().to_string();
                assert!(std::process::Command::new("kill").arg(pid).status().unwrap().success());
                redis.wait().unwrap();
            });
        }
    }

    pub(crate) fn start_redis(&self) {
        let mut redis = self.stores.redis_process.lock().unwrap();
        if redis.is_none() {
            *redis = Some(self.stores.redis.start_redis());
        }
    }

    /// As if its plug was pulled.
    pub(crate) fn kill_postgres(&self) {
        block_in_place(|| self.stores.postgres.kill());
    }

    /// Starts it, unless it runs.
    pub(crate) fn start_postgres(&self) {
        let address = SocketAddr::from(([127, 0, 0, 1], self.stores.postgres.port));
        block_in_place(|| {
            if std::net::TcpStream::connect(address).is_err() {
                self.stores.postgres.start();
            }
        });
    }

    pub(crate) async fn kill_replica(&self, which: usize) {
        *self.killed.lock().unwrap() = Some(Instant::now());
        self.replicas[which].kill().await;
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
    pub(crate) async fn redis_itself(&self) -> redis::aio::MultiplexedConnection {
        let client = redis::Client::open(format!("redis://127.0.0.1:{}/0", self.stores.redis.port)).unwrap();
        client.get_multiplexed_async_connection().await.unwrap()
    }

    /// Nobody's address so far.
    pub(crate) fn new_address(&self) -> String {
        format!("p{}{}", Uuid::new_v4().simple(), self.domain)
    }
}

/// The servers themselves. End with their owner.
struct Stores {
    postgres: Cluster,
    redis: Own,
    redis_process: Mutex<Option<Child>>,
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
