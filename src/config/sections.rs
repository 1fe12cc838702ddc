//! The sections about the server as a whole: server, log, secrets, codes, limits.
//!
//! Meanings, reasons and defaults stand in `config/default.toml`; here are the types and the ranges.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use ipnet::IpNet;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};

use super::master::decode_master_secret;
use super::problems::Problem;
use super::reader::{Reader, Word};
use crate::domain::signing_key::{KEY_SET_LIFE, KEYS_READ_EVERY};

/// Stands in for an address that cannot be read.
pub(super) const NOWHERE: SocketAddr = SocketAddr::new(IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);

/// What an address to listen on must look like.
pub(super) const LISTEN: &str = "an IP address with a port, such as 127.0.0.1:8080";

/// The same for a listener that there need not be.
const LISTEN_OR_NOT: &str = "nothing, or an IP address with a port, such as 127.0.0.1:9464";

/// What the server is used for. `DOORCODE__SERVER__ENVIRONMENT`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Environment {
    /// One machine, nothing at stake.
    Development,
    /// Real people; settings fit only for development are refused.
    Production,
}

impl Word for Environment {
    const WORDS: &'static str = "development or production";
    const STAND_IN: Self = Self::Development;
}

/// `[server]`
#[derive(Clone, Debug)]
pub struct ServerConfig {
    /// What the server is used for. `DOORCODE__SERVER__ENVIRONMENT`.
    pub environment: Environment,
    /// Where HTTP is served. `DOORCODE__SERVER__LISTEN`.
    pub listen: SocketAddr,
    /// Where metrics and the state of the server are shown to those who run it; `None` for nowhere.
    /// `DOORCODE__SERVER__METRICS_LISTEN`.
    pub metrics_listen: Option<SocketAddr>,
    /// Host values, in lower case, on which any site can be called by its publishable key.
    /// `DOORCODE__SERVER__SHARED_HOSTS`.
    pub shared_hosts: Vec<String>,
    /// Networks of the proxies whose forwarded addresses are believed. `DOORCODE__SERVER__TRUSTED_PROXIES`.
    pub trusted_proxies: Vec<IpNet>,
    /// Largest request body, 1024 to 1048576 bytes. `DOORCODE__SERVER__BODY_LIMIT_BYTES`.
    pub body_limit_bytes: u64,
    /// Largest head of a request, 4096 to 65536 bytes. `DOORCODE__SERVER__HEADER_LIMIT_BYTES`.
    pub header_limit_bytes: u64,
    /// Most header fields of a request, 16 to 1000. `DOORCODE__SERVER__MAX_HEADERS`.
    pub max_headers: u64,
    /// Longest path and query of a request, 256 to 16384 bytes. `DOORCODE__SERVER__URL_LIMIT_BYTES`.
    pub url_limit_bytes: u64,
    /// Most connections, 10 to 1000000. `DOORCODE__SERVER__MAX_CONNECTIONS`.
    pub max_connections: u64,
    /// Most connections from one client, 1 to 1000000. `DOORCODE__SERVER__MAX_CONNECTIONS_PER_CLIENT`.
    pub max_connections_per_client: u64,
    /// Most requests at a time over one HTTP/2 connection, 1 to 1000. `DOORCODE__SERVER__HTTP2_STREAMS`.
    pub http2_streams: u32,
    /// Longest time for the head of a request, 1 to 60. `DOORCODE__SERVER__HEADER_TIMEOUT_SECS`.
    pub header_timeout_secs: u64,
    /// Longest time for the next piece of a body, 1 to 60. `DOORCODE__SERVER__BODY_TIMEOUT_SECS`.
    pub body_timeout_secs: u64,
    /// Longest time in which a client takes nothing of an answer, 1 to 60.
    /// `DOORCODE__SERVER__WRITE_TIMEOUT_SECS`.
    pub write_timeout_secs: u64,
    /// Longest time of a connection without a request, 1 to 3600. `DOORCODE__SERVER__IDLE_TIMEOUT_SECS`.
    pub idle_timeout_secs: u64,
    /// Longest a whole request may take, 1 to 60. `DOORCODE__SERVER__REQUEST_TIMEOUT_SECS`.
    pub request_timeout_secs: u64,
    /// How long a stop goes on accepting, 0 to 60. `DOORCODE__SERVER__GRACE_SECS`.
    pub grace_secs: u64,
    /// How long a stop waits for requests under way, 0 to 60. `DOORCODE__SERVER__DRAIN_SECS`.
    pub drain_secs: u64,
}

