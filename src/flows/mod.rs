//! The stories, one file each, in the order a person lives them.
//!
//! A flow reads like prose: a verb a line, in the order of events. It knows nothing of HTTP; a second protocol would
//! tell the same stories.

mod account;
mod admin;
mod audit;
mod browser_session;
mod change_email;
mod change_keys;
mod claims;
mod clocks;
mod confirm_link;
mod console;
mod delete_account;
mod deliver_mail;
mod deliver_outbox;
mod disown;
mod export_users;
mod forms;
mod gate;
mod housekeeping;
mod import_users;
mod invitations;
mod library;
mod mail_failures;
mod profile;
mod prove_email;
mod refresh;
mod request_code;
mod rewrap;
mod sealed;
mod send_code;
mod sign_in_progress;
mod sign_out;
mod signing_keys;
mod survey;
mod verify_code;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use rand::SeedableRng as _;
use rand::rand_core::UnwrapErr;
use rand::rngs::{StdRng, SysRng};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use self::account::AccountError;
pub use self::admin::{
    AdminCaller, AdminError, GenerateLink, GeneratedLink, LibraryPlan, LinkKind, MadeServiceKey,
    MadeServiceRoleToken, Person, Request as AdminRequest, ServiceKeyPlan, StaffPlan,
};
pub use self::audit::{AuditRange, AuditSettings, verify_audit};
pub use self::browser_session::BrowserSession;
pub use self::change_email::ChangeEmailError;
pub use self::change_keys::KeyRotation;
pub use self::clocks::ClockMemory;
use self::clocks::ahead_of;
pub use self::confirm_link::{ConfirmLink, ExchangeCode, ExchangeError, LinkConfirmed};
pub use self::console::{ConsoleEntry, ConsoleError, ConsoleKey};
pub use self::delete_account::{DeleteAccount, DeleteAccountError};
pub use self::deliver_mail::MailWorkers;
pub use self::export_users::{ExportError, export_users};
pub use self::gate::{Credential, GateError, GateMemory, Passage};
pub use self::import_users::{
    ImportError, ImportEvent, ImportProgress, ImportSource, ImportUsers, ImportWatch, Reject,
};
pub use self::library::Part;
pub use self::profile::{Caller, LibraryError};
pub use self::prove_email::{EmailChangeStep, ProveEmailChange, ProveEmailError};
pub use self::refresh::RefreshError;
pub use self::request_code::{RequestCode, RequestCodeError};
pub use self::rewrap::{RewrapReport, Rewrapped, rewrap};
pub use self::sign_in_progress::SignInProgress;
pub use self::sign_out::SignOutError;
pub use self::signing_keys::{KeyKeeping, SigningKeysError};
pub use self::survey::{SiteKeysFound, Survey};
pub use self::verify_code::{Presented, Purpose, VerifyCode, VerifyCodeError};
use crate::domain::{ClockSkew, ClockVerdict, KeyRing, Locale, SessionId, Site, Sites, User};
use crate::ports::PortError;
use crate::ports::clock::Clock;
use crate::ports::codes::Codes;
use crate::ports::db::Db;
pub use crate::ports::db::{
    EndSessions, KeyActor, LibraryChange, LibraryFilter, RevokedKey, StaffFilter, StaffUpdate,
};
use crate::ports::limits::Limits;
use crate::ports::refusals::Refusals;
pub use crate::ports::tokens::IssuedToken;
use crate::ports::tokens::{TokenError, Tokens};
use crate::telemetry::Metrics;

