//! A mail server that is not ours: it takes anything that it is told, and remembers it.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs::default_provider;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::services::setting;

/// What gives it away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flaw {
    /// Somebody has taken STARTTLS out of its words, and asks for the password instead.
    NoTls,
    /// Its certificate is good, and for another name.
    OtherName,
}

/// Ends with its owner.
pub(crate) struct Imposter {
    pub(crate) address: SocketAddr,
    heard: Arc<Heard>,
    listening: JoinHandle<()>,
}

/// What was said to it.
#[derive(Debug, Default)]
struct Heard {
    lines: Mutex<Vec<String>>,
    conversations: AtomicU64,
}

impl Imposter {
    pub(crate) async fn with(flaw: Flaw) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (heard, tls) = (Arc::<Heard>::default(), acceptor());
        let into = Arc::clone(&heard);
        let listening = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (heard, tls) = (Arc::clone(&into), tls.clone());
                tokio::spawn(async move {
                    // Whoever breaks off has seen what it is.
                    let _ = heard.converse(stream, flaw, tls).await;
                    heard.conversations.fetch_add(1, Ordering::SeqCst);
                });
            }
        });
        Self { address, heard, listening }
    }

    /// Conversations that have ended.
    pub(crate) fn conversations(&self) -> u64 {
        self.heard.conversations.load(Ordering::SeqCst)
    }

    /// Every line that was said to it, in the clear or not.
    pub(crate) fn heard(&self) -> Vec<String> {
        self.heard.lines.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Imposter {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

impl Heard {
    async fn converse(&self, stream: TcpStream, flaw: Flaw, tls: TlsAcceptor) -> std::io::Result<()> {
        let mut stream = BufReader::new(stream);
        stream.write_all(b"220 imposter ESMTP\r\n").await?;
        let offer = if flaw == Flaw::NoTls { "AUTH PLAIN LOGIN" } else { "STARTTLS" };
        if !self.listen(&mut stream, offer).await? {
            return Ok(());
        }
        let mut stream = BufReader::new(tls.accept(stream.into_inner()).await?);
        self.listen(&mut stream, "AUTH PLAIN LOGIN").await.map(drop)
    }

    /// Says yes to everything until the end, or until TLS is to begin: whether it is.
    async fn listen<S>(&self, stream: &mut BufReader<S>, offer: &str) -> std::io::Result<bool>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let mut line = String::new();
        while stream.read_line(&mut line).await? > 0 {
            let said = std::mem::take(&mut line).trim().to_owned();
            let verb = said.to_ascii_uppercase();
            self.lines.lock().unwrap_or_else(PoisonError::into_inner).push(said);
            let reply = match verb.split(' ').next() {
                Some("EHLO") => format!("250-imposter\r\n250 {offer}\r\n"),
                Some("STARTTLS") => {
                    stream.write_all(b"220 go on\r\n").await?;
                    return Ok(true);
                }
                Some("AUTH") => "235 welcome\r\n".to_owned(),
                Some("DATA") => "354 go on\r\n".to_owned(),
                Some("QUIT") => return Ok(false),
                _ => "250 ok\r\n".to_owned(),
            };
            stream.write_all(reply.as_bytes()).await?;
        }
        Ok(false)
    }
}

/// With a certificate of the authority that the replicas trust, for another name.
fn acceptor() -> TlsAcceptor {
    let file = |name: &str| PathBuf::from(setting("DOORCODE_TEST_SMTP_CA").replace("ca.pem", name));
    let chain = CertificateDer::pem_file_iter(file("elsewhere.pem")).unwrap();
    let chain = chain.map(Result::unwrap).collect();
    let key = PrivateKeyDer::from_pem_file(file("elsewhere.key")).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(default_provider()));
    let config = config.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
    TlsAcceptor::from(Arc::new(config.with_single_cert(chain, key).unwrap()))
}
