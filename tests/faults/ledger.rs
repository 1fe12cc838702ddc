//! What people were promised, held against what is in the stores.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use sqlx::Row as _;
use uuid::Uuid;

use crate::world::World;

/// How long a promised mail may take after the last fault: its third try comes some 20 seconds after the first, and what a
/// killed replica had in hand comes when the lease on it ends.
const MAIL_COMES: Duration = Duration::from_secs(80);

/// What a session's client holds.
#[derive(Debug, Clone)]
pub(crate) struct Tokens {
    pub(crate) access: String,
    pub(crate) refresh: String,
    pub(crate) session: Uuid,
    pub(crate) counter: u32,
}

impl Tokens {
    /// Those of an answer, with what the refresh token says of itself (src/domain/session.rs).
    pub(crate) fn read(body: &Value) -> Self {
        let text = |field: &str| body[field].as_str().unwrap_or_else(|| panic!("{body}")).to_owned();
        let (access, refresh) = (text("access_token"), text("refresh_token"));
        let bytes = URL_SAFE_NO_PAD.decode(refresh.strip_prefix("dcrt_").unwrap()).unwrap();
        let session = Uuid::from_slice(&bytes[1..17]).unwrap();
        let counter = u32::from_be_bytes(bytes[17..21].try_into().unwrap());
        Self { access, refresh, session, counter }
    }
}

#[derive(Debug, Default, Clone)]
struct Account {
    asked: u32,
    asked_at: Option<Instant>,
    promised: u32,
    signed_in: u32,
    /// Verifications whose answer, if there was one, did not say what became of them.
    unheard: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Leaving {
    No,
    Tried,
    Done,
}

#[derive(Debug, Clone)]
struct Session {
    tokens: Tokens,
    unheard: u32,
    leaving: Leaving,
}

#[derive(Debug, Default)]
struct Book {
    accounts: HashMap<String, Account>,
    sessions: HashMap<Uuid, Session>,
    refused_unheard: u64,
    codes_may_be_lost: bool,
    /// When all codes and all mail that waited were lost.
    codes_lost_at: Option<Instant>,
}

/// What was counted in the stores.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Counted {
    promised_sessions: usize,
    unheard_sessions: i64,
    refused_unheard: u64,
    mails: usize,
    doubled_mails: usize,
}

impl fmt::Display for Counted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (promised, unheard, refused) =
            (self.promised_sessions, self.unheard_sessions, self.refused_unheard);
        write!(
            f,
            "{promised} sessions promised and kept, {unheard} opened unheard, {refused} codes old or used unheard; "
        )?;
        write!(f, "{} mails, {} of them a second time", self.mails, self.doubled_mails)
    }
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Ledger(Mutex<Book>);

impl Ledger {
    pub(crate) fn asks(&self, email: &str) {
        let mut book = self.lock();
        let account = book.accounts.entry(email.to_owned()).or_default();
        (account.asked, account.asked_at) = (account.asked + 1, Some(Instant::now()));
    }

    pub(crate) fn promised(&self, email: &str) {
        self.lock().accounts.entry(email.to_owned()).or_default().promised += 1;
    }

    pub(crate) fn verified_unheard(&self, email: &str) {
        self.lock().accounts.entry(email.to_owned()).or_default().unheard += 1;
    }

    /// A code was refused that may have been taken or replaced before.
    pub(crate) fn refused_unheard(&self) {
        self.lock().refused_unheard += 1;
    }

    /// From now on a code that was promised may be gone with its mail, or, once more, none.
    pub(crate) fn let_codes_be_lost(&self, may_be: bool) {
        self.lock().codes_may_be_lost = may_be;
    }

    pub(crate) fn codes_may_be_lost(&self) -> bool {
        self.lock().codes_may_be_lost
    }

    /// Nobody is owed what was asked for before.
    pub(crate) fn codes_are_lost(&self) {
        let mut book = self.lock();
        assert!(book.codes_may_be_lost, "nobody expects that");
        book.codes_lost_at = Some(Instant::now());
    }

    pub(crate) fn signed_in(&self, email: &str, tokens: &Tokens) {
        let mut book = self.lock();
        book.accounts.entry(email.to_owned()).or_default().signed_in += 1;
        let session = Session { tokens: tokens.clone(), unheard: 0, leaving: Leaving::No };
        assert!(book.sessions.insert(tokens.session, session).is_none(), "a session was handed out twice");
    }

    pub(crate) fn refreshed(&self, next: &Tokens) {
        if let Some(session) = self.lock().sessions.get_mut(&next.session) {
            session.tokens = next.clone();
            session.unheard = 0;
        }
    }

    pub(crate) fn refreshed_unheard(&self, tokens: &Tokens) {
        if let Some(session) = self.lock().sessions.get_mut(&tokens.session) {
            session.unheard += 1;
        }
    }

    pub(crate) fn signing_out(&self, tokens: &Tokens) {
        self.leave(tokens, Leaving::Tried);
    }

    pub(crate) fn signed_out(&self, tokens: &Tokens) {
        self.leave(tokens, Leaving::Done);
    }

    fn leave(&self, tokens: &Tokens, leaving: Leaving) {
        if let Some(session) = self.lock().sessions.get_mut(&tokens.session) {
            session.leaving = leaving;
        }
    }

    /// The newest tokens of sessions that nobody has signed out of.
    pub(crate) fn living(&self) -> Vec<Tokens> {
        let book = self.lock();
        let living = book.sessions.values().filter(|session| session.leaving == Leaving::No);
        living.map(|session| session.tokens.clone()).collect()
    }

