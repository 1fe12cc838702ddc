//! A mail server that keeps of each mail its recipient and the code in it.
//!
//! As much of SMTP (RFC 5321) as one mail needs, and no TLS: what it costs is not to be measured.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::Context as _;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{oneshot, watch};

/// A code, and the address it was sent to.
#[derive(Debug, Clone)]
pub(crate) struct MailedCode {
    pub(crate) address: String,
    pub(crate) code: String,
}

/// See the module. Clones are one server.
#[derive(Clone)]
pub(crate) struct Sink {
    port: u16,
    shared: Arc<Shared>,
}

struct Shared {
    arrived: AtomicU64,
    /// Those who wait for the code of an address.
    waiting: Mutex<HashMap<String, oneshot::Sender<String>>>,
    /// Codes that nobody waited for.
    codes: Mutex<Vec<MailedCode>>,
    held: watch::Sender<bool>,
}

impl Sink {
    /// Listens on a free port until the process ends.
    pub(crate) async fn start() -> anyhow::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.context("no port for mail")?;
        let shared = Arc::new(Shared {
            arrived: AtomicU64::new(0),
            waiting: Mutex::default(),
            codes: Mutex::default(),
            held: watch::Sender::new(false),
        });
        let sink = Self { port: listener.local_addr()?.port(), shared };
        let shared = Arc::clone(&sink.shared);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let shared = Arc::clone(&shared);
                // A conversation that breaks off is the server's to try again.
                tokio::spawn(async move { converse(stream, &shared).await });
            }
        });
        Ok(sink)
    }

    /// Where it listens on 127.0.0.1.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// How many mails have come so far.
    pub(crate) fn arrived(&self) -> u64 {
        self.shared.arrived.load(Ordering::Relaxed)
    }

    /// Resolves to the next code for `address`; to be called before it is asked for.
    pub(crate) fn code_for(&self, address: &str) -> oneshot::Receiver<String> {
        let (sender, receiver) = oneshot::channel();
        lock(&self.shared.waiting).insert(address.to_owned(), sender);
        receiver
    }

    /// All codes that nobody has waited for.
    pub(crate) fn take_codes(&self) -> Vec<MailedCode> {
        std::mem::take(&mut lock(&self.shared.codes))
    }

    /// Keeps the server waiting at the end of each mail, or no longer.
    pub(crate) fn hold(&self, held: bool) {
        self.shared.held.send_replace(held);
    }
}

impl Shared {
    fn keep(&self, address: String, code: Option<String>) {
        self.arrived.fetch_add(1, Ordering::Relaxed);
        let Some(code) = code else { return };
        match lock(&self.waiting).remove(&address) {
            // Whoever waited may have given up.
            Some(waiting) => drop(waiting.send(code)),
            None => lock(&self.codes).push(MailedCode { address, code }),
        }
    }
}

async fn converse(stream: TcpStream, shared: &Shared) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut stream = BufReader::new(stream);
    let (mut line, mut recipient) = (Vec::new(), String::new());
    stream.write_all(b"220 load bench\r\n").await?;
    loop {
        line.clear();
        if stream.read_until(b'\n', &mut line).await? == 0 {
            return Ok(());
        }
        let command = String::from_utf8_lossy(&line);
        let reply: &[u8] = match command.get(..4).unwrap_or_default().to_ascii_uppercase().as_str() {
            "EHLO" => b"250-load bench\r\n250 8BITMIME\r\n",
            "RCPT" => {
                recipient = between_brackets(&command).to_owned();
                b"250 OK\r\n"
            }
            "DATA" => {
                stream.write_all(b"354 Go on\r\n").await?;
                let code = read_code(&mut stream, &mut line).await?;
                // The sender only goes away with the process.
                let _ = shared.held.subscribe().wait_for(|held| !held).await;
                shared.keep(std::mem::take(&mut recipient), code);
                b"250 OK\r\n"
            }
            "QUIT" => {
                stream.write_all(b"221 Bye\r\n").await?;
                return Ok(());
            }
            "HELO" | "MAIL" | "RSET" | "NOOP" => b"250 OK\r\n",
            _ => b"500 Unknown\r\n",
        };
        stream.write_all(reply).await?;
    }
}

/// Reads a mail to its end. Its code is the first line that is six digits and nothing else: the text part comes first.
async fn read_code(stream: &mut BufReader<TcpStream>, line: &mut Vec<u8>) -> std::io::Result<Option<String>> {
    let mut code = None;
    loop {
        line.clear();
        if stream.read_until(b'\n', line).await? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        let text = line.trim_ascii();
        if text == b"." {
            return Ok(code);
        }
        if code.is_none() && text.len() == 6 && text.iter().all(u8::is_ascii_digit) {
            code = Some(String::from_utf8_lossy(text).into_owned());
        }
    }
}

/// The path of `RCPT TO:<path>`.
fn between_brackets(command: &str) -> &str {
    let after = command.split_once('<').map_or("", |(_, after)| after);
    after.split_once('>').map_or("", |(path, _)| path)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
