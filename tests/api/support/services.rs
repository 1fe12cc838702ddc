//! The PostgreSQL, Redis and mail server that `tests/run` started, and a corner of each for one test.

use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::Duration;

use doorcode::ports::db::Owner;
use redis::aio::MultiplexedConnection;
use sqlx::postgres::{PgConnection, PgPool, PgPoolOptions};
use sqlx::{AssertSqlSafe, Connection};
use tokio::sync::OnceCell;
use uuid::Uuid;

use super::redis::{OwnRedis, client_of};

/// What `tests/run` says of a service.
pub(crate) fn setting(name: &str) -> String {
    #[expect(clippy::disallowed_methods, reason = "tests are told by tests/run where the services are")]
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: run the tests with tests/run"))
}

/// Whether the servers of this run have PgBouncer between them and PostgreSQL.
pub(crate) fn is_behind_pgbouncer() -> bool {
    pooler() != "none"
}

/// What it is for them, as `database.pooler` says.
fn pooler() -> &'static str {
    match std::env::var_os("DOORCODE_TEST_BEHIND_PGBOUNCER") {
        None => "none",
        Some(mode) if mode == "prepared" => "pgbouncer_prepared",
        Some(_) => "pgbouncer",
    }
}

/// A database and a Redis prefix of one test's own.
pub(crate) struct Services {
    /// Name of the database, and of the server's login role.
    pub(crate) name: String,
    /// As the owner of the tables.
    pub(crate) sql: PgPool,
    redis_url: String,
    /// Every server that has keys.
    redis: Vec<redis::Client>,
}

/// A migrated database that each test's is copied from.
static TEMPLATE: OnceCell<String> = OnceCell::const_new();

impl Services {
    pub(crate) async fn new() -> Self {
        let url = setting("DOORCODE_TEST_REDIS_URL");
        let redis = redis::Client::open(url.as_str()).unwrap();
        Self::with_redis(url, vec![redis]).await
    }

    /// The same with another Redis.
    pub(crate) async fn on(redis: &OwnRedis) -> Self {
        Self::with_redis(redis.url.clone(), redis.masters.iter().copied().map(client_of).collect()).await
    }

