//! Taking people over: how fast, with how much memory, and that a killed import goes on where it stopped.

use std::fs::File;
use std::io::{BufWriter, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::process::{self, Ending};
use crate::services::Services;

/// People of a project that is taken over.
pub(crate) const PEOPLE: u32 = 100_000;
/// After so many, the second import is killed.
const KILLED_AFTER: i64 = 30_000;
const PATIENCE: Duration = Duration::from_mins(5);

/// What was measured.
pub(crate) struct Imported {
    /// How long all of them took, the command's start included.
    pub(crate) took: Duration,
    /// The most memory that the command held, in KiB.
    pub(crate) peak_memory_kb: u64,
    /// How far the killed import had come, by its own record.
    pub(crate) resumed_at: u64,
    /// How long the rest took.
    pub(crate) rest_took: Duration,
}

/// Takes over one project, then another with a kill in between, and counts who is there.
pub(crate) async fn measure(binary: &Path, services: &Services) -> anyhow::Result<Imported> {
    eprintln!("taking over {PEOPLE} people …");
    let (first, second) = (people(&services.folder, "first")?, people(&services.folder, "second")?);
    let began = Instant::now();
    let (report, peak_memory_kb) = finish(&mut start(binary, services, &first)?)?;
    let took = began.elapsed();
    ensure!(report["outcomes"]["imported"] == PEOPLE, "not all were taken over: {report}");

    eprintln!("taking over {PEOPLE} more, with a kill after {KILLED_AFTER} …");
    let cut = start(binary, services, &second)?;
    while services.accounts("second-%").await? < KILLED_AFTER {
        ensure!(began.elapsed() < PATIENCE, "the import does not come on");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    cut.kill();
    let began = Instant::now();
    let (report, _) = finish(&mut start(binary, services, &second)?)?;
    let rest_took = began.elapsed();
    let resumed_at = report["records_before"].as_u64().unwrap_or_default();
    ensure!((1..u64::from(PEOPLE)).contains(&resumed_at), "it did not go on: {report}");
    ensure!(report["outcomes"]["imported"] == PEOPLE, "not all were taken over: {report}");
    ensure!(services.accounts("second-%").await? == i64::from(PEOPLE), "not everybody is there once");
    Ok(Imported { took, peak_memory_kb, resumed_at, rest_took })
}

/// A file of people as the other side writes them, JSON lines.
fn people(folder: &Path, name: &str) -> anyhow::Result<PathBuf> {
    let path = folder.join(format!("{name}.jsonl"));
    let mut file = BufWriter::new(File::create(&path)?);
    for number in 0..PEOPLE {
        let person = json!({
            "id": Uuid::new_v4(),
            "email": format!("{name}-{number}@example.org"),
            "email_confirmed_at": "2025-03-01T09:30:00Z",
            "last_sign_in_at": "2026-02-01T18:00:00Z",
            "created_at": "2025-03-01T09:29:00Z",
            "updated_at": "2026-02-01T18:00:00Z",
            "raw_app_meta_data": {"provider": "email", "providers": ["email"]},
            "raw_user_meta_data": {"full_name": format!("Reader {number}"), "locale": "en"},
        });
        writeln!(file, "{person}")?;
    }
    file.flush()?;
    Ok(path)
}

fn start(binary: &Path, services: &Services, file: &Path) -> anyhow::Result<Ending> {
    let mut command = Command::new(binary);
    command.args(["import", "supabase", "--yes", "--json"]).arg(file).current_dir(&services.folder);
    for (name, value) in [
        ("SECRETS__MASTER", services.master_secret.as_str()),
        ("DATABASE__URL", services.login_url()),
        ("DATABASE__OWNER_URL", services.owner_url()),
        ("REDIS__URL", services.redis_url()),
        ("LOG__FILTER", "warn"),
    ] {
        command.env(format!("DOORCODE__{name}"), value);
    }
    Ending::spawn(command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()))
}

/// Waits for its end: what it reports, and the most memory that it held.
fn finish(import: &mut Ending) -> anyhow::Result<(Value, u64)> {
    let (began, mut peak) = (Instant::now(), 0);
    while !import.has_ended() {
        ensure!(began.elapsed() < PATIENCE, "the import does not end");
        // Gone between the two looks, at its end.
        peak = process::peak_memory_kb(import.pid()).unwrap_or(peak);
        std::thread::sleep(Duration::from_millis(20));
    }
    let mut said = String::new();
    import.stdout().context("it has said nothing")?.read_to_string(&mut said)?;
    Ok((serde_json::from_str(&said).with_context(|| format!("no report: {said}"))?, peak))
}
