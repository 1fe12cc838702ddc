//! Every metric there is, with its unit and meaning.
//!
//! Each server has a set of its own. Its parts are handles of atomic numbers: a port is given the one it needs, counting
//! takes well under a microsecond, and nobody waits for whoever reads. Names and labels are closed (see `labels`); nothing
//! that a person sent is in either.

use chrono::{DateTime, Utc};
use prometheus_client::encoding::text;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Metric, Registry};

use super::counts::{
    CodeCounts, DbCounts, HttpCounts, LimitCounts, MailCounts, SessionCounts, Standing, StoreCounts,
};
use super::labels::Build;
use super::log::LINES_DROPPED;
use super::panics::PANICS;

/// What [`Metrics::encode`] writes: the text of the `OpenMetrics` standard.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The metrics of one server.
#[derive(Debug)]
pub struct Metrics {
    /// Requests.
    pub http: HttpCounts,
    /// Codes asked for and presented.
    pub codes: CodeCounts,
    /// Sessions opened, continued and ended.
    pub sessions: SessionCounts,
    /// Mails on their way.
    pub mail: MailCounts,
    /// Limits that were met.
    pub limits: LimitCounts,
    /// PostgreSQL.
    pub database: DbCounts,
    /// Redis.
    pub store: StoreCounts,
    /// What is looked up when metrics are read.
    pub standing: Standing,
    registry: Registry,
}

/// Lists metrics one by one. A counter's name ends in `_total` where it is read.
struct List(Registry);

impl List {
    fn add(&mut self, name: &str, meaning: &str, metric: &(impl Metric + Clone)) {
        self.0.register(name, meaning, metric.clone());
    }

    fn http(&mut self, http: &HttpCounts) {
        self.add(
            "doorcode_http_requests",
            "Requests answered, by operation, method and status",
            &http.answered,
        );
        self.add(
            "doorcode_http_request_duration_seconds",
            "Time from the head of a request to the head of its answer, in seconds, by operation",
            &http.took,
        );
        self.add("doorcode_http_requests_in_flight", "Requests being answered now", &http.in_flight);
    }

    fn sign_ins(
        &mut self,
        codes: &CodeCounts,
        sessions: &SessionCounts,
        limits: &LimitCounts,
        standing: &Standing,
    ) {
        self.add(
            "doorcode_codes_requested",
            "Codes asked for, by site, purpose and outcome: short and long ones went into the mail queue",
            &codes.issued,
        );
        self.add(
            "doorcode_codes_presented",
            "Codes and links presented to the code store, by site, purpose and outcome",
            &codes.checked,
        );
        self.add(
            "doorcode_sessions_opened",
            "Sessions opened, by site and by whether the account is new",
            &sessions.opened,
        );
        self.add(
            "doorcode_session_refreshes",
            "Refresh tokens presented, by site and outcome",
            &sessions.refreshed,
        );
        self.add("doorcode_sessions_ended", "Sessions ended before their time, by reason", &sessions.ended);
        self.add("doorcode_limits_hit", "Requests that met a limit, by limit", &limits.hit);
        self.add(
            "doorcode_guessing_tripped",
            "1 while wrong guesses over all addresses are so many that devices nobody knows get long codes, else 0",
            &standing.tripped,
        );
    }

    fn mail(&mut self, mail: &MailCounts, standing: &Standing) {
        self.add("doorcode_mails", "Tries to send a mail, by queue and outcome", &mail.tried);
        self.add(
            "doorcode_mail_send_duration_seconds",
            "Time that the mail server took for a mail, waiting for a connection included, in seconds",
            &mail.took,
        );
        self.add(
            "doorcode_mail_queue_depth",
            "Mails that are queued or being sent, over all replicas, by queue",
            &standing.queue_depth,
        );
        self.add(
            "doorcode_mail_queue_oldest_age_seconds",
            "Age of the oldest of them in seconds, 0 if there is none, by queue",
            &standing.queue_age,
        );
    }

