//! Mailpit's JSON, as `/api/v1` of Mailpit 1.x answers it, field for field.
//!
//! What this inbox has no notion of (tags, attachments, copies) is there and empty, so that typed clients can
//! read the answers.

use std::collections::BTreeMap;

use chrono::{DateTime, SecondsFormat, Utc};
use serde::Serialize;

use crate::ports::mail::inbox::{CaughtMail, KeptMail, Mailbox};

/// Characters of the text part that a list shows.
const SNIPPET_LEN: usize = 250;

/// Always an empty list.
type Nothing = [(); 0];

#[derive(Serialize)]
#[expect(clippy::struct_field_names, reason = "the names are Mailpit's")]
pub(super) struct Messages {
    /// Mails in the inbox, whatever the query.
    pub(super) total: usize,
    pub(super) unread: usize,
    /// Mails in this answer.
    pub(super) count: usize,
    /// Mails that match the query.
    pub(super) messages_count: usize,
    pub(super) messages_unread: usize,
    pub(super) start: usize,
    pub(super) tags: Nothing,
    pub(super) messages: Vec<Summary>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Summary {
    #[serde(flatten)]
    envelope: Envelope,
    read: bool,
    created: String,
    snippet: String,
    attachments: usize,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Message {
    #[serde(flatten)]
    envelope: Envelope,
    return_path: String,
    list_unsubscribe: ListUnsubscribe,
    date: String,
    text: String,
    #[serde(rename = "HTML")]
    html: String,
    inline: Nothing,
    attachments: Nothing,
}

/// What a summary and a message share.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Envelope {
    #[serde(rename = "ID")]
    id: String,
    #[serde(rename = "MessageID")]
    message_id: String,
    from: Address,
    to: Vec<Address>,
    cc: Nothing,
    bcc: Nothing,
    reply_to: Vec<Address>,
    subject: String,
    size: usize,
    tags: Nothing,
    username: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Address {
    name: String,
    address: String,
}

#[derive(Default, Serialize)]
#[serde(rename_all = "PascalCase")]
struct ListUnsubscribe {
    header: String,
    links: Nothing,
    errors: &'static str,
    header_post: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Info {
    pub(super) version: &'static str,
    pub(super) latest_version: &'static str,
    pub(super) database: &'static str,
    pub(super) database_size: usize,
    pub(super) messages: usize,
    pub(super) unread: usize,
    pub(super) tags: BTreeMap<String, usize>,
}

impl Summary {
    pub(super) fn new(kept: &KeptMail) -> Self {
        Self {
            envelope: Envelope::new(kept),
            read: kept.read,
            created: instant(kept.mail.received_at),
            snippet: snippet(&kept.mail.text),
            attachments: 0,
        }
    }
}

impl Message {
    pub(super) fn new(kept: &KeptMail) -> Self {
        let mail = &kept.mail;
        let header =
            |name| headers(&mail.raw).remove(name).and_then(|mut values| values.pop()).unwrap_or_default();
        Self {
            envelope: Envelope::new(kept),
            return_path: mail.from.address.clone(),
            list_unsubscribe: ListUnsubscribe {
                header: header("List-Unsubscribe"),
                header_post: header("List-Unsubscribe-Post"),
                ..ListUnsubscribe::default()
            },
            date: instant(mail.received_at),
            text: mail.text.clone(),
            html: mail.html.clone(),
            inline: [],
            attachments: [],
        }
    }
}

impl Envelope {
    fn new(kept: &KeptMail) -> Self {
        let CaughtMail { from, to, subject, raw, .. } = kept.mail.as_ref();
        let headers = headers(raw);
        let first = |name: &str| headers.get(name).and_then(|values| values.first()).map(String::as_str);
        let message_id = first("Message-Id").unwrap_or_default();
        Self {
            id: kept.id.clone(),
            message_id: message_id.trim_start_matches('<').trim_end_matches('>').to_owned(),
            from: Address::new(from),
            to: to.iter().map(Address::new).collect(),
            cc: [],
            bcc: [],
            reply_to: first("Reply-To").map(Address::parse).into_iter().collect(),
            subject: subject.clone(),
            size: raw.len(),
            tags: [],
            username: "",
        }
    }
}

impl Address {
    fn new(mailbox: &Mailbox) -> Self {
        Self { name: mailbox.name.clone(), address: mailbox.address.clone() }
    }

    /// One mailbox as our mailer writes it: `name <address>` or the address alone.
    fn parse(field: &str) -> Self {
        let (name, address) = field.rsplit_once('<').unwrap_or(("", field));
        Self {
            name: name.trim().trim_matches('"').to_owned(),
            address: address.trim_end_matches('>').trim().to_owned(),
        }
    }
}

/// The header fields of a message, unfolded, under the spelling Mailpit gives their names.
pub(super) fn headers(raw: &[u8]) -> BTreeMap<String, Vec<String>> {
    let raw = String::from_utf8_lossy(raw);
    let mut fields: Vec<(String, String)> = Vec::new();
    for line in raw.lines().take_while(|line| !line.is_empty()) {
        if line.starts_with([' ', '\t']) {
            if let Some((_, value)) = fields.last_mut() {
                value.push(' ');
                value.push_str(line.trim());
            }
        } else if let Some((name, value)) = line.split_once(':') {
            fields.push((canonical(name), value.trim().to_owned()));
        }
    }
    let mut by_name: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, value) in fields {
        by_name.entry(name).or_default().push(value);
    }
    by_name
}

/// Go's spelling of a field name: a capital after each hyphen and nowhere else, hence `Message-Id`.
fn canonical(name: &str) -> String {
    let word = |word: &str| {
        let (first, rest) = word.split_at_checked(1).unwrap_or((word, ""));
        first.to_ascii_uppercase() + &rest.to_ascii_lowercase()
    };
    name.trim().split('-').map(word).collect::<Vec<_>>().join("-")
}

/// The beginning of a text on one line, as Mailpit shortens it. Codes are shown: reading them is what this
/// inbox is for.
pub(super) fn snippet(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(SNIPPET_LEN) {
        Some((end, _)) => format!("{}...", &line[..end]),
        None => line,
    }
}

/// RFC 3339 in UTC with milliseconds and `Z`.
pub(super) fn instant(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn header_fields_are_unfolded_and_spelled_as_go_spells_them() {
        let raw = b"MIME-Version: 1.0\r\nSubject: one\r\n two\r\nmessage-ID: <a@b>\r\nX: 1\r\nX: 2\r\n\r\nBody: no\r\n";
        let headers = headers(raw);
        assert_eq!(headers["Mime-Version"], ["1.0"]);
        assert_eq!(headers["Subject"], ["one two"]);
        assert_eq!(headers["Message-Id"], ["<a@b>"]);
        assert_eq!(headers["X"], ["1", "2"]);
        assert!(!headers.contains_key("Body"));
    }

    #[test]
    fn a_snippet_is_one_line_and_cut_between_characters() {
        assert_eq!(snippet(" Your code:\r\n\r\n  123456\n"), "Your code: 123456");
        let long = "é".repeat(SNIPPET_LEN + 1);
        assert_eq!(snippet(&long), format!("{}...", "é".repeat(SNIPPET_LEN)));
    }

    #[test]
    fn a_reply_address_is_read_with_and_without_a_name() {
        let named = Address::parse("\"The Library\" <help@library.example>");
        assert_eq!((named.name.as_str(), named.address.as_str()), ("The Library", "help@library.example"));
        assert_eq!(Address::parse("help@library.example").address, "help@library.example");
    }
}