impl ServerConfig {
    pub(super) fn read(from: &mut Reader<'_>) -> Self {
        Self {
            environment: from.word("environment"),
            listen: from.parsed("listen", LISTEN, |text| text.parse().ok()).unwrap_or(NOWHERE),
            metrics_listen: from
                .parsed("metrics_listen", LISTEN_OR_NOT, |text| match text {
                    "" => Some(None),
                    text => text.parse().ok().map(Some),
                })
                .flatten(),
            shared_hosts: from.list("shared_hosts", "a host or host:port", parse_host),
            trusted_proxies: from.list(
                "trusted_proxies",
                "a network such as 10.0.0.0/8, or an address",
                |text| text.parse().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from)),
            ),
            body_limit_bytes: from.number("body_limit_bytes", 1024..=1_048_576, "bytes"),
            header_limit_bytes: from.number("header_limit_bytes", 4096..=65_536, "bytes"),
            max_headers: from.number("max_headers", 16..=1000, ""),
            url_limit_bytes: from.number("url_limit_bytes", 256..=16_384, "bytes"),
            max_connections: from.number("max_connections", 10..=1_000_000, ""),
            max_connections_per_client: from.number("max_connections_per_client", 1..=1_000_000, ""),
            http2_streams: from.number("http2_streams", 1..=1000, ""),
            header_timeout_secs: from.number("header_timeout_secs", 1..=60, "seconds"),
            body_timeout_secs: from.number("body_timeout_secs", 1..=60, "seconds"),
            write_timeout_secs: from.number("write_timeout_secs", 1..=60, "seconds"),
            idle_timeout_secs: from.number("idle_timeout_secs", 1..=3600, "seconds"),
            request_timeout_secs: from.number("request_timeout_secs", 1..=60, "seconds"),
            grace_secs: from.number("grace_secs", 0..=60, "seconds"),
            drain_secs: from.number("drain_secs", 0..=60, "seconds"),
        }
    }

    /// Whether this is a production server.
    #[must_use]
    pub fn is_production(&self) -> bool {
        self.environment == Environment::Production
    }
}

/// A Host value as it is compared: lower case, with the port if it is given.
fn parse_host(text: &str) -> Option<String> {
    let url = url::Url::parse(&format!("http://{text}")).ok()?;
    // Whatever else the text holds shows as a part of the URL that a Host value does not have.
    let bare = url.as_str().strip_prefix("http://")?.strip_suffix('/').filter(|bare| !bare.contains('@'))?;
    let given = text.to_ascii_lowercase();
    (given == bare || given == format!("{bare}:80")).then_some(given)
}

/// Form of the log. `DOORCODE__LOG__FORMAT`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Text,
    /// For log collectors: one object a line.
    Json,
    /// JSON in production, text elsewhere.
    Auto,
}

impl Word for LogFormat {
    const WORDS: &'static str = "text, json or auto";
    const STAND_IN: Self = Self::Text;
}

impl LogFormat {
    /// What `auto` comes to on such a server.
    pub(super) fn settle(&mut self, is_production: bool) {
        if *self == Self::Auto {
            *self = if is_production { Self::Json } else { Self::Text };
        }
    }
}

/// `[log]`
#[derive(Clone, Debug)]
pub struct LogConfig {
    /// Form of the log; in a configuration that was read never `auto`. `DOORCODE__LOG__FORMAT`.
    pub format: LogFormat,
    /// A level, or directives as `tracing_subscriber::EnvFilter` takes them. `DOORCODE__LOG__FILTER`.
    pub filter: String,
}

impl LogConfig {
    pub(super) fn read(from: &mut Reader<'_>) -> Self {
        let filter = from.checked("filter", "a level or directives", |text| {
            !text.trim().is_empty() && tracing_subscriber::EnvFilter::try_new(text).is_ok()
        });
        Self { format: from.word("format"), filter }
    }
}

/// `[telemetry]`
#[derive(Clone, Debug)]
pub struct TelemetryConfig {
    /// Where spans are sent, without `/v1/traces`; `None` for nowhere. `DOORCODE__TELEMETRY__OTLP_ENDPOINT`.
    pub otlp_endpoint: Option<url::Url>,
    /// Of a hundred traces that begin here, how many are sent, 0 to 100. `DOORCODE__TELEMETRY__SAMPLE_PERCENT`.
    pub sample_percent: u32,
    /// What the server is called in traces, 1 to 64 characters. `DOORCODE__TELEMETRY__SERVICE_NAME`.
    pub service_name: String,
}

