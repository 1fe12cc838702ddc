//! The admin API of a running server: one short connection a call, over TLS wherever the key would leave the machine.

use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::header;
use hyper_util::rt::TokioIo;
use secrecy::{ExposeSecret as _, SecretString};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto};
use url::{Host, Url};

use super::super::exit::Usage;
use super::{Answer, Call, Unreachable, read};

/// How long a call may take, connecting included.
const PATIENCE: Duration = Duration::from_secs(30);
/// The longest answer that is read: 100 items of a list are far below.
const MAX_ANSWER: usize = 16 * 1024 * 1024;

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// A server and the key to it.
pub(in crate::cli) struct Http {
    server: Url,
    host: String,
    port: u16,
    key: SecretString,
    tls: Option<TlsConnector>,
}

impl Http {
    /// Prepares calls.
    ///
    /// # Errors
    /// If the address is none, or the key would travel in the clear.
    pub(in crate::cli) fn new(server: &str, key: SecretString) -> Result<Self, Usage> {
        let address = Usage("the server's address must look like https://accounts.example.org");
        let url = Url::parse(server).map_err(|_| address)?;
        let host = match url.host() {
            Some(Host::Domain(name)) => name.to_owned(),
            Some(Host::Ipv4(ip)) => ip.to_string(),
            Some(Host::Ipv6(ip)) => ip.to_string(),
            None => return Err(Usage("the server's address names no host")),
        };
        let tls = match url.scheme() {
            "https" => Some(connector()),
            "http" if is_here(&url) => None,
            _ => {
                return Err(Usage(
                    "the server's address must begin with https://; http:// is for this machine alone",
                ));
            }
        };
        let port = url.port_or_known_default().unwrap_or(443);
        Ok(Self { server: url, host, port, key, tls })
    }

    pub(super) async fn call(&self, call: &Call) -> anyhow::Result<Answer> {
        let answer = match self.try_call(call).await {
            // The second is harmless where the first arrived after all.
            Err(_) if call.is_safe_to_repeat() => self.try_call(call).await,
            first => first,
        };
        let place = self.server.origin().ascii_serialization();
        answer.map_err(|source| Unreachable { place, source }.into())
    }

    async fn try_call(&self, call: &Call) -> Result<Answer, Failure> {
        tokio::time::timeout(PATIENCE, async {
            let stream = TcpStream::connect((self.host.as_str(), self.port)).await?;
            match &self.tls {
                Some(tls) => {
                    let name = ServerName::try_from(self.host.clone())?;
                    self.send(call, tls.connect(name, stream).await?).await
                }
                None => self.send(call, stream).await,
            }
        })
        .await?
    }

    async fn send(
        &self,
        call: &Call,
        stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    ) -> Result<Answer, Failure> {
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        // Ends with the sender; what goes wrong in it, the sender tells too.
        tokio::spawn(connection);
        let mut request = hyper::Request::builder()
            .method(call.method.clone())
            .uri(call.target())
            .header(header::HOST, self.server.authority())
            .header(header::USER_AGENT, concat!("doorcode/", env!("CARGO_PKG_VERSION")))
            .header(header::ACCEPT, "application/json")
            .header(header::AUTHORIZATION, format!("Bearer {}", self.key.expose_secret()));
        for (name, value) in &call.headers {
            request = request.header(*name, value);
        }
        let body = call.body.as_ref().map(ToString::to_string).unwrap_or_default();
        if call.body.is_some() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        let response = sender.send_request(request.body(Full::new(Bytes::from(body)))?).await?;
        let status = response.status().as_u16();
        let etag = response.headers().get(header::ETAG).and_then(|tag| tag.to_str().ok()).map(str::to_owned);
        let body = Limited::new(response.into_body(), MAX_ANSWER).collect().await?.to_bytes();
        Ok(Answer { status, etag, body: read(&body) })
    }
}

/// With the certificate authorities that this machine trusts.
fn connector() -> TlsConnector {
    let mut roots = RootCertStore::empty();
    // One that cannot be read is one fewer to trust.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let provider = Arc::new(crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map(|config| config.with_root_certificates(roots).with_no_client_auth());
    // The provider has both versions of TLS that are still safe.
    TlsConnector::from(Arc::new(config.unwrap_or_else(|error| unreachable!("{error}"))))
}

/// Whether an address leads to this machine.
fn is_here(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_leaves_the_machine_over_tls_only() {
        let may = |server: &str| Http::new(server, SecretString::from("key")).is_ok();
        for server in [
            "https://accounts.example.org",
            "http://127.0.0.1:8080",
            "http://reader.localhost",
            "http://[::1]:1",
        ] {
            assert!(may(server), "{server}");
        }
        for server in [
            "http://accounts.example.org",
            "http://10.0.0.1",
            "accounts.example.org",
            "ftp://x.org",
            "",
            "http://localhost.example.org",
        ] {
            assert!(!may(server), "{server}");
        }
    }
}