    async fn with_redis(redis_url: String, redis: Vec<redis::Client>) -> Self {
        let name = format!("doorcode_{}", Uuid::new_v4().simple());
        let template = TEMPLATE.get_or_init(make_template).await;
        // Copying locks the template for a moment; another test may be copying too.
        let mut tries = 0;
        while let Err(error) =
            as_superuser(&format!("create database {name} template {template} owner {OWNER}")).await
        {
            tries += 1;
            assert!(tries < 200, "cannot copy the template: {error}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        // The copy has what is in the template, but not what was granted on the template itself.
        as_superuser(&format!("revoke temporary on database {name} from public")).await.unwrap();
        let sql = PgPoolOptions::new().max_connections(2).connect(&owner_url(&name)).await.unwrap();
        Self { name, sql, redis_url, redis }
    }

    /// The settings that point a server here.
    pub(crate) fn settings(&self) -> Vec<(String, String)> {
        [
            ("DATABASE__URL", self.server_url()),
            ("DATABASE__POOLER", pooler().to_owned()),
            ("DATABASE__OWNER_URL", owner_url(&self.name)),
            ("DATABASE__POOL_SIZE", "4".to_owned()),
            ("REDIS__URL", self.redis_url.clone()),
            ("REDIS__KEY_PREFIX", self.prefix()),
            // Two cores run many tests at once: a slow answer is no outage here.
            ("REDIS__TIMEOUT_MS", "3000".to_owned()),
            ("DATABASE__ACQUIRE_TIMEOUT_MS", "8000".to_owned()),
            ("DATABASE__LOCK_TIMEOUT_MS", "30000".to_owned()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .to_vec()
    }

    /// The database, as the servers of this run reach it.
    pub(crate) fn server_url(&self) -> String {
        if is_behind_pgbouncer() { pgbouncer_url(&self.name) } else { login_url(&self.name) }
    }

    /// The database, as the cluster's superuser.
    pub(crate) fn superuser_url(&self) -> String {
        url(&self.name, "postgres")
    }

    fn prefix(&self) -> String {
        // At most 32 characters; the random part is what counts.
        format!("t-{}", &self.name["doorcode_".len()..][..24])
    }

    /// One number from the database, as its owner.
    pub(crate) async fn count(&self, query: &str) -> i64 {
        sqlx::query_scalar(AssertSqlSafe(format!("select count(*) from {query}")))
            .fetch_one(&self.sql)
            .await
            .unwrap()
    }

    /// How many connections to this test's database are in a state, as only a superuser may ask.
    pub(crate) async fn connections(&self, condition: &str) -> i64 {
        let mut connection = PgConnection::connect(&setting("DOORCODE_TEST_DATABASE_URL")).await.unwrap();
        let query = format!("select count(*) from pg_stat_activity where datname = $1 and {condition}");
        sqlx::query_scalar(AssertSqlSafe(query)).bind(&self.name).fetch_one(&mut connection).await.unwrap()
    }

    /// Returns once a statement in this test's database waits for a lock.
    pub(crate) async fn somebody_waits(&self) {
        for _ in 0..1000 {
            if self.connections("wait_event_type = 'Lock'").await > 0 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("nobody waits for a lock");
    }

    /// All keys of this test in Redis.
    pub(crate) async fn keys(&self) -> Vec<String> {
        let mut keys = Vec::new();
        for server in &self.redis {
            keys.extend(self.keys_on(&mut connect(server).await).await);
        }
        keys
    }

    async fn keys_on(&self, server: &mut MultiplexedConnection) -> Vec<String> {
        redis::cmd("KEYS").arg(format!("{}:*", self.prefix())).query_async(server).await.unwrap()
    }

    /// A plain connection to Redis: to the first server, if there are several.
    pub(crate) async fn redis(&self) -> MultiplexedConnection {
        connect(&self.redis[0]).await
    }

    /// Every key of this test with the milliseconds that it has left, a list a server.
    pub(crate) async fn keys_and_ends(&self) -> Vec<Vec<(String, i64)>> {
        let mut servers = Vec::new();
        for server in &self.redis {
            let mut server = connect(server).await;
            let mut list = Vec::new();
            for key in self.keys_on(&mut server).await {
                let left = redis::cmd("PTTL").arg(&key).query_async(&mut server).await.unwrap();
                list.push((key, left));
            }
            servers.push(list);
        }
        servers
    }

    /// Lets `by` pass in both stores: every moment that they remember moves into the past, every end comes nearer.
    pub(crate) async fn advance(&self, by: Duration) {
        // The database first: what Redis is told again out of it is then as old as the rest.
        for statement in [
            "update auth.sessions set created_at = created_at - $1, not_after = not_after - $1,
                    refreshed_at = refreshed_at - $1",
            "update auth.email_changes set requested_at = requested_at - $1, expires_at = expires_at - $1",
            "update auth.signing_keys
                set created_at = created_at - $1, activated_at = activated_at - $1, promote_at = promote_at - $1,
                    retired_at = retired_at - $1, drop_at = drop_at - $1
              where state <> 'gone'",
            "update auth.mail_suppressions
                set since = since - $1, ends_at = ends_at - $1, last_bounce_at = last_bounce_at - $1",
            "update auth.wrong_guesses set guessed_at = guessed_at - $1",
            "update auth.service_keys set expires_at = expires_at - $1 where expires_at is not null",
            "update auth.users set banned_until = banned_until - $1 where banned_until is not null",
        ] {
            sqlx::query(statement).bind(by).execute(&self.sql).await.unwrap();
        }
        self.advance_redis(by).await;
    }

    async fn advance_redis(&self, by: Duration) {
        for server in &self.redis {
            self.advance_server(&mut connect(server).await, by).await;
        }
    }

    async fn advance_server(&self, redis: &mut MultiplexedConnection, by: Duration) {
        let millis = i64::try_from(by.as_millis()).unwrap();
        for key in self.keys_on(redis).await {
            let left: i64 = redis::cmd("PTTL").arg(&key).query_async(redis).await.unwrap();
            assert!(left != -1, "a key without an end in Redis: {key}");
            let kind: String = redis::cmd("TYPE").arg(&key).query_async(redis).await.unwrap();
            if kind == "list" {
                let entries: Vec<String> =
                    redis::cmd("LRANGE").arg(&key).arg(0).arg(-1).query_async(redis).await.unwrap();
                for (place, entry) in entries.iter().enumerate() {
                    let (at, rest) = entry.split_at(entry.find(':').unwrap_or(entry.len()));
                    let moved = format!("{}{rest}", at.parse::<i64>().unwrap() - millis);
                    redis::cmd("LSET").arg(&key).arg(place).arg(moved).exec_async(redis).await.unwrap();
                }
            }
            if left > millis {
                redis::cmd("PEXPIRE").arg(&key).arg(left - millis).exec_async(redis).await.unwrap();
            } else if left >= 0 {
                redis::cmd("DEL").arg(&key).exec_async(redis).await.unwrap();
            }
        }
    }
}

async fn connect(server: &redis::Client) -> MultiplexedConnection {
    server.get_multiplexed_async_connection().await.unwrap()
}

impl Drop for Services {
    fn drop(&mut self) {
        // Left behind on purpose: the whole cluster is removed by tests/run, and a dropped database would race with
        // connections that are still closing.
    }
}

/// The tables' owner: not a superuser, as in production.
const OWNER: &str = "doorcode_owner";

pub(crate) fn owner_url(database: &str) -> String {
    url(database, OWNER)
}

pub(crate) fn login_url(database: &str) -> String {
    url(database, "doorcode_login:secret")
}

/// The same through PgBouncer.
pub(crate) fn pgbouncer_url(database: &str) -> String {
    let mut url = url::Url::parse(&login_url(database)).unwrap();
    url.set_port(setting("DOORCODE_TEST_PGBOUNCER_PORT").parse().ok()).unwrap();
    url.into()
}

fn url(database: &str, user: &str) -> String {
    let mut url = url::Url::parse(&setting("DOORCODE_TEST_DATABASE_URL")).unwrap();
    url.set_path(database);
    let (name, password) = user.split_once(':').map_or((user, None), |(name, word)| (name, Some(word)));
    url.set_username(name).unwrap();
    url.set_password(password).unwrap();
    url.into()
}

pub(crate) async fn as_superuser(statement: &str) -> sqlx::Result<()> {
    let mut connection = PgConnection::connect(&setting("DOORCODE_TEST_DATABASE_URL")).await?;
    sqlx::raw_sql(AssertSqlSafe(statement.to_owned())).execute(&mut connection).await?;
    connection.close().await
}

/// The owner of some database's tables, as the server's own migrating connects.
pub(crate) async fn as_owner(url: &secrecy::SecretString) -> Owner {
    Owner::connect(url, Duration::from_secs(30)).await.unwrap()
}

async fn make_template() -> String {
    static NAME: OnceLock<String> = OnceLock::new();
    let name = NAME.get_or_init(|| format!("doorcode_template_{}", Uuid::new_v4().simple()));
    make_owner().await;
    as_superuser(&format!("create database {name} owner {OWNER}")).await.unwrap();
    let mut owner = as_owner(&owner_url(name).into()).await;
    owner.migrate(&login_url(name).into()).await.unwrap();
    owner.close().await;
    name.clone()
}

/// Makes the owner if this cluster does not have it yet.
pub(crate) async fn make_owner() {
    as_superuser(&format!(
        "do $$ begin
           create role {OWNER} login createrole nosuperuser;
         exception when duplicate_object or unique_violation then null;
         end $$"
    ))
    .await
    .unwrap();
}

/// What the mail server of `tests/run` has accepted, a file a mail, oldest first.
pub(crate) fn mail_files() -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(setting("DOORCODE_TEST_SMTP_DIR"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|kind| kind == "json"))
        .collect();
    files.sort();
    files
}
