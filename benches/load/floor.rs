//! The floors that speak HTTP: the same framework with hardly anything in its handlers, in a process of its own.
//!
//! Of its own, because the server has one too: both share the cores with the load in the same way.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::Context as _;
use poem::error::ServiceUnavailable;
use poem::listener::TcpAcceptor;
use poem::web::Data;
use poem::{EndpointExt as _, Route, Server, get, handler, post};
use redis::aio::MultiplexedConnection;
use sqlx::postgres::{PgPool, PgPoolOptions};
use tokio::net::TcpListener;
use uuid::Uuid;

use crate::POOL;
use crate::process::Ending;
use crate::services::Services;

/// The floors' server, as the bench sees it.
pub(crate) struct Process {
    process: Ending,
    address: SocketAddr,
}

impl Process {
    /// Starts this very program again, as a server.
    pub(crate) fn start(services: &Services) -> anyhow::Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["--floor", services.login_url(), services.redis_url()]);
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
pub(crate) async fn serve(database: &str, redis: &str) -> anyhow::Result<()> {
    let pool = PgPoolOptions::new()
        .max_connections(POOL)
        // As the server does: no round trip before each statement.
        .test_before_acquire(false)
        .connect(database)
        .await
        .context("PostgreSQL")?;
    let redis = redis::Client::open(redis)?.get_multiplexed_async_connection().await.context("Redis")?;
    let routes = Route::new()
        .at("/bare", post(bare))
        .at("/ping", post(ping).data(redis))
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

/// Which session is next.
#[derive(Clone, Default)]
struct Turn {
    sessions: Arc<tokio::sync::OnceCell<Vec<Uuid>>>,
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
