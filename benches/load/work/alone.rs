//! The I/O that asking, verifying and refreshing must do, and nothing around it: alone, and for the handlers in `floor`.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use doorcode::domain::{
    AddressTag, ChallengeId, EmailAddress, KeyRing, LimitTag, Locale, RefreshToken, SessionId, Slot,
    UserMetadata,
};
use doorcode::ports::codes::{
    ClientTags, CodeLimits, Codes, CountSend, Issue, IssueCode, Issued, KnownDeviceLimits, NetworkLimits,
    RedisAddress, RedisCodes, RedisSettings, TripLimits, Witness,
};
use doorcode::ports::db::{
    Db, DbSettings, OpenSession, Opened, Pooler, RefreshSession, Refreshed, StatementLimits,
};
use doorcode::telemetry::{DbCounts, StoreCounts};
use sqlx::{Connection as _, PgConnection};
use uuid::Uuid;

use super::{Addresses, SITE, Workers};
use crate::POOL;
use crate::drive::{Next, Work};

/// No limit is met.
const PLENTY: u32 = 100_000_000;

impl Workers<'_> {
    /// The script of [`ask`](Self::ask), and nothing around it.
    pub(crate) async fn ask_alone(&self) -> anyhow::Result<Vec<AskAlone>> {
        let script = IssuingScript::new(self.services.redis_url(), self.services.key_prefix()).await?;
        Ok(self.each(|_| AskAlone { script: script.clone(), addresses: self.addresses.clone() }))
    }

    /// The statement of [`verify`](Self::verify), and nothing around it.
    pub(crate) fn verify_alone(&self) -> anyhow::Result<Vec<VerifyAlone>> {
        let db = pool(self.services.login_url())?;
        Ok(self.each(|_| VerifyAlone { db: db.clone(), addresses: self.addresses.clone() }))
    }

    /// The statement of [`refresh`](Self::refresh), and nothing around it, on the same sessions.
    pub(crate) async fn refresh_alone(&self) -> anyhow::Result<Vec<RefreshAlone>> {
        let db = pool(self.services.login_url())?;
        let mut workers = self.each(|_| RefreshAlone { db: db.clone(), tokens: Vec::new(), turn: 0 });
        for (place, token) in refreshed_sessions(self.services.login_url()).await?.into_iter().enumerate() {
            workers[place % self.count].tokens.push(token);
        }
        Ok(workers)
    }
}

/// As many connections as a server has.
pub(crate) fn pool(url: &str) -> anyhow::Result<Db> {
    let settings = DbSettings {
        url: url.into(),
        pool_size: POOL,
        acquire_timeout: Duration::from_secs(5),
        limits: StatementLimits {
            statement_timeout: Duration::from_secs(5),
            lock_timeout: Duration::from_secs(5),
        },
        pooler: Pooler::None,
        keep_open: false,
    };
    Ok(Db::new(&settings, DbCounts::default())?)
}

/// The sessions that were refreshed, as they stand.
pub(crate) async fn refreshed_sessions(url: &str) -> anyhow::Result<Vec<RefreshToken>> {
    let mut connection = PgConnection::connect(url).await?;
    let query = "select id, refresh_counter from auth.sessions where refresh_counter > 0";
    let sessions: Vec<(Uuid, i32)> = sqlx::query_as(query).fetch_all(&mut connection).await?;
    ensure!(!sessions.is_empty(), "no session was refreshed");
    sessions
        .into_iter()
        .map(|(id, counter)| Ok(RefreshToken { session: SessionId(id), counter: counter.try_into()? }))
        .collect()
}

fn limits() -> CodeLimits {
    CodeLimits {
        life: Duration::from_secs(600),
        tries: 5,
        wrong_per_day: 20,
        lease: Duration::from_secs(10),
        send_gap: Duration::from_secs(60),
        sends_per_hour: 5,
        sends_per_day: 20,
        cooling: Duration::from_secs(3600),
        host_mails_per_hour: PLENTY,
        networks: NetworkLimits {
            client_sends_per_ten_minutes: PLENTY,
            client_sends_per_hour: PLENTY,
            network_sends_per_hour: PLENTY,
            client_wrong_per_ten_minutes: PLENTY,
            network_wrong_per_hour: PLENTY,
        },
        trip: TripLimits { per_ten_minutes: PLENTY, per_day: PLENTY },
        known: KnownDeviceLimits { sends_per_hour: 3, wrong_per_day: 10 },
        events_waiting: PLENTY,
    }
}

