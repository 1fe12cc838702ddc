//! The sections about the two stores: database and redis.
//!
//! Their URLs can hold passwords, so they are secrets; a log line takes the redacted form.

use std::path::PathBuf;

use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use url::Url;

use super::mail::is_local_name;
use super::reader::{Reader, Word};
use crate::ports::codes::RedisAddress;

/// The database URL that means Postgres inside this process.
const EMBEDDED: &str = "embedded";

/// The Redis URL that means a store inside this process.
const MEMORY: &str = "memory";

/// What usually makes a URL unreadable.
const ENCODED: &str = "the password percent-encoded";

/// What stands between the server and Postgres. `DOORCODE__DATABASE__POOLER`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DatabasePooler {
    /// Nothing, or a pooler in session mode.
    None,
    /// A pooler in transaction mode.
    Pgbouncer,
    /// The same, and it takes prepared statements along.
    PgbouncerPrepared,
}

impl Word for DatabasePooler {
    const WORDS: &'static str = "none, pgbouncer or pgbouncer_prepared";
    const STAND_IN: Self = Self::None;
}

/// `[database]`
#[derive(Clone, Debug)]
pub struct DatabaseConfig {
    /// `embedded`, or the URL of a Postgres database. `DOORCODE__DATABASE__URL`.
    pub url: SecretString,
    /// The same for the role that owns the tables. `None`: an embedded database migrates as its own owner,
    /// another cannot be migrated. `DOORCODE__DATABASE__OWNER_URL`.
    pub owner_url: Option<SecretString>,
    /// The same for a replica to read from. `DOORCODE__DATABASE__REPLICA_URL`.
    pub replica_url: Option<SecretString>,
    /// Longest wait for the replica to catch up, 0 to 10000 ms. `DOORCODE__DATABASE__REPLICA_PATIENCE_MS`.
    pub replica_patience_ms: u64,
    /// Folder of the embedded database. `DOORCODE__DATABASE__DATA_DIR`.
    pub data_dir: PathBuf,
    /// Most connections, 1 to 200. `DOORCODE__DATABASE__POOL_SIZE`.
    pub pool_size: u32,
    /// Longest wait for a connection, 100 to 10000 ms. `DOORCODE__DATABASE__ACQUIRE_TIMEOUT_MS`.
    pub acquire_timeout_ms: u64,
    /// Longest time of a statement, 100 to 60000 ms. `DOORCODE__DATABASE__STATEMENT_TIMEOUT_MS`.
    pub statement_timeout_ms: u64,
    /// Longest wait for a lock, 50 to 60000 ms. `DOORCODE__DATABASE__LOCK_TIMEOUT_MS`.
    pub lock_timeout_ms: u64,
    /// What stands in between. `DOORCODE__DATABASE__POOLER`.
    pub pooler: DatabasePooler,
    /// Whether production may speak to a database elsewhere without knowing who it is.
    /// `DOORCODE__DATABASE__ALLOW_UNVERIFIED`.
    pub allow_unverified: bool,
    /// Apply migrations and policies before serving. `DOORCODE__DATABASE__MIGRATE_AT_START`.
    pub migrate_at_start: bool,
}

