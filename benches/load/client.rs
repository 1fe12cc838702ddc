//! One keep-alive connection of HTTP/1.1.
//!
//! The load shares the cores with what it measures, so the client must be lean: no pool, and the connection's own
//! work is done in the task that waits for the answer, which saves two wake-ups of another task a request.

use std::net::SocketAddr;

use anyhow::bail;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1::{self, Connection, SendRequest};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// The body of a request.
pub(crate) type Body = Full<Bytes>;

/// See the module.
pub(crate) struct Client {
    address: SocketAddr,
    open: Option<Open>,
}

struct Open {
    sender: SendRequest<Body>,
    connection: Connection<TokioIo<TcpStream>, Body>,
}

impl Client {
    /// A client of the server at `address`; it connects with its first request.
    pub(crate) fn new(address: SocketAddr) -> Self {
        Self { address, open: None }
    }

    /// Where it connects to.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Sends a request and reads the whole answer. After an error the next request makes a new connection.
    pub(crate) async fn call(&mut self, request: Request<Body>) -> anyhow::Result<(StatusCode, Bytes)> {
        let mut open = match self.open.take() {
            Some(open) => open,
            None => Open::connect(self.address).await?,
        };
        let answer = open.exchange(request).await?;
        self.open = Some(open);
        Ok(answer)
    }
}

impl Open {
    async fn connect(address: SocketAddr) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        Ok(Self { sender, connection })
    }

    async fn exchange(&mut self, request: Request<Body>) -> anyhow::Result<(StatusCode, Bytes)> {
        let Self { sender, connection } = self;
        let answer = async {
            sender.ready().await?;
            let response = sender.send_request(request).await?;
            let status = response.status();
            anyhow::Ok((status, response.into_body().collect().await?.to_bytes()))
        };
        tokio::select! {
            biased;
            answer = answer => answer,
            ended = connection => {
                ended?;
                bail!("the server closed the connection")
            }
        }
    }
}
