//! `library`, `staff` and `access-request`: the platform's libraries, who works there, and who wants to.

use clap::{Args, Subcommand, ValueEnum};
use poem::http::Method;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::desk::{Desk, Length};
use super::output::Column;
use super::transport::Call;

const LIBRARIES: &[Column] = &[
    ("ID", "id"),
    ("CODE", "code"),
    ("NAME", "name"),
    ("STATUS", "status"),
    ("OWNERS", "owners"),
    ("STAFF", "staff"),
];
const STAFF: &[Column] = &[
    ("ID", "id"),
    ("LIBRARY", "library_code"),
    ("ROLE", "role"),
    ("STATUS", "status"),
    ("PERSON", "user_id"),
    ("ADDRESS", "email"),
    ("REMOVED", "deleted_at"),
];
const REQUESTS: &[Column] = &[
    ("ID", "id"),
    ("LIBRARY", "library_code"),
    ("PERSON", "user_id"),
    ("ADDRESS", "email"),
    ("STATUS", "status"),
    ("ASKED", "created_at"),
];

#[derive(Subcommand)]
pub(super) enum LibraryCommand {
    /// List the libraries
    List {
        /// Only those that are so
        #[arg(long, value_enum)]
        status: Option<LibraryStatus>,
        /// Only those whose name has this in it
        #[arg(long)]
        name: Option<String>,
        #[command(flatten)]
        length: Length,
    },
    /// Show a library
    Show {
        /// Its id
        id: Uuid,
    },
    /// Make a library
    Create {
        /// What people call it
        name: String,
        /// Names it in URLs
        code: String,
        /// How it begins
        #[arg(long, value_enum)]
        status: Option<LibraryStatus>,
        #[command(flatten)]
        owner: Owner,
    },
    /// Open a library
    Activate {
        /// Its id
        id: Uuid,
    },
    /// Close a library: its staff can do nothing there any more
    Deactivate {
        /// Its id
        id: Uuid,
    },
    /// Make somebody an owner of a library, beside those it has
    SetOwner {
        /// Its id
        id: Uuid,
        #[command(flatten)]
        person: Person,
    },
}

#[derive(Subcommand)]
pub(super) enum StaffCommand {
    /// List who works at a library, or where somebody works
    List {
        /// At this library, by its id
        #[arg(long, value_name = "ID", required_unless_present = "user", conflicts_with = "user")]
        library: Option<Uuid>,
        /// This person, by the account's id
        #[arg(long, value_name = "ID")]
        user: Option<Uuid>,
        #[command(flatten)]
        length: Length,
    },
    /// Give somebody a role at a library
    Grant {
        /// The library, by its id
        library: Uuid,
        /// The role
        #[arg(value_enum)]
        role: Role,
        #[command(flatten)]
        person: Person,
    },
    /// Take somebody's role away
    Revoke {
        /// The record, by its id, as `staff list` shows it
        id: Uuid,
    },
}

#[derive(Subcommand)]
pub(super) enum AccessRequestCommand {
    /// List who asked for access
    List {
        /// At this library, by its id
        #[arg(long, value_name = "ID")]
        library: Option<Uuid>,
        /// Only those that are so: pending, approved, declined or withdrawn
        #[arg(long)]
        status: Option<String>,
        #[command(flatten)]
        length: Length,
    },
    /// Let somebody in
    Approve {
        /// The request, by its id
        id: Uuid,
        /// As what
        #[arg(value_enum)]
        role: Role,
    },
    /// Refuse somebody
    Decline {
        /// The request, by its id
        id: Uuid,
        /// What they are told
        #[arg(long)]
        note: Option<String>,
    },
}

#[derive(Args)]
#[group(required = true, multiple = false)]
pub(super) struct Person {
    /// The account, by its id
    #[arg(long, value_name = "ID")]
    user: Option<Uuid>,
    /// The account, by its address
    #[arg(long, value_name = "ADDRESS")]
    email: Option<String>,
}

#[derive(Args)]
#[group(required = false, multiple = false)]
pub(super) struct Owner {
    /// Its first owner, by the account's id
    #[arg(long, value_name = "ID")]
    owner: Option<Uuid>,
    /// Its first owner, by the account's address
    #[arg(long, value_name = "ADDRESS")]
    owner_email: Option<String>,
}

