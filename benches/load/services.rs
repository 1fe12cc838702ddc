//! PostgreSQL and Redis: our own, thrown away afterwards, or given ones, left as they were.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use url::Url;
use uuid::Uuid;

use crate::process::Ending;
use crate::server::new_master_secret;

/// See the module.
pub(crate) struct Services {
    /// For everything that this run leaves behind; gone with it.
    pub(crate) folder: PathBuf,
    /// Of this run's servers.
    pub(crate) master_secret: String,
    superuser_url: String,
    owner_url: String,
    login_url: String,
    redis_url: String,
    /// Of the database, its login role and the keys in Redis.
    name: String,
    // In the order in which they are to end.
    _redis: Option<Ending>,
    postgres: Option<Postgres>,
    _folder: Folder,
}

impl Services {
    /// Starts what is not given, and makes a database.
    pub(crate) async fn start(database: Option<&str>, redis: Option<&str>) -> anyhow::Result<Self> {
        let name = format!("doorcode_bench_{}", std::process::id());
        let folder = Folder::new(std::env::temp_dir().join(&name))?;
        let (postgres, superuser_url) = if let Some(url) = database {
            (None, url.to_owned())
        } else {
            let (postgres, url) = Postgres::start(folder.0.join("postgres"))?;
            (Some(postgres), url)
        };
        let (redis, redis_url) = if let Some(url) = redis {
            (None, url.to_owned())
        } else {
            let (redis, url) = start_redis(&folder.0).await?;
            (Some(redis), url)
        };
        let mut owner_url = Url::parse(&superuser_url).context("--database is no URL")?;
        owner_url.set_path(&name);
        let mut login_url = owner_url.clone();
        let named = login_url.set_username(&name).is_ok();
        ensure!(
            named && login_url.set_password(Some(&Uuid::new_v4().to_string())).is_ok(),
            "--database has no host"
        );
        let services = Self {
            folder: folder.0.clone(),
            master_secret: new_master_secret(),
            superuser_url,
            owner_url: owner_url.into(),
            login_url: login_url.into(),
            redis_url,
            name,
            _redis: redis,
            postgres,
            _folder: folder,
        };
        services.as_superuser(&format!("create database {}", services.name)).await?;
        Ok(services)
    }

    /// For migrations.
    pub(crate) fn owner_url(&self) -> &str {
        &self.owner_url
    }

    /// For the server and for the floors: a role that the migration makes.
    pub(crate) fn login_url(&self) -> &str {
        &self.login_url
    }

    pub(crate) fn redis_url(&self) -> &str {
        &self.redis_url
    }

    /// In front of all keys in Redis.
    pub(crate) fn key_prefix(&self) -> &str {
        &self.name
    }