impl DatabaseConfig {
    pub(super) fn read(from: &mut Reader<'_>) -> Self {
        let schemes = ["postgres", "postgresql"];
        let url = from.checked(
            "url",
            &format!("embedded or postgres://user:password@host:5432/database, {ENCODED}"),
            |text| text == EMBEDDED || is_store_url(text, &schemes),
        );
        let owner_url = from.checked("owner_url", "nothing or postgres://…", |text| {
            text.is_empty() || is_store_url(text, &schemes)
        });
        if url == EMBEDDED && !owner_url.is_empty() {
            from.blame("owner_url", None, "nothing where url is embedded: that database is its own owner's");
        }
        let replica_url = from.checked("replica_url", "nothing or postgres://…", |text| {
            text.is_empty() || is_store_url(text, &schemes)
        });
        if url == EMBEDDED && !replica_url.is_empty() {
            from.blame("replica_url", None, "nothing where url is embedded: that database has no replica");
        }
        let pooler = from.word("pooler");
        if url == EMBEDDED && pooler != DatabasePooler::None {
            from.blame("pooler", None, "none where url is embedded: there is nothing in between");
        }
        let migrate_at_start = from.flag("migrate_at_start");
        let both_known = from.is_unblamed("url") && from.is_unblamed("owner_url");
        if both_known && url != EMBEDDED && owner_url.is_empty() && migrate_at_start {
            from.blame("owner_url", None, "the role that owns the tables, because migrate_at_start is true");
        }
        Self {
            url: url.into(),
            owner_url: (!owner_url.is_empty()).then(|| owner_url.into()),
            replica_url: (!replica_url.is_empty()).then(|| replica_url.into()),
            replica_patience_ms: from.number("replica_patience_ms", 0..=10_000, "ms"),
            data_dir: from.checked("data_dir", "a folder", |text| !text.is_empty()).into(),
            pool_size: from.number("pool_size", 1..=200, ""),
            acquire_timeout_ms: from.number("acquire_timeout_ms", 100..=10_000, "ms"),
            statement_timeout_ms: from.number("statement_timeout_ms", 100..=60_000, "ms"),
            allow_unverified: from.flag("allow_unverified"),
            lock_timeout_ms: from.number("lock_timeout_ms", 50..=60_000, "ms"),
            pooler,
            migrate_at_start,
        }
    }

    /// Whether the database is Postgres inside this process.
    #[must_use]
    pub fn is_embedded(&self) -> bool {
        self.url.expose_secret() == EMBEDDED
    }

    /// The URL without its password, for logs.
    #[must_use]
    pub fn redacted_url(&self) -> String {
        redacted(&self.url)
    }

    /// The owner's URL without its password, for logs; empty if it is not set.
    #[must_use]
    pub fn redacted_owner_url(&self) -> String {
        self.owner_url.as_ref().map(redacted).unwrap_or_default()
    }
}

/// `[redis]`
#[derive(Clone, Debug)]
pub struct RedisConfig {
    /// Where Redis or Valkey is; `None`: `memory`, in this process. `DOORCODE__REDIS__URL`.
    pub address: Option<RedisAddress>,
    /// Authorities whom to believe who the server is (PEM). `None`: those of the system. `DOORCODE__REDIS__CA_FILE`.
    pub ca_file: Option<PathBuf>,
    /// User and password of the Sentinels, which have accounts of their own; `None`: they ask for none.
    /// `DOORCODE__REDIS__SENTINEL_USER`, `DOORCODE__REDIS__SENTINEL_PASSWORD`.
    pub sentinel_login: Option<(String, SecretString)>,
    /// Start of every key, 1 to 32 of `a-z`, `0-9`, `_`, `-`. `DOORCODE__REDIS__KEY_PREFIX`.
    pub key_prefix: String,
    /// Hash-tag partitions of the keys, 1 to 64. `DOORCODE__REDIS__PARTITIONS`.
    pub partitions: u16,
    /// Longest wait for an answer, 50 to 5000 ms. `DOORCODE__REDIS__TIMEOUT_MS`.
    pub timeout_ms: u64,
}

impl RedisConfig {
    pub(super) fn read(from: &mut Reader<'_>) -> Self {
        let address = from.parsed("url", &format!("memory, {}", RedisAddress::EXPECTED), |text| {
            if text == MEMORY { Some(None) } else { RedisAddress::parse(text).map(Some) }
        });
        let (user, password) = (from.text("sentinel_user"), from.secret("sentinel_password"));
        let ca_file = from.file("ca_file");
        from.judge_file("ca_file", ca_file.as_deref());
        let has_password = !password.expose_secret().is_empty();
        if !user.is_empty() && !has_password {
            from.blame("sentinel_password", None, "a password, as sentinel_user is set");
        }
        let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '-';
        Self {
            address: address.flatten(),
            ca_file,
            sentinel_login: has_password.then_some((user, password)),
            key_prefix: from.checked("key_prefix", "1 to 32 of a-z, 0-9, _ and -", |text| {
                (1..=32).contains(&text.len()) && text.chars().all(allowed)
            }),
            partitions: from.number("partitions", 1..=64, ""),
            timeout_ms: from.number("timeout_ms", 50..=5000, "ms"),
        }
    }

