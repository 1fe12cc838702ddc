//! The load bench: what the server does a second, beside what the same machine does with nothing around the same I/O.
//!
//! ```text
//! cargo bench --no-default-features --bench load               everything, about four minutes
//! cargo bench --no-default-features --bench load -- --help     its options
//! cargo bench --bench load -- --embedded                       the embedded database's start too
//! ```
//!
//! It starts what it needs on free ports of this machine and removes it again: PostgreSQL (through
//! `tests/services/postgres.sh`), Redis, a mail server of its own that reads the codes, and the server as a process,
//! the lean release build. Then as many connections as asked for repeat one operation at a time, as fast as they are
//! answered. Each operation has a floor beside it, measured by the same client in the same run:
//!
//! | operation   | floor                                                                 | aim  |
//! |-------------|-----------------------------------------------------------------------|------|
//! | ask         | a bare handler of the same framework that sends Redis one PING        | 40 % |
//! | verify      | the same SQL statement alone, through the same pool of connections    | 50 % |
//! | refresh     | the same SQL statement alone, through the same pool of connections    | 60 % |
//! | get user    | a bare handler of the same framework that selects one row             | 60 % |
//! | permissions | none: p99 below 10 ms with 100,000 staff records                      |      |
//!
//! What of a floor can be reached is measured too: the script behind asking, and the statement of refreshing with a
//! signature, each in a bare handler that reads nothing of the request and answers with next to nothing.
//! Verify, refresh and permissions are measured once more with pauses: how long people wait where there is room.
//! Last, 100,000 people are imported, and as many more with a kill on the way.
//!
//! The ratio is what is worth comparing between machines and between runs; the rates are not. All of it shares the
//! cores: the load, the stores and the server. What misses its aim is printed as such and is no failure; errors are.

mod api;
mod client;
mod drive;
mod floor;
mod import;
mod process;
mod report;
mod server;
mod services;
mod sink;
mod work;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use clap::{Parser, ValueEnum};

use crate::drive::{Load, Measured};
use crate::report::{Floor, Report};
use crate::server::{Build, Server};
use crate::services::Services;
use crate::sink::Sink;
use crate::work::Workers;

/// Connections of a replica to PostgreSQL, the server's default; the floors have as many.
const POOL: u32 = 10;

/// Staff records in the table when permissions are asked for.
const STAFF: u32 = 100_000;

/// Between two questions of a connection, where it is not what the server can do that is measured: with 32 connections some
/// 1,500 a second.
const PAUSE: Duration = Duration::from_millis(20);

/// Measures the server under load, beside the floor of the machine it runs on.
#[derive(Parser)]
#[command(version, bin_name = "cargo bench --bench load --")]
struct Arguments {
    /// Connections, each with one request under way at a time
    #[arg(long, default_value_t = 32, value_parser = clap::value_parser!(u16).range(1..=1000))]
    connections: u16,
    /// How long each operation is measured; it is warmed up for another tenth of that
    // More codes than 20 seconds want are above the highest mail budget that a site can have.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=20))]
    seconds: u64,
    /// Operations to measure, instead of all; sign-ins are always, as they open the sessions for the others
    #[arg(long, value_delimiter = ',')]
    only: Vec<Operation>,
    /// The server to measure, instead of the lean release build of this source
    #[arg(long, value_name = "PATH")]
    server: Option<PathBuf>,
    /// Measure how long the build with the embedded database takes to start, too
    #[arg(long)]
    embedded: bool,
    /// A PostgreSQL server, instead of one of our own: a superuser's URL; a database is made in it and dropped
    #[arg(long, value_name = "URL")]
    database: Option<String>,
    /// A Redis server, instead of one of our own; the keys left in it end by themselves
    #[arg(long, value_name = "URL")]
    redis: Option<String>,
    /// Be the floors' server: with the URLs of PostgreSQL and Redis, and what its keys begin with
    #[arg(long, hide = true, num_args = 3)]
    floor: Option<Vec<String>>,
    /// What cargo says to every bench
    #[arg(long, hide = true)]
    bench: bool,
}

