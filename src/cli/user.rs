//! `user` and `session`: people's accounts, and who is signed in where.

use clap::{Args, Subcommand};
use poem::http::Method;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::desk::{Desk, Length};
use super::exit::Usage;
use super::output::Column;
use super::transport::Call;

const USERS: &[Column] = &[
    ("ID", "id"),
    ("ADDRESS", "email"),
    ("CONFIRMED", "email_confirmed_at"),
    ("LAST SIGN-IN", "last_sign_in_at"),
    ("BANNED UNTIL", "banned_until"),
];
const SESSIONS: &[Column] = &[
    ("ID", "id"),
    ("SITE", "site"),
    ("OPENED", "opened_at"),
    ("SEEN", "seen_at"),
    ("FROM", "ip"),
    ("CLIENT", "user_agent"),
];

/// A ban without an end.
const FOR_EVER: &str = "9999-12-31T23:59:59Z";

#[derive(Subcommand)]
pub(super) enum UserCommand {
    /// Find accounts
    List(ListUsers),
    /// Show an account
    Show {
        /// Its id
        id: Uuid,
    },
    /// Make an account; no mail is sent
    Create(CreateUser),
    /// Change an account
    Update(UpdateUser),
    /// Let an account open nothing, and end its sessions
    Ban {
        /// Its id
        id: Uuid,
        /// When the ban ends, such as 2027-01-31T12:00:00Z; without it, never
        #[arg(long, value_name = "TIME")]
        until: Option<String>,
    },
    /// Lift a ban
    Unban {
        /// Its id
        id: Uuid,
    },
    /// Delete an account and all that belongs to it, for good
    Delete {
        /// Its id
        id: Uuid,
    },
    /// Show where somebody is signed in
    Sessions {
        /// Whose
        id: Uuid,
        #[command(flatten)]
        length: Length,
    },
    /// End all sessions of somebody, on all sites
    SignOut {
        /// Whose
        id: Uuid,
    },
    /// Lift the limits on guesses and mails of somebody's address
    Unlock {
        /// Whose
        id: Uuid,
    },
}

#[derive(Args)]
pub(super) struct ListUsers {
    /// What the address begins with
    #[arg(long, value_name = "START")]
    email: Option<String>,
    /// Staff of the library with this code
    #[arg(long, value_name = "CODE")]
    library: Option<String>,
    /// Last signed in then or later
    #[arg(long, value_name = "TIME")]
    seen_after: Option<String>,
    /// Last signed in earlier
    #[arg(long, value_name = "TIME")]
    seen_before: Option<String>,
    /// Only those banned now (true), or not (false)
    #[arg(long, value_name = "BOOL")]
    banned: Option<bool>,
    #[command(flatten)]
    length: Length,
}

#[derive(Args)]
pub(super) struct CreateUser {
    /// The address
    email: String,
    /// The id that it had elsewhere
    #[arg(long)]
    id: Option<Uuid>,
    /// The address counts as proven
    #[arg(long)]
    confirmed: bool,
    #[command(flatten)]
    metadata: Metadata,
}

#[derive(Args)]
pub(super) struct UpdateUser {
    /// Its id
    id: Uuid,
    /// Another address, at once
    #[arg(long)]
    email: Option<String>,
    /// Whether the address counts as proven
    #[arg(long, value_name = "BOOL")]
    confirmed: Option<bool>,
    #[command(flatten)]
    metadata: Metadata,
}

/// Metadata as JSON objects.
#[derive(Args)]
struct Metadata {
    /// User metadata, a JSON object; merged into what is there, null removes a field
    #[arg(long, value_name = "JSON", value_parser = object)]
    user_metadata: Option<Value>,
    /// App metadata, a JSON object; merged into what is there, null removes a field
    #[arg(long, value_name = "JSON", value_parser = object)]
    app_metadata: Option<Value>,
}

#[derive(Subcommand)]
pub(super) enum SessionCommand {
    /// End a session
    Revoke {
        /// Its id, as `user sessions` shows it
        id: Uuid,
    },
}

impl UserCommand {
    pub(super) async fn run(self, desk: &Desk) -> anyhow::Result<()> {
        match self {
            Self::List(wanted) => {
                let call = Call::get("/users")
                    .with("email", wanted.email)
                    .with("library", wanted.library)
                    .with("last_seen_after", wanted.seen_after)
                    .with("last_seen_before", wanted.seen_before)
                    .with("banned", wanted.banned);
                desk.list(call, &wanted.length, USERS).await
            }
            Self::Show { id } => desk.show(&Call::get(user(id))).await,
            Self::Create(new) => desk.show(&Call::new(Method::POST, "/users").body(new.body()).once()).await,
            Self::Update(change) => {
                let body = change.body();
                if body.as_object().is_none_or(Map::is_empty) {
                    return Err(Usage("say what to change: --help lists it").into());
                }
                desk.change(&user(change.id), body).await
            }
            Self::Ban { id, until } => {
                desk.confirm("Ban this account and end its sessions?")?;
                let until = until.as_deref().unwrap_or(FOR_EVER);
                desk.change(&user(id), json!({"banned_until": until})).await
            }
            Self::Unban { id } => desk.change(&user(id), json!({"banned_until": null})).await,
            Self::Delete { id } => {
                desk.confirm("Delete this account for good?")?;
                let version = desk.version(&user(id)).await?;
                desk.act(&Call::new(Method::DELETE, user(id)).if_match(version), "Deleted.").await
            }
            Self::Sessions { id, length } => {
                desk.list(Call::get(format!("{}/sessions", user(id))), &length, SESSIONS).await
            }
            Self::SignOut { id } => {
                desk.confirm("End all sessions of this account?")?;
                desk.show(&Call::new(Method::DELETE, format!("{}/sessions", user(id)))).await
            }
            Self::Unlock { id } => {
                desk.act(&Call::new(Method::POST, format!("{}/unlock", user(id))), "Unlocked.").await
            }
        }
    }
}

impl SessionCommand {
    pub(super) async fn run(self, desk: &Desk) -> anyhow::Result<()> {
        let Self::Revoke { id } = self;
        desk.confirm("End this session?")?;
        desk.act(&Call::new(Method::DELETE, format!("/sessions/{id}")), "Ended.").await
    }
}

impl CreateUser {
    fn body(&self) -> Value {
        let mut body = Map::from_iter([
            ("email".to_owned(), json!(self.email)),
            ("email_confirmed".to_owned(), json!(self.confirmed)),
        ]);
        body.extend(self.id.map(|id| ("id".to_owned(), json!(id))));
        self.metadata.add_to(&mut body);
        Value::Object(body)
    }
}

impl UpdateUser {
    fn body(&self) -> Value {
        let mut body = Map::new();
        body.extend(self.email.as_ref().map(|email| ("email".to_owned(), json!(email))));
        body.extend(self.confirmed.map(|confirmed| ("email_confirmed".to_owned(), json!(confirmed))));
        self.metadata.add_to(&mut body);
        Value::Object(body)
    }
}

impl Metadata {
    fn add_to(&self, body: &mut Map<String, Value>) {
        body.extend(self.user_metadata.clone().map(|fields| ("user_metadata".to_owned(), fields)));
        body.extend(self.app_metadata.clone().map(|fields| ("app_metadata".to_owned(), fields)));
    }
}

fn user(id: Uuid) -> String {
    format!("/users/{id}")
}

fn object(text: &str) -> Result<Value, &'static str> {
    match serde_json::from_str(text) {
        Ok(Value::Object(object)) => Ok(Value::Object(object)),
        _ => Err("not a JSON object"),
    }
}
