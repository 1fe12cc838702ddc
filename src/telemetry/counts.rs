//! The counting itself: a handle for each part of the server that knows an outcome, in the words of that part.

use std::sync::Arc;
use std::sync::atomic::{AtomicI8, AtomicU64, Ordering};
use std::time::Duration;

use chrono::TimeDelta;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;

use super::labels::{
    Answered, Call, Checked, CodeCheck, CodeIssue, Dependency, Ended, Failed, Failure, Hit, InQueue, Issued,
    Limit, MailTry, Method, OfSite, On, Opened, Operation, Queue, Refresh, Refreshed, SessionEnd, Statement,
    StoreCall, Tried,
};

/// Upper bounds in seconds: from what memory answers to what no request waits for.
const ANSWERS: [f64; 14] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
/// The same for the mail server, which is slower.
const MAILS: [f64; 9] = [0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

/// Histograms by label.
type Times<L> = Family<L, Histogram, fn() -> Histogram>;

fn answer_times() -> Histogram {
    Histogram::new(ANSWERS)
}

/// Requests.
#[derive(Debug, Clone)]
pub struct HttpCounts {
    pub(super) answered: Family<Answered, Counter>,
    pub(super) took: Times<Operation>,
    pub(super) in_flight: Gauge,
}

impl Default for HttpCounts {
    fn default() -> Self {
        Self {
            answered: Family::default(),
            took: Family::new_with_constructor(answer_times),
            in_flight: Gauge::default(),
        }
    }
}

/// A request that is being answered; dropped, it no longer is.
#[derive(Debug)]
pub struct InFlight(Gauge);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.dec();
    }
}

impl HttpCounts {
    /// A request has come.
    #[must_use]
    pub fn begin(&self) -> InFlight {
        self.in_flight.inc();
        InFlight(self.in_flight.clone())
    }

    /// A request was answered.
    pub fn answered(&self, operation: &'static str, method: &str, status: u16, took: Duration) {
        self.answered.get_or_create(&Answered { operation, method: Method::of(method), status }).inc();
        self.took.get_or_create(&Operation { operation }).observe(took.as_secs_f64());
    }
}

/// Codes asked for and presented.
#[derive(Debug, Clone, Default)]
pub struct CodeCounts {
    pub(super) issued: Family<Issued, Counter>,
    pub(super) checked: Family<Checked, Counter>,
}

impl CodeCounts {
    /// A code was asked for.
    pub fn issued(&self, site: &str, purpose: &'static str, outcome: CodeIssue) {
        self.issued.get_or_create(&Issued { site: site.to_owned(), purpose, outcome }).inc();
    }

    /// A proof was presented.
    pub fn checked(&self, site: &str, purpose: &'static str, outcome: CodeCheck) {
        self.checked.get_or_create(&Checked { site: site.to_owned(), purpose, outcome }).inc();
    }

    pub(super) fn prepare(&self, site: &str) {
        let purpose = crate::domain::Slot::SignIn.as_str();
        for outcome in CodeIssue::ALL {
            drop(self.issued.get_or_create(&Issued { site: site.to_owned(), purpose, outcome: *outcome }));
        }
        for outcome in CodeCheck::ALL {
            drop(self.checked.get_or_create(&Checked { site: site.to_owned(), purpose, outcome: *outcome }));
        }
    }
}

/// Sessions opened, continued and ended.
#[derive(Debug, Clone, Default)]
pub struct SessionCounts {
    pub(super) opened: Family<Opened, Counter>,
    pub(super) refreshed: Family<Refreshed, Counter>,
    pub(super) ended: Family<Ended, Counter>,
}

impl SessionCounts {
    /// A session was opened, for an account that was made for it or one that was there.
    pub fn opened(&self, site: &str, is_first: bool) {
        self.opened.get_or_create(&Opened { site: site.to_owned(), account: account(is_first) }).inc();
    }

    /// A refresh token was presented.
    pub fn refreshed(&self, site: &str, outcome: Refresh) {
        self.refreshed.get_or_create(&Refreshed { site: site.to_owned(), outcome }).inc();
    }

    /// So many sessions were ended.
    pub fn ended(&self, reason: SessionEnd, how_many: i64) {
        self.ended.get_or_create(&Ended { reason }).inc_by(u64::try_from(how_many).unwrap_or(0));
    }

