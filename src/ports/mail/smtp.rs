//! Mail through a mail server: kept connections, TLS unless the configuration says otherwise.
//!
//! lettre speaks SMTP; the conversation of a mail is ours, because lettre's sends a mail's text and the dot that ends
//! it one after the other, and Nagle's algorithm holds the dot back until the server has acknowledged the text, which
//! servers do after 40 ms. Here both leave together.

mod idle;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use lettre::Message;
use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::{Credentials, DEFAULT_MECHANISMS};
use lettre::transport::smtp::client::{AsyncSmtpConnection, Certificate, TlsParameters};
use lettre::transport::smtp::commands::{Data, Mail, Rcpt};
use lettre::transport::smtp::extension::ClientId;
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::Semaphore;

use self::idle::IdleConnections;
use super::MailError;

/// How the connection is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SmtpTls {
    /// STARTTLS, and nothing is sent if the server does not offer it (RFC 3207 §5: no silent fall-back).
    StartTls,
    /// TLS from the first byte (RFC 8314 §3.3).
    Tls,
    /// None: for a relay on the same machine.
    None,
}

/// How to reach the mail server.
#[derive(Debug, Clone)]
pub struct SmtpSettings {
    /// Its name; also the name its certificate must carry.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How the connection is protected.
    pub tls: SmtpTls,
    /// User and password, if it asks for them.
    pub credentials: Option<(String, SecretString)>,
    /// A further root certificate, PEM.
    pub ca_pem: Option<Vec<u8>>,
    /// Connections kept, at most.
    pub pool_size: u32,
    /// How long one SMTP command may take.
    pub command_timeout: Duration,
}

/// How long a server may take to say goodbye.
const FAREWELL: Duration = Duration::from_secs(1);

/// Connections to one mail server, made when needed and kept for the next mail.
#[derive(Clone)]
pub struct SmtpMailer {
    server: Arc<Server>,
    idle: IdleConnections,
    /// One for each connection there may be.
    places: Arc<Semaphore>,
    /// One mail takes at most so long, whatever the server does.
    mail_timeout: Duration,
}

/// Where the mail server is, and how it is spoken to.
struct Server {
    host: String,
    port: u16,
    protection: Protection,
    credentials: Option<Credentials>,
    /// What we call ourselves.
    hello: ClientId,
    connect_timeout: Duration,
}

enum Protection {
    StartTls(TlsParameters),
    Tls(TlsParameters),
    None,
}

impl SmtpMailer {
    /// Prepares the pool; connections are made when needed.
    ///
    /// # Errors
    /// If the additional root certificate cannot be read.
    pub fn new(settings: &SmtpSettings) -> Result<Self, MailError> {
        let permanent = |error: Error| MailError::Permanent(error.into());
        let tls = || {
            let mut parameters = TlsParameters::builder(settings.host.clone());
            if let Some(pem) = &settings.ca_pem {
                parameters = parameters.add_root_certificate(Certificate::from_pem(pem).map_err(permanent)?);
            }
            parameters.build().map_err(permanent)
        };
        let protection = match settings.tls {
            SmtpTls::StartTls => Protection::StartTls(tls()?),
            SmtpTls::Tls => Protection::Tls(tls()?),
            SmtpTls::None => Protection::None,
        };
        let server = Server {
            host: settings.host.clone(),
            port: settings.port,
            protection,
            credentials: settings
                .credentials
                .as_ref()
                .map(|(user, password)| Credentials::new(user.clone(), password.expose_secret().to_owned())),
            hello: ClientId::default(),
            connect_timeout: settings.command_timeout,
        };
        let places = usize::try_from(settings.pool_size).unwrap_or(Semaphore::MAX_PERMITS);
        Ok(Self {
            server: Arc::new(server),
            idle: IdleConnections::default(),
            places: Arc::new(Semaphore::new(places)),
            mail_timeout: 3 * settings.command_timeout,
        })
    }

    pub(super) async fn send(&self, message: &Message) -> Result<(), MailError> {
        let content = content(message)?;
        // In a box: a thousand mails may wait for their turn, each in a future that would have room for this.
        self.in_a_place(Box::pin(self.hand_over(message, &content))).await
    }

    /// Whether the mail server answers.
    ///
    /// # Errors
    /// What it said, or that it did not.
    pub async fn check(&self) -> Result<(), MailError> {
        let greet = async {
            let connection = self.server.connect().await?;
            self.idle.put(connection);
            Ok(())
        };
        self.in_a_place(Box::pin(greet)).await
    }

    /// Waits for one of the places; then the time runs.
    async fn in_a_place(&self, work: impl Future<Output = Result<(), Refusal>>) -> Result<(), MailError> {
        let _place = self.places.acquire().await.map_err(|closed| MailError::Temporary(closed.into()))?;
        match tokio::time::timeout(self.mail_timeout, work).await {
            Ok(said) => said.map_err(MailError::from),
            Err(elapsed) => Err(MailError::Temporary(elapsed.into())),
        }
    }

