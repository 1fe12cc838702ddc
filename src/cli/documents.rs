//! `completions`, `man` and `openapi`: what others read about this program.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::{Args, Command, ValueEnum};
use clap_complete::Shell;
use doorcode::app;
use doorcode::config::Config;

#[derive(Args)]
pub(super) struct Completions {
    /// For which shell
    #[arg(value_enum)]
    shell: Shell,
}

#[derive(Args)]
pub(super) struct Man {
    /// Write a page for each command to this folder; without it, the first page goes to stdout
    #[arg(value_name = "FOLDER")]
    folder: Option<PathBuf>,
}

#[derive(Args)]
pub(super) struct OpenApi {
    /// Which document
    #[arg(value_enum, default_value_t = Document::Public)]
    document: Document,
}

#[derive(Clone, Copy, ValueEnum)]
enum Document {
    /// What sites and their visitors use
    Public,
    /// What administrators use
    Admin,
}

impl Completions {
    pub(super) fn run(&self, mut program: Command) -> anyhow::Result<()> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut program, "doorcode", &mut script);
        Ok(std::io::stdout().write_all(&script)?)
    }
}

impl Man {
    pub(super) fn run(&self, program: Command) -> anyhow::Result<()> {
        let Some(folder) = &self.folder else {
            let mut page = Vec::new();
            clap_mangen::Man::new(program).render(&mut page)?;
            return Ok(std::io::stdout().write_all(&page)?);
        };
        write_pages(program, folder).with_context(|| format!("cannot write to {}", folder.display()))?;
        println!("Written; read them with `man -l {}`", folder.join("doorcode.1").display());
        Ok(())
    }
}

fn write_pages(program: Command, folder: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(folder)?;
    clap_mangen::generate_to(program, folder)
}

impl OpenApi {
    pub(super) async fn run(&self, config: Config) -> anyhow::Result<()> {
        let documents = app::documents(&config).await?;
        println!(
            "{}",
            match self.document {
                Document::Public => documents.public,
                Document::Admin => documents.admin,
            }
        );
        Ok(())
    }
}
