//! The operations: each is what one connection does again and again.

pub(crate) mod alone;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context as _;

use crate::api::{Api, Session};
use crate::drive::{Next, Work};
use crate::services::Services;
use crate::sink::{MailedCode, Sink};

/// The site whose clients these are, and its sessions' longest and idle life in seconds, as in `config/default.toml`.
const SITE: (&str, f64, f64) = ("reader", 15_552_000.0, 2_592_000.0);
/// How long a sign-in waits for its mail: a queue that has fallen behind shows, and does not end the bench.
const MAIL_PATIENCE: Duration = Duration::from_secs(15);

/// Makes one worker a connection for each operation.
pub(crate) struct Workers<'a> {
    count: usize,
    server: SocketAddr,
    floors: SocketAddr,
    services: &'a Services,
    addresses: Addresses,
}

/// Addresses that nobody has asked for yet.
#[derive(Clone, Default)]
pub(crate) struct Addresses(Arc<AtomicU64>);

impl Addresses {
    pub(crate) fn next(&self) -> String {
        format!("reader-{}@example.org", self.0.fetch_add(1, Ordering::Relaxed))
    }
}

impl<'a> Workers<'a> {
    pub(crate) fn new(
        connections: u16,
        server: SocketAddr,
        floors: SocketAddr,
        services: &'a Services,
    ) -> Self {
        Self { count: connections.into(), server, floors, services, addresses: Addresses::default() }
    }

    pub(crate) fn count(&self) -> usize {
        self.count
    }

    pub(crate) fn sign_in(&self, sink: &Sink) -> Vec<SignIn> {
        self.each(|_| SignIn {
            api: Api::new(self.server),
            addresses: self.addresses.clone(),
            sink: sink.clone(),
            sessions: Vec::new(),
        })
    }

    pub(crate) fn ask(&self) -> Vec<Ask> {
        self.ask_at(self.server, "/auth/v1/otp")
    }

    /// The same requests as [`ask`](Self::ask), to a handler that does nothing.
    pub(crate) fn bare(&self) -> Vec<Ask> {
        self.ask_at(self.floors, "/bare")
    }

    /// The same requests as [`ask`](Self::ask), to a handler that sends Redis a PING.
    pub(crate) fn ping(&self) -> Vec<Ask> {
        self.ask_at(self.floors, "/ping")
    }

    /// The same requests as [`ask`](Self::ask), to a handler that runs the script of asking.
    pub(crate) fn bare_ask(&self) -> Vec<Ask> {
        self.ask_at(self.floors, "/ask")
    }

    /// Requests to a handler that runs the statement of refreshing, and signs.
    pub(crate) fn bare_refresh(&self) -> Vec<Ask> {
        self.ask_at(self.floors, "/refresh")
    }

    fn ask_at(&self, server: SocketAddr, path: &'static str) -> Vec<Ask> {
        self.each(|_| Ask { api: Api::new(server), path, addresses: self.addresses.clone() })
    }

    pub(crate) fn verify(&self, codes: Vec<MailedCode>) -> Vec<Verify> {
        let codes = Arc::new(Mutex::new(codes));
        self.each(|_| Verify { api: Api::new(self.server), codes: Arc::clone(&codes) })
    }

    pub(crate) fn refresh(&self, sessions: Vec<Session>) -> Vec<Refresh> {
        let mut shares = vec![Vec::new(); self.count];
        for (place, session) in sessions.into_iter().enumerate() {
            shares[place % self.count].push(session);
        }
        shares.into_iter().map(|sessions| Refresh { api: Api::new(self.server), sessions, turn: 0 }).collect()
    }

    pub(crate) fn user(&self, sessions: &[Session]) -> Vec<User> {
        self.user_at(self.server, "/auth/v1/user", sessions)
    }

    /// The same requests as [`user`](Self::user), to a handler that selects one row.
    pub(crate) fn select(&self, sessions: &[Session]) -> Vec<User> {
        self.user_at(self.floors, "/select", sessions)
    }