impl TelemetryConfig {
    pub(super) fn read(from: &mut Reader<'_>) -> Self {
        let endpoint = |text: &str| {
            let url = url::Url::parse(text).ok()?;
            let plain = url.query().is_none() && url.fragment().is_none() && url.password().is_none();
            (url.scheme() == "http" && url.has_host() && plain && url.username().is_empty()).then_some(url)
        };
        let expected = "nothing, or http://host:4318 of a collector";
        Self {
            otlp_endpoint: from
                .parsed("otlp_endpoint", expected, |text| match text {
                    "" => Some(None),
                    text => endpoint(text).map(Some),
                })
                .flatten(),
            sample_percent: from.number("sample_percent", 0..=100, ""),
            service_name: from.checked("service_name", "1 to 64 characters", |text| {
                (1..=64).contains(&text.chars().count()) && !text.chars().any(char::is_control)
            }),
        }
    }
}

/// `[secrets]`
#[derive(Clone, Debug)]
pub struct SecretsConfig {
    /// The master secret as base64, whether it was set itself or read from `master_file`. `None` only in
    /// development. [`decode_master_secret`] takes it. `DOORCODE__SECRETS__MASTER`.
    pub master: Option<SecretString>,
    /// The file it was read from, if it was. `DOORCODE__SECRETS__MASTER_FILE`.
    pub master_file: Option<PathBuf>,
    /// Older master secrets, newest first, at most 3, in the same form. `DOORCODE__SECRETS__PREVIOUS`.
    pub previous: Vec<SecretString>,
}

impl SecretsConfig {
    pub(super) fn read(from: &mut Reader<'_>) -> Self {
        let given = from.secret("master");
        let master_file = from.file("master_file");
        let given = (!given.expose_secret().is_empty()).then_some(given);
        let master = match (&master_file, given) {
            (Some(_), Some(given)) => {
                from.blame("master", None, "to be empty where master_file is set: which one counts?");
                Some(given)
            }
            (Some(file), None) => read_master(from, file),
            (None, given) => given.inspect(|given| judge_master(from, "master", given)),
        };
        let previous: Vec<SecretString> = from.list("previous", "", |text| Some(text.to_owned().into()));
        if previous.len() > 3 {
            from.blame("previous", None, format!("at most 3 secrets, not {}", previous.len()));
        }
        for older in &previous {
            judge_master(from, "previous", older);
        }
        Self { master, master_file, previous }
    }
}

fn read_master(from: &mut Reader<'_>, file: &Path) -> Option<SecretString> {
    match std::fs::read_to_string(file) {
        Ok(text) => {
            let master = SecretString::from(text.trim());
            judge_master(from, "master_file", &master);
            Some(master)
        }
        Err(error) => {
            let found = super::problems::shown(&file.display().to_string());
            from.blame("master_file", Some(found), format!("a readable file ({error})"));
            None
        }
    }
}

fn judge_master(from: &mut Reader<'_>, key: &str, secret: &SecretString) {
    if let Err(error) = decode_master_secret(secret.expose_secret()) {
        let problem = Problem::of(&from.path(key), None, format!("base64 of 32 random bytes, but {error}"));
        from.add(problem.remedy("make one with `openssl rand -base64 32`"));
    }
}

/// `[keys]`
#[derive(Clone, Debug)]
pub struct KeysConfig {
    /// How long a key signs, 0 to 3650; 0 is for ever. `DOORCODE__KEYS__ROTATE_DAYS`.
    pub rotate_days: u64,
    /// How long a key is published before it signs, 660 to 86400. `DOORCODE__KEYS__PUBLISH_AHEAD_SECS`.
    pub publish_ahead_secs: u64,
}

impl KeysConfig {
    pub(super) fn read(from: &mut Reader<'_>) -> Self {
        // A verifier keeps the key set for so long, and a replica may be so late with it, a failed reading or two included.
        let least = i64::try_from((KEY_SET_LIFE + 3 * KEYS_READ_EVERY).as_secs()).unwrap_or(i64::MAX);
        Self {
            rotate_days: from.number("rotate_days", 0..=3650, "days"),
            publish_ahead_secs: from.number("publish_ahead_secs", least..=86_400, "seconds"),
        }
    }
}