    /// Makes a thousand libraries and so many people who work there, each at one.
    ///
    /// # Errors
    /// What PostgreSQL says.
    pub(crate) async fn hire(&self, people: u32) -> anyhow::Result<()> {
        let mut connection = PgConnection::connect(&self.database_url()?).await.context("PostgreSQL")?;
        // Profiles and audit rows are not what is measured, and would take a minute.
        let statement = format!(
            "set session_replication_role = replica;
             insert into public.libraries (name, code)
             select 'Library ' || n, 'library-' || n from generate_series(1, 1000) as n;
             insert into auth.users (id, email, email_confirmed_at)
             select gen_random_uuid(), 'staff-' || n || '@example.org', now() from generate_series(1, {people}) as n;
             insert into public.user_profiles (id, email)
             select id, email from auth.users where email like 'staff-%';
             insert into public.user_preferences (id) select id from auth.users where email like 'staff-%';
             insert into public.library_staff (user_id, library_id, role)
             select u.id, l.id, 'librarian'
               from (select id, row_number() over () as place from auth.users where email like 'staff-%') as u
               join (select id, row_number() over () as place from public.libraries) as l
                 on l.place = u.place % 1000 + 1;
             analyze auth.users, public.libraries, public.library_staff"
        );
        sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut connection).await?;
        connection.close().await?;
        Ok(())
    }

    /// How many accounts there are whose address is like that.
    pub(crate) async fn accounts(&self, like: &str) -> anyhow::Result<i64> {
        let mut connection = PgConnection::connect(&self.database_url()?).await.context("PostgreSQL")?;
        let count = sqlx::query_scalar("select count(*) from auth.users where email like $1");
        let count = count.bind(like).fetch_one(&mut connection).await?;
        connection.close().await?;
        Ok(count)
    }

    /// The database of this run, as the superuser.
    fn database_url(&self) -> anyhow::Result<String> {
        let mut url = Url::parse(&self.superuser_url)?;
        url.set_path(&self.name);
        Ok(url.into())
    }

    /// Throws away the mails that still wait; the server makes a new queue when it misses it.
    pub(crate) async fn drop_queued_mail(&self) -> anyhow::Result<()> {
        let mut redis = redis::Client::open(self.redis_url())?.get_multiplexed_async_connection().await?;
        redis::cmd("DEL").arg(format!("{}:{{0}}:mail", self.name)).exec_async(&mut redis).await?;
        Ok(())
    }

    /// Throws away what Redis still has to tell the audit log, and waits until every row that is there is signed.
    pub(crate) async fn settle_audit(&self) -> anyhow::Result<()> {
        let mut redis = redis::Client::open(self.redis_url())?.get_multiplexed_async_connection().await?;
        redis::cmd("DEL").arg(format!("{}:{{0}}:events", self.name)).exec_async(&mut redis).await?;
        let mut connection = PgConnection::connect(&self.database_url()?).await.context("PostgreSQL")?;
        let unsigned =
            "select (select count(*) from auth.audit_log) - (select count(*) from auth.audit_chain)";
        while sqlx::query_scalar::<_, i64>(unsigned).fetch_one(&mut connection).await? > 0 {
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        connection.close().await?;
        Ok(())
    }

    /// Drops the database, which is of use only where PostgreSQL goes on.
    pub(crate) async fn remove(self) -> anyhow::Result<()> {
        if self.postgres.is_none() {
            self.as_superuser(&format!("drop database if exists {} with (force)", self.name)).await?;
            self.as_superuser(&format!("drop role if exists {}", self.name)).await?;
        }
        Ok(())
    }

    async fn as_superuser(&self, statement: &str) -> anyhow::Result<()> {
        let mut connection = PgConnection::connect(&self.superuser_url).await.context("PostgreSQL")?;
        sqlx::raw_sql(AssertSqlSafe(statement.to_owned())).execute(&mut connection).await?;
        connection.close().await?;
        Ok(())
    }
}

/// A port of this machine that is free now.
pub(crate) fn free_port() -> anyhow::Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}

/// A folder that goes with its owner.
struct Folder(PathBuf);

impl Folder {
    fn new(path: PathBuf) -> anyhow::Result<Self> {
        std::fs::create_dir_all(&path).with_context(|| format!("cannot make {}", path.display()))?;
        Ok(Self(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A cluster of our own.
struct Postgres(PathBuf);

impl Postgres {
    fn start(folder: PathBuf) -> anyhow::Result<(Self, String)> {
        eprintln!("starting PostgreSQL …");
        let port = free_port()?;
        let started = Self::script().arg("start").arg(&folder).arg(port.to_string()).status();
        ensure!(started.context("cannot run bash")?.success(), "PostgreSQL did not start");
        Ok((Self(folder), format!("postgres://postgres@127.0.0.1:{port}/postgres")))
    }

    fn script() -> Command {
        let mut command = Command::new("bash");
        command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/services/postgres.sh"));
        command
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        let _ = Self::script().arg("stop").arg(&self.0).args(["-m", "immediate"]).status();
    }
}

async fn start_redis(folder: &Path) -> anyhow::Result<(Ending, String)> {
    let port = free_port()?.to_string();
    let mut command = Command::new("redis-server");
    command.args(["--port", &port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir"]);
    let mut redis = Ending::spawn(command.arg(folder).stdin(Stdio::null()).stdout(Stdio::null()))?;
    let url = format!("redis://127.0.0.1:{port}/0");
    let client = redis::Client::open(url.as_str())?;
    while client.get_multiplexed_async_connection().await.is_err() {
        ensure!(!redis.has_ended(), "Redis did not start on port {port}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok((redis, url))
}