/// What can be left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Operation {
    Ask,
    Verify,
    Refresh,
    User,
    Permissions,
    Import,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let outcome = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("no runtime")
        .and_then(|runtime| runtime.block_on(run(&arguments)));
    match outcome {
        Ok(code) => code,
        Err(error) => {
            eprintln!("load: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    if let Some([database, redis, key_prefix]) = arguments.floor.as_deref() {
        floor::serve(database, redis, key_prefix).await?;
        return Ok(ExitCode::SUCCESS);
    }
    // Dropped where it is interrupted, and with it everything that was started.
    let report = tokio::select! {
        report = measure(arguments) => report?,
        _ = tokio::signal::ctrl_c() => bail!("interrupted"),
    };
    println!("{report}");
    Ok(if report.errors() == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn measure(arguments: &Arguments) -> anyhow::Result<Report> {
    process::warn_if_busy();
    let services = Services::start(arguments.database.as_deref(), arguments.redis.as_deref()).await?;
    // Both are copied before either is run: building the one replaces the other.
    let embedded =
        arguments.embedded.then(|| server::binary(Build::Embedded, &services.folder)).transpose()?;
    let lean = match &arguments.server {
        // It runs in a folder of its own.
        Some(path) => path.canonicalize().with_context(|| format!("no server at {}", path.display()))?,
        None => server::binary(Build::Lean, &services.folder)?,
    };
    let sink = Sink::start().await?;
    let mut report = Report::new(arguments.connections, arguments.seconds);

    let (first, start) = Server::start(&lean, &services, sink.port()).await?;
    report.start("start on an empty database", start, Duration::from_secs(1));
    first.stop();
    let (server, start) = Server::start(&lean, &services, sink.port()).await?;
    report.start("start on running servers", start, Duration::from_secs(1));

    let bench = Bench { arguments, services: &services, sink: &sink, server: &server, binary: &lean };
    let outcome = bench.measure_operations(&mut report).await;
    report.memory(server.peak_memory_kb()?);
    if outcome.is_err() || report.errors() > 0 {
        eprintln!("the end of the server's log:\n{}", server.log_tail());
    }
    server.stop();
    outcome?;

    if let Some(binary) = embedded {
        for what in ["start of the embedded build, empty folder", "start of the embedded build, again"] {
            let (server, start) = Server::start_embedded(&binary, &services).await?;
            report.start(what, start, Duration::from_secs(3));
            server.stop();
        }
    }
    services.remove().await?;
    Ok(report)
}

/// All that the operations need.
struct Bench<'a> {
    arguments: &'a Arguments,
    services: &'a Services,
    sink: &'a Sink,
    server: &'a Server,
    binary: &'a Path,
}

impl Bench<'_> {
    /// Each operation, and right after it its floor, so that both meet the machine and the tables in the same state.
    async fn measure_operations(&self, report: &mut Report) -> anyhow::Result<()> {
        let (server, floors) = (self.load(Some(self.server.pid())), floor::Process::start(self.services)?);
        let floor = self.load(Some(floors.pid()));
        let paused = Load { pause: PAUSE, ..server };
        // The statements alone run in this process, where their time cannot be told from the load's.
        let alone = self.load(None);
        let workers =
            Workers::new(self.arguments.connections, self.server.address(), floors.address(), self.services);

        let (measured, signed_in) = server.drive("sign-in", workers.sign_in(self.sink)).await?;
        report.operation(measured, None);
        let mut sessions: Vec<_> = signed_in.into_iter().flat_map(|work| work.sessions).collect();
        ensure!(sessions.len() >= workers.count(), "too few sign-ins succeeded to go on: {}", sessions.len());

        if self.measures(Operation::Ask) {
            // The mail server takes none of these mails until it is over: the requests alone, then the mails alone.
            self.sink.hold(true);
            let (asked, _) = server.drive("ask, mail held", workers.ask()).await?;
            self.sink.hold(false);
            let mail = self.watch_mail(self.arguments.seconds).await;
            self.stop_mail().await?;
            let (bare, _) = floor.drive("bare handler", workers.bare()).await?;
            let (ping, _) = floor.drive("bare handler, PING", workers.ping()).await?;
            let (script, _) = alone.drive("issuing script", workers.ask_alone().await?).await?;
            let (handler, _) = floor.drive("bare handler, the script", workers.bare_ask()).await?;
            report.operation(asked, Some(Floor::new(&ping, 40)));
            report.operation(handler, Some(Floor::of(&ping)));
            report.operation(mail, None);
            report.floor(bare);
            report.floor(ping);
            report.floor(script);
        }
        if self.measures(Operation::Verify) {
            // Not only for the codes: here the mails go out meanwhile, and share the cores.
            let (asked, _) = server.drive("ask, mail going out", workers.ask()).await?;
            report.operation(asked, None);
            self.send_mail_faster().await?;
            self.stop_mail().await?;
            let (verified, verifiers) =
                server.drive("verify", workers.verify(self.sink.take_codes())).await?;
            let (statement, _) = alone.drive("verify statement", workers.verify_alone()?).await?;
            report.operation(verified, Some(Floor::new(&statement, 50)));
            // More was asked and verified in seconds than anybody signs, and would be signed meanwhile.
            eprintln!("waiting for the audit log …");
            self.services.settle_audit().await?;
            report.operation(paused.drive("verify, with pauses", verifiers).await?.0, None);
            report.floor(statement);
        }
        if self.measures(Operation::Refresh) {
            let (refreshed, continued) = server.drive("refresh", workers.refresh(sessions)).await?;
            let (with_pauses, continued) = paused.drive("refresh, with pauses", continued).await?;
            sessions = continued.into_iter().flat_map(|work| work.sessions).collect();
            let (statement, _) = alone.drive("refresh statement", workers.refresh_alone().await?).await?;
            let (handler, _) = floor.drive("bare handler, signing", workers.bare_refresh()).await?;
            report.operation(refreshed, Some(Floor::new(&statement, 60)));
            report.operation(handler, Some(Floor::of(&statement)));
            report.operation(with_pauses, None);
            report.floor(statement);
        }
        if self.measures(Operation::User) {
            let (got, _) = server.drive("get user", workers.user(&sessions)).await?;
            let (select, _) = floor.drive("bare handler, SELECT", workers.select(&sessions)).await?;
            report.operation(got, Some(Floor::new(&select, 60)));
            report.floor(select);
        }
        if self.measures(Operation::Permissions) {
            eprintln!("hiring {STAFF} people …");
            self.services.hire(STAFF).await?;
            let staff = workers.staff(self.sink, workers.count()).await?;
            let (asked, _) = server.drive("permissions", workers.permissions(&staff)).await?;
            report.operation(asked, None);
            let (asked, _) = paused.drive("permissions, with pauses", workers.permissions(&staff)).await?;
            report.operation(asked, None);
        }
        if self.measures(Operation::Import) {
            report.import(import::measure(self.binary, self.services).await?);
        }
        Ok(())
    }

    fn measures(&self, operation: Operation) -> bool {
        self.arguments.only.is_empty() || self.arguments.only.contains(&operation)
    }

    fn load(&self, watched: Option<u32>) -> Load {
        Load { seconds: self.arguments.seconds, watched, pause: Duration::ZERO }
    }

    /// Watches the mails of the operation before go out, until they have or the time is up.
    async fn watch_mail(&self, seconds: u64) -> Measured {
        let (began, at_first) = (Instant::now(), self.sink.arrived());
        let mut before = at_first;
        for second in 1..=seconds {
            tokio::time::sleep(Duration::from_secs(1)).await;
            let arrived = self.sink.arrived();
            eprintln!(
                "  {:<22} {:>7}/s {second:>4} s, {arrived} in all",
                "mails going out",
                arrived - before
            );
            if arrived == before {
                break;
            }
            before = arrived;
        }
        Measured::rate("mails going out", before - at_first, began.elapsed())
    }

    /// Has a second replica send the mails faster than one may by default: verifying wants a code for each call.
    async fn send_mail_faster(&self) -> anyhow::Result<()> {
        let (replica, _) = Server::start_mailer(self.binary, self.services, self.sink.port()).await?;
        self.watch_mail(3 * self.arguments.seconds).await;
        replica.stop();
        Ok(())
    }

    /// Throws the remaining mails away: they would go out beside what is measured next.
    async fn stop_mail(&self) -> anyhow::Result<()> {
        self.services.drop_queued_mail().await?;
        let mut arrived = None;
        while arrived != Some(self.sink.arrived()) {
            arrived = Some(self.sink.arrived());
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        Ok(())
    }
}