/// `[codes]`
#[derive(Clone, Debug)]
pub struct CodesConfig {
    /// How long a code is valid, 60 to 600. `DOORCODE__CODES__TTL_SECS`.
    pub ttl_secs: u64,
    /// Wrong tries until a code is dead, 1 to 5. `DOORCODE__CODES__TRIES`.
    pub tries: u32,
    /// Wrong tries of an address in 24 hours until its codes are long, 5 to 100.
    /// `DOORCODE__CODES__WRONG_PER_DAY`.
    pub wrong_per_day: u32,
    /// The same in 30 days, 5 to 1000. `DOORCODE__CODES__WRONG_PER_MONTH`.
    pub wrong_per_month: u32,
    /// The same as `wrong_per_day` by devices whose owner has signed in with them, 5 to 50. `DOORCODE__CODES__KNOWN_WRONG_PER_DAY`.
    pub known_wrong_per_day: u32,
    /// Wrong tries of all addresses in ten minutes until devices that nobody knows get long codes, 10 to 1000000.
    /// `DOORCODE__CODES__GUESSES_PER_10MIN`.
    pub guesses_per_10min: u32,
    /// The same in 24 hours, 10 to 1000000. `DOORCODE__CODES__GUESSES_PER_DAY`.
    pub guesses_per_day: u32,
    /// How long a verification holds a code, 5 to 60. `DOORCODE__CODES__LEASE_SECS`.
    pub lease_secs: u64,
}

impl CodesConfig {
    pub(super) fn read(from: &mut Reader<'_>) -> Self {
        Self {
            ttl_secs: from.number("ttl_secs", 60..=600, "seconds"),
            tries: from.number("tries", 1..=5, ""),
            wrong_per_day: from.number("wrong_per_day", 5..=100, ""),
            wrong_per_month: from.number("wrong_per_month", 5..=1000, ""),
            known_wrong_per_day: from.number("known_wrong_per_day", 5..=50, ""),
            guesses_per_10min: from.number("guesses_per_10min", 10..=1_000_000, ""),
            guesses_per_day: from.number("guesses_per_day", 10..=1_000_000, ""),
            lease_secs: from.number("lease_secs", 5..=60, "seconds"),
        }
    }
}

/// `[limits]`
#[derive(Clone, Debug)]
pub struct LimitsConfig {
    /// Least time between two codes to an address, 1 to 600. `DOORCODE__LIMITS__SEND_GAP_SECS`.
    pub send_gap_secs: u64,
    /// Codes to an address an hour, 1 to 1000. `DOORCODE__LIMITS__SENDS_PER_HOUR`.
    pub sends_per_hour: u32,
    /// Codes to an address a day, 1 to 10000. `DOORCODE__LIMITS__SENDS_PER_DAY`.
    pub sends_per_day: u32,
    /// Codes to an address an hour beyond these, for devices whose owner has signed in with them, 1 to 1000.
    /// `DOORCODE__LIMITS__KNOWN_SENDS_PER_HOUR`.
    pub known_sends_per_hour: u32,
    /// How long an address gets no codes that strangers ask for, once its owner disowned one, 60 to 86400.
    /// `DOORCODE__LIMITS__COOLING_SECS`.
    pub cooling_secs: u64,
    /// Mails to the addresses of one mail host an hour, 1 to 10000000. `DOORCODE__LIMITS__HOST_MAILS_PER_HOUR`.
    pub host_mails_per_hour: u32,
    /// Codes a client address asks for in ten minutes, at all replicas, 1 to 1000000.
    /// `DOORCODE__LIMITS__CLIENT_SENDS_PER_10MIN`.
    pub client_sends_per_10min: u32,
    /// The same an hour, 1 to 1000000. `DOORCODE__LIMITS__CLIENT_SENDS_PER_HOUR`.
    pub client_sends_per_hour: u32,
    /// The same by a whole network, 1 to 1000000. `DOORCODE__LIMITS__NETWORK_SENDS_PER_HOUR`.
    pub network_sends_per_hour: u32,
    /// Wrong codes and links a client address presents in ten minutes, at all replicas, 1 to 1000000.
    /// `DOORCODE__LIMITS__CLIENT_WRONG_PER_10MIN`.
    pub client_wrong_per_10min: u32,
    /// The same by a whole network an hour, 1 to 1000000. `DOORCODE__LIMITS__NETWORK_WRONG_PER_HOUR`.
    pub network_wrong_per_hour: u32,
    /// Networks whose clients may do more, and how many times as much. `DOORCODE__LIMITS__NETWORKS`.
    pub networks: Vec<(IpNet, u32)>,
    /// Window of the counts below, 10 to 3600. `DOORCODE__LIMITS__WINDOW_SECS`.
    pub window_secs: u64,
    /// Requests for a code by a client address in the window, 1 to 1000000.
    /// `DOORCODE__LIMITS__CODE_REQUESTS`.
    pub code_requests: u32,
    /// Verifications by a client address in the window, 1 to 1000000. `DOORCODE__LIMITS__VERIFIES`.
    pub verifies: u32,
    /// Refreshes by a client address in the window, 1 to 1000000. `DOORCODE__LIMITS__REFRESHES`.
    pub refreshes: u32,
}