    pub(super) fn prepare(&self, site: &str) {
        for is_first in [true, false] {
            let label = Opened { site: site.to_owned(), account: account(is_first) };
            drop(self.opened.get_or_create(&label));
        }
        for outcome in Refresh::ALL {
            drop(self.refreshed.get_or_create(&Refreshed { site: site.to_owned(), outcome: *outcome }));
        }
    }

    pub(super) fn prepare_all(&self) {
        for reason in SessionEnd::ALL {
            drop(self.ended.get_or_create(&Ended { reason: *reason }));
        }
    }
}

fn account(is_first: bool) -> &'static str {
    if is_first { "new" } else { "existing" }
}

/// Mails on their way.
#[derive(Debug, Clone)]
pub struct MailCounts {
    pub(super) tried: Family<Tried, Counter>,
    pub(super) took: Histogram,
    /// How the last mail went: -1 if there was none yet.
    server: Arc<AtomicI8>,
}

impl Default for MailCounts {
    fn default() -> Self {
        let took = Histogram::new(MAILS);
        Self { tried: Family::default(), took, server: Arc::new(AtomicI8::new(-1)) }
    }
}

impl MailCounts {
    /// A mail was tried, or given up.
    pub fn tried(&self, queue: Queue, outcome: MailTry) {
        self.tried.get_or_create(&Tried { queue, outcome }).inc();
    }

    /// A mail was handed over, or was not, in this time.
    pub fn handed_over(&self, took: Duration) {
        self.took.observe(took.as_secs_f64());
    }

    /// The mail server was spoken to; `answered` if it took or refused a mail, and not if it has to be tried again.
    pub fn server_answered(&self, answered: bool) {
        self.server.store(i8::from(answered), Ordering::Relaxed);
    }

    /// Whether the last mail got an answer, if there was one.
    #[must_use]
    pub fn server_is_up(&self) -> Option<bool> {
        match self.server.load(Ordering::Relaxed) {
            -1 => None,
            answered => Some(answered == 1),
        }
    }

    pub(super) fn prepare(&self) {
        for queue in Queue::ALL {
            for outcome in MailTry::ALL {
                drop(self.tried.get_or_create(&Tried { queue: *queue, outcome: *outcome }));
            }
        }
    }
}

/// Limits that were met.
#[derive(Debug, Clone, Default)]
pub struct LimitCounts {
    pub(super) hit: Family<Hit, Counter>,
}

impl LimitCounts {
    /// Somebody met a limit.
    pub fn hit(&self, limit: Limit) {
        self.hit.get_or_create(&Hit { limit }).inc();
    }

    pub(super) fn prepare(&self) {
        for limit in Limit::ALL {
            drop(self.hit.get_or_create(&Hit { limit: *limit }));
        }
    }
}

/// Calls that failed.
#[derive(Debug, Clone, Default)]
pub(super) struct Failures(pub(super) Family<Failed, Counter>);

impl Failures {
    fn count(&self, dependency: Dependency, is_unavailable: bool) {
        let failure = if is_unavailable { Failure::Unavailable } else { Failure::Unexpected };
        self.0.get_or_create(&Failed { dependency, failure }).inc();
    }

    pub(super) fn prepare(&self) {
        for dependency in [Dependency::Database, Dependency::CodeStore] {
            for failure in Failure::ALL {
                drop(self.0.get_or_create(&Failed { dependency, failure: *failure }));
            }
        }
    }
}

/// PostgreSQL.
#[derive(Debug, Clone)]
pub struct DbCounts {
    pub(super) took: Times<Statement>,
    pub(super) waited: Histogram,
    failures: Failures,
}

impl DbCounts {
    pub(super) fn new(failures: Failures) -> Self {
        Self { took: Family::new_with_constructor(answer_times), waited: answer_times(), failures }
    }

    /// A statement was answered.
    pub fn statement(&self, statement: &'static str, took: Duration) {
        self.took.get_or_create(&Statement { statement }).observe(took.as_secs_f64());
    }

    /// A connection was had.
    pub fn waited(&self, waited: Duration) {
        self.waited.observe(waited.as_secs_f64());
    }

    /// Something failed.
    pub fn failed(&self, is_unavailable: bool) {
        self.failures.count(Dependency::Database, is_unavailable);
    }
}

impl Default for DbCounts {
    fn default() -> Self {
        Self::new(Failures::default())
    }
}