    fn stores(&mut self, database: &DbCounts, store: &StoreCounts, standing: &Standing) {
        self.add(
            "doorcode_dependency_up",
            "1 if a dependency answers, 0 if not; of the mail server, how the last mail went",
            &standing.up,
        );
        self.add(
            "doorcode_clock_ahead_seconds",
            "How far this server's clock is ahead of a dependency's at least, in seconds; negative if it is behind",
            &standing.clock_ahead,
        );
        self.add(
            "doorcode_dependency_failures",
            "Calls that failed, by dependency and by whether it was out of reach",
            &store.failures.0,
        );
        self.add(
            "doorcode_database_statement_duration_seconds",
            "Time of a statement with its answer, in seconds, by the function it stands in",
            &database.took,
        );
        self.add(
            "doorcode_database_wait_duration_seconds",
            "Time that a request waited for a connection, in seconds",
            &database.waited,
        );
        self.add("doorcode_database_connections_max", "Connections there may be", &standing.connections_most);
        self.add(
            "doorcode_database_connections_open",
            "Connections that are open",
            &standing.connections_open,
        );
        self.add(
            "doorcode_database_connections_in_use",
            "Connections in use now",
            &standing.connections_in_use,
        );
        self.add(
            "doorcode_database_connections_waited_for",
            "Requests waiting for a connection now",
            &standing.connections_waited_for,
        );
        self.add(
            "doorcode_redis_call_duration_seconds",
            "Time of a call of Redis with its answer, in seconds, by call",
            &store.took,
        );
        self.add(
            "doorcode_redis_resting",
            "Parts of Redis that are not asked for a moment, as they did not answer: 0, 1, or in a cluster up to its partitions",
            &store.resting,
        );
    }

    fn keys(&mut self, standing: &Standing) {
        self.add(
            "doorcode_site_can_sign",
            "1 if a site has a key to sign tokens with, else 0",
            &standing.can_sign,
        );
        self.add(
            "doorcode_signing_key_age_seconds",
            "How long the key that a site signs with has done so, in seconds",
            &standing.key_age,
        );
        self.add("doorcode_signing_keys_published", "Keys in a site's JWKS", &standing.keys_published);
    }

    fn process(&mut self, standing: &Standing, started_at: DateTime<Utc>) {
        let build = Build { version: env!("CARGO_PKG_VERSION"), embedded: cfg!(feature = "embedded") };
        self.0.register("doorcode_build", "What is running; always 1", Info::new(build));
        let start = Gauge::<i64>::default();
        start.set(started_at.timestamp());
        self.add("process_start_time_seconds", "When the server started, in seconds since 1970", &start);
        self.add("doorcode_draining", "1 if the server is about to stop, else 0", &standing.draining);
        self.add("doorcode_log_lines_dropped", "Log lines that nobody took in time", &*LINES_DROPPED);
        self.add("doorcode_panics", "Panics of this process: mistakes of ours", &*PANICS);
    }
}

impl Metrics {
    /// All of them at zero, for a server that starts now and has these sites.
    #[must_use]
    pub fn new<'a>(started_at: DateTime<Utc>, sites: impl IntoIterator<Item = &'a str>) -> Self {
        let mut list = List(Registry::default());
        let failures = super::counts::Failures::default();
        let http = HttpCounts::default();
        let codes = CodeCounts::default();
        let sessions = SessionCounts::default();
        let mail = MailCounts::default();
        let limits = LimitCounts::default();
        let database = DbCounts::new(failures.clone());
        let store = StoreCounts::new(failures);
        let standing = Standing::default();
        list.http(&http);
        list.sign_ins(&codes, &sessions, &limits, &standing);
        list.mail(&mail, &standing);
        list.stores(&database, &store, &standing);
        list.keys(&standing);
        list.process(&standing, started_at);
        // What has not happened yet is there as a zero: a rate needs to see the first one coming.
        for site in sites {
            codes.prepare(site);
            sessions.prepare(site);
        }
        sessions.prepare_all();
        mail.prepare();
        limits.prepare();
        store.failures.prepare();
        Self { http, codes, sessions, mail, limits, database, store, standing, registry: list.0 }
    }

    /// All of them as text, in the format of [`CONTENT_TYPE`].
    #[must_use]
    pub fn encode(&self) -> String {
        super::log::count_dropped_lines();
        let mut whole = String::with_capacity(32 * 1024);
        // Writing to a string does not fail.
        let _ = text::encode(&mut whole, &self.registry);
        whole
    }
}
