//! The command line.

mod banner;

use std::future::Future;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Parser, Subcommand};
use doorcode::app::{self, App, StartError};
use doorcode::config::Config;
use doorcode::http::pages;
use doorcode::ports::clock::Clock;
use doorcode::ports::mail::preview;
use doorcode::ports::mail::templates::Templates;
use doorcode::telemetry;

/// The configuration is wrong (`EX_CONFIG` would be 78; 64 is `EX_USAGE`: what was given to the command is wrong).
const EXIT_CONFIG: u8 = 64;
/// Something the server needs cannot be had (`EX_UNAVAILABLE` of sysexits).
const EXIT_UNAVAILABLE: u8 = 69;

/// Passwordless sign-in server: six-digit codes by email, one user base, many sites.
#[derive(Parser)]
#[command(version, about)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    /// What differs from the defaults; `DOORCODE__SECTION__KEY` in the environment goes over it
    #[arg(long, value_name = "FILE", global = true)]
    config: Option<PathBuf>,
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
    /// Look at the mails
    #[command(subcommand)]
    Mail(MailCommand),
    /// Look at the hosted pages
    #[command(subcommand)]
    Pages(PagesCommand),
}

#[derive(Subcommand)]
enum MailCommand {
    /// Write every mail in every language as HTML and text
    Preview {
        /// The folder to write to
        #[arg(long, value_name = "FOLDER", default_value = "data/mail-preview")]
        out: PathBuf,
    },
}

#[derive(Subcommand)]
enum PagesCommand {
    /// Write every page with sample values in every language as HTML
    Preview {
        /// The folder to write to
        #[arg(value_name = "FOLDER", default_value = "data/pages-preview")]
        out: PathBuf,
    },
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let file = arguments.config.as_deref();
    match arguments.command.unwrap_or(Command::Serve) {
        Command::Serve => with_config(file, |config| run(serve(config))),
        Command::Migrate => with_config(file, |config| run(migrate(config))),
        Command::Demo => with_config(file, |config| run(fill_demo(config))),
        Command::CheckConfig => with_config(file, |_| {
            println!("The configuration is in order.");
            ExitCode::SUCCESS
        }),
        Command::Mail(MailCommand::Preview { out }) => finish(write_mails(&out)),
        Command::Pages(PagesCommand::Preview { out }) => finish(write_pages(&out)),
    }
}

/// Reads the configuration, or says everything that is wrong with it.
fn with_config(file: Option<&Path>, next: impl FnOnce(Config) -> ExitCode) -> ExitCode {
    match Config::load(file) {
        Ok(config) => next(config),
        Err(problems) => {
            eprintln!("{problems}");
            ExitCode::from(EXIT_CONFIG)
        }
    }
}

fn run(work: impl Future<Output = anyhow::Result<()>>) -> ExitCode {
    match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => finish(runtime.block_on(work)),
        Err(error) => finish(Err(error.into())),
    }
}

fn finish(outcome: anyhow::Result<()>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // The whole chain on one line: what failed, then why.
            eprintln!("doorcode: {error:#}");
            let unavailable = error.is::<StartError>();
            if unavailable { ExitCode::from(EXIT_UNAVAILABLE) } else { ExitCode::FAILURE }
        }
    }
}

async fn serve(config: Config) -> anyhow::Result<()> {
    let _telemetry = telemetry::start(&config.log);
    banner::starting(&config);
    let app = App::start(&config, Clock::System).await?;
    banner::started(&config, &app);
    app.run(stop_signal()).await.context("the server stopped")?;
    println!("Stopped.");
    Ok(())
}

async fn migrate(config: Config) -> anyhow::Result<()> {
    let _telemetry = telemetry::start(&config.log);
    app::migrate(&config).await?;
    println!("The database at {} is up to date.", config.database.redacted_url());
    Ok(())
}

async fn fill_demo(config: Config) -> anyhow::Result<()> {
    let _telemetry = telemetry::start(&config.log);
    app::fill_demo(&config).await?;
    println!(
        "57 people and five libraries are there. Start the server and sign in on the management site as any of"
    );
    println!(
        "  owner-1@demo.example … owner-5, manager-1 … 8, librarian-1 … 12, volunteer-1 … 15, reader-1 … 15"
    );
    println!(
        "and read the code in the inbox. librarian-1 works at two libraries, librarian-8 and up at none."
    );
    Ok(())
}

fn write_mails(folder: &Path) -> anyhow::Result<()> {
    let templates = Templates::parse().context("a mail template is broken")?;
    say_written(folder, preview::write_all(&templates, folder))
}

fn write_pages(folder: &Path) -> anyhow::Result<()> {
    say_written(folder, pages::preview::write_all(folder))
}

fn say_written(folder: &Path, written: std::io::Result<Vec<PathBuf>>) -> anyhow::Result<()> {
    let files = written.with_context(|| format!("cannot write to {}", folder.display()))?;
    println!("{} files written; open {}", files.len(), folder.join("index.html").display());
    Ok(())
}

/// Resolves at Ctrl-C or SIGTERM. The second such signal ends the process at once.
async fn stop_signal() {
    wait_for_signal().await;
    eprintln!("Stopping: finishing what is under way. Once more stops at once.");
    tokio::spawn(async {
        wait_for_signal().await;
        std::process::exit(130);
    });
}

async fn wait_for_signal() {
    let interrupt = async {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    #[cfg(unix)]
    let terminate = async {
        match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
            Ok(mut signal) => drop(signal.recv().await),
            Err(_) => std::future::pending().await,
        }
    };
    #[cfg(not(unix))]
    let terminate = std::future::pending::<()>();
    tokio::select! {
        () = interrupt => {}
        () = terminate => {}
    }
}
