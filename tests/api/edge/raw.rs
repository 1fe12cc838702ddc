//! A client that sends what it is told, and a way to read what comes back.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;

/// Long enough for any answer here, on a machine that does much else.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// What every answer must say, whoever wrote it.
pub(crate) const PROTECTION: [(&str, &str); 5] = [
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "no-referrer"),
    (
        "content-security-policy",
        "default-src 'none'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'",
    ),
    ("cross-origin-resource-policy", "same-origin"),
    ("cache-control", "no-store"),
];

/// A connection.
pub(crate) struct Raw {
    pub(crate) stream: TcpStream,
    /// What was read past the last answer.
    rest: Vec<u8>,
}

/// An answer of HTTP/1.1.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (known, value) = line.split_once(':')?;
            known.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    /// A refusal that was written without a handler: as well protected as any answer, and the last one.
    #[track_caller]
    pub(crate) fn assert_refusal(&self, status: u16, code: &str) {
        assert_eq!(self.status, status, "{self:?}");
        let body: serde_json::Value = serde_json::from_str(&self.body).unwrap();
        assert_eq!((&body["code"], self.header("x-sb-error-code")), (&code.into(), Some(code)), "{self:?}");
        assert_eq!(self.header("connection"), Some("close"), "{self:?}");
        assert_eq!(self.header("content-type"), Some("application/json; charset=utf-8"), "{self:?}");
        assert!(self.header("x-request-id").is_some_and(|id| id.len() == 36), "{self:?}");
        for (name, value) in PROTECTION {
            assert_eq!(self.header(name), Some(value), "{name}: {self:?}");
        }
    }
}

impl Raw {
    pub(crate) async fn to(address: &str) -> Self {
        Self { stream: TcpStream::connect(address).await.unwrap(), rest: Vec::new() }
    }

    /// A connection that comes from a certain address of this machine.
    pub(crate) async fn from(source: &str, address: &str) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(SocketAddr::new(source.parse().unwrap(), 0)).unwrap();
        Self { stream: socket.connect(address.parse().unwrap()).await.unwrap(), rest: Vec::new() }
    }

    /// Sends; whether the other side still takes it is not said.
    pub(crate) async fn say(&mut self, text: impl AsRef<[u8]>) {
        let _ = self.stream.write_all(text.as_ref()).await;
    }

    /// The next answer; `None` if the connection ends without one.
    pub(crate) async fn answer(&mut self) -> Option<Answer> {
        tokio::time::timeout(PATIENCE, self.read_answer()).await.expect("an answer or an end in time")
    }

    async fn read_answer(&mut self) -> Option<Answer> {
        let end = loop {
            if let Some(end) = self.rest.windows(4).position(|four| four == b"\r\n\r\n") {
                break end + 4;
            }
            self.read_more().await?;
        };
        let head = String::from_utf8(self.rest.drain(..end).collect()).unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let answer = Answer { status, head, body: String::new() };
        let length = answer.header("content-length").map_or(0, |length| length.parse().unwrap());
        while self.rest.len() < length {
            self.read_more().await?;
        }
        let body = String::from_utf8(self.rest.drain(..length).collect()).unwrap();
        Some(Answer { body, ..answer })
    }

    async fn read_more(&mut self) -> Option<()> {
        self.rest.reserve(16 * 1024);
        matches!(self.stream.read_buf(&mut self.rest).await, Ok(1..)).then_some(())
    }

    /// Whatever comes until the end.
    pub(crate) async fn all(mut self) -> Vec<u8> {
        let rest = async { while self.read_more().await.is_some() {} };
        tokio::time::timeout(PATIENCE, rest).await.expect("an end in time");
        self.rest
    }

    /// Waits for the end of the connection, with nothing more before it.
    pub(crate) async fn assert_ends(self) {
        let rest = self.all().await;
        assert!(rest.is_empty(), "{}", String::from_utf8_lossy(&rest));
    }
}

/// Clients that drip a head, octet by octet, each on a new connection when its last one is ended.
pub(crate) struct Dripping {
    clients: JoinSet<()>,
    count: Arc<Count>,
}

#[derive(Default)]
struct Count {
    stop: AtomicBool,
    open: AtomicUsize,
    ended: AtomicUsize,
}

impl Dripping {
    pub(crate) fn begin<C, F>(clients: impl IntoIterator<Item = C>, host: &'static str) -> Self
    where
        C: Fn() -> F + Send + Sync + 'static,
        F: Future<Output = Raw> + Send,
    {
        let count = Arc::<Count>::default();
        let drip = |connect: C| {
            let count = Arc::clone(&count);
            async move {
                while !count.stop.load(Ordering::Relaxed) {
                    let mut raw = connect().await;
                    count.open.fetch_add(1, Ordering::Relaxed);
                    raw.say(format!("POST /auth/v1/otp HTTP/1.1\r\nHost: {host}\r\nX: ")).await;
                    while !count.stop.load(Ordering::Relaxed) && raw.stream.write_all(b"x").await.is_ok() {
                        tokio::time::sleep(Duration::from_millis(500)).await;
                    }
                    count.open.fetch_sub(1, Ordering::Relaxed);
                    count.ended.fetch_add(1, Ordering::Relaxed);
                }
            }
        };
        Self { clients: clients.into_iter().map(drip).collect(), count }
    }

    /// How many are connected.
    pub(crate) fn open(&self) -> usize {
        self.count.open.load(Ordering::Relaxed)
    }

    /// How many connections the server has ended.
    pub(crate) fn ended(&self) -> usize {
        self.count.ended.load(Ordering::Relaxed)
    }

    pub(crate) async fn end(self) {
        self.count.stop.store(true, Ordering::Relaxed);
        self.clients.join_all().await;
    }
}