impl LimitsConfig {
    pub(super) fn read(from: &mut Reader<'_>) -> Self {
        Self {
            send_gap_secs: from.number("send_gap_secs", 1..=600, "seconds"),
            sends_per_hour: from.number("sends_per_hour", 1..=1000, "an hour"),
            sends_per_day: from.number("sends_per_day", 1..=10_000, "a day"),
            known_sends_per_hour: from.number("known_sends_per_hour", 1..=1000, "an hour"),
            cooling_secs: from.number("cooling_secs", 60..=86_400, "seconds"),
            host_mails_per_hour: from.number("host_mails_per_hour", 1..=10_000_000, "an hour"),
            client_sends_per_10min: from.number("client_sends_per_10min", 1..=1_000_000, ""),
            client_sends_per_hour: from.number("client_sends_per_hour", 1..=1_000_000, "an hour"),
            network_sends_per_hour: from.number("network_sends_per_hour", 1..=1_000_000, "an hour"),
            client_wrong_per_10min: from.number("client_wrong_per_10min", 1..=1_000_000, ""),
            network_wrong_per_hour: from.number("network_wrong_per_hour", 1..=1_000_000, "an hour"),
            networks: from.list(
                "networks",
                "a network and a number of 2 to 1000, such as 192.0.2.0/24 10",
                shared_network,
            ),
            window_secs: from.number("window_secs", 10..=3600, "seconds"),
            code_requests: from.number("code_requests", 1..=1_000_000, "a window"),
            verifies: from.number("verifies", 1..=1_000_000, "a window"),
            refreshes: from.number("refreshes", 1..=1_000_000, "a window"),
        }
    }
}

/// A network, or an address, and how many times the usual its clients may do.
fn shared_network(text: &str) -> Option<(IpNet, u32)> {
    let (network, times) = text.split_once(' ')?;
    let network = network.parse().ok().or_else(|| network.parse::<IpAddr>().ok().map(IpNet::from))?;
    times.trim().parse().ok().filter(|times| (2..=1000).contains(times)).map(|times| (network, times))
}

/// How long the audit log is kept, `[audit]`.
#[derive(Clone, Debug)]
pub struct AuditConfig {
    /// Days a month is kept after its end, 31 to 3650. `DOORCODE__AUDIT__RETENTION_DAYS`.
    pub retention_days: u32,
    /// Days a client's address and name are kept, 1 to 3650. `DOORCODE__AUDIT__IP_DAYS`.
    pub ip_days: u32,
    /// Events that may wait in the code store, 1000 to 10000000. `DOORCODE__AUDIT__EVENTS_WAITING`.
    pub events_waiting: u32,
}

impl AuditConfig {
    pub(super) fn read(from: &mut Reader<'_>) -> Self {
        Self {
            retention_days: from.number("retention_days", 31..=3650, "days"),
            ip_days: from.number("ip_days", 1..=3650, "days"),
            events_waiting: from.number("events_waiting", 1000..=10_000_000, "events"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shared_network_is_a_network_and_a_number() {
        assert_eq!(shared_network("192.0.2.0/24 10"), Some(("192.0.2.0/24".parse().unwrap(), 10)));
        assert_eq!(shared_network("2001:db8::1  2"), Some(("2001:db8::1/128".parse().unwrap(), 2)));
        for text in ["", "192.0.2.0/24", "192.0.2.0/24 1", "192.0.2.0/24 x", "a 10", "192.0.2.0/33 10", "10"]
        {
            assert_eq!(shared_network(text), None, "{text}");
        }
    }

    #[test]
    fn a_host_is_a_name_or_an_address_perhaps_with_a_port_and_nothing_else() {
        for host in ["localhost:8080", "a.example", "127.0.0.1:8080", "[::1]:8080", "a.example:80"] {
            assert_eq!(parse_host(host).as_deref(), Some(host));
        }
        assert_eq!(parse_host("A.Example:1").as_deref(), Some("a.example:1"));
        for text in ["", "a/b", "a?b", "a#b", "u@a", "http://a", "a:", "a:x", "a b", "*.a/"] {
            assert_eq!(parse_host(text), None, "{text}");
        }
    }
}

/// `[admin]`
#[derive(Clone, Debug)]
pub struct AdminConfig {
    /// Whether administrators may take codes and links of accounts into their own hands.
    /// `DOORCODE__ADMIN__GENERATE_LINK`.
    pub generate_link: bool,
}

impl AdminConfig {
    pub(super) fn read(from: &mut Reader<'_>) -> Self {
        Self { generate_link: from.flag("generate_link") }
    }
}