    /// Signs members of staff in, one after the other, on the management site.
    pub(crate) async fn staff(&self, sink: &Sink, people: usize) -> anyhow::Result<Vec<Session>> {
        let mut api = Api::of_management(self.server);
        let mut sessions = Vec::new();
        for person in 1..=people {
            let address = format!("staff-{person}@example.org");
            let code = sink.code_for(&address);
            api.ask("/auth/v1/otp", &address).await?;
            let code = tokio::time::timeout(MAIL_PATIENCE, code).await.context("a mail did not come")??;
            sessions.push(api.verify(&address, &code).await?);
        }
        Ok(sessions)
    }

    pub(crate) fn permissions(&self, sessions: &[Session]) -> Vec<User> {
        let mut workers = self.user_at(self.server, "/api/v1/permissions", sessions);
        for worker in &mut workers {
            worker.api = Api::of_management(self.server);
        }
        workers
    }

    fn user_at(&self, server: SocketAddr, path: &'static str, sessions: &[Session]) -> Vec<User> {
        let tokens: Arc<[_]> = sessions.iter().map(|session| session.access_token.clone()).collect();
        // Each starts elsewhere, so that they do not all want the same row at the same time.
        let apart = tokens.len() / self.count;
        self.each(|place| User {
            api: Api::new(server),
            path,
            tokens: Arc::clone(&tokens),
            turn: place * apart,
        })
    }

    fn each<W>(&self, make: impl FnMut(usize) -> W) -> Vec<W> {
        (0..self.count).map(make).collect()
    }
}

/// A whole sign-in: ask, wait for the mail, verify.
pub(crate) struct SignIn {
    api: Api,
    addresses: Addresses,
    sink: Sink,
    /// Those that were opened.
    pub(crate) sessions: Vec<Session>,
}

impl Work for SignIn {
    async fn once(&mut self) -> anyhow::Result<Next> {
        let address = self.addresses.next();
        let code = self.sink.code_for(&address);
        self.api.ask("/auth/v1/otp", &address).await?;
        let code = tokio::time::timeout(MAIL_PATIENCE, code).await.context("a mail did not come")??;
        self.sessions.push(self.api.verify(&address, &code).await?);
        Ok(Next::Again)
    }
}

/// A request for a code.
pub(crate) struct Ask {
    api: Api,
    path: &'static str,
    addresses: Addresses,
}

impl Work for Ask {
    async fn once(&mut self) -> anyhow::Result<Next> {
        self.api.ask(self.path, &self.addresses.next()).await?;
        Ok(Next::Again)
    }
}

/// A code traded for a session.
pub(crate) struct Verify {
    api: Api,
    codes: Arc<Mutex<Vec<MailedCode>>>,
}

impl Work for Verify {
    async fn once(&mut self) -> anyhow::Result<Next> {
        let next = self.codes.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let Some(MailedCode { address, code }) = next else { return Ok(Next::NothingLeft) };
        self.api.verify(&address, &code).await?;
        Ok(Next::Again)
    }
}

/// Refresh tokens traded for their successors, over many sessions in turn.
pub(crate) struct Refresh {
    api: Api,
    /// With the newest tokens.
    pub(crate) sessions: Vec<Session>,
    turn: usize,
}

impl Work for Refresh {
    async fn once(&mut self) -> anyhow::Result<Next> {
        let turn = self.turn % self.sessions.len();
        let session = &mut self.sessions[turn];
        *session = self.api.refresh(&session.refresh_token).await?;
        self.turn += 1;
        Ok(Next::Again)
    }
}

/// The account of a token's bearer.
pub(crate) struct User {
    api: Api,
    path: &'static str,
    tokens: Arc<[String]>,
    turn: usize,
}

impl Work for User {
    async fn once(&mut self) -> anyhow::Result<Next> {
        let turn = self.turn % self.tokens.len();
        self.api.user(self.path, &self.tokens[turn]).await?;
        self.turn += 1;
        Ok(Next::Again)
    }
}
