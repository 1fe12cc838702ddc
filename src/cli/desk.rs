//! Where the commands of administrators work: a way to the API, and what they show of its answers.

use std::io::{BufRead as _, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;
use doorcode::config::{ClientSettings, Config};
use doorcode::telemetry::{self, Telemetry};
use poem::http::Method;
use secrecy::SecretString;
use serde_json::{Value, json};

use super::exit::{ConfigProblems, Usage};
use super::output::{self, Column, printable};
use super::transport::{Answer, Call, Direct, Http, Transport};

/// The API's largest part of a list.
const PART: u64 = 100;

/// How the API is reached: flags of every command of an administrator.
#[derive(Args)]
#[command(next_help_heading = "Which server")]
pub(super) struct Access {
    /// The server, such as `https://accounts.example.org`; `DOORCODE_SERVER` in the environment
    #[arg(long, global = true, value_name = "URL", conflicts_with = "direct")]
    server: Option<String>,
    /// A file with the service key, - for stdin; the key itself in `DOORCODE_SERVICE_KEY`
    #[arg(long, global = true, value_name = "FILE", conflicts_with = "direct")]
    key_file: Option<PathBuf>,
    /// No server: the database of the configuration, as its operator
    #[arg(long, global = true)]
    direct: bool,
    /// Do not ask before what cannot be taken back
    #[arg(long, short, global = true)]
    yes: bool,
}

/// How much of a list is wanted.
#[derive(Args)]
pub(super) struct Length {
    /// How many at most; 0 for all
    #[arg(long, default_value_t = 50, value_name = "N")]
    limit: u64,
}

/// An open way to the API.
pub(super) struct Desk {
    transport: Transport,
    json: bool,
    yes: bool,
    /// Writes the log to its end, where there is one.
    telemetry: Option<Telemetry>,
}

/// The API said no.
#[derive(Debug, thiserror::Error)]
#[error("{text} ({code})")]
pub(super) struct Refused {
    pub(super) status: u16,
    code: String,
    text: String,
}

impl Access {
    pub(super) async fn open(self, config: Option<&Path>, json: bool) -> anyhow::Result<Desk> {
        let yes = self.yes;
        let mut telemetry = None;
        let transport = if self.direct {
            let config = Config::load(config).map_err(ConfigProblems)?;
            telemetry = Some(telemetry::start(&config.log));
            Transport::Direct(Box::new(Direct::open(&config).await?))
        } else {
            let settings = ClientSettings::from_environment();
            let server = self.server.or(settings.server).ok_or(Usage(
                "which server? Name one with --server or DOORCODE_SERVER, or work on the database with --direct",
            ))?;
            let key = match self.key_file {
                Some(file) => Some(key_from(&file)?),
                None => settings.service_key,
            };
            let key = key.ok_or(Usage(
                "a service key is needed: in DOORCODE_SERVICE_KEY or by --key-file; \
                 `doorcode service-key create --direct` makes the first one",
            ))?;
            Transport::Http(Http::new(&server, key)?)
        };
        Ok(Desk { transport, json, yes, telemetry })
    }
}

fn key_from(file: &Path) -> anyhow::Result<SecretString> {
    let text = if file == Path::new("-") {
        std::io::read_to_string(std::io::stdin())
    } else {
        std::fs::read_to_string(file)
    };
    let text = text.with_context(|| format!("cannot read the service key from {}", file.display()))?;
    Ok(SecretString::from(text.trim()))
}

impl Desk {
    pub(super) async fn close(self) {
        self.transport.close().await;
        drop(self.telemetry);
    }

    /// Calls, and takes no refusal for an answer.
    pub(super) async fn call(&self, call: &Call) -> anyhow::Result<Answer> {
        let answer = self.transport.call(call).await?;
        if answer.status < 400 {
            return Ok(answer);
        }
        let said = |field: &str| answer.body[field].as_str().map(printable);
        Err(Refused {
            status: answer.status,
            code: said("code").unwrap_or_else(|| answer.status.to_string()),
            text: said("detail").or_else(|| said("title")).unwrap_or_else(|| "the server refused".to_owned()),
        }
        .into())
    }

    /// A list, from as many parts as it takes.
    pub(super) async fn list(
        &self,
        mut call: Call,
        length: &Length,
        columns: &[Column],
    ) -> anyhow::Result<()> {
        let mut items = Vec::new();
        let mut next;
        loop {
            let wanted = if length.limit == 0 { PART } else { length.limit - items.len() as u64 };
            call.set("limit", &wanted.min(PART).to_string());
            let mut answer = self.call(&call).await?;
            if let Value::Array(more) = answer.body["items"].take() {
                items.extend(more);
            }
            next = answer.body["next"].take();
            let is_enough = length.limit > 0 && items.len() as u64 >= length.limit;
            match next.as_str() {
                Some(after) if !is_enough => call.set("after", after),
                _ => break,
            }
        }
        if self.json {
            println!("{}", json!({"items": items, "next": next}));
        } else if items.is_empty() {
            println!("None.");
        } else {
            print!("{}", output::table(&items, columns));
            if !next.is_null() {
                println!("There are more: --limit 0 shows all.");
            }
        }
        Ok(())
    }

    /// One thing.
    pub(super) async fn show(&self, call: &Call) -> anyhow::Result<()> {
        let answer = self.call(call).await?;
        self.print(&answer.body);
        Ok(())
    }

    /// What the API answered.
    pub(super) fn print(&self, body: &Value) {
        if self.json { println!("{body}") } else { print!("{}", output::card(body)) }
    }

    /// An act whose answer is that it was done.
    pub(super) async fn act(&self, call: &Call, done: &str) -> anyhow::Result<()> {
        let answer = self.call(call).await?;
        if self.json {
            println!("{}", if answer.body.is_null() { json!({}) } else { answer.body });
        } else {
            println!("{done}");
        }
        Ok(())
    }

    /// A change of a thing as it is now; if somebody else changes it in between, nothing is done.
    pub(super) async fn change(&self, path: &str, body: Value) -> anyhow::Result<()> {
        let call = Call::new(Method::PATCH, path).body(body).if_match(self.version(path).await?);
        self.show(&call).await
    }

    /// The version of a thing as it is now.
    pub(super) async fn version(&self, path: &str) -> anyhow::Result<Option<String>> {
        Ok(self.call(&Call::get(path)).await?.etag)
    }

    /// Asks before what cannot be taken back. Where there is no terminal, giving the command was the answer.
    pub(super) fn confirm(&self, question: &str) -> anyhow::Result<()> {
        if self.yes || !std::io::stdin().is_terminal() {
            return Ok(());
        }
        eprint!("{question} [y/N] ");
        std::io::stderr().flush()?;
        let mut answer = String::new();
        std::io::stdin().lock().read_line(&mut answer)?;
        if matches!(answer.trim().to_lowercase().as_str(), "y" | "yes") {
            Ok(())
        } else {
            Err(Usage("nothing was done").into())
        }
    }

    /// Whether programs read the answers.
    pub(super) fn json(&self) -> bool {
        self.json
    }
}

/// A path with one part that was given: an id or a code, nothing that leads elsewhere.
pub(super) fn at(before: &str, part: &str, after: &str) -> String {
    let part = percent_encoding::utf8_percent_encode(part, percent_encoding::NON_ALPHANUMERIC);
    format!("{before}/{part}{after}")
}
