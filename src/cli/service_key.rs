//! `service-key`: what the admin API is called with.

use clap::{Subcommand, ValueEnum};
use poem::http::Method;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::desk::{Desk, Length};
use super::output::Column;
use super::transport::Call;

const KEYS: &[Column] = &[
    ("ID", "id"),
    ("NAME", "name"),
    ("SCOPE", "scope"),
    ("LAST USED", "last_used_at"),
    ("EXPIRES", "expires_at"),
    ("REVOKED", "revoked_at"),
];

#[derive(Subcommand)]
pub(super) enum ServiceKeyCommand {
    /// Make a key; it is shown this once. The first one is made with --direct
    Create {
        /// What it is for
        name: String,
        /// How far it reaches
        #[arg(long, value_enum)]
        scope: ScopeName,
        /// When it ends by itself, such as 2027-01-31T12:00:00Z; without it, when it is revoked
        #[arg(long, value_name = "TIME")]
        expires: Option<String>,
    },
    /// List the keys, those revoked too
    List {
        #[command(flatten)]
        length: Length,
    },
    /// Revoke a key, at once and for good
    Revoke {
        /// Its id
        id: Uuid,
    },
}

#[derive(Clone, Copy, ValueEnum)]
pub(super) enum ScopeName {
    /// Looks at everything, changes nothing
    Read,
    /// Helps people: ends sessions, lifts limits, decides requests
    Support,
    /// Everything
    Admin,
}

impl ServiceKeyCommand {
    pub(super) async fn run(self, desk: &Desk) -> anyhow::Result<()> {
        match self {
            Self::Create { name, scope, expires } => {
                let scope = match scope {
                    ScopeName::Read => "read",
                    ScopeName::Support => "support",
                    ScopeName::Admin => "admin",
                };
                let mut body =
                    Map::from_iter([("name".to_owned(), json!(name)), ("scope".to_owned(), json!(scope))]);
                body.extend(expires.map(|at| ("expires_at".to_owned(), json!(at))));
                let call = Call::new(Method::POST, "/service-keys").body(Value::Object(body)).once();
                let answer = desk.call(&call).await?;
                if desk.json() {
                    desk.print(&answer.body);
                } else {
                    // The key alone on stdout, so that it can go straight into a file.
                    let said = |field: &str| answer.body[field].as_str().unwrap_or_default().to_owned();
                    println!("{}", said("key"));
                    eprintln!("Keep it: it is not shown again. Its id is {}.", said("id"));
                }
                Ok(())
            }
            Self::List { length } => desk.list(Call::get("/service-keys"), &length, KEYS).await,
            Self::Revoke { id } => {
                desk.confirm("Revoke this key?")?;
                desk.act(&Call::new(Method::DELETE, format!("/service-keys/{id}")), "Revoked.").await
            }
        }
    }
}