/// The script that counts a request for a code, keeps its hash and queues its mail.
#[derive(Clone)]
pub(crate) struct IssuingScript {
    codes: Codes,
    keys: Arc<KeyRing>,
}

impl IssuingScript {
    pub(crate) async fn new(redis_url: &str, key_prefix: &str) -> anyhow::Result<Self> {
        let settings = RedisSettings {
            address: RedisAddress::parse(redis_url).context("the URL of Redis")?,
            ca_pem: None,
            sentinel_login: None,
            key_prefix: format!("{key_prefix}:alone"),
            partitions: 1,
            timeout: Duration::from_secs(5),
            limits: limits(),
        };
        let codes = Codes::Redis(Box::new(RedisCodes::new(settings, StoreCounts::default())?));
        codes.connect().await?;
        Ok(Self { codes, keys: Arc::new(KeyRing::new(&[7; 32], &[])) })
    }

    pub(crate) async fn run(&self, address: &str) -> anyhow::Result<()> {
        let address: AddressTag = self.keys.address_tag(&EmailAddress::parse(address)?);
        let witness = Witness {
            ip: Ipv4Addr::LOCALHOST.into(),
            agent: Some("doorcode-load-bench"),
            caller: None,
            address: Some(address),
            domain: Some("example.org"),
        };
        let send = CountSend {
            address,
            device: None,
            site: SITE.0,
            slot: Slot::SignIn,
            site_mails_per_hour: PLENTY,
            host: self.keys.mail_host_tag("example.org"),
            client: Some(ClientTags { line: LimitTag([1; 16]), network: LimitTag([2; 16]), times: 1 }),
            witness: Some(&witness),
        };
        // Of the size that they have.
        let (mac, context, job) = ("m".repeat(32), [3; 200], [4; 500]);
        let issued = self
            .codes
            .issue(&IssueCode {
                send,
                challenge: ChallengeId::new(),
                short_mac: &mac,
                long_mac: &mac,
                link_mac: &mac,
                stop_mac: &mac,
                context: &context,
                short_job: &job,
                long_job: &job,
                how: Issue::New,
            })
            .await?;
        ensure!(matches!(issued, Issued::Queued(_)), "no code was issued: {issued:?}");
        Ok(())
    }
}

/// That script, again and again.
pub(crate) struct AskAlone {
    script: IssuingScript,
    addresses: Addresses,
}

impl Work for AskAlone {
    async fn once(&mut self) -> anyhow::Result<Next> {
        self.script.run(&self.addresses.next()).await?;
        Ok(Next::Again)
    }
}

/// The statement that opens a session.
pub(crate) struct VerifyAlone {
    db: Db,
    addresses: Addresses,
}

impl Work for VerifyAlone {
    async fn once(&mut self) -> anyhow::Result<Next> {
        open_session(&self.db, &self.addresses.next()).await?;
        Ok(Next::Again)
    }
}

async fn open_session(db: &Db, address: &str) -> anyhow::Result<SessionId> {
    let opened = db
        .open_session(&OpenSession {
            email: &EmailAddress::parse(address)?,
            challenge: ChallengeId::new(),
            site: SITE.0,
            may_create: true,
            may_use_existing: true,
            metadata: &UserMetadata::default(),
            locale: Locale::English,
            max_secs: SITE.1,
            user_agent: Some("doorcode-load-bench"),
            ip: Some(Ipv4Addr::LOCALHOST.into()),
        })
        .await?;
    match opened {
        Opened::Session(session, ..) => Ok(session),
        other => bail!("no session was opened: {other:?}"),
    }
}

/// The statement that moves a session's counter.
pub(crate) struct RefreshAlone {
    db: Db,
    tokens: Vec<RefreshToken>,
    turn: usize,
}

impl Work for RefreshAlone {
    async fn once(&mut self) -> anyhow::Result<Next> {
        let turn = self.turn % self.tokens.len();
        refresh(&self.db, &mut self.tokens[turn]).await?;
        self.turn += 1;
        Ok(Next::Again)
    }
}

/// Moves a session's counter, once.
pub(crate) async fn refresh(db: &Db, token: &mut RefreshToken) -> anyhow::Result<()> {
    let refreshed = db
        .refresh_session(&RefreshSession {
            token: *token,
            site: SITE.0,
            idle_secs: SITE.2,
            user_agent: Some("doorcode-load-bench"),
            ip: Some(Ipv4Addr::LOCALHOST.into()),
        })
        .await?;
    let Refreshed::Session(counter, ..) = refreshed else { bail!("not refreshed: {refreshed:?}") };
    token.counter = counter;
    Ok(())
}
