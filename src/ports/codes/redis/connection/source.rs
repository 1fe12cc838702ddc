//! Where connections come from: a server, Sentinels that are asked for it, or the nodes of a cluster.

use std::time::Duration;

use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::cluster::{ClusterClient, ClusterClientBuilder};
use redis::io::tcp::TcpSettings;
use redis::sentinel::{SentinelClient, SentinelClientBuilder, SentinelServerType};
use redis::{
    AsyncConnectionConfig, Client, ConnectionAddr, ConnectionInfo, ErrorKind, IntoConnectionInfo,
    RedisConnectionInfo, RedisError, RedisResult, TlsCertificates, TlsMode, Value, from_redis_value,
};
use secrecy::ExposeSecret as _;
use tokio::sync::Mutex;

use super::{Wire, too_late};
use crate::ports::codes::redis::RedisSettings;
use crate::ports::codes::redis::address::RedisShape;

/// For a connection with its greeting.
const CONNECT: Duration = Duration::from_secs(1);
/// For all that is asked until it is known where to connect.
const FIND: Duration = Duration::from_secs(3);

pub(super) enum Source {
    One(Client),
    /// Asked one at a time: they remember their connections to the Sentinels.
    Sentinels(Mutex<SentinelClient>),
    Cluster(Box<ClusterClient>, Login),
}

/// How to speak to any node.
pub(super) struct Login {
    settings: RedisConnectionInfo,
    tls: Option<TlsCertificates>,
}

impl Source {
    pub(super) fn new(settings: &RedisSettings) -> RedisResult<Self> {
        let address = &settings.address;
        let login = Login::new(settings);
        match &address.shape {
            RedisShape::One => {
                let (host, port) = address.hosts.first().ok_or_else(nowhere)?;
                Ok(Self::One(login.client(host, *port)?))
            }
            RedisShape::Sentinel { master } => {
                let sentinels = address.hosts.iter().map(|(host, port)| login.place(host, *port));
                let kind = SentinelServerType::Master;
                let mut builder = SentinelClientBuilder::new(sentinels, master, kind)?
                    .set_client_to_redis_db(address.database)
                    .set_client_to_redis_tcp_settings(tcp_settings());
                if let Some(user) = &address.user {
                    builder = builder.set_client_to_redis_username(user);
                }
                if let Some(password) = &address.password {
                    builder = builder.set_client_to_redis_password(password.expose_secret());
                }
                if let Some((user, password)) = &settings.sentinel_login {
                    builder = builder.set_client_to_sentinel_password(password.expose_secret());
                    if !user.is_empty() {
                        builder = builder.set_client_to_sentinel_username(user);
                    }
                }
                if let Some(tls) = login.tls {
                    builder = builder
                        .set_client_to_redis_tls_mode(TlsMode::Secure)
                        .set_client_to_redis_certificates(tls.clone())
                        .set_client_to_sentinel_certificates(tls);
                }
                Ok(Self::Sentinels(Mutex::new(builder.build()?)))
            }
            RedisShape::Cluster => {
                let nodes = address.hosts.iter().map(|(host, port)| login.info(host, *port));
                let nodes = nodes.collect::<RedisResult<Vec<_>>>()?;
                let mut builder = ClusterClientBuilder::new(nodes)
                    .connection_timeout(CONNECT)
                    .tcp_settings(tcp_settings())
                    // What was sent may have been done, and a guess counts once.
                    .retries(0)
                    .response_timeout(settings.timeout)
                    .overall_response_timeout(None);
                if let Some(tls) = &login.tls {
                    builder = builder.tls(TlsMode::Secure).certs(tls.clone());
                }
                Ok(Self::Cluster(Box::new(builder.build()?), login))
            }
        }
    }

    pub(super) fn is_cluster(&self) -> bool {
        matches!(self, Self::Cluster(..))
    }

    /// A connection for requests.
    pub(super) async fn connect(&self) -> RedisResult<Wire> {
        // Each call has a deadline of its own.
        let config =
            AsyncConnectionConfig::new().set_connection_timeout(Some(CONNECT)).set_response_timeout(None);
        let found = async {
            match self {
                Self::Cluster(cluster, _) => cluster.get_async_connection().await.map(Wire::Cluster),
                Self::One(_) | Self::Sentinels(_) => {
                    let client = self.server().await?;
                    client.get_multiplexed_async_connection_with_config(&config).await.map(Wire::Node)
                }
            }
        };
        tokio::time::timeout(FIND, found)
            .await
            .unwrap_or_else(|_| Err(too_late("no server was found in time")))
    }

