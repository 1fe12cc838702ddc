//! Where Redis is, as a URL says it: one server, the Sentinels that know which, or a cluster.
//!
//! A list of hosts makes no URL that a library would read, so reading is ours. What is kept as text has no password.

use std::fmt;

use percent_encoding::percent_decode_str;
use secrecy::SecretString;
use url::Host;

/// Port of a Redis server, and of a node of a cluster.
const REDIS_PORT: u16 = 6379;
/// Port of a Sentinel.
const SENTINEL_PORT: u16 = 26379;

/// Where Redis is, and as whom to speak to it.
#[derive(Clone)]
pub struct RedisAddress {
    pub(super) shape: RedisShape,
    /// Hosts and ports: of the server, of the Sentinels, of some nodes.
    pub(super) hosts: Vec<(String, u16)>,
    pub(super) tls: bool,
    pub(super) user: Option<String>,
    pub(super) password: Option<SecretString>,
    pub(super) database: i64,
    shown: String,
}

/// How Redis is run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum RedisShape {
    /// A server, or a name that always leads to the one that takes writes.
    One,
    /// Sentinels tell which server is the master of this name.
    Sentinel {
        /// What the Sentinels call it.
        master: String,
    },
    /// Redis Cluster.
    Cluster,
}

impl RedisAddress {
    /// What a URL may look like, for whoever wrote another.
    pub const EXPECTED: &str = "redis://user:password@host:6379/0, \
        redis+sentinel://user:password@host:26379,host:26379/master-name, \
        redis+cluster://user:password@host:6379,host:6379, or rediss…, the password percent-encoded";

    /// Reads a URL; `None` if it is none of [`RedisAddress::EXPECTED`].
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (scheme, rest) = text.split_once("://")?;
        // Nothing is left to be said there, and what is not understood must not be passed over.
        if rest.contains(['?', '#']) {
            return None;
        }
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (login, hosts) = match authority.rsplit_once('@') {
            Some((login, hosts)) => (login, hosts),
            None => ("", authority),
        };
        let (tls, kind) = match scheme.strip_prefix("rediss") {
            Some(kind) => (true, kind),
            None => (false, scheme.strip_prefix("redis")?),
        };
        let (shape, port, database) = match kind {
            "" => (RedisShape::One, REDIS_PORT, path),
            "+cluster" => (RedisShape::Cluster, REDIS_PORT, path),
            "+sentinel" => {
                let (master, database) = path.split_once('/').unwrap_or((path, ""));
                let master = decoded(master)?;
                (RedisShape::Sentinel { master }, SENTINEL_PORT, database)
            }
            _ => return None,
        };
        let hosts: Vec<_> = hosts.split(',').map(|host| host_and_port(host, port)).collect::<Option<_>>()?;
        let database = if database.is_empty() { 0 } else { database.parse::<u16>().ok()?.into() };
        let fits = match &shape {
            RedisShape::One => hosts.len() == 1,
            RedisShape::Sentinel { master } => !master.is_empty(),
            RedisShape::Cluster => database == 0,
        };
        let (user, password) = login.split_once(':').unwrap_or((login, ""));
        let address = Self {
            shape,
            tls,
            user: (!user.is_empty()).then(|| decoded(user)).map_or(Some(None), |user| user.map(Some))?,
            password: match password {
                "" => None,
                _ => Some(decoded(password)?.into()),
            },
            database,
            shown: {
                let at = if user.is_empty() { "" } else { "@" };
                let hosts = authority.rsplit_once('@').map_or(authority, |(_, hosts)| hosts);
                let slash = if path.is_empty() { "" } else { "/" };
                format!("{scheme}://{user}{at}{hosts}{slash}{path}")
            },
            hosts,
        };
        fits.then_some(address)
    }
}

/// As the URL, without the password.
impl fmt::Display for RedisAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl fmt::Debug for RedisAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RedisAddress({self})")
    }
}

fn decoded(text: &str) -> Option<String> {
    percent_decode_str(text).decode_utf8().ok().map(Into::into)
}

/// `host`, `host:port` or `[::1]:port`; the host as a connection wants it, without brackets.
fn host_and_port(text: &str, usual: u16) -> Option<(String, u16)> {
    let end = if text.starts_with('[') { text.find(']')? + 1 } else { text.find(':').unwrap_or(text.len()) };
    let (host, port) = text.split_at(end);
    let port = match port {
        "" => usual,
        _ => port.strip_prefix(':')?.parse().ok().filter(|port| *port != 0)?,
    };
    let host = match Host::parse(host).ok()? {
        Host::Ipv6(address) => address.to_string(),
        // As it was written: a name may be in capitals in a certificate.
        Host::Ipv4(_) | Host::Domain(_) => host.to_owned(),
    };
    Some((host, port))
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    fn hosts(address: &RedisAddress) -> Vec<(&str, u16)> {
        address.hosts.iter().map(|(host, port)| (host.as_str(), *port)).collect()
    }

    #[test]
    fn one_server_sentinels_and_a_cluster_are_told_apart() {
        let one = RedisAddress::parse("redis://ada:p%40ss@h:1/2").unwrap();
        assert_eq!((&one.shape, one.tls, one.database), (&RedisShape::One, false, 2));
        assert_eq!((hosts(&one), one.user.as_deref()), (vec![("h", 1)], Some("ada")));
        assert_eq!(one.password.as_ref().unwrap().expose_secret(), "p@ss");
        let sentinels = RedisAddress::parse("rediss+sentinel://:pw@a,b:2,[::1]:3/main/4").unwrap();
        assert_eq!(sentinels.shape, RedisShape::Sentinel { master: "main".to_owned() });
        assert_eq!((sentinels.tls, sentinels.database, &sentinels.user), (true, 4, &None));
        assert_eq!(hosts(&sentinels), [("a", 26379), ("b", 2), ("::1", 3)]);
        let cluster = RedisAddress::parse("redis+cluster://a:1,b").unwrap();
        assert_eq!((&cluster.shape, hosts(&cluster)), (&RedisShape::Cluster, vec![("a", 1), ("b", 6379)]));
        assert!(cluster.user.is_none() && cluster.password.is_none());
    }

    #[test]
    fn what_is_shown_of_a_url_has_no_password() {
        for (url, shown) in [
            ("rediss://:pw@h/0", "rediss://h/0"),
            ("redis://u:pw@h:1", "redis://u@h:1"),
            ("redis://[::1]:1", "redis://[::1]:1"),
            ("redis+sentinel://u:p@a:1,b:2/main/0", "redis+sentinel://u@a:1,b:2/main/0"),
        ] {
            let address = RedisAddress::parse(url).unwrap();
            assert_eq!(address.to_string(), shown);
            assert_eq!(format!("{address:?}"), format!("RedisAddress({shown})"));
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "",
            "h",
            "http://h",
            "redis://",
            "redis:h",
            "redis://a,b",
            "redis://h:0",
            "redis://h:65536",
            "redis://h/x",
            "redis://h/-1",
            "redis://h?protocol=resp3",
            "redis://h:1:2",
            "redis://[::1",
            "redis+sentinel://h",
            "redis+sentinel://h/",
            "redis+sentinel://h,/main",
            "redis+cluster://h/1",
            "redis+other://h",
        ] {
            assert!(RedisAddress::parse(text).is_none(), "{text}");
        }
    }
}
