//! Connections to Redis, however it is run: one for all requests, and one a partition for those that wait on it.
//!
//! Whoever has a call to make says for which partition, and so in which slot; which node that is, and that it may be
//! another a moment later, is known here and nowhere else. A command that may have been carried out is never sent twice:
//! its caller is told that it failed, and counts for itself.

mod source;

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::cluster_async::ClusterConnection;
use redis::cluster_routing::{Route, RoutingInfo, SingleNodeRoutingInfo, SlotAddr};
use redis::{Cmd, ErrorKind, Pipeline, RedisError, RedisFuture, RedisResult, ServerErrorKind, Value};
use tokio::sync::watch;

use self::source::Source;
use super::RedisSettings;
use super::breaker::Breaker;
use crate::telemetry::StoreCounts;

/// How often a command is sent after its slot.
const FOLLOWS: u32 = 4;
/// Until a slot that is on the move may have arrived.
const ON_THE_MOVE: Duration = Duration::from_millis(20);
/// A deadline that is seen so much too late was missed by us. The clock of deadlines counts in milliseconds.
const STALLED: Duration = Duration::from_millis(10);

/// All connections of a server.
#[derive(Clone)]
pub(super) struct Connections(Arc<Inner>);

struct Inner {
    source: Source,
    /// For an answer, and for the connection that it comes over.
    timeout: Duration,
    /// A rest for each part of Redis that can fail by itself.
    breakers: Box<[Breaker]>,
    state: watch::Sender<State>,
    /// How many connections there have been.
    connections: AtomicU64,
    /// Another is being looked for already.
    in_doubt: AtomicBool,
}

/// What all requests share.
#[derive(Clone)]
enum Wire {
    Node(MultiplexedConnection),
    Cluster(ClusterConnection),
}

#[derive(Clone)]
enum State {
    /// Not connected: not yet, or for this reason no longer.
    Down(Option<RedisError>),
    Connecting,
    /// Connected for the so-manieth time.
    Up(u64, Wire),
}

impl Connections {
    /// Connects when it is first used.
    pub(super) fn new(settings: &RedisSettings, counts: &StoreCounts) -> RedisResult<Self> {
        let source = Source::new(settings)?;
        // Each master of a cluster fails alone; which partitions it has changes, so each has its own.
        let parts = if source.is_cluster() { settings.partitions } else { 1 };
        Ok(Self(Arc::new(Inner {
            source,
            timeout: settings.timeout,
            breakers: (0..parts).map(|_| Breaker::new(counts.clone())).collect(),
            state: watch::Sender::new(State::Down(None)),
            connections: AtomicU64::new(0),
            in_doubt: AtomicBool::new(false),
        })))
    }

    /// The connection of requests, for the slot of a partition.
    pub(super) fn at(&self, partition: u16) -> At {
        At { connections: self.clone(), partition }
    }

    /// Partitions of which each may be on a node of its own.
    pub(super) fn parts(&self) -> u16 {
        u16::try_from(self.0.breakers.len()).unwrap_or(u16::MAX)
    }

    /// A connection of the caller's own to the node that has the slot of a partition, on which an answer may take `answer`.
    pub(super) async fn alone(&self, partition: u16, answer: Duration) -> RedisResult<MultiplexedConnection> {
        self.0.source.connect_alone(self.at(partition), &key_of(partition), answer).await
    }

    /// Waits for the connection, as nobody does who has to answer a request.
    pub(super) async fn connected(&self) -> RedisResult<()> {
        self.wire().await.map(drop)
    }

    /// The connection, if there is one.
    fn ready(&self) -> Option<(u64, Wire)> {
        match &*self.0.state.borrow() {
            State::Up(number, wire) => Some((*number, wire.clone())),
            State::Down(_) | State::Connecting => None,
        }
    }

    /// The connection, once there is one.
    async fn wire(&self) -> RedisResult<(u64, Wire)> {
        let mut changes = self.0.state.subscribe();
        self.connect();
        let settled = changes.wait_for(|state| !matches!(state, State::Connecting)).await;
        match settled.as_deref() {
            Ok(State::Up(number, wire)) => Ok((*number, wire.clone())),
            Ok(State::Down(Some(error))) => Err(error.clone()),
            Ok(State::Down(None) | State::Connecting) | Err(_) => Err(not_connected()),
        }
    }