    /// After a scenario that stopped in the middle: whatever people were at may have happened or not.
    pub(crate) fn forgive(&self) {
        let mut book = self.lock();
        book.accounts.values_mut().for_each(|account| account.unheard += 100);
        for session in book.sessions.values_mut().filter(|session| session.leaving != Leaving::Done) {
            (session.unheard, session.leaving) = (1, Leaving::Tried);
        }
        book.codes_may_be_lost = false;
    }

    /// Holds every promise against the stores, once nobody is at work any more.
    pub(crate) async fn settle(&self, world: &World) -> Counted {
        let (accounts, sessions, refused_unheard) = {
            let book = self.lock();
            let mut accounts = book.accounts.clone();
            for account in accounts.values_mut().filter(|account| account.asked_at <= book.codes_lost_at) {
                account.promised = 0;
            }
            (accounts, book.sessions.clone(), book.refused_unheard)
        };
        let mut figures =
            Counted { promised_sessions: sessions.len(), refused_unheard, ..Counted::default() };

        // Sessions that were opened, by their events: one for each that was promised, none that nobody asked for.
        let like = format!("%{}", world.domain);
        let opened =
            "select u.email, count(*) as made from auth.audit_log a join auth.users u on u.id = a.actor_id
                       where a.action in ('login', 'user_signedup') and u.email like $1 group by u.email";
        let mut opened_for = HashMap::new();
        for row in sqlx::query(opened).bind(&like).fetch_all(&world.sql).await.unwrap() {
            opened_for.insert(row.get::<String, _>(0), row.get::<i64, _>(1));
        }
        for (email, made) in &opened_for {
            let account = accounts.get(email).unwrap_or_else(|| panic!("an account that nobody asked for"));
            let (least, unheard) = (i64::from(account.signed_in), i64::from(account.unheard));
            assert!((least..=least + unheard).contains(made), "I1: {made} sessions for {account:?}");
            figures.unheard_sessions += made - least;
        }
        for (email, account) in &accounts {
            assert!(account.signed_in == 0 || opened_for.contains_key(email), "a session without its event");
        }

        // What was promised is there, and what was ended is not.
        let there =
            "select s.id, s.refresh_counter from auth.sessions s join auth.users u on u.id = s.user_id
                      where u.email like $1";
        let mut counters = HashMap::new();
        for row in sqlx::query(there).bind(&like).fetch_all(&world.sql).await.unwrap() {
            counters.insert(row.get::<Uuid, _>(0), row.get::<i32, _>(1));
        }
        for (id, session) in &sessions {
            let counter = counters.get(id).map(|counter| u32::try_from(*counter).unwrap());
            match (session.leaving, counter) {
                (Leaving::Done | Leaving::Tried, None) => {}
                (Leaving::Done, Some(_)) => panic!("I4: a session outlived its sign-out"),
                (Leaving::No, None) => panic!("a promised session is not there"),
                (Leaving::No | Leaving::Tried, Some(counter)) => {
                    let least = session.tokens.counter;
                    let most = least + u32::from(session.unheard > 0);
                    assert!((least..=most).contains(&counter), "I3: {counter} of {least} to {most}");
                }
            }
        }

        // One event for each thing that happened; one profile and one row of preferences for each account.
        let made: i64 = opened_for.values().sum();
        let events = "select count(*) from auth.audit_log a join auth.users u on u.id = a.actor_id
                       where a.action = $2 and u.email like $1";
        let count = async |action: &str| -> i64 {
            sqlx::query_scalar(events).bind(&like).bind(action).fetch_one(&world.sql).await.unwrap()
        };
        let there = i64::try_from(counters.len()).unwrap();
        assert_eq!(made, there + count("logout").await, "I6: sessions opened; there and ended");
        assert_eq!(count("refresh_token_reused").await, 0, "a false alarm");
        let users = world.count("auth.users").await;
        assert_eq!(count("user_signedup").await, i64::try_from(opened_for.len()).unwrap());
        for table in ["public.user_profiles", "public.user_preferences"] {
            assert_eq!(users, world.count(table).await, "I10: {table}");
        }
        self.settle_mail(world, &accounts, &mut figures).await;
        no_key_is_for_ever(world).await;
        figures
    }

    /// Every promised code has come, and none more than twice for each time it was asked for.
    async fn settle_mail(&self, world: &World, accounts: &HashMap<String, Account>, figures: &mut Counted) {
        let until = Instant::now() + MAIL_COMES;
        for (email, account) in accounts.iter().filter(|(_, account)| account.promised > 0) {
            let left = until.saturating_duration_since(Instant::now());
            let came = world.mailbox.next_code(email, 0, left).await;
            assert!(came.is_some(), "a promised mail did not come: {account:?}");
        }
        for (email, account) in accounts {
            let mails = world.mailbox.codes(email).len();
            let asked = account.asked as usize;
            assert!(mails <= 2 * asked, "I7: {mails} mails for {account:?}");
            figures.mails += mails;
            figures.doubled_mails += mails.saturating_sub(asked);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Book> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn no_key_is_for_ever(world: &World) {
    for (_, mut redis) in world.redis_servers().await {
        let keys: Vec<String> = redis::cmd("KEYS").arg("*").query_async(&mut redis).await.unwrap();
        for key in keys {
            let left: i64 = redis::cmd("PTTL").arg(&key).query_async(&mut redis).await.unwrap();
            assert!(left != -1, "a key without an end in Redis: {key}");
        }
    }
}
