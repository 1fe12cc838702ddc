//! The table at the end.

use std::fmt;
use std::time::Duration;

use crate::drive::Measured;
use crate::import::{self, Imported};

/// The slowest that one request in a hundred may be.
const P99_MS: f64 = 10.0;
/// The most memory that a server may ever hold, in KiB.
const MEMORY_KB: u64 = 60 * 1024;

/// What an operation is held against.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Floor {
    per_second: f64,
    /// The least share of it that the operation should reach, in percent.
    aim: Option<u32>,
}

impl Floor {
    pub(crate) fn new(floor: &Measured, aim: u32) -> Self {
        Self { aim: Some(aim), ..Self::of(floor) }
    }

    /// For what only shows how much of the floor can be reached.
    pub(crate) fn of(floor: &Measured) -> Self {
        Self { per_second: floor.per_second(), aim: None }
    }
}

/// What was measured, in order.
pub(crate) struct Report {
    connections: u16,
    seconds: u64,
    operations: Vec<(Measured, Option<Floor>)>,
    floors: Vec<Measured>,
    starts: Vec<(&'static str, Duration, Duration)>,
    peak_memory_kb: Option<u64>,
    imported: Option<Imported>,
}

impl Report {
    pub(crate) fn new(connections: u16, seconds: u64) -> Self {
        Self {
            connections,
            seconds,
            operations: Vec::new(),
            floors: Vec::new(),
            starts: Vec::new(),
            peak_memory_kb: None,
            imported: None,
        }
    }

    /// An operation, with its floor where it has one.
    pub(crate) fn operation(&mut self, measured: Measured, floor: Option<Floor>) {
        self.operations.push((measured, floor));
    }

    /// What was measured as a floor.
    pub(crate) fn floor(&mut self, measured: Measured) {
        self.floors.push(measured);
    }

    /// How long a server took to become ready, and how long it may.
    pub(crate) fn start(&mut self, what: &'static str, took: Duration, aim: Duration) {
        self.starts.push((what, took, aim));
    }

    /// The most memory that the server has held.
    pub(crate) fn memory(&mut self, kb: u64) {
        self.peak_memory_kb = Some(kb);
    }

    /// How people were taken over.
    pub(crate) fn import(&mut self, imported: Imported) {
        self.imported = Some(imported);
    }

    /// How often anything failed, floors included.
    pub(crate) fn errors(&self) -> u64 {
        let operations = self.operations.iter().map(|(operation, _)| operation);
        operations.chain(&self.floors).map(|measured| measured.errors).sum()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { connections, seconds, .. } = self;
        writeln!(
            f,
            "\n{connections} connections, {seconds} s each; cpu: processor time of the server's process an operation\n"
        )?;
        header(f, "operation")?;
        writeln!(f, " {:>9} {:>7} {:>6}", "floor/s", "ratio", "aim")?;
        for (operation, floor) in &self.operations {
            row(f, operation)?;
            if let Some(floor) = floor {
                write!(f, " {:>9.0} {:>5.0} %", floor.per_second, ratio(operation, *floor))?;
                if let Some(aim) = floor.aim {
                    write!(f, " {aim:>4} % {}", judge(operation, *floor, aim))?;
                }
            }
            writeln!(f)?;
        }
        writeln!(f)?;
        header(f, "floor")?;
        writeln!(f)?;
        for floor in &self.floors {
            row(f, floor)?;
            writeln!(f)?;
        }
        writeln!(f)?;
        for (what, took, aim) in &self.starts {
            let verdict = if took < aim { "ok" } else { "above" };
            writeln!(
                f,
                "{what:<42} {:>6} ms, aim below {} ms: {verdict}",
                took.as_millis(),
                aim.as_millis()
            )?;
        }
        if let Some(kb) = self.peak_memory_kb {
            let verdict = if kb < MEMORY_KB { "ok" } else { "above" };
            let (mb, aim) = (kb / 1024, MEMORY_KB / 1024);
            writeln!(
                f,
                "{:<42} {mb:>6} MB, aim below {aim} MB: {verdict}",
                "peak memory of the lean server"
            )?;
        }
        if let Some(imported) = &self.imported {
            let took = imported.took.as_secs_f64();
            writeln!(
                f,
                "import of {} people: {took:.1} s, {:.0} a second, peak memory {} MB",
                import::PEOPLE,
                f64::from(import::PEOPLE) / took,
                imported.peak_memory_kb / 1024
            )?;
            writeln!(
                f,
                "the same, killed on the way: went on after {}, {:.1} s for the rest, everybody there once",
                imported.resumed_at,
                imported.rest_took.as_secs_f64()
            )?;
        }
        Ok(())
    }
}

fn header(f: &mut fmt::Formatter<'_>, first: &str) -> fmt::Result {
    write!(
        f,
        "{first:<26} {:>8} {:>8} {:>8} {:>8} {:>7} {:>7}",
        "rate/s", "p50 ms", "p99 ms", "max ms", "errors", "cpu µs"
    )
}

fn row(f: &mut fmt::Formatter<'_>, measured: &Measured) -> fmt::Result {
    write!(f, "{:<26} {:>8.0}", measured.name, measured.per_second())?;
    for quantile in [0.5, 0.99, 1.0].map(|share| measured.quantile_ms(share)) {
        write!(f, " {:>8}", quantile.map_or("-".to_owned(), |ms| format!("{ms:.2}")))?;
    }
    let processor = measured.processor_us().map_or("-".to_owned(), |micros| format!("{micros:.0}"));
    write!(f, " {:>7} {processor:>7}", measured.errors)
}

/// In percent of the floor's rate.
fn ratio(operation: &Measured, floor: Floor) -> f64 {
    operation.per_second() / floor.per_second.max(1.0) * 100.0
}

fn judge(operation: &Measured, floor: Floor, aim: u32) -> &'static str {
    let fast = ratio(operation, floor) >= f64::from(aim);
    let prompt = operation.quantile_ms(0.99).is_some_and(|ms| ms < P99_MS);
    match (fast, prompt) {
        (true, true) => "ok",
        (true, false) => "ok, but p99 is above 10 ms",
        (false, true) => "below",
        (false, false) => "below, and p99 is above 10 ms",
    }
}
