//! Mail through a mail server: pooled connections, TLS unless the configuration says otherwise.

use std::time::Duration;

use lettre::transport::smtp::PoolConfig;
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, Tls, TlsParameters};
use lettre::{AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};
use secrecy::{ExposeSecret, SecretString};

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

/// A pool of connections to one mail server.
#[derive(Debug, Clone)]
pub struct SmtpMailer {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    /// One mail takes at most so long, whatever the server does.
    mail_timeout: Duration,
}

impl SmtpMailer {
    /// Prepares the pool; connections are made when needed.
    ///
    /// # Errors
    /// If the additional root certificate cannot be read.
    pub fn new(settings: &SmtpSettings) -> Result<Self, MailError> {
        let permanent = |error: lettre::transport::smtp::Error| MailError::Permanent(error.into());
        let tls = || {
            let mut parameters = TlsParameters::builder(settings.host.clone());
            if let Some(pem) = &settings.ca_pem {
                parameters = parameters.add_root_certificate(Certificate::from_pem(pem).map_err(permanent)?);
            }
            parameters.build().map_err(permanent)
        };
        let protection = match settings.tls {
            SmtpTls::StartTls => Tls::Required(tls()?),
            SmtpTls::Tls => Tls::Wrapper(tls()?),
            SmtpTls::None => Tls::None,
        };
        // "Dangerous" is the builder's default of no TLS, which the next line settles.
        let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&settings.host)
            .port(settings.port)
            .tls(protection)
            .timeout(Some(settings.command_timeout))
            .pool_config(PoolConfig::new().max_size(settings.pool_size));
        if let Some((user, password)) = &settings.credentials {
            builder =
                builder.credentials(Credentials::new(user.clone(), password.expose_secret().to_owned()));
        }
        Ok(Self { transport: builder.build(), mail_timeout: 3 * settings.command_timeout })
    }

    pub(super) async fn send(&self, message: Message) -> Result<(), MailError> {
        match tokio::time::timeout(self.mail_timeout, self.transport.send(message)).await {
            Ok(Ok(_)) => Ok(()),
            // 5yz, and nothing else, is final (RFC 5321 §4.2.1); a broken connection or handshake may mend.
            Ok(Err(error)) if error.is_permanent() => Err(MailError::Permanent(error.into())),
            Ok(Err(error)) => Err(MailError::Temporary(error.into())),
            Err(elapsed) => Err(MailError::Temporary(elapsed.into())),
        }
    }

    /// Whether the mail server answers.
    ///
    /// # Errors
    /// What it said, or that it did not.
    pub async fn check(&self) -> Result<(), MailError> {
        match tokio::time::timeout(self.mail_timeout, self.transport.test_connection()).await {
            Ok(Ok(true)) => Ok(()),
            Ok(Ok(false)) => Err(MailError::Temporary("the mail server does not answer NOOP".into())),
            Ok(Err(error)) => Err(MailError::Temporary(error.into())),
            Err(elapsed) => Err(MailError::Temporary(elapsed.into())),
        }
    }
}