    /// Begins to connect, if there is no connection and nobody has begun.
    fn connect(&self) {
        let begins = self.0.state.send_if_modified(|state| {
            let is_down = matches!(state, State::Down(_));
            if is_down {
                *state = State::Connecting;
            }
            is_down
        });
        if begins {
            // By itself: whoever waits may give up, and the next is to find what was begun.
            let connections = self.clone();
            tokio::spawn(async move {
                let state = match connections.0.source.connect().await {
                    Ok(wire) => connections.up(wire),
                    Err(error) => State::Down(Some(error)),
                };
                connections.0.state.send_replace(state);
            });
        }
    }

    fn up(&self, wire: Wire) -> State {
        State::Up(self.0.connections.fetch_add(1, Ordering::Relaxed), wire)
    }

    /// The connection is of no more use.
    fn lost(&self, number: u64, error: &RedisError) {
        self.0.state.send_if_modified(|state| {
            let is_this = matches!(state, State::Up(current, _) if *current == number);
            if is_this {
                *state = State::Down(Some(error.clone()));
            }
            is_this
        });
    }

    /// The connection may lead to a server that is gone without a word: looks for another, and keeps it until then.
    fn doubt(&self, number: u64) {
        if self.0.in_doubt.swap(true, Ordering::Relaxed) {
            return;
        }
        let connections = self.clone();
        tokio::spawn(async move {
            if let Ok(wire) = connections.0.source.connect().await {
                connections.0.state.send_if_modified(|state| {
                    let is_this = matches!(state, State::Up(current, _) if *current == number);
                    if is_this {
                        *state = connections.up(wire);
                    }
                    is_this
                });
            }
            connections.0.in_doubt.store(false, Ordering::Relaxed);
        });
    }
}

/// A connection for the calls of one partition.
#[derive(Clone)]
pub(super) struct At {
    connections: Connections,
    partition: u16,
}

impl At {
    /// Makes a call within its time, unless Redis is having a rest.
    async fn call<T, F>(&self, send: impl FnOnce(Wire, Route) -> F) -> RedisResult<T>
    where
        F: Future<Output = RedisResult<T>>,
    {
        let inner = &self.connections.0;
        let part = usize::from(self.partition) % inner.breakers.len();
        let breaker = &inner.breakers[part];
        breaker.admit(Instant::now()).map_err(|resting| {
            RedisError::from(std::io::Error::new(std::io::ErrorKind::ConnectionRefused, resting))
        })?;
        let mut used = None;
        let outcome = async {
            let (number, wire) = match self.connections.ready() {
                Some(ready) => ready,
                None => within(inner.timeout, self.connections.wire())
                    .await
                    .unwrap_or_else(|| Err(too_late("no connection in time")))?,
            };
            let is_node = matches!(wire, Wire::Node(_));
            used = Some((number, is_node));
            let route = Route::with_key(key_of(self.partition), SlotAddr::Master);
            let answer = within(inner.timeout, send(wire, route)).await;
            answer.unwrap_or_else(|| Err(too_late("no answer in time")))
        };
        let outcome = outcome.await;
        match &outcome {
            Err(error) if !is_answer(error) => {
                let rests = breaker.failed(Instant::now());
                match used {
                    Some((number, true)) if error.is_unrecoverable_error() => {
                        self.connections.lost(number, error);
                    }
                    Some((number, _)) if rests => self.connections.doubt(number),
                    _ => {}
                }
            }
            Err(error) => {
                breaker.answered();
                // It was the master. A cluster is followed by its connection.
                if let (Some((number, true)), ErrorKind::Server(ServerErrorKind::ReadOnly)) =
                    (used, error.kind())
                {
                    self.connections.lost(number, error);
                }
            }
            Ok(_) => breaker.answered(),
        }
        outcome
    }
}

