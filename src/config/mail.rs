//! The section about mail: where it goes, and how the relay is spoken to.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};

use super::problems::shown;
use super::reader::{Reader, Word};
use super::sections::{LISTEN, NOWHERE};

/// Where mail goes. `DOORCODE__MAIL__TRANSPORT`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum MailTransport {
    /// Into memory, shown on a page; for development.
    Inbox,
    /// To an SMTP relay.
    Smtp,
}

impl Word for MailTransport {
    const WORDS: &'static str = "inbox or smtp";
    const STAND_IN: Self = Self::Inbox;
}

/// How the connection to the relay is protected. `DOORCODE__MAIL__SMTP_TLS`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum SmtpTls {
    /// STARTTLS, demanded (RFC 3207).
    StartTls,
    /// TLS from the first byte (RFC 8314).
    Tls,
    /// Not at all.
    None,
}

impl Word for SmtpTls {
    const WORDS: &'static str = "starttls, tls or none";
    const STAND_IN: Self = Self::StartTls;
}

/// `[mail]`
#[derive(Clone, Debug)]
pub struct MailConfig {
    /// Where mail goes. `DOORCODE__MAIL__TRANSPORT`.
    pub transport: MailTransport,
    /// Where the inbox page is served. `DOORCODE__MAIL__INBOX_LISTEN`.
    pub inbox_listen: SocketAddr,
    /// Name or address of the relay; never empty with SMTP. `DOORCODE__MAIL__SMTP_HOST`.
    pub smtp_host: String,
    /// Port of the relay, 1 to 65535. `DOORCODE__MAIL__SMTP_PORT`.
    pub smtp_port: u16,
    /// How the connection is protected. `DOORCODE__MAIL__SMTP_TLS`.
    pub smtp_tls: SmtpTls,
    /// Name at the relay; empty for no authentication. `DOORCODE__MAIL__SMTP_USER`.
    pub smtp_user: String,
    /// Password at the relay; empty exactly if the name is. `DOORCODE__MAIL__SMTP_PASSWORD`.
    pub smtp_password: SecretString,
    /// PEM file of further root certificates. `DOORCODE__MAIL__SMTP_CA_FILE`.
    pub smtp_ca_file: Option<PathBuf>,
    /// Most connections to the relay, 1 to 50. `DOORCODE__MAIL__SMTP_POOL`.
    pub smtp_pool: u32,
    /// Mails sent at the same time, 1 to 64. `DOORCODE__MAIL__WORKERS`.
    pub workers: u32,
    /// Longest wait for one SMTP command, 1 to 60. `DOORCODE__MAIL__COMMAND_TIMEOUT_SECS`.
    pub command_timeout_secs: u64,
    /// Whether production may speak to a relay that is not local without TLS.
    /// `DOORCODE__MAIL__ALLOW_PLAINTEXT_RELAY`.
    pub allow_plaintext_relay: bool,
}

impl MailConfig {
    pub(super) fn read(from: &mut Reader<'_>) -> Self {
        let mail = Self {
            transport: from.word("transport"),
            inbox_listen: from.parsed("inbox_listen", LISTEN, |text| text.parse().ok()).unwrap_or(NOWHERE),
            smtp_host: from.checked("smtp_host", "a host name or address without a port", is_relay_host),
            smtp_port: from.number("smtp_port", 1..=65535, ""),
            smtp_tls: from.word("smtp_tls"),
            smtp_user: from.text("smtp_user"),
            smtp_password: from.secret("smtp_password"),
            smtp_ca_file: from.file("smtp_ca_file"),
            smtp_pool: from.number("smtp_pool", 1..=50, ""),
            workers: from.number("workers", 1..=64, ""),
            command_timeout_secs: from.number("command_timeout_secs", 1..=60, "seconds"),
            allow_plaintext_relay: from.flag("allow_plaintext_relay"),
        };
        if mail.transport == MailTransport::Smtp {
            mail.judge_smtp(from);
        }
        mail
    }

    fn judge_smtp(&self, from: &mut Reader<'_>) {
        // An unreadable host is empty by now, and has been complained about.
        if self.smtp_host.is_empty() && from.is_unblamed("smtp_host") {
            from.blame("smtp_host", Some(shown("")), "the relay's name where transport is smtp");
        }
        match (self.smtp_user.is_empty(), self.smtp_password.expose_secret().is_empty()) {
            (false, true) => from.blame("smtp_password", None, "a password, as smtp_user is set"),
            (true, false) => from.blame("smtp_user", None, "a name, as smtp_password is set"),
            _ => {}
        }
        from.judge_file("smtp_ca_file", self.smtp_ca_file.as_deref());
    }

    /// Whether the relay runs on this machine, so that nobody can listen in between.
    #[must_use]
    pub fn is_relay_local(&self) -> bool {
        is_local_name(&self.smtp_host)
    }
}

/// Empty, a name or an address: what a port, a path or a password has no place in.
fn is_relay_host(text: &str) -> bool {
    let in_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    text.parse::<IpAddr>().is_ok() || text.chars().all(in_name)
}

/// Whether a host without a port means this machine: a loopback address or a name under localhost (RFC 6761
/// section 6.3).
pub(super) fn is_local_name(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']').trim_end_matches('.').to_ascii_lowercase();
    let address = host.parse::<IpAddr>();
    host == "localhost" || host.ends_with(".localhost") || address.is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_told_by_name_and_by_address() {
        for host in ["localhost", "a.LOCALHOST.", "127.0.0.1", "127.9.9.9", "::1", "[::1]"] {
            assert!(is_local_name(host), "{host}");
        }
        for host in ["", "localhost.example.org", "notlocalhost", "10.0.0.1", "::2"] {
            assert!(!is_local_name(host), "{host}");
        }
    }

    #[test]
    fn a_relay_is_a_host_alone() {
        assert!(["", "smtp.example.org", "10.0.0.1", "::1"].into_iter().all(is_relay_host));
        assert!(!["smtp:25", "smtp://h", "u:p@h", "h/"].into_iter().any(is_relay_host));
    }
}
