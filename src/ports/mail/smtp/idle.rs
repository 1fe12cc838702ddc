//! Connections to the mail server between two mails.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use lettre::transport::smtp::client::AsyncSmtpConnection;

use super::take_leave;

/// An idle connection is kept so long, and at most twice as long: servers close them after a few minutes, and a firewall
/// in between may forget one without a word.
const KEPT: Duration = Duration::from_secs(30);

/// The connection used last is used next, so that those not needed grow old and are closed.
#[derive(Clone, Default)]
pub(super) struct IdleConnections {
    shared: Arc<Mutex<Shared>>,
}

#[derive(Default)]
struct Shared {
    /// The one idle for longest comes first.
    connections: Vec<(AsyncSmtpConnection, Instant)>,
    /// A task waits to close what is not used.
    is_watched: bool,
}

impl IdleConnections {
    /// The one used last.
    pub(super) fn take(&self) -> Option<AsyncSmtpConnection> {
        lock(&self.shared).connections.pop().map(|(connection, _)| connection)
    }

    /// Keeps a connection that has just done its work.
    pub(super) fn put(&self, connection: AsyncSmtpConnection) {
        let mut shared = lock(&self.shared);
        shared.connections.push((connection, Instant::now()));
        if !shared.is_watched {
            shared.is_watched = true;
            tokio::spawn(close_unused(Arc::downgrade(&self.shared)));
        }
    }
}

/// Closes what was not used for long, until nothing is left.
async fn close_unused(shared: Weak<Mutex<Shared>>) {
    loop {
        tokio::time::sleep(KEPT).await;
        let Some(shared) = shared.upgrade() else { return };
        for connection in take_old(&shared) {
            take_leave(connection).await;
        }
        let mut shared = lock(&shared);
        if shared.connections.is_empty() {
            shared.is_watched = false;
            return;
        }
    }
}

fn take_old(shared: &Mutex<Shared>) -> Vec<AsyncSmtpConnection> {
    let mut shared = lock(shared);
    let old = shared.connections.partition_point(|(_, since)| since.elapsed() > KEPT);
    shared.connections.drain(..old).map(|(connection, _)| connection).collect()
}

fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