/// The ports a story may use.
#[derive(Debug)]
pub struct Flows {
    /// Every configured site.
    pub sites: Sites,
    /// The secrets.
    pub keys: KeyRing,
    /// Codes, their limits, the mail queue.
    pub codes: Codes,
    /// Accounts and sessions.
    pub db: Db,
    /// Access tokens.
    pub tokens: Tokens,
    /// How their keys follow each other.
    pub key_keeping: KeyKeeping,
    /// What one client may do here.
    pub limits: Limits,
    /// Refusals that are only counted, until they are on record.
    pub refusals: Refusals,
    /// How long the audit log is kept.
    pub audit: AuditSettings,
    /// Who was found at the gate in the last second.
    pub gate_memory: GateMemory,
    /// What was thought of this server's clock when it was last looked at.
    pub clock_memory: ClockMemory,
    /// When the server started.
    pub started_at: DateTime<Utc>,
    /// What is counted of all this.
    pub metrics: Arc<Metrics>,
    /// The time.
    pub clock: Clock,
    /// Life of a code: what the mail says.
    pub code_life: Duration,
    /// Wrong guesses at an address in thirty days before it gets long codes.
    pub wrong_per_month: u32,
    /// Least time between two codes: what the page counts down.
    pub send_gap: Duration,
    /// Whether administrators may take codes and links of accounts into their own hands.
    pub may_generate_links: bool,
    /// Work that must come to its end even if the client has gone; a graceful stop waits for it.
    pub unfinished: TaskTracker,
    /// Rung when a mail was put into the outbox.
    pub outbox_filled: Notify,
    /// Set when the server is about to stop: requests are still answered, new ones should go elsewhere.
    pub draining: CancellationToken,
    /// Set when the last request has been answered: background work comes to its end.
    pub finishing: CancellationToken,
}

/// Who is asking, as far as the connection tells.
#[derive(Debug, Clone)]
pub struct Visitor {
    /// Their address.
    pub ip: IpAddr,
    /// What their client calls itself, at most 256 characters.
    pub user_agent: Option<String>,
    /// The best of the languages they ask for that we have.
    pub locale: Option<Locale>,
}

/// A session, as its owner's client gets it.
#[derive(Clone)]
pub struct SignedIn {
    /// The access token.
    pub access: IssuedToken,
    /// The refresh token.
    pub refresh_token: String,
    /// The session.
    pub session: SessionId,
    /// How often it was refreshed.
    pub counter: u32,
    /// Its owner.
    pub user: User,
    /// Whether the account was made for it.
    pub is_first: bool,
}

impl Flows {
    /// Whether the server can do its work, and what it has to do without.
    ///
    /// # Errors
    /// If the database is out of reach: then hardly anything works.
    pub async fn check_ready(&self) -> Result<Readiness, PortError> {
        let asked = Instant::now();
        let database = ahead_of(self.db.check().await?, asked.elapsed());
        let asked = Instant::now();
        let code_store = self.codes.check().await;
        let has_code_store = code_store.is_ok();
        let code_store = code_store.ok().flatten().map(|told| ahead_of(told, asked.elapsed()));
        Ok(Readiness {
            draining: self.draining.is_cancelled(),
            code_store: has_code_store,
            clock: self.judge_clock(ClockSkew { database: Some(database), code_store }),
            signing_keys: self.sites.iter().all(|site| self.tokens.can_sign(site)),
        })
    }

    /// The time.
    #[must_use]
    pub fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    async fn signed_in(
        &self,
        site: &Site,
        user: User,
        session: &OpenedSession,
    ) -> Result<SignedIn, TokenError> {
        let OpenedSession { id, opened_at, counter } = *session;
        self.know_signing_keys().await?;
        let access = self.tokens.issue(site, &user, id, opened_at, self.clock.now())?;
        let refresh_token = crate::domain::RefreshToken { session: id, counter }.encode(&site.id, &self.keys);
        // Both times are the statement's own.
        let is_first = user.created_at == opened_at;
        Ok(SignedIn { access, refresh_token, session: id, counter, user, is_first })
    }
}

/// A session, as its tokens tell of it.
struct OpenedSession {
    id: SessionId,
    /// When its owner proved the mailbox.
    opened_at: DateTime<Utc>,
    counter: u32,
}

/// What [`Flows::check_ready`] found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Readiness {
    /// The server is about to stop.
    pub draining: bool,
    /// The code store answers; without it nobody signs in, but sessions go on.
    pub code_store: bool,
    /// Whether our clock is right.
    pub clock: ClockVerdict,
    /// Every site can sign tokens.
    pub signing_keys: bool,
}

/// The flows, shared by every request.
pub type SharedFlows = Arc<Flows>;

/// A cryptographic generator (`ChaCha12`), seeded anew by the system for each use: one system call, however much is drawn.
/// It fails only where nothing could go on safely.
fn system_rng() -> StdRng {
    StdRng::from_rng(&mut UnwrapErr(SysRng))
}