    /// Sends a mail over a kept connection, or a new one. A future that is dropped drops its connection too.
    async fn hand_over(&self, message: &Message, content: &str) -> Result<(), Refusal> {
        let from = || Mail::new(message.envelope().from().cloned(), Vec::new());
        while let Some(mut kept) = self.idle.take() {
            match kept.command(from()).await {
                // It has hung up since its last mail, or does now. Nothing of this mail was said yet.
                Err(error) if is_hang_up(&error) => {}
                begun => return self.go_on(kept, begun.map(drop), message, content).await,
            }
        }
        let mut new = self.server.connect().await?;
        let begun = new.command(from()).await.map(drop);
        self.go_on(new, begun, message, content).await
    }

    /// Says the rest, and keeps the connection if all went well.
    async fn go_on(
        &self,
        mut connection: AsyncSmtpConnection,
        begun: Result<(), Error>,
        message: &Message,
        content: &str,
    ) -> Result<(), Refusal> {
        let said = async {
            begun?;
            for to in message.envelope().to() {
                let heard = connection.command(Rcpt::new(to.clone(), Vec::new())).await;
                heard.map_err(|error| Refusal { error, of_recipient: true })?;
            }
            connection.command(Data).await?;
            Ok(connection.command(content).await.map(drop)?)
        };
        let said: Result<(), Refusal> = said.await;
        match &said {
            Ok(()) => self.idle.put(connection),
            Err(refusal) if is_hang_up(&refusal.error) => {}
            // Where the conversation stands after a refusal is the server's affair: it ends here.
            Err(_) => take_leave(connection).await,
        }
        said
    }
}

impl Server {
    async fn connect(&self) -> Result<AsyncSmtpConnection, Error> {
        let from_the_start = match &self.protection {
            Protection::Tls(parameters) => Some(parameters.clone()),
            Protection::StartTls(_) | Protection::None => None,
        };
        let place = (self.host.as_str(), self.port);
        let timeout = Some(self.connect_timeout);
        let mut connection =
            AsyncSmtpConnection::connect_tokio1(place, timeout, &self.hello, from_the_start, None).await?;
        if let Protection::StartTls(parameters) = &self.protection {
            // An error if it is not offered.
            connection.starttls(parameters.clone(), &self.hello).await?;
        }
        if let Some(credentials) = &self.credentials {
            connection.auth(DEFAULT_MECHANISMS, credentials).await?;
        }
        Ok(connection)
    }
}

/// What went wrong, and whether it did when the recipient was named.
struct Refusal {
    error: Error,
    of_recipient: bool,
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self { error, of_recipient: false }
    }
}

impl From<Refusal> for MailError {
    fn from(Refusal { error, of_recipient }: Refusal) -> Self {
        // 5yz, and nothing else, is final (RFC 5321 §4.2.1); a broken connection or handshake may mend.
        if !error.is_permanent() {
            return Self::Temporary(error.into());
        }
        let words = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
        if of_recipient && !is_policy(&words) {
            Self::Bounced(error.into())
        } else {
            Self::Permanent(error.into())
        }
    }
}

/// Whether a refusal is about us and not about the mailbox (RFC 3463 §3.8): a server that relays for nobody says it of
/// every address, and must not have all of them taken for dead.
fn is_policy(words: &str) -> bool {
    words.trim_start().starts_with("5.7.")
}

/// Ends a connection as RFC 5321 §4.1.1.10 wants it, if the server does not take long.
async fn take_leave(mut connection: AsyncSmtpConnection) {
    drop(tokio::time::timeout(FAREWELL, connection.quit()).await);
}

/// The connection broke, or the server ends it: 421 (RFC 5321 §3.8).
fn is_hang_up(error: &Error) -> bool {
    error.status().is_none_or(|code| u16::from(code) == 421)
}

/// A mail's text as it goes over the wire, to the dot that ends it (RFC 5321 §4.5.2).
fn content(message: &Message) -> Result<String, MailError> {
    let text = String::from_utf8(message.formatted()).map_err(|error| MailError::Permanent(error.into()))?;
    // Other text would have to be announced; our mails are encoded.
    if !text.is_ascii() {
        return Err(MailError::Permanent("a mail that is not in ASCII".into()));
    }
    Ok(with_end(&text))
}

fn with_end(text: &str) -> String {
    let mut content = String::with_capacity(text.len() + 16);
    for line in text.split_inclusive("\r\n") {
        if line.starts_with('.') {
            content.push('.');
        }
        content.push_str(line);
    }
    if !content.ends_with("\r\n") {
        content.push_str("\r\n");
    }
    content.push_str(".\r\n");
    content
}

impl fmt::Debug for SmtpMailer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Server { host, port, .. } = &*self.server;
        f.debug_struct("SmtpMailer").field("host", host).field("port", port).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::{is_policy, with_end};

    #[test]
    fn a_refusal_to_relay_says_nothing_of_the_mailbox() {
        assert!(is_policy("5.7.1 Relaying denied"));
        assert!(!is_policy("5.1.1 No such mailbox here") && !is_policy("No such user"));
    }

    #[test]
    fn a_dot_that_begins_a_line_is_doubled_and_only_the_last_line_is_one() {
        assert_eq!(with_end("a\r\n.\r\nb\r\n"), "a\r\n..\r\nb\r\n.\r\n");
        assert_eq!(with_end(".hidden\r\na.b.\r\n...\r\n"), "..hidden\r\na.b.\r\n....\r\n.\r\n");
        assert_eq!(with_end("no end"), "no end\r\n.\r\n");
        assert_eq!(with_end(""), "\r\n.\r\n");
    }
}