impl ConnectionLike for At {
    fn req_packed_command<'a>(&'a mut self, cmd: &'a Cmd) -> RedisFuture<'a, Value> {
        Box::pin(self.call(async move |wire, route| match wire {
            Wire::Node(mut node) => node.req_packed_command(cmd).await?.extract_error(),
            Wire::Cluster(cluster) => follow(cluster, cmd, route).await,
        }))
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        Box::pin(self.call(async move |wire, route| match wire {
            Wire::Node(mut node) => node.req_packed_commands(pipeline, offset, count).await,
            // Not followed: of a transaction it cannot be seen where to. Workers send these, and come again.
            Wire::Cluster(mut cluster) => {
                let route = SingleNodeRoutingInfo::SpecificNode(route);
                cluster.route_pipeline(pipeline.clone(), offset, count, route).await
            }
        }))
    }

    fn get_db(&self) -> i64 {
        0
    }
}

/// Sends a command after its slot, as long as those who do not have it say so, and have not carried it out.
async fn follow(mut cluster: ClusterConnection, cmd: &Cmd, route: Route) -> RedisResult<Value> {
    let mut follows = 0;
    let mut outcome = cluster.route_command(cmd.clone(), to(route)).await;
    loop {
        outcome = outcome.and_then(Value::extract_error);
        let Err(error) = &outcome else { return outcome };
        let ErrorKind::Server(kind) = error.kind() else { return outcome };
        if follows == FOLLOWS {
            return outcome;
        }
        follows += 1;
        outcome = match kind {
            // The map of slots is being drawn again already. Of a slot on the move, nobody answers for several keys.
            ServerErrorKind::Moved | ServerErrorKind::ReadOnly | ServerErrorKind::TryAgain => {
                tokio::time::sleep(ON_THE_MOVE).await;
                cluster.route_command(cmd.clone(), to(route)).await
            }
            ServerErrorKind::Ask => match error.redirect_node().and_then(|(node, _)| node.rsplit_once(':')) {
                Some((host, port)) => {
                    let (host, port) = (host.to_owned(), port.parse().unwrap_or(0));
                    let mut both = redis::pipe();
                    both.cmd("ASKING").ignore().add_command(cmd.clone());
                    let there = SingleNodeRoutingInfo::ByAddress { host, port };
                    // Of two answers, the second.
                    let answers = cluster.route_pipeline(both, 1, 1, there).await;
                    answers.and_then(|answers| answers.into_iter().next_back().ok_or_else(not_connected))
                }
                None => return outcome,
            },
            _ => return outcome,
        };
    }
}

fn to(route: Route) -> RoutingInfo {
    RoutingInfo::SingleNode(SingleNodeRoutingInfo::SpecificNode(route))
}

/// Any key of a partition: they are all in one slot.
fn key_of(partition: u16) -> String {
    format!("{{{partition}}}")
}

/// Whether Redis said it, and does not leave it at silence.
fn is_answer(error: &RedisError) -> bool {
    matches!(error.kind(), ErrorKind::Server(_) | ErrorKind::Extension | ErrorKind::UnexpectedReturnType)
}

/// What comes within a time, in which this process was not itself kept from running: when it wakes up after its deadline,
/// the answer may have come long ago and wait to be read.
async fn within<T>(limit: Duration, answer: impl Future<Output = T>) -> Option<T> {
    let (began, mut answer) = (Instant::now(), pin!(answer));
    if let Ok(came) = tokio::time::timeout(limit, &mut answer).await {
        return Some(came);
    }
    let late = began.elapsed().saturating_sub(limit);
    if late < STALLED {
        return None;
    }
    tokio::time::timeout(late.min(limit), answer).await.ok()
}

fn too_late(what: &'static str) -> RedisError {
    std::io::Error::new(std::io::ErrorKind::TimedOut, what).into()
}

fn not_connected() -> RedisError {
    std::io::Error::from(std::io::ErrorKind::NotConnected).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn time_in_which_this_process_did_not_run_is_not_held_against_redis() {
        let limit = Duration::from_millis(50);
        let answer = async {
            // As a machine does that gives its processors to others.
            std::thread::sleep(3 * limit);
            tokio::time::sleep(limit / 5).await;
            "an answer"
        };
        assert_eq!(within(limit, answer).await, Some("an answer"));
    }

    #[tokio::test]
    async fn silence_is_no_answer() {
        assert_eq!(within(Duration::from_millis(30), std::future::pending::<()>()).await, None);
    }
}
