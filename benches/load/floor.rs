//! The floors that speak HTTP: the same framework with hardly anything in its handlers, in a process of its own.
//!
//! Of its own, because the server has one too: both share the cores with the load in the same way.

use std::collections::VecDeque;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context as _;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use doorcode::domain::RefreshToken;
use doorcode::ports::db::Db;
use poem::error::ServiceUnavailable;
use poem::http::StatusCode;
use poem::listener::TcpAcceptor;
use poem::web::Data;
use poem::{EndpointExt as _, Route, Server, get, handler, post};
use redis::aio::MultiplexedConnection;
use sqlx::postgres::{PgPool, PgPoolOptions};
use tokio::net::TcpListener;
use tokio::sync::OnceCell;
use uuid::Uuid;

use crate::POOL;
use crate::process::Ending;
use crate::services::Services;
use crate::work::Addresses;
use crate::work::alone::{self, IssuingScript};

/// The floors' server, as the bench sees it.
pub(crate) struct Process {
    process: Ending,
    address: SocketAddr,
}

impl Process {
    /// Starts this very program again, as a server.
    pub(crate) fn start(services: &Services) -> anyhow::Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        // It has addresses of its own, and they begin with the same one as everybody's.
        let key_prefix = format!("{}:floors", services.key_prefix());
        command.args(["--floor", services.login_url(), services.redis_url(), &key_prefix]);
        // Its standard input ends with us, however we end, and it ends with that.
        let mut process = Ending::spawn(command.stdin(Stdio::piped()).stdout(Stdio::piped()))?;
        let mut address = String::new();
        BufReader::new(process.stdout().context("no output")?).read_line(&mut address)?;
        let address = address.trim().parse().context("the floors' server did not start")?;
        Ok(Self { process, address })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.pid()
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

/// Says where it listens, and serves until its standard input ends.
pub(crate) async fn serve(database: &str, redis_url: &str, key_prefix: &str) -> anyhow::Result<()> {
    let pool = PgPoolOptions::new()
        .max_connections(POOL)
        // As the server does: no round trip before each statement.
        .test_before_acquire(false)
        .connect(database)
        .await
        .context("PostgreSQL")?;
    let redis = redis::Client::open(redis_url)?.get_multiplexed_async_connection().await.context("Redis")?;
    let routes = Route::new()
        .at("/bare", post(bare))
        .at("/ping", post(ping).data(redis))
        .at(
            "/ask",
            post(ask).data(IssuingScript::new(redis_url, key_prefix).await?).data(Addresses::default()),
        )
        .at("/refresh", post(refresh).data(Arc::new(Refreshing::new(database)?)))
        .at("/select", get(select).data(pool).data(Turn::default()));
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    println!("{}", listener.local_addr()?);
    std::io::stdout().flush()?;
    let end = tokio::task::spawn_blocking(|| std::io::copy(&mut std::io::stdin(), &mut std::io::sink()));
    Server::new_with_acceptor(TcpAcceptor::from_tokio(listener)?)
        .run_with_graceful_shutdown(routes, async { drop(end.await) }, None)
        .await?;
    Ok(())
}

#[handler]
fn bare() -> &'static str {
    "{}"
}

#[handler]
async fn ping(redis: Data<&MultiplexedConnection>) -> poem::Result<String> {
    redis::cmd("PING").query_async(&mut redis.0.clone()).await.map_err(ServiceUnavailable)
}

#[handler]
async fn ask(script: Data<&IssuingScript>, addresses: Data<&Addresses>) -> poem::Result<&'static str> {
    script.run(&addresses.next()).await.map_err(|error| unavailable(&error))?;
    Ok("{}")
}

/// What refreshing cannot do without.
struct Refreshing {
    url: String,
    db: Db,
    key: EcdsaKeyPair,
    /// Those that nobody refreshes right now, the one that waited longest first.
    sessions: OnceCell<Mutex<VecDeque<RefreshToken>>>,
}

impl Refreshing {
    fn new(url: &str) -> anyhow::Result<Self> {
        let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).ok().context("no key")?;
        Ok(Self { url: url.to_owned(), db: alone::pool(url)?, key, sessions: OnceCell::default() })
    }

    /// Moves one session's counter, and signs something of the length of an access token's claims.
    async fn once(&self) -> anyhow::Result<String> {
        // Not at the start, when there are none yet.
        let sessions = self.sessions.get_or_try_init(async || {
            anyhow::Ok(Mutex::new(alone::refreshed_sessions(&self.url).await?.into()))
        });
        let sessions = sessions.await?;
        let next = sessions.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        let mut token = next.context("fewer sessions than connections")?;
        alone::refresh(&self.db, &mut token).await?;
        sessions.lock().unwrap_or_else(PoisonError::into_inner).push_back(token);
        let claims = "c".repeat(600);
        let signature =
            self.key.sign(&SystemRandom::new(), claims.as_bytes()).ok().context("no signature")?;
        Ok(format!("{claims}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }
}

#[handler]
async fn refresh(refreshing: Data<&Arc<Refreshing>>) -> poem::Result<String> {
    refreshing.once().await.map_err(|error| unavailable(&error))
}

fn unavailable(error: &anyhow::Error) -> poem::Error {
    poem::Error::from_string(format!("{error:#}"), StatusCode::SERVICE_UNAVAILABLE)
}

/// Which session is next.
#[derive(Clone, Default)]
struct Turn {
    sessions: Arc<OnceCell<Vec<Uuid>>>,
    next: Arc<AtomicUsize>,
}

#[handler]
async fn select(pool: Data<&PgPool>, turn: Data<&Turn>) -> poem::Result<String> {
    // Not at the start, when there are none yet.
    let sessions = turn.sessions.get_or_try_init(async || {
        sqlx::query_scalar("select id from auth.sessions limit 1000").fetch_all(pool.0).await
    });
    let sessions = sessions.await.map_err(ServiceUnavailable)?;
    let turn = turn.next.fetch_add(1, Ordering::Relaxed);
    sqlx::query_scalar("select site from auth.sessions where id = $1")
        .bind(sessions[turn % sessions.len()])
        .fetch_one(pool.0)
        .await
        .map_err(ServiceUnavailable)
}
