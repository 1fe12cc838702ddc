//! The command line: a file a group of commands, and what they share.

mod audit;
mod banner;
mod database;
mod exit;
mod export;
mod import;
mod key;
mod preview;
mod progress;
mod serve;
mod signals;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use self::exit::{finish, run, with_config};

/// Passwordless sign-in server: six-digit codes by email, one user base, many sites.
#[derive(Parser)]
#[command(name = "doorcode", version, about)]
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
}

/// Does what the arguments say.
pub(crate) fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let file = arguments.config.as_deref();
    match arguments.command.unwrap_or(Command::Serve) {
        Command::Serve => with_config(file, |config| run(serve::serve(config))),
        Command::Migrate => with_config(file, |config| run(database::migrate(config))),
        Command::Demo => with_config(file, |config| run(database::fill_demo(config))),
        Command::CheckConfig => with_config(file, |_| {
            println!("The configuration is in order.");
            ExitCode::SUCCESS
        }),
        Command::Audit(command) => with_config(file, |config| command.run(&config, arguments.json)),
        Command::Import(command) => with_config(file, |config| run(command.run(config, arguments.json))),
        Command::Export(command) => with_config(file, |config| run(command.run(config, arguments.json))),
        Command::Key(command) => with_config(file, |config| command.run(config)),
        Command::Mail(command) => finish(command.run()),
        Command::Pages(command) => finish(command.run()),
    }
}
