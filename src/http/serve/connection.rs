//! One connection, from the first octet to the last.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use hyper::body::{Body as _, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use poem::http::Version;
use poem::http::header::{self, HeaderValue};
use poem::http::uri::Scheme;
use poem::web::{LocalAddr, RemoteAddr};
use poem::{Addr, Endpoint, Request, Response};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

use super::Limits;
use super::activity::{Activity, Busy};
use super::patience::with_patience;
use super::watch::Watched;

/// How often an HTTP/2 client is asked whether it is there, and how long it may take to say so.
const PING: (Duration, Duration) = (Duration::from_secs(20), Duration::from_secs(10));
/// Streams that a client has reset before we could begin with them (CVE-2023-44487): more end the connection.
const RESET_STREAMS: usize = 20;
/// Streams that we had to reset for a client's mistakes (RUSTSEC-2024-0003): more end the connection.
const FAULTY_STREAMS: usize = 100;
/// What one stream, and one connection, may send before somebody reads it.
const WINDOWS: (u32, u32) = (64 * 1024, 256 * 1024);
/// What is buffered of an answer that the client does not take, for one stream.
const SEND_BUFFER: usize = 64 * 1024;

/// How connections are served, the same for all.
pub(super) struct Protocol {
    builder: auto::Builder<TokioExecutor>,
    limits: Arc<Limits>,
}

impl Protocol {
    pub(super) fn new(limits: Arc<Limits>) -> Self {
        let mut builder = auto::Builder::new(TokioExecutor::new());
        builder
            .http1()
            .timer(TokioTimer::new())
            // `Watched` tells waiting for a request from reading one; this would take both for one.
            .header_read_timeout(None)
            .max_headers(limits.headers)
            // Whole heads come at once.
            .max_buf_size(limits.header_block.next_multiple_of(8 * 1024) + 16 * 1024);
        builder
            .http2()
            .timer(TokioTimer::new())
            .keep_alive_interval(PING.0)
            .keep_alive_timeout(PING.1)
            .max_concurrent_streams(limits.http2_streams)
            .max_header_list_size(u32::try_from(limits.header_block).unwrap_or(u32::MAX))
            .max_pending_accept_reset_streams(RESET_STREAMS)
            .max_local_error_reset_streams(FAULTY_STREAMS)
            .initial_stream_window_size(WINDOWS.0)
            .initial_connection_window_size(WINDOWS.1)
            .max_send_buf_size(SEND_BUFFER);
        Self { builder, limits }
    }

    /// Serves a connection until it ends, or until `cut`.
    pub(super) async fn serve<E: Endpoint<Output = Response> + 'static>(
        &self,
        socket: TcpStream,
        peer: SocketAddr,
        endpoint: Arc<E>,
        activity: Arc<Activity>,
        cut: CancellationToken,
    ) {
        // Answers are small and whole: waiting for more of them to fill a segment only delays them.
        let _ = socket.set_nodelay(true);
        let local = socket.local_addr().map_or_else(|_| Addr::default(), Addr::from);
        let service = service_fn({
            let (activity, body_read) = (Arc::clone(&activity), self.limits.body_read);
            move |request: hyper::Request<Incoming>| {
                let busy = Busy::with(&activity);
                let endpoint = Arc::clone(&endpoint);
                let local = LocalAddr(local.clone());
                async move {
                    let is_http_1 = request.version() < Version::HTTP_2;
                    let mut unread = None;
                    let has_body = !request.body().is_end_stream();
                    let mut request =
                        Request::from((request, local, RemoteAddr(Addr::from(peer)), Scheme::HTTP));
                    if has_body {
                        let (body, is_read) = with_patience(request.take_body(), body_read);
                        request.set_body(body);
                        unread = Some(is_read).filter(|_| is_http_1);
                    }
                    let mut response = endpoint.get_response(request).await;
                    if unread.is_some_and(|is_read| !is_read.load(Ordering::Relaxed)) {
                        // hyper ends a connection with a body on it that nobody has read; the client should know, and
                        // not send its next request there.
                        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
                    }
                    drop(busy);
                    Ok::<hyper::Response<_>, Infallible>(response.into())
                }
            }
        });
        let watched = Watched::new(socket, Arc::clone(&activity), Arc::clone(&self.limits));
        let mut connection = pin!(self.builder.serve_connection(TokioIo::new(watched), service));
        tokio::select! {
            // It says why it ended to nobody: clients come and go.
            _ = connection.as_mut() => return,
            () = activity.closing.cancelled() => {}
        }
        connection.as_mut().graceful_shutdown();
        let patience = self.limits.write_stall;
        loop {
            tokio::select! {
                _ = connection.as_mut() => return,
                () = cut.cancelled() => return,
                () = tokio::time::sleep(patience) => {
                    // Nothing is being answered, and the client does nothing towards an end.
                    if !activity.is_busy() && activity.last_at().elapsed() >= patience {
                        return;
                    }
                }
            }
        }
    }
}