/// Redis.
#[derive(Debug, Clone)]
pub struct StoreCounts {
    pub(super) took: Times<Call>,
    pub(super) resting: Gauge,
    pub(super) failures: Failures,
}

impl StoreCounts {
    pub(super) fn new(failures: Failures) -> Self {
        Self { took: Family::new_with_constructor(answer_times), resting: Gauge::default(), failures }
    }

    /// A part of Redis that does not answer is given a rest, or answers again.
    pub fn rests(&self, rests: bool) {
        self.resting.inc_by(if rests { 1 } else { -1 });
    }

    /// A call was answered.
    pub fn call(&self, call: StoreCall, took: Duration) {
        self.took.get_or_create(&Call { call }).observe(took.as_secs_f64());
    }

    /// Something failed.
    pub fn failed(&self, is_unavailable: bool) {
        self.failures.count(Dependency::CodeStore, is_unavailable);
    }
}

impl Default for StoreCounts {
    fn default() -> Self {
        Self::new(Failures::default())
    }
}

/// Numbers that are not counted as things happen but looked up when metrics are read.
#[derive(Debug, Default)]
pub struct Standing {
    pub(super) up: Family<On, Gauge>,
    pub(super) clock_ahead: Family<On, Gauge<f64, AtomicU64>>,
    pub(super) queue_depth: Family<InQueue, Gauge>,
    pub(super) queue_age: Family<InQueue, Gauge<f64, AtomicU64>>,
    pub(super) connections_most: Gauge,
    pub(super) connections_open: Gauge,
    pub(super) connections_in_use: Gauge,
    pub(super) connections_waited_for: Gauge,
    pub(super) can_sign: Family<OfSite, Gauge>,
    pub(super) key_age: Family<OfSite, Gauge<f64, AtomicU64>>,
    pub(super) keys_published: Family<OfSite, Gauge>,
    pub(super) draining: Gauge,
    pub(super) tripped: Gauge,
}

impl Standing {
    /// Whether a dependency answers; `None` if that is not known.
    pub fn dependency(&self, dependency: Dependency, up: Option<bool>) {
        let on = On { dependency };
        match up {
            Some(up) => drop(self.up.get_or_create(&on).set(i64::from(up))),
            None => drop(self.up.remove(&on)),
        }
    }

    /// How far our clock is ahead of a dependency's; `None` if that is not known.
    pub fn clock(&self, dependency: Dependency, ahead: Option<TimeDelta>) {
        let on = On { dependency };
        match ahead {
            Some(ahead) => drop(self.clock_ahead.get_or_create(&on).set(ahead.as_seconds_f64())),
            None => drop(self.clock_ahead.remove(&on)),
        }
    }

    /// How many mails wait, and for how long the oldest does; `None` if that is not known.
    pub fn queue(&self, queue: Queue, standing: Option<(u64, Duration)>) {
        let label = InQueue { queue };
        if let Some((depth, age)) = standing {
            self.queue_depth.get_or_create(&label).set(whole(depth));
            self.queue_age.get_or_create(&label).set(age.as_secs_f64());
        } else {
            self.queue_depth.remove(&label);
            self.queue_age.remove(&label);
        }
    }

    /// How the pool of connections stands.
    pub fn connections(&self, most: u32, open: u32, in_use: u32, waited_for: u32) {
        self.connections_most.set(i64::from(most));
        self.connections_open.set(i64::from(open));
        self.connections_in_use.set(i64::from(in_use));
        self.connections_waited_for.set(i64::from(waited_for));
    }

    /// What a site signs with.
    pub fn keys(&self, site: &str, can_sign: bool, active_for: Option<Duration>, published: usize) {
        let label = OfSite { site: site.to_owned() };
        self.can_sign.get_or_create(&label).set(i64::from(can_sign));
        match active_for {
            Some(age) => drop(self.key_age.get_or_create(&label).set(age.as_secs_f64())),
            None => drop(self.key_age.remove(&label)),
        }
        self.keys_published.get_or_create(&label).set(i64::try_from(published).unwrap_or(i64::MAX));
    }

    /// Whether wrong guesses over all addresses are too many.
    pub fn tripped(&self, tripped: bool) {
        self.tripped.set(i64::from(tripped));
    }

    /// Whether the server is about to stop.
    pub fn draining(&self, draining: bool) {
        self.draining.set(i64::from(draining));
    }
}

fn whole(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
