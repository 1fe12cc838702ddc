//! The floors of asking, verifying and refreshing: the I/O that each must do, and nothing around it.

use std::net::Ipv4Addr;
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

use super::{Addresses, SITE, Workers};
use crate::drive::{Next, Work};

/// Sessions that one worker refreshes in turn.
const SESSIONS_EACH: usize = 16;
/// No limit is met.
const PLENTY: u32 = 100_000_000;

impl Workers<'_> {
    /// The script of [`ask`](Self::ask), and nothing around it.
    pub(crate) async fn ask_alone(&self) -> anyhow::Result<Vec<AskAlone>> {
        let settings = RedisSettings {
            address: RedisAddress::parse(self.services.redis_url()).context("the URL of Redis")?,
            ca_pem: None,
            sentinel_login: None,
            key_prefix: format!("{}:alone", self.services.key_prefix()),
            partitions: 1,
            timeout: Duration::from_secs(5),
            limits: limits(),
        };
        let codes = Codes::Redis(Box::new(RedisCodes::new(settings, StoreCounts::default())?));
        codes.connect().await?;
        Ok(self.each(|_| AskAlone {
            codes: codes.clone(),
            keys: KeyRing::new(&[7; 32], &[]),
            addresses: self.addresses.clone(),
        }))
    }

    /// The statement of [`verify`](Self::verify), and nothing around it.
    pub(crate) fn verify_alone(&self, pool: u32) -> anyhow::Result<Vec<VerifyAlone>> {
        let db = self.pool(pool)?;
        Ok(self.each(|_| VerifyAlone { db: db.clone(), addresses: self.addresses.clone() }))
    }

    /// The statement of [`refresh`](Self::refresh), and nothing around it, on sessions of its own.
    pub(crate) async fn refresh_alone(&self, pool: u32) -> anyhow::Result<Vec<RefreshAlone>> {
        let db = self.pool(pool)?;
        let mut workers = Vec::new();
        for _ in 0..self.count {
            let mut tokens = Vec::new();
            for _ in 0..SESSIONS_EACH {
                let session = open_session(&db, &self.addresses.next()).await?;
                tokens.push(RefreshToken { session, counter: 0 });
            }
            workers.push(RefreshAlone { db: db.clone(), tokens, turn: 0 });
        }
        Ok(workers)
    }

    fn pool(&self, size: u32) -> anyhow::Result<Db> {
        let settings = DbSettings {
            url: self.services.login_url().into(),
            pool_size: size,
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
pub(crate) struct AskAlone {
    codes: Codes,
    keys: KeyRing,
    addresses: Addresses,
}

impl Work for AskAlone {
    async fn once(&mut self) -> anyhow::Result<Next> {
        let address: AddressTag = self.keys.address_tag(&EmailAddress::parse(&self.addresses.next())?);
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
        let token = &mut self.tokens[turn];
        let refreshed = self
            .db
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
        self.turn += 1;
        Ok(Next::Again)
    }
}
