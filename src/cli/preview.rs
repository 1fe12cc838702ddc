//! `mail preview` and `pages preview`: everything people get to see, as files.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Subcommand;
use doorcode::http::pages;
use doorcode::ports::mail::preview;
use doorcode::ports::mail::templates::Templates;

#[derive(Subcommand)]
pub(super) enum PagesCommand {
    /// Write every page with sample values in every language as HTML
    Preview {
        /// The folder to write to
        #[arg(value_name = "FOLDER", default_value = "data/pages-preview")]
        out: PathBuf,
    },
}

pub(super) fn write_mails(out: &Path) -> anyhow::Result<()> {
    let templates = Templates::parse().context("a mail template is broken")?;
    say_written(out, preview::write_all(&templates, out))
}

impl PagesCommand {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let Self::Preview { out } = self;
        say_written(&out, pages::preview::write_all(&out))
    }
}

fn say_written(folder: &Path, written: std::io::Result<Vec<PathBuf>>) -> anyhow::Result<()> {
    let files = written.with_context(|| format!("cannot write to {}", folder.display()))?;
    println!("{} files written; open {}", files.len(), folder.join("index.html").display());
    Ok(())
}
