//! A TCP proxy that fails on purpose: in front of a real server, switched while it runs.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// How the way to a server is.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Mode {
    /// Everything passes.
    Pass,
    /// Every piece of an answer comes so much later.
    Delay(Duration),
    /// The connection breaks under a request before the server has seen it.
    CutRequest(Which),
    /// The server gets the request, and the connection breaks under its answer.
    LoseAnswer(Which),
    /// Connections are taken, and nothing is ever heard of them.
    BlackHole,
    /// Nobody listens, and every connection is cut.
    Refuse,
    /// The way leads to another server.
    Elsewhere(SocketAddr),
}

/// Tells by its first bytes whether a request is one to fail.
pub(crate) type Which = fn(&[u8]) -> bool;

/// What has gone through.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    /// Connections that were taken.
    pub(crate) connections: AtomicU64,
    /// Connections that broke on purpose under a request or under its answer.
    pub(crate) broken: AtomicU64,
    /// How many more may break so.
    left: AtomicU64,
}

impl Counts {
    /// Whether this one is to break.
    fn may_break(&self) -> bool {
        self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok()
    }
}

/// Ends with its owner, and every connection with it.
pub(crate) struct FaultProxy {
    pub(crate) port: u16,
    counts: Arc<Counts>,
    mode: watch::Sender<Mode>,
    listening: JoinHandle<()>,
}

impl FaultProxy {
    /// Listens in front of the server at `target`.
    pub(crate) async fn before(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (mode, counts) = (watch::Sender::new(Mode::Pass), Arc::<Counts>::default());
        let way = Way { target, mode: mode.subscribe(), counts: Arc::clone(&counts) };
        let listening = tokio::spawn(way.listen(address, Some(listener)));
        Self { port: address.port(), counts, mode, listening }
    }

    pub(crate) fn set(&self, mode: Mode) {
        self.set_for(u64::MAX, mode);
    }

    /// Breaks so many connections, and from then on lets everything pass.
    pub(crate) fn set_for(&self, times: u64, mode: Mode) {
        self.counts.left.store(times, Ordering::SeqCst);
        self.mode.send_replace(mode);
    }

    pub(crate) fn broken(&self) -> u64 {
        self.counts.broken.load(Ordering::Relaxed)
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        // Connections see that the mode has no sender any more.
        self.listening.abort();
    }
}

#[derive(Clone)]
struct Way {
    target: SocketAddr,
    mode: watch::Receiver<Mode>,
    counts: Arc<Counts>,
}

impl Way {
    async fn listen(mut self, address: SocketAddr, mut listener: Option<TcpListener>) {
        loop {
            let mode = *self.mode.borrow_and_update();
            if matches!(mode, Mode::Refuse) {
                listener = None;
            } else if listener.is_none() {
                // Somebody may sit on the port for a moment.
                listener = TcpListener::bind(address).await.ok();
            }
            let taken = async {
                match &listener {
                    Some(listener) => listener.accept().await,
                    None if matches!(mode, Mode::Refuse) => std::future::pending().await,
                    None => {
                        tokio::time::sleep(Duration::from_millis(20)).await;
                        Err(io::ErrorKind::AddrInUse.into())
                    }
                }
            };
            tokio::select! {
                taken = taken => {
                    let Ok((client, _)) = taken else { continue };
                    self.counts.connections.fetch_add(1, Ordering::Relaxed);
                    let way = self.clone();
                    // A connection that breaks off is what this is for.
                    tokio::spawn(async move { way.carry(client).await });
                }
                changed = self.mode.changed() => if changed.is_err() { return },
            }
        }
    }

    async fn carry(self, client: TcpStream) -> io::Result<()> {
        let target = self.target_of(&self.mode.borrow());
        let server = TcpStream::connect(target).await?;
        client.set_nodelay(true)?;
        server.set_nodelay(true)?;
        let (from_client, to_client) = client.into_split();
        let (from_server, to_server) = server.into_split();
        let doomed = AtomicBool::new(false);
        // Whichever ends first ends both.
        tokio::select! {
            ended = self.clone().requests(from_client, to_server, &doomed) => ended,
            ended = self.clone().answers(from_server, to_client, &doomed) => ended,
            () = self.clone().cut_from(target) => Ok(()),
        }
    }

    fn target_of(&self, mode: &Mode) -> SocketAddr {
        if let Mode::Elsewhere(other) = mode { *other } else { self.target }
    }

    /// Resolves once every connection to this server is to be cut.
    async fn cut_from(self, target: SocketAddr) {
        let mut mode = self.mode.clone();
        let is_cut = |mode: &Mode| matches!(mode, Mode::Refuse) || self.target_of(mode) != target;
        let _ = mode.wait_for(is_cut).await;
    }

    /// Resolves once a black hole has ended: what it has swallowed is missing, so its connections end too.
    async fn swallowed(&mut self) -> io::Result<()> {
        let _ = self.mode.wait_for(|mode| !matches!(mode, Mode::BlackHole)).await;
        Err(io::ErrorKind::ConnectionReset.into())
    }

    async fn requests(
        mut self,
        mut from: OwnedReadHalf,
        mut to: OwnedWriteHalf,
        doomed: &AtomicBool,
    ) -> io::Result<()> {
        let mut piece = vec![0; 64 * 1024];
        loop {
            let length = from.read(&mut piece).await?;
            if length == 0 {
                return Ok(());
            }
            let mode = *self.mode.borrow();
            match mode {
                Mode::BlackHole => self.swallowed().await?,
                Mode::CutRequest(which) if which(&piece[..length]) && self.counts.may_break() => {
                    self.counts.broken.fetch_add(1, Ordering::Relaxed);
                    return Ok(());
                }
                Mode::LoseAnswer(which) if which(&piece[..length]) && self.counts.may_break() => {
                    doomed.store(true, Ordering::SeqCst);
                }
                _ => {}
            }
            to.write_all(&piece[..length]).await?;
        }
    }

    async fn answers(
        mut self,
        mut from: OwnedReadHalf,
        mut to: OwnedWriteHalf,
        doomed: &AtomicBool,
    ) -> io::Result<()> {
        let mut piece = vec![0; 64 * 1024];
        loop {
            let length = from.read(&mut piece).await?;
            if length == 0 {
                return Ok(());
            }
            if doomed.load(Ordering::SeqCst) {
                self.counts.broken.fetch_add(1, Ordering::Relaxed);
                return Ok(());
            }
            let mode = *self.mode.borrow();
            match mode {
                Mode::BlackHole => self.swallowed().await?,
                Mode::Delay(by) => tokio::time::sleep(by).await,
                _ => {}
            }
            to.write_all(&piece[..length]).await?;
        }
    }
}
