//! `key`: the keys that tokens are signed with, and the master secret that they are kept under.

use std::io::IsTerminal as _;
use std::process::ExitCode;

use clap::Subcommand;
use doorcode::app;
use doorcode::config::Config;
use doorcode::flows::{RewrapReport, Rewrapped};
use doorcode::telemetry;
use indicatif::ProgressBar;
use poem::http::Method;
use serde_json::json;

use super::desk::{Desk, Length, at};
use super::exit::{Usage, finish, run};
use super::output::Column;
use super::progress::grouped;
use super::transport::Call;

/// What can be done with keys.
#[derive(Subcommand)]
pub(super) enum KeyCommand {
    /// Encrypt everything at rest under the newest master secret, so that the older ones can be given up
    ///
    /// Works on the database itself, as the owner of the tables, as migrating does. Safe to repeat, and beside running
    /// servers once all of them have the new secret.
    Rewrap,
    /// List the signing keys
    List,
    /// Make a site's next signing key; it signs once verifiers had time to see it
    Rotate {
        /// The site, by its name in the configuration
        site: String,
    },
    /// Revoke a signing key that may be known to others: its tokens are refused at once
    Revoke {
        /// The key, as `key list` shows it
        kid: String,
    },
}

const KEYS: &[Column] = &[
    ("KEY", "kid"),
    ("SITE", "site"),
    ("ALGORITHM", "alg"),
    ("STATE", "state"),
    ("SIGNS FROM", "activated_at"),
    ("ACTIVE AT", "promote_at"),
    ("GONE AT", "drop_at"),
];

impl KeyCommand {
    /// `rewrap` works on the database alone, as its owner; the others through the admin API.
    pub(super) fn is_about_rest(&self) -> bool {
        matches!(self, Self::Rewrap)
    }

    pub(super) async fn run(self, desk: &Desk) -> anyhow::Result<()> {
        match self {
            Self::Rewrap => Err(Usage("this works on the database itself").into()),
            Self::List => desk.list(Call::get("/signing-keys"), &Length::all(), KEYS).await,
            Self::Rotate { site } => {
                desk.show(&Call::new(Method::POST, "/signing-keys/rotate").body(json!({"site": site}))).await
            }
            Self::Revoke { kid } => {
                desk.confirm("Revoke this key, and refuse all tokens it signed?")?;
                desk.show(&Call::new(Method::POST, at("/signing-keys", &kid, "/revoke"))).await
            }
        }
    }
}

/// `key rewrap`.
pub(super) fn rewrap_all(config: Config, json: bool) -> ExitCode {
    let mut is_complete = true;
    let ended = run(async {
        is_complete = rewrap(config, json).await?;
        Ok(())
    });
    // Something that no master opens is no failure of the command, but nothing to pass over either.
    if is_complete { ended } else { finish(Err(anyhow::anyhow!(UNREADABLE))) }
}

/// Said when something could not be opened.
const UNREADABLE: &str = "some of it opens under no master secret that was given; add the missing one to \
                          secrets.previous and repeat";

async fn rewrap(config: Config, as_json: bool) -> anyhow::Result<bool> {
    let _telemetry = telemetry::start(&config.log);
    let bar = std::io::stderr().is_terminal().then(ProgressBar::new_spinner);
    let mut progress = |what: &'static str, done: u64| {
        if let Some(bar) = &bar {
            bar.set_message(format!("{what}: {}", grouped(done)));
            bar.tick();
        }
    };
    let report = app::rewrap(&config, &mut progress).await?;
    if let Some(bar) = &bar {
        bar.finish_and_clear();
    }
    if as_json {
        println!("{:#}", as_object(&report));
    } else {
        say(&report, config.secrets.previous.len());
    }
    Ok(report.is_complete())
}

fn as_object(report: &RewrapReport) -> serde_json::Value {
    let kinds = report.kinds.iter().map(|kind| {
        json!({"what": kind.what, "up_to_date": kind.up_to_date, "rewrapped": kind.rewrapped, "unreadable": kind.unreadable})
    });
    json!({
        "complete": report.is_complete(),
        "kinds": kinds.collect::<Vec<_>>(),
        "sessions_end_at": report.sessions_end_at,
    })
}

fn say(report: &RewrapReport, older: usize) {
    for Rewrapped { what, up_to_date, rewrapped, unreadable } in &report.kinds {
        let anew: u64 = rewrapped.iter().sum();
        println!(
            "{what}: {anew} encrypted anew, {up_to_date} were up to date, {} cannot be opened",
            unreadable.len()
        );
        for id in unreadable {
            println!("  {id}");
        }
    }
    if !report.is_complete() {
        return;
    }
    match older {
        0 => println!("Everything at rest is under the only master secret there is."),
        1 => println!("Nothing at rest needs the secret in secrets.previous any more."),
        many => println!("Nothing at rest needs any of the {many} secrets in secrets.previous any more."),
    }
    if older > 0 {
        match report.sessions_end_at {
            Some(at) => println!(
                "Sessions that were opened under an older one still need it: those that are open now end by {}.\n\
                 Taken away before, it signs out whoever has not refreshed since, and every hosted page.",
                at.format("%Y-%m-%d %H:%M UTC")
            ),
            None => println!("No session is open that could need one."),
        }
        println!("The audit log needs the secrets of its time for as long as its rows are to be verified.");
    }
}
