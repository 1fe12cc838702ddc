//! `key`: the keys that tokens are signed with, and the master secret that they are kept under.

use std::io::IsTerminal as _;
use std::process::ExitCode;

use clap::Subcommand;
use doorcode::app;
use doorcode::config::Config;
use doorcode::flows::{RewrapReport, Rewrapped};
use doorcode::telemetry;
use indicatif::ProgressBar;
use serde_json::json;

use super::exit::{finish, run};
use super::progress::grouped;

/// What can be done with keys.
#[derive(Subcommand)]
pub(super) enum KeyCommand {
    /// Encrypt everything at rest under the newest master secret, so that the older ones can be given up
    ///
    /// Works on the database itself, as the owner of the tables, as migrating does. Safe to repeat, and beside running
    /// servers once all of them have the new secret.
    Rewrap,
}

impl KeyCommand {
    pub(super) fn run(&self, config: Config, as_json: bool) -> ExitCode {
        match self {
            Self::Rewrap => {
                let mut is_complete = true;
                let ended = run(async {
                    is_complete = rewrap(config, as_json).await?;
                    Ok(())
                });
                // Something that no master opens is no failure of the command, but nothing to pass over either.
                if is_complete { ended } else { finish(Err(anyhow::anyhow!(UNREADABLE))) }
            }
        }
    }
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
