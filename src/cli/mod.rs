//! The command line: a file a group of commands, and what they share.
//!
//! Commands of administrators work through the admin API, at a server or in this process, and know nothing that it does
//! not say. The others work on configuration, files and stores.

mod audit;
mod banner;
mod database;
mod desk;
mod documents;
mod exit;
mod export;
mod import;
mod key;
mod output;
mod preview;
mod progress;
mod serve;
mod service_key;
mod signals;
mod transport;
mod user;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};

use self::desk::{Access, Desk};
use self::exit::{finish, run, with_config};

/// Passwordless sign-in server: six-digit codes by email, one user base, many sites.
#[derive(Parser)]
#[command(name = "doorcode", version, about, after_long_help = EXIT_CODES)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    /// What differs from the defaults; `DOORCODE__SECTION__KEY` in the environment goes over it
    #[arg(long, value_name = "FILE", global = true)]
    config: Option<PathBuf>,
    /// Answer in JSON
    #[arg(long, global = true)]
    json: bool,
}

const EXIT_CODES: &str = "\
Exit codes:
  0   done
  1   something else failed; the line on stderr says what
  2   the command line could not be read
  64  the configuration is wrong, or the command cannot be done as it was given
  65  what was given is refused: a value, or the content of a file
  66  what was named is not there
  69  something that is needed is not there: the server, PostgreSQL, Redis, a port
  70  a mistake on the server's side; its log has the cause
  75  not now: somebody else changed it, or a limit; the same command may work later
  77  the service key is refused, or does not reach so far";

#[derive(Subcommand)]
enum Command {
    /// Start the server (the default)
    Serve,
    /// Bring the database up to date: migrations, policies, the server's login role
    Migrate,
    /// Say everything that is wrong with a configuration, without starting anything
    CheckConfig,
    /// Fill an empty database with 57 people and five libraries to try things on
    Demo,
    /// People's accounts
    User(Remote<user::UserCommand>),
    /// Who is signed in where
    Session(Remote<user::SessionCommand>),
    /// What the admin API is called with
    ServiceKey(Remote<service_key::ServiceKeyCommand>),
    /// The log of what happened
    #[command(subcommand)]
    Audit(audit::AuditCommand),
    /// Take over people from another system
    #[command(subcommand)]
    Import(import::ImportCommand),
    /// Write everything of a kind to a file
    #[command(subcommand)]
    Export(export::ExportCommand),
    /// Look after the keys
    #[command(subcommand)]
    Key(key::KeyCommand),
    /// Look at the mails
    #[command(subcommand)]
    Mail(preview::MailCommand),
    /// Look at the hosted pages
    #[command(subcommand)]
    Pages(preview::PagesCommand),
    /// Print an OpenAPI document
    Openapi(documents::OpenApi),
    /// Print the completions of a shell
    Completions(documents::Completions),
    /// Write the manual
    Man(documents::Man),
}

/// A group of commands that work through the admin API.
#[derive(clap::Args)]
struct Remote<C: Subcommand> {
    #[command(flatten)]
    access: Access,
    #[command(subcommand)]
    command: C,
}

impl<C: Subcommand> Remote<C> {
    /// Opens the way to the API, works, and closes it again.
    async fn work(
        self,
        config: Option<&Path>,
        json: bool,
        run: impl AsyncFnOnce(C, &Desk) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let desk = self.access.open(config, json).await?;
        let outcome = run(self.command, &desk).await;
        desk.close().await;
        outcome
    }
}

/// Does what the arguments say.
pub(crate) fn main() -> ExitCode {
    let Arguments { command, config, json } = Arguments::parse();
    let file = config.as_deref();
    match command.unwrap_or(Command::Serve) {
        Command::Serve => with_config(file, |config| run(serve::serve(config))),
        Command::Migrate => with_config(file, |config| run(database::migrate(config))),
        Command::Demo => with_config(file, |config| run(database::fill_demo(config))),
        Command::CheckConfig => with_config(file, |_| {
            println!("The configuration is in order.");
            ExitCode::SUCCESS
        }),
        Command::User(group) => run(group.work(file, json, user::UserCommand::run)),
        Command::Session(group) => run(group.work(file, json, user::SessionCommand::run)),
        Command::ServiceKey(group) => run(group.work(file, json, service_key::ServiceKeyCommand::run)),
        Command::Audit(command) => with_config(file, |config| command.run(&config, json)),
        Command::Import(command) => with_config(file, |config| run(command.run(config, json))),
        Command::Export(command) => with_config(file, |config| run(command.run(config, json))),
        Command::Key(command) => with_config(file, |config| command.run(config, json)),
        Command::Mail(command) => finish(command.run()),
        Command::Pages(command) => finish(command.run()),
        Command::Openapi(document) => with_config(file, |config| run(document.run(config))),
        Command::Completions(script) => finish(script.run(Arguments::command())),
        Command::Man(manual) => finish(manual.run(Arguments::command())),
    }
}
