//! Mail: what it says, and how it leaves.

pub mod inbox;
pub mod preview;
mod smtp;
pub mod templates;

use chrono::{DateTime, Utc};
use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart};
use lettre::{Address, Message};
use uuid::Uuid;

pub use self::inbox::Inbox;
pub use self::smtp::{SmtpMailer, SmtpSettings, SmtpTls};
use self::templates::RenderedMail;
use crate::domain::EmailAddress;

/// How mail leaves.
#[derive(Debug, Clone)]
pub enum Mailer {
    /// Through a mail server.
    Smtp(SmtpMailer),
    /// Not at all: it is kept for a developer to read.
    Inbox(Inbox),
}

/// One mail to one person.
#[derive(Debug)]
pub struct Outgoing<'a> {
    /// The name it comes from.
    pub sender_name: &'a str,
    /// The address it comes from.
    pub sender: &'a EmailAddress,
    /// Whom it goes to.
    pub to: &'a EmailAddress,
    /// What it says.
    pub mail: &'a RenderedMail,
    /// The date in its header.
    pub date: DateTime<Utc>,
}

/// Why a mail did not leave.
#[derive(Debug, thiserror::Error)]
pub enum MailError {
    /// The mail server cannot now, or cannot be reached: worth another try.
    #[error("the mail server cannot take the mail now")]
    Temporary(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The mail server will never take mail for this address.
    #[error("the address was refused for good")]
    Bounced(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The mail server will never take it, or it could not be written.
    #[error("the mail was refused for good")]
    Permanent(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl Mailer {
    /// Hands a mail over.
    ///
    /// # Errors
    /// Says whether another try makes sense.
    pub async fn send(&self, outgoing: &Outgoing<'_>) -> Result<(), MailError> {
        let message = message(outgoing)?;
        match self {
            Self::Smtp(smtp) => smtp.send(&message).await,
            Self::Inbox(inbox) => {
                inbox.insert(inbox::CaughtMail {
                    from: inbox::Mailbox {
                        name: outgoing.sender_name.to_owned(),
                        address: outgoing.sender.as_str().to_owned(),
                    },
                    to: vec![inbox::Mailbox {
                        name: String::new(),
                        address: outgoing.to.as_str().to_owned(),
                    }],
                    subject: outgoing.mail.subject.clone(),
                    text: outgoing.mail.text.clone(),
                    html: outgoing.mail.html.clone(),
                    raw: message.formatted(),
                    received_at: outgoing.date,
                });
                Ok(())
            }
        }
    }
}

/// The message, built from typed parts only: no text of ours or a stranger's becomes a header of its own.
fn message(outgoing: &Outgoing<'_>) -> Result<Message, MailError> {
    let permanent = |error: Box<dyn std::error::Error + Send + Sync>| MailError::Permanent(error);
    let address =
        |email: &EmailAddress| email.as_str().parse::<Address>().map_err(|error| permanent(error.into()));
    let sender = address(outgoing.sender)?;
    let id = format!("<{}@{}>", Uuid::new_v4().simple(), sender.domain());
    let mut message = Message::builder()
        .date(outgoing.date.into())
        .from(Mailbox::new(Some(outgoing.sender_name.to_owned()), sender))
        .to(Mailbox::new(None, address(outgoing.to)?))
        .subject(&outgoing.mail.subject)
        .message_id(Some(id))
        .multipart(MultiPart::alternative_plain_html(outgoing.mail.text.clone(), outgoing.mail.html.clone()))
        .map_err(|error| permanent(error.into()))?;
    // No out-of-office answers to a code (RFC 3834 §5).
    message.headers_mut().insert_raw(HeaderValue::new(
        HeaderName::new_from_ascii_str("Auto-Submitted"),
        "auto-generated".to_owned(),
    ));
    Ok(message)
}
