//! What a connection is doing, as seen from outside it: for time limits, and for who has to make room.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Waker};
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// See the module. Shared by a connection, its requests and the list of connections.
#[derive(Debug)]
pub(super) struct Activity {
    opened_at: Instant,
    /// Milliseconds from `opened_at` to the last sign of life.
    last: AtomicU64,
    /// Requests that are being answered.
    requests: AtomicUsize,
    /// Who waits for that to be none.
    waiting: Mutex<Option<Waker>>,
    /// Set when the connection should end once it has answered what it has begun.
    pub(super) closing: CancellationToken,
}

impl Activity {
    pub(super) fn new(closing: CancellationToken) -> Self {
        Self {
            opened_at: Instant::now(),
            last: AtomicU64::new(0),
            requests: AtomicUsize::new(0),
            waiting: Mutex::default(),
            closing,
        }
    }

    /// When the connection was accepted.
    pub(super) fn opened_at(&self) -> Instant {
        self.opened_at
    }

    /// Notes a sign of life.
    pub(super) fn touch(&self) {
        let millis = u64::try_from(self.opened_at.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.last.store(millis, Ordering::Relaxed);
    }

    /// When the last sign of life was noted.
    pub(super) fn last_at(&self) -> Instant {
        self.opened_at + Duration::from_millis(self.last.load(Ordering::Relaxed))
    }

    /// Has a connection polled again when a request has been answered.
    pub(super) fn wake_when_done(&self, context: &Context<'_>) {
        *self.waiting() = Some(context.waker().clone());
    }

    fn waiting(&self) -> MutexGuard<'_, Option<Waker>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a request is being answered.
    pub(super) fn is_busy(&self) -> bool {
        self.requests.load(Ordering::Acquire) > 0
    }
}

/// A request that is being answered, until it is dropped.
pub(super) struct Busy(std::sync::Arc<Activity>);

impl Busy {
    pub(super) fn with(activity: &std::sync::Arc<Activity>) -> Self {
        activity.requests.fetch_add(1, Ordering::AcqRel);
        activity.touch();
        Self(std::sync::Arc::clone(activity))
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.touch();
        self.0.requests.fetch_sub(1, Ordering::AcqRel);
        if let Some(waiting) = self.0.waiting().take() {
            waiting.wake();
        }
    }
}
