//! How spans travel: one POST over a connection of its own, every few seconds.
//!
//! Without TLS: a collector runs beside the server, as an agent, and takes care of the rest of the way.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use http_body_util::{BodyExt as _, Full, Limited};
use hyper::header::{HOST, HeaderValue};
use hyper_util::rt::TokioIo;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use tokio::net::TcpStream;
use tokio::runtime::Handle;

/// How long one may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// Most of an answer that is read.
const MOST_READ: usize = 64 * 1024;

/// Posts over the runtime that it was made on: spans are gathered in a thread that has none.
pub(super) struct Post(Handle);

impl Post {
    pub(super) fn new(runtime: Handle) -> Self {
        Self(runtime)
    }
}

impl fmt::Debug for Post {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Post")
    }
}

impl HttpClient for Post {
    // As `async fn`, in the form that the trait's macro gives it.
    fn send_bytes<'a, 'out>(
        &'a self,
        request: Request<Bytes>,
    ) -> Pin<Box<dyn Future<Output = Result<Response<Bytes>, HttpError>> + Send + 'out>>
    where
        'a: 'out,
        Self: 'out,
    {
        Box::pin(async move {
            let sent = self.0.spawn(async move { tokio::time::timeout(PATIENCE, post(request)).await });
            let outcome = match sent.await {
                Ok(Ok(outcome)) => outcome,
                Ok(Err(late)) => Err(late.into()),
                Err(ended) => Err(ended.into()),
            };
            match &outcome {
                Ok(answer) if answer.status().is_success() => {}
                Ok(answer) => {
                    let status = answer.status().as_u16();
                    tracing::warn!(status, "the collector of traces refused spans");
                }
                Err(error) => tracing::warn!(%error, "spans could not be sent (telemetry.otlp_endpoint)"),
            }
            outcome
        })
    }
}

async fn post(request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
    let (mut head, body) = request.into_parts();
    let place = head.uri.authority().ok_or("the endpoint names no host")?.clone();
    let stream = TcpStream::connect((place.host(), place.port_u16().unwrap_or(80))).await?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let speaking = tokio::spawn(connection);
    head.headers.insert(HOST, HeaderValue::from_str(place.as_str())?);
    head.uri = head.uri.path().parse()?;
    let answer = sender.send_request(Request::from_parts(head, Full::new(body))).await?;
    let (head, body) = answer.into_parts();
    let body = Limited::new(body, MOST_READ).collect().await?.to_bytes();
    speaking.abort();
    Ok(Response::from_parts(head, body))
}