    /// A connection to the node that has a key, for calls whose answers may take `answer`.
    pub(super) async fn connect_alone(
        &self,
        mut ask: impl ConnectionLike + Send,
        key: &str,
        answer: Duration,
    ) -> RedisResult<MultiplexedConnection> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT))
            .set_response_timeout(Some(answer));
        let found = async {
            let client = match self {
                Self::Cluster(_, login) => {
                    let slot = redis::cmd("CLUSTER").arg("KEYSLOT").arg(key).query_async(&mut ask).await?;
                    let slots = redis::cmd("CLUSTER").arg("SLOTS").query_async(&mut ask).await?;
                    let (host, port) = owner(slots, slot)?;
                    login.client(&host, port)?
                }
                Self::One(_) | Self::Sentinels(_) => self.server().await?,
            };
            client.get_multiplexed_async_connection_with_config(&config).await
        };
        tokio::time::timeout(FIND, found)
            .await
            .unwrap_or_else(|_| Err(too_late("no server was found in time")))
    }

    /// The one server that takes writes.
    async fn server(&self) -> RedisResult<Client> {
        match self {
            Self::One(client) => Ok(client.clone()),
            Self::Sentinels(sentinels) => sentinels.lock().await.async_get_client().await,
            Self::Cluster(..) => Err(nowhere()),
        }
    }
}

impl Login {
    fn new(settings: &RedisSettings) -> Self {
        let address = &settings.address;
        let mut login = RedisConnectionInfo::default().set_db(address.database);
        if let Some(user) = &address.user {
            login = login.set_username(user);
        }
        if let Some(password) = &address.password {
            login = login.set_password(password.expose_secret());
        }
        let root_cert = settings.ca_pem.clone();
        let tls = address.tls.then_some(TlsCertificates { client_tls: None, root_cert });
        Self { settings: login, tls }
    }

    fn place(&self, host: &str, port: u16) -> ConnectionAddr {
        let host = host.to_owned();
        if self.tls.is_some() {
            ConnectionAddr::TcpTls { host, port, insecure: false, tls_params: None }
        } else {
            ConnectionAddr::Tcp(host, port)
        }
    }

    fn info(&self, host: &str, port: u16) -> RedisResult<ConnectionInfo> {
        let info = self.place(host, port).into_connection_info()?;
        Ok(info.set_redis_settings(self.settings.clone()).set_tcp_settings(tcp_settings()))
    }

    fn client(&self, host: &str, port: u16) -> RedisResult<Client> {
        match &self.tls {
            Some(tls) => Client::build_with_tls(self.info(host, port)?, tls.clone()),
            None => Client::open(self.info(host, port)?),
        }
    }
}

/// All requests share a connection: what one of them sends must not wait until the answer to another is on its way.
fn tcp_settings() -> TcpSettings {
    TcpSettings::default().set_nodelay(true)
}

/// The master of a slot, in what `CLUSTER SLOTS` answers: ranges, each with its nodes, the master first.
fn owner(slots: Value, slot: u16) -> RedisResult<(String, u16)> {
    for range in from_redis_value::<Vec<Vec<Value>>>(slots)? {
        let [first, last, master, ..] = range.as_slice() else { continue };
        let range = from_redis_value::<u16>(first.clone())?..=from_redis_value::<u16>(last.clone())?;
        if !range.contains(&slot) {
            continue;
        }
        let master = from_redis_value::<Vec<Value>>(master.clone())?;
        let [host, port, ..] = master.as_slice() else { continue };
        let host = from_redis_value::<Option<String>>(host.clone())?.filter(|host| !host.is_empty());
        return Ok((host.ok_or_else(nameless)?, from_redis_value(port.clone())?));
    }
    Err(nowhere())
}

fn nowhere() -> RedisError {
    (ErrorKind::ClusterConnectionNotFound, "no node has the slot").into()
}

fn nameless() -> RedisError {
    (ErrorKind::ClusterConnectionNotFound, "the node does not tell its address: see cluster-announce-ip")
        .into()
}