#[derive(Clone, Copy, ValueEnum)]
pub(super) enum LibraryStatus {
    /// Open
    Active,
    /// Closed
    Inactive,
    /// Not open yet
    Pending,
}

#[derive(Clone, Copy, ValueEnum)]
pub(super) enum Role {
    /// Everything, staff included
    Owner,
    /// Everything but staff and settings
    Manager,
    /// Books, members and loans
    Librarian,
    /// Loans
    Volunteer,
}

impl LibraryCommand {
    pub(super) async fn run(self, desk: &Desk) -> anyhow::Result<()> {
        match self {
            Self::List { status, name, length } => {
                let call = Call::get("/libraries")
                    .with("status", status.map(|status| word(&status)))
                    .with("name", name);
                desk.list(call, &length, LIBRARIES).await
            }
            Self::Show { id } => desk.show(&Call::get(library(id))).await,
            Self::Create { name, code, status, owner } => {
                let mut body = fields([("name", json!(name)), ("code", json!(code))]);
                body.extend(status.map(|status| ("status".to_owned(), json!(word(&status)))));
                let owner = named(owner.owner, owner.owner_email);
                body.extend((!owner.is_empty()).then(|| ("owner".to_owned(), Value::Object(owner))));
                desk.show(&Call::new(Method::POST, "/libraries").body(Value::Object(body)).once()).await
            }
            Self::Activate { id } => desk.change(&library(id), json!({"status": "active"})).await,
            Self::Deactivate { id } => {
                desk.confirm("Close this library?")?;
                desk.change(&library(id), json!({"status": "inactive"})).await
            }
            Self::SetOwner { id, person } => grant(desk, id, Role::Owner, person).await,
        }
    }
}

impl StaffCommand {
    pub(super) async fn run(self, desk: &Desk) -> anyhow::Result<()> {
        match self {
            Self::List { library: Some(id), length, .. } => {
                desk.list(Call::get(format!("{}/staff", library(id))), &length, STAFF).await
            }
            Self::List { user, length, .. } => {
                let user = user.unwrap_or_default();
                desk.list(Call::get(format!("/users/{user}/staff")), &length, STAFF).await
            }
            Self::Grant { library, role, person } => grant(desk, library, role, person).await,
            Self::Revoke { id } => {
                desk.confirm("Take this role away?")?;
                let path = format!("/staff/{id}");
                let version = desk.version(&path).await?;
                desk.act(&Call::new(Method::DELETE, path).if_match(version), "Revoked.").await
            }
        }
    }
}

impl AccessRequestCommand {
    pub(super) async fn run(self, desk: &Desk) -> anyhow::Result<()> {
        let (id, decision) = match self {
            Self::List { library, status, length } => {
                let call = Call::get("/access-requests").with("library", library).with("status", status);
                return desk.list(call, &length, REQUESTS).await;
            }
            Self::Approve { id, role } => (id, fields([("role", json!(word(&role)))])),
            Self::Decline { id, note } => {
                (id, note.map(|note| fields([("note", json!(note))])).unwrap_or_default())
            }
        };
        let path = format!("/access-requests/{id}");
        let call = Call::new(Method::POST, format!("{path}/decision")).body(Value::Object(decision));
        desk.show(&call.if_match(desk.version(&path).await?)).await
    }
}

async fn grant(desk: &Desk, at: Uuid, role: Role, person: Person) -> anyhow::Result<()> {
    let mut body = named(person.user, person.email);
    body.insert("role".to_owned(), json!(word(&role)));
    let path = format!("{}/staff", library(at));
    desk.show(&Call::new(Method::POST, path).body(Value::Object(body)).once()).await
}

fn library(id: Uuid) -> String {
    format!("/libraries/{id}")
}

/// An account, in whichever way it was named.
fn named(id: Option<Uuid>, email: Option<String>) -> Map<String, Value> {
    let mut person = Map::new();
    person.extend(id.map(|id| ("user_id".to_owned(), json!(id))));
    person.extend(email.map(|email| ("email".to_owned(), json!(email))));
    person
}

fn fields<const N: usize>(fields: [(&str, Value); N]) -> Map<String, Value> {
    fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// The word of a value, which is the API's too.
fn word(value: &impl ValueEnum) -> String {
    value.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
}
