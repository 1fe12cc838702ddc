//! Accepts connections and serves them, within limits that one client, or many slow ones, cannot stretch.
//!
//! hyper speaks the protocol. What it leaves to others is here: how many connections there are, how long anything may
//! take, what is not a request, and how it all ends. HTTP/1.1 and, for proxies that speak it, HTTP/2 with prior knowledge
//! are served on the same port; there is no upgrade from one to the other, and TLS ends at the proxy.

mod activity;
mod connection;
mod head;
mod patience;
mod places;
mod refusal;
mod stream;
mod watch;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use poem::{Endpoint, Response};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::activity::Activity;
use self::connection::Protocol;
use self::places::Places;

/// How long nothing is accepted after the system had no descriptor or no memory for another connection.
const BREATH: Duration = Duration::from_millis(50);
/// How often the log says that connections are turned away: in a flood of them, not each time.
const TOLD_EVERY: Duration = Duration::from_secs(10);

/// What a client may take.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Longest time for a head, from its first octet, or from the connection to the first head.
    pub header_read: Duration,
    /// Longest time for the next piece of a body.
    pub body_read: Duration,
    /// Longest time in which a client takes nothing of an answer.
    pub write_stall: Duration,
    /// Longest time without a request.
    pub idle: Duration,
    /// Most connections.
    pub connections: usize,
    /// Most connections from one client.
    pub connections_per_client: usize,
    /// Networks whose connections are those of many clients.
    pub trusted_proxies: Vec<IpNet>,
    /// Largest head, in octets.
    pub header_block: usize,
    /// Most header fields.
    pub headers: usize,
    /// Most requests at a time over one connection of HTTP/2.
    pub http2_streams: u32,
    /// Tell browsers to come back by TLS only.
    pub strict_transport: bool,
}

/// Serves `endpoint` until `closing`; then accepts no more, lets every connection finish what it has begun, and cuts those
/// that have not after `drain`.
pub(crate) async fn serve<E: Endpoint<Output = Response> + 'static>(
    listener: TcpListener,
    endpoint: E,
    limits: Limits,
    closing: CancellationToken,
    drain: Duration,
) {
    let limits = Arc::new(limits);
    let places = Arc::new(Places::new(
        limits.connections,
        limits.connections_per_client,
        limits.trusted_proxies.clone(),
    ));
    let protocol = Arc::new(Protocol::new(Arc::clone(&limits)));
    let endpoint = Arc::new(endpoint);
    let (connections, cut) = (TaskTracker::new(), CancellationToken::new());
    let mut told_at: Option<Instant> = None;
    loop {
        let accepted = tokio::select! {
            () = closing.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        let (socket, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) if is_of_the_client(&error) => continue,
            Err(error) => {
                // Not a loop at full speed over an error that will be there for a while.
                tracing::error!(%error, "no connection can be accepted; the oldest without a request is closed");
                places.make_room();
                tokio::time::sleep(BREATH).await;
                continue;
            }
        };
        let activity = Arc::new(Activity::new(closing.child_token()));
        match places.take(peer.ip(), &activity) {
            Ok(place) => {
                let (protocol, endpoint, cut) = (Arc::clone(&protocol), Arc::clone(&endpoint), cut.clone());
                connections.spawn(async move {
                    protocol.serve(socket, peer, endpoint, activity, cut).await;
                    drop(place);
                });
            }
            Err(full) => {
                turn_away(&socket, &refusal::to_newcomer(full, &limits));
                if told_at.is_none_or(|at| at.elapsed() >= TOLD_EVERY) {
                    told_at = Some(Instant::now());
                    tracing::warn!(?full, open = connections.len(), "connections are turned away");
                }
            }
        }
    }
    drop(listener);
    connections.close();
    if tokio::time::timeout(drain, connections.wait()).await.is_err() {
        tracing::warn!(connections = connections.len(), "cutting connections that have not finished in time");
        cut.cancel();
        connections.wait().await;
    }
}

/// Whether an error is about the one connection that was to be accepted.
fn is_of_the_client(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}

/// Says why, if the client takes it at once, and is done with it: whoever has no place gets no time either.
fn turn_away(socket: &TcpStream, answer: &[u8]) {
    let _ = socket.try_write(answer);
}
