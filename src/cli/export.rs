//! `export users`: everybody's account as a list that `import supabase` takes.

use std::fs::OpenOptions;
use std::io::{BufWriter, Write};
use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Args, Subcommand, ValueEnum};
use doorcode::app::OpenDatabase;
use doorcode::config::Config;
use doorcode::flows::export_users;
use doorcode::ports::roster::Format;
use doorcode::telemetry;
use serde_json::json;

use super::progress::{Progress, grouped};

#[derive(Subcommand)]
pub(super) enum ExportCommand {
    /// Write everybody's account, with addresses and metadata: what `import supabase` takes
    Users(ExportArguments),
}

#[derive(Args)]
pub(super) struct ExportArguments {
    /// The form
    #[arg(long, value_enum, default_value_t = FormatName::Jsonl)]
    format: FormatName,
    /// Where to, readable by you alone; without it, to stdout
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

#[derive(Clone, Copy, ValueEnum)]
enum FormatName {
    /// A JSON object a line
    Jsonl,
    /// CSV with a heading
    Csv,
}

impl ExportCommand {
    pub(super) async fn run(self, config: Config, json: bool) -> anyhow::Result<()> {
        let Self::Users(arguments) = self;
        let _telemetry = telemetry::start(&config.log);
        let database = OpenDatabase::open(&config).await?;
        let outcome = export(&arguments, &database, json).await;
        database.close().await;
        outcome
    }
}

async fn export(arguments: &ExportArguments, database: &OpenDatabase, json: bool) -> anyhow::Result<()> {
    let out: Box<dyn Write> = match &arguments.out {
        Some(path) => {
            let mut options = OpenOptions::new();
            options.write(true).create(true).truncate(true);
            #[cfg(unix)]
            std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
            Box::new(options.open(path).with_context(|| format!("cannot write to {}", path.display()))?)
        }
        None => Box::new(std::io::stdout()),
    };
    let format = match arguments.format {
        FormatName::Jsonl => Format::JsonLines,
        FormatName::Csv => Format::Csv,
    };
    let whole = database.db().count_people().await?;
    let mut progress = Progress::new(0);
    let written = export_users(database.db(), BufWriter::new(out), format, |count| {
        progress.set(count, "people", (count, whole.max(count)));
    })
    .await;
    progress.finish();
    let people = written?;
    if arguments.out.is_some() {
        if json {
            println!("{}", json!({"users": people}));
        } else {
            println!("{} people written.", grouped(people));
        }
    }
    Ok(())
}
