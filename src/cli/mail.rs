//! `mail`: what waits, what did not arrive, whom nothing is sent to; and every mail as files to look at.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use poem::http::Method;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::desk::{Desk, Length, at};
use super::exit::Usage;
use super::output::Column;
use super::preview;
use super::transport::Call;

const FAILURES: &[Column] = &[
    ("ID", "id"),
    ("TIME", "created_at"),
    ("SITE", "site"),
    ("MAIL", "mail"),
    ("REASON", "reason"),
    ("DOMAIN", "domain"),
    ("ADDRESS TAG", "address_tag"),
    ("WAITING MAIL", "mail_id"),
];
const SUPPRESSIONS: &[Column] =
    &[("ADDRESS TAG", "tag"), ("DOMAIN", "domain"), ("SINCE", "created_at"), ("NOTE", "note")];

#[derive(Subcommand)]
pub(super) enum MailCommand {
    /// Write every mail in every language as HTML and text
    Preview {
        /// The folder to write to
        #[arg(long, value_name = "FOLDER", default_value = "data/mail-preview")]
        out: PathBuf,
    },
    /// Show how many mails wait, and since when
    Queue,
    /// List the mails that did not arrive, newest first
    Failures {
        /// Only those of this site
        #[arg(long)]
        site: Option<String>,
        /// Only those that failed for this reason
        #[arg(long)]
        reason: Option<String>,
        #[command(flatten)]
        length: Length,
    },
    /// Try a waiting mail at once
    Retry {
        /// The mail, by its id
        id: Uuid,
    },
    /// List the addresses that nothing is sent to
    Suppressions {
        #[command(flatten)]
        length: Length,
    },
    /// Send nothing more to an address
    Suppress {
        #[command(flatten)]
        address: Address,
        /// Why
        #[arg(long)]
        note: Option<String>,
    },
    /// Send to an address again
    Unsuppress {
        #[command(flatten)]
        address: Address,
    },
}

/// An address, or what stands for it in lists.
#[derive(Args)]
#[group(required = true, multiple = false)]
pub(super) struct Address {
    /// The address
    email: Option<String>,
    /// What stands for it in lists
    #[arg(long, value_name = "TAG")]
    tag: Option<String>,
}

impl MailCommand {
    /// Whether it is about files alone: then the folder that they go to.
    pub(super) fn preview(&self) -> Option<&PathBuf> {
        match self {
            Self::Preview { out } => Some(out),
            _ => None,
        }
    }

    pub(super) async fn run(self, desk: &Desk) -> anyhow::Result<()> {
        match self {
            Self::Preview { out } => preview::write_mails(&out),
            Self::Queue => desk.show(&Call::get("/mail/queue")).await,
            Self::Failures { site, reason, length } => {
                let call = Call::get("/mail/failures").with("site", site).with("reason", reason);
                desk.list(call, &length, FAILURES).await
            }
            Self::Retry { id } => {
                desk.act(&Call::new(Method::POST, format!("/mail/{id}/retry")), "It is tried now.").await
            }
            Self::Suppressions { length } => {
                desk.list(Call::get("/mail/suppressions"), &length, SUPPRESSIONS).await
            }
            Self::Suppress { address: Address { email: Some(email), .. }, note } => {
                let named = desk.call(&tag_of(&email)).await?.body;
                let mut body = Map::from_iter([("domain".to_owned(), named["domain"].clone())]);
                body.extend(note.map(|note| ("note".to_owned(), json!(note))));
                let path = suppression(named["tag"].as_str().unwrap_or_default());
                desk.act(
                    &Call::new(Method::PUT, path).body(Value::Object(body)),
                    "Nothing is sent there any more.",
                )
                .await
            }
            Self::Suppress { .. } => {
                Err(Usage("give the address itself: its domain is kept beside its tag").into())
            }
            Self::Unsuppress { address } => {
                let tag = match (address.email, address.tag) {
                    (_, Some(tag)) => tag,
                    (email, None) => {
                        let named = desk.call(&tag_of(&email.unwrap_or_default())).await?.body;
                        named["tag"].as_str().unwrap_or_default().to_owned()
                    }
                };
                desk.act(&Call::new(Method::DELETE, suppression(&tag)), "Mails are sent there again.").await
            }
        }
    }
}

/// Asks for what stands for an address, in a body: an address has no place in a path.
fn tag_of(email: &str) -> Call {
    Call::new(Method::POST, "/mail/address-tags").body(json!({"email": email}))
}

fn suppression(tag: &str) -> String {
    at("/mail/suppressions", tag, "")
}
