//! `import supabase`: people of a Supabase project, from a file or from its database.

mod rejects;
mod report;

use std::io::{BufRead as _, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use doorcode::app::OpenDatabase;
use doorcode::config::Config;
use doorcode::domain::{ImportRules, Outcome, Tally};
use doorcode::flows::{ImportError, ImportEvent, ImportSource, ImportUsers};
use doorcode::telemetry;
use secrecy::SecretString;

use self::rejects::Rejects;
use super::exit::Usage;
use super::progress::Progress;

#[derive(Subcommand)]
pub(super) enum ImportCommand {
    /// Take over the people of a Supabase project: ids, confirmed addresses, metadata, bans
    #[command(long_about = LONG)]
    Supabase(ImportArguments),
}

const LONG: &str = "Take over the people of a Supabase project: ids, confirmed addresses, metadata, bans.

SOURCE is a file (auth.users as CSV with a heading, as JSON lines, or pages of GET /admin/users) or the URL of the \
database. Leave the password out of the URL: other users of this machine see the arguments of a command. Put it in \
PGPASSWORD or ~/.pgpass.

Nobody who is here already is changed: the same id and address count as done, anything else is a conflict and is \
reported. An import that was cut off goes on where it stopped when the same command is given again.

A terminal is shown first what would happen, and asked. Elsewhere say --dry-run or --yes.";

#[derive(Args)]
#[expect(clippy::struct_excessive_bools, reason = "flags of a command, each on its own")]
pub(super) struct ImportArguments {
    /// A file, or postgres://user@host:port/database
    source: String,
    /// Write nothing; say what would become of everybody
    #[arg(long, conflicts_with = "yes")]
    dry_run: bool,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
    /// Make user metadata that is over the bounds fit, instead of leaving its owner out
    #[arg(long)]
    trim_metadata: bool,
    /// Also take people who never confirmed their address; they prove it when they first sign in
    #[arg(long)]
    unconfirmed: bool,
    /// Let those who may administer there administer here (`admin_scope` in app metadata); for your own exports
    #[arg(long)]
    administrators: bool,
    /// Write who was not taken over, and why, with their whole addresses, to this file (JSON lines, for your eyes only)
    #[arg(long, value_name = "FILE")]
    rejects: Option<PathBuf>,
}

impl ImportCommand {
    pub(super) async fn run(self, config: Config, json: bool) -> anyhow::Result<()> {
        let Self::Supabase(arguments) = self;
        let may_ask = std::io::stdin().is_terminal() && std::io::stderr().is_terminal() && !json;
        if !arguments.dry_run && !arguments.yes && !may_ask {
            return Err(Usage("there is no terminal to ask on: say --dry-run to look, --yes to do it").into());
        }
        let _telemetry = telemetry::start(&config.log);
        let database = OpenDatabase::open(&config).await?;
        let outcome = import(&arguments, &database, json).await;
        database.close().await;
        outcome
    }
}

async fn import(arguments: &ImportArguments, database: &OpenDatabase, json: bool) -> anyhow::Result<()> {
    let trial = take(arguments, database, true, json);
    if arguments.dry_run {
        return trial.await.map(drop);
    }
    if !arguments.yes {
        let would = trial.await?.of(Outcome::Imported);
        if !is_wanted(would)? {
            eprintln!("Nothing was written.");
            return Ok(());
        }
    }
    take(arguments, database, false, json).await.map(drop)
}

async fn take(
    arguments: &ImportArguments,
    database: &OpenDatabase,
    trial: bool,
    json: bool,
) -> anyhow::Result<Tally> {
    let rules = ImportRules {
        trim_metadata: arguments.trim_metadata,
        unconfirmed: arguments.unconfirmed,
        administrators: arguments.administrators,
    };
    let mut source = open(&arguments.source).await?;
    let mut progress = Progress::new(0);
    let mut before = 0;
    let mut rejects = None;
    let outcome = ImportUsers { trial, rules }
        .run(database.db(), &mut source, &mut |event| {
            match event {
                ImportEvent::Begins { records } => {
                    if records > 0 {
                        eprintln!("Going on after record {records}, where the last run stopped.");
                    }
                    before = records;
                    progress = Progress::new(records);
                    if let Some(path) = &arguments.rejects {
                        rejects = Some(Rejects::open(path, records)?);
                    }
                }
                ImportEvent::Rejects(list) => {
                    if let Some(file) = &mut rejects {
                        file.add(list)?;
                    }
                }
                ImportEvent::Kept(at) => progress.set(at.tally.records, "records", at.read),
            }
            Ok(())
        })
        .await;
    let time = progress.finish();
    if let Err(ImportError::Roster(_) | ImportError::Source(_) | ImportError::Database(_)) = &outcome
        && !trial
    {
        eprintln!("What was taken over until here stays; the same command goes on from there.");
    }
    let tally = outcome?;
    let report = report::Report { tally: &tally, before, trial, time };
    if json {
        println!("{}", report.json());
    } else {
        print!("{}", report.text());
    }
    if !json && arguments.rejects.is_none() && tally.outcomes.keys().any(|outcome| !outcome.is_fine()) {
        println!("Who was not taken over, and why: --rejects FILE writes it, with their addresses.");
    }
    Ok(tally)
}

async fn open(source: &str) -> Result<ImportSource, ImportError> {
    if source.starts_with("postgres://") || source.starts_with("postgresql://") {
        ImportSource::database(&SecretString::from(source)).await
    } else {
        ImportSource::file(Path::new(source)).await
    }
}

fn is_wanted(people: u64) -> std::io::Result<bool> {
    eprint!("Import {people} people? [y/N] ");
    std::io::stderr().flush()?;
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer)?;
    Ok(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
}
