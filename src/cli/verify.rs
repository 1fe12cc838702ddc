//! `audit verify`: whether the audit log is still what was signed.

use std::process::ExitCode;

use anyhow::Context as _;
use chrono::{DateTime, NaiveDate, Utc};
use clap::Args;
use doorcode::app;
use doorcode::config::Config;
use doorcode::domain::audit_chain::{AuditFault, AuditReport, ChainHead, FaultKind};
use doorcode::flows::AuditRange;
use doorcode::telemetry;
use serde_json::{Value, json};

use super::exit::run;
use super::progress::Progress;

#[derive(Args)]
pub(super) struct Verify {
    /// Only from the first event of that day, or moment, on: 2026-11-21 or 2026-11-21T04:30:00Z
    #[arg(long, value_name = "DATE", value_parser = read_moment)]
    since: Option<DateTime<Utc>>,
    /// A head noted earlier, SEQ:HASH, that must still be met
    #[arg(long, value_name = "SEQ:HASH", value_parser = read_head)]
    head: Option<ChainHead>,
}

impl Verify {
    pub(super) fn run(&self, config: &Config, as_json: bool) -> ExitCode {
        let Self { since, head } = *self;
        let mut is_whole = false;
        let ended = run(async {
            let report = verify(config, AuditRange { since, head }).await?;
            is_whole = report.is_whole();
            if as_json {
                println!("{}", as_object(&report));
            } else {
                say(&report);
            }
            Ok(())
        });
        // What was found is the answer; the exit code says that it is not good.
        if ended == ExitCode::SUCCESS && !is_whole { ExitCode::FAILURE } else { ended }
    }
}

async fn verify(config: &Config, range: AuditRange) -> anyhow::Result<AuditReport> {
    let _telemetry = telemetry::start(&config.log);
    let mut progress = Progress::new(0);
    let report = app::verify_audit(config, range, |done, all| {
        let [done, all] = [done, all].map(|count| u64::try_from(count).unwrap_or(0));
        progress.set(done, "links", (done, all));
    })
    .await;
    progress.finish();
    Ok(report?)
}

fn read_moment(text: &str) -> anyhow::Result<DateTime<Utc>> {
    if let Ok(day) = text.parse::<NaiveDate>() {
        return Ok(day.and_time(chrono::NaiveTime::MIN).and_utc());
    }
    text.parse().context("a day such as 2026-11-21, or a moment such as 2026-11-21T04:30:00Z")
}

fn read_head(text: &str) -> anyhow::Result<ChainHead> {
    ChainHead::parse(text).context("SEQ:HASH, as it was printed")
}

fn as_object(report: &AuditReport) -> Value {
    let fault = |fault: &AuditFault| {
        json!({
            "kind": fault.kind.as_str(),
            "seq": fault.seq,
            "event": fault.event,
            "at": fault.at,
            "what": what(&fault.kind),
        })
    };
    json!({
        "whole": report.is_whole(),
        "rows": report.rows,
        "forgotten": report.forgotten,
        "dropped": report.dropped,
        "head": report.head.to_string(),
        "faults": report.faults.iter().map(fault).collect::<Vec<_>>(),
        "more_faults": report.more_faults,
    })
}

fn say(report: &AuditReport) {
    for AuditFault { kind, seq, event, at } in &report.faults {
        let place = seq.map_or_else(String::new, |seq| format!("link {seq}: "));
        let event = event.zip(*at).map_or_else(String::new, |(event, at)| {
            format!(" (event {event} of {})", at.format("%Y-%m-%d %H:%M:%S UTC"))
        });
        println!("{place}{}{event}", what(kind));
    }
    if report.more_faults > 0 {
        println!("and {} more", report.more_faults);
    }
    let AuditReport { rows, forgotten, head, .. } = report;
    let verdict = if report.is_whole() { "whole" } else { "NOT whole" };
    println!(
        "The audit log is {verdict}: {rows} rows compared, {forgotten} of them with a forgotten account."
    );
    println!("Its head: {head}");
}

fn what(kind: &FaultKind) -> String {
    match kind {
        FaultKind::AlteredRow => "the row was changed after it was signed".to_owned(),
        FaultKind::RemovedRow => "the row was removed".to_owned(),
        FaultKind::AlteredLink => "the link was changed".to_owned(),
        FaultKind::RemovedLinks(last) => format!("links were removed, up to {last}"),
        FaultKind::UnsignedRow => {
            "a row is more than a minute old and not signed: it was added past the server, or no server is running"
                .to_owned()
        }
        FaultKind::BlankedNames(month) => {
            format!("in {month} more names were blanked than accounts were forgotten")
        }
        FaultKind::AlteredCheckpoint => "the beginning of the chain is not one that this server signed".to_owned(),
        FaultKind::NoSuchHead => "the chain does not reach the head that was noted: its end was cut off".to_owned(),
        FaultKind::OtherHead => "the chain has another link at the head that was noted".to_owned(),
    }
}
