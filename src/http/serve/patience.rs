//! Request bodies that must keep coming.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use http_body_util::BodyExt as _;
use http_body_util::combinators::BoxBody;
use hyper::body::{Body, Bytes, Frame, SizeHint};
use tokio::time::{Instant, Sleep};

/// A body that fails with [`io::ErrorKind::TimedOut`] when somebody waits for its next piece for too long.
///
/// The time that nobody asks for it does not count: only the client is to hurry.
struct Patience {
    body: BoxBody<Bytes, io::Error>,
    longest: Duration,
    pause: Pin<Box<Sleep>>,
    is_waiting: bool,
    is_read: Arc<AtomicBool>,
}

/// Gives a body `longest` for each of its pieces; the flag beside it says when it has been read to its end.
pub(super) fn with_patience(body: poem::Body, longest: Duration) -> (poem::Body, Arc<AtomicBool>) {
    let pause = Box::pin(tokio::time::sleep(longest));
    let is_read = Arc::<AtomicBool>::default();
    let patience =
        Patience { body: body.into(), longest, pause, is_waiting: false, is_read: Arc::clone(&is_read) };
    (patience.boxed().into(), is_read)
}

impl Body for Patience {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(context) {
            self.is_waiting = false;
            if frame.is_none() {
                self.is_read.store(true, Ordering::Relaxed);
            }
            return Poll::Ready(frame);
        }
        if !self.is_waiting {
            self.is_waiting = true;
            let until = Instant::now() + self.longest;
            self.pause.as_mut().reset(until);
        }
        ready!(self.pause.as_mut().poll(context));
        Poll::Ready(Some(Err(io::ErrorKind::TimedOut.into())))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