    /// Whether codes and limits live in this process.
    #[must_use]
    pub fn is_memory(&self) -> bool {
        self.address.is_none()
    }

    /// The URL without its password, for logs.
    #[must_use]
    pub fn redacted_url(&self) -> String {
        self.address.as_ref().map_or_else(|| MEMORY.to_owned(), ToString::to_string)
    }
}

/// A URL of one of `schemes` with a host, or with the socket folder that libpq's `?host=` names.
fn is_store_url(text: &str, schemes: &[&str]) -> bool {
    Url::parse(text).is_ok_and(|url| {
        let socket = url.scheme().starts_with("postgres") && url.query_pairs().any(|(key, _)| key == "host");
        schemes.contains(&url.scheme()) && (url.host_str().is_some_and(|host| !host.is_empty()) || socket)
    })
}

/// Whether a database is on this machine, or must show by its certificate that it is the one: sslmode as libpq reads it.
pub(super) fn is_local_or_verified(url: &SecretString) -> bool {
    let Ok(url) = Url::parse(url.expose_secret()) else { return true };
    let last = |names: &[&str]| {
        let found = url.query_pairs().filter(|(key, _)| names.contains(&&**key)).last();
        found.map(|(_, value)| value.into_owned())
    };
    let host = last(&["host"]).or(url.host_str().map(str::to_owned)).unwrap_or_default();
    host.starts_with('/')
        || is_local_name(&host)
        || last(&["sslmode", "ssl-mode"]).is_some_and(|mode| matches!(&*mode, "verify-full" | "verify-ca"))
}

/// `scheme://user@host:port/database`. The query is left off too: a password can be given there.
fn redacted(url: &SecretString) -> String {
    match Url::parse(url.expose_secret()) {
        Ok(url) => {
            let user = if url.username().is_empty() { String::new() } else { format!("{}@", url.username()) };
            let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
            format!("{}://{user}{}{port}{}", url.scheme(), url.host_str().unwrap_or_default(), url.path())
        }
        // `embedded` is no URL, and reading lets nothing else through.
        Err(_) => url.expose_secret().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redacted_url_has_no_password() {
        let redacted = |text: &str| redacted(&SecretString::from(text));
        assert_eq!(redacted("postgres://u:pw@h:5432/d?sslmode=require&password=pw"), "postgres://u@h:5432/d");
        assert_eq!(redacted("postgres:///d?host=/run/postgresql"), "postgres:///d");
        assert_eq!(redacted("postgres://[::1]:1/d"), "postgres://[::1]:1/d");
        assert_eq!(redacted("embedded"), "embedded");
    }

    #[test]
    fn a_database_elsewhere_is_known_by_its_certificate_alone() {
        let known = |text: &str| is_local_or_verified(&SecretString::from(text));
        for url in [
            "postgres://u:pw@db.library.example/d?sslmode=verify-full&sslrootcert=/ca.pem",
            "postgres://db/d?ssl-mode=verify-ca",
            "postgres://127.0.0.1/d",
            "postgres://[::1]:5432/d?sslmode=disable",
            "postgres:///d?host=/run/postgresql",
        ] {
            assert!(known(url), "{url}");
        }
        for url in [
            "postgres://db/d",
            "postgres://db/d?sslmode=require",
            "postgres://db/d?sslmode=verify-full&sslmode=prefer",
            "postgres://localhost/d?host=db",
        ] {
            assert!(!known(url), "{url}");
        }
    }

    #[test]
    fn a_store_url_has_the_right_scheme_and_a_host_or_socket() {
        let schemes = ["postgres", "postgresql"];
        assert!(is_store_url("postgres://h/d", &schemes));
        assert!(is_store_url("postgresql:///d?host=/run/postgresql", &schemes));
        for text in ["postgres:///d", "mysql://h/d", "h/d", "postgres:h", ""] {
            assert!(!is_store_url(text, &schemes), "{text}");
        }
    }
}
