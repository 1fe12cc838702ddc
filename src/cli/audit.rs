//! `audit` and `figures`: what happened, and how much of it.

use std::collections::HashSet;
use std::time::Duration;

use chrono::{DateTime, Utc};
use clap::{Args, Subcommand};
use serde_json::Value;
use uuid::Uuid;

use super::desk::{Desk, Length};
use super::exit::Usage;
use super::output::{self, Column};
use super::signals::Signals;
use super::transport::Call;
use super::verify::Verify;

const EVENTS: &[Column] = &[
    ("TIME", "created_at"),
    ("ACTION", "action"),
    ("BY", "actor_kind"),
    ("WHO", "actor_id"),
    ("TO", "target_id"),
    ("SITE", "site"),
    ("FROM", "ip"),
    ("DETAILS", "details"),
];

/// How often new events are asked for.
const EVERY: Duration = Duration::from_secs(2);
/// How far back it is looked each time: an event appears when its transaction ends, and is dated from its beginning.
const OVERLAP: chrono::Duration = chrono::Duration::seconds(20);

#[derive(Subcommand)]
pub(super) enum AuditCommand {
    /// Search the audit log, newest first
    Search {
        #[command(flatten)]
        wanted: Wanted,
        /// Not before this moment, such as 2027-01-31T12:00:00Z
        #[arg(long, value_name = "TIME")]
        from: Option<String>,
        /// Before this moment
        #[arg(long, value_name = "TIME")]
        to: Option<String>,
        #[command(flatten)]
        length: Length,
    },
    /// Look whether any row was changed or removed since it was written
    ///
    /// Works on the database itself, beside running servers, and changes nothing. Ends with 1 and a list if something is
    /// not as it was signed. Note the head that it prints, or the one that the server logs each hour, where nobody who
    /// reaches the database can: given with --head the next time, it shows that nothing was cut off at the end.
    Verify(Verify),
    /// Show events as they happen, until Ctrl-C
    Follow {
        #[command(flatten)]
        wanted: Wanted,
    },
}

#[derive(Args)]
pub(super) struct Wanted {
    /// By whom: an account or a service key, by its id
    #[arg(long, value_name = "ID")]
    actor: Option<Uuid>,
    /// By which kind: user, `service_key`, `service_role`, operator or system
    #[arg(long, value_name = "KIND")]
    actor_kind: Option<String>,
    /// What, by its word, such as login
    #[arg(long)]
    action: Option<String>,
    /// To whom or what, by its id
    #[arg(long, value_name = "ID")]
    target: Option<Uuid>,
    /// At which site
    #[arg(long)]
    site: Option<String>,
}

#[derive(Args)]
pub(super) struct Figures {
    /// Not before this moment, such as 2027-01-31T12:00:00Z
    #[arg(long, value_name = "TIME")]
    from: Option<String>,
    /// Before this moment
    #[arg(long, value_name = "TIME")]
    to: Option<String>,
    /// Only at this site
    #[arg(long)]
    site: Option<String>,
}

impl Figures {
    pub(super) async fn run(self, desk: &Desk) -> anyhow::Result<()> {
        let call = Call::get("/figures").with("from", self.from).with("to", self.to).with("site", self.site);
        desk.show(&call).await
    }
}

impl AuditCommand {
    pub(super) async fn run(self, desk: &Desk) -> anyhow::Result<()> {
        match self {
            Self::Search { wanted, from, to, length } => {
                desk.list(wanted.call().with("from", from).with("to", to), &length, EVENTS).await
            }
            Self::Verify(_) => Err(Usage("this works on the database itself").into()),
            Self::Follow { wanted } => {
                let mut signals = Signals::listen()?;
                let call = wanted.call();
                tokio::select! {
                    outcome = follow(desk, &call) => outcome,
                    () = signals.next() => Ok(()),
                }
            }
        }
    }
}

impl Wanted {
    fn call(self) -> Call {
        Call::get("/audit")
            .with("actor", self.actor)
            .with("actor_kind", self.actor_kind)
            .with("action", self.action)
            .with("target", self.target)
            .with("site", self.site)
    }
}

/// Shows the last few events, then new ones, each once.
async fn follow(desk: &Desk, wanted: &Call) -> anyhow::Result<()> {
    let mut shown = HashSet::new();
    let mut since: Option<DateTime<Utc>> = None;
    loop {
        let mut events = match since {
            None => desk.items(wanted.clone(), 10).await?,
            Some(since) => desk.items(wanted.clone().with("from", Some(since.to_rfc3339())), 0).await?,
        };
        events.reverse();
        let ids: HashSet<String> = events.iter().map(|event| event["id"].to_string()).collect();
        let new: Vec<Value> =
            events.iter().filter(|event| !shown.contains(&event["id"].to_string())).cloned().collect();
        for event in &new {
            if desk.json() { println!("{event}") } else { print!("{}", output::line(event, EVENTS)) }
        }
        let newest = events.last().and_then(|event| event["created_at"].as_str()?.parse().ok());
        since = newest.map(|newest: DateTime<Utc>| newest - OVERLAP).or(since);
        // What is asked for next begins no earlier: older ones cannot come again.
        if !ids.is_empty() {
            shown = ids;
        }
        tokio::time::sleep(EVERY).await;
    }
}
