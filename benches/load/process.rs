//! What `/proc` tells of a process and of the machine, and how a process is ended.

use std::fs;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use anyhow::Context as _;

/// Ticks a second in `/proc/PID/stat`: 100 on every Linux, whatever its kernel counts in (proc(5), `USER_HZ`).
const TICK: Duration = Duration::from_millis(10);

/// Processor time of all threads of a process so far.
pub(crate) fn processor_time(pid: u32) -> anyhow::Result<Duration> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The second field is the name in parentheses, which may hold anything; after it the fields are numbers. User and
    // system time are the fields 14 and 15.
    let (_, fields) = stat.rsplit_once(')').context("no process name")?;
    let ticks = fields.split_whitespace().skip(11).take(2).map(str::parse::<u32>);
    Ok(TICK * ticks.sum::<Result<u32, _>>()?)
}

/// The most memory that a process has ever held, in KiB.
pub(crate) fn peak_memory_kb(pid: u32) -> anyhow::Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("no VmHWM")?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}

/// Says so if others use the processor.
pub(crate) fn warn_if_busy() {
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let last_minute = load.split_whitespace().next().and_then(|load| load.parse::<f64>().ok());
    if let Some(load) = last_minute.filter(|load| *load > 0.5) {
        eprintln!("this machine has other work (load {load}): what is measured shares the cores with it");
    }
}

/// A child process that ends with its owner.
pub(crate) struct Ending {
    child: Child,
}

impl Ending {
    /// How long it may take to finish.
    const PATIENCE: Duration = Duration::from_secs(15);

    pub(crate) fn spawn(command: &mut Command) -> anyhow::Result<Self> {
        let child =
            command.spawn().with_context(|| format!("cannot run {}", command.get_program().display()))?;
        Ok(Self { child })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Its standard output, once.
    pub(crate) fn stdout(&mut self) -> Option<std::process::ChildStdout> {
        self.child.stdout.take()
    }

    /// Ends it as a crash would.
    pub(crate) fn kill(mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Whether it runs no more.
    pub(crate) fn has_ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        if self.has_ended() {
            return;
        }
        // Asked first, since a database that is killed has to be repaired at its next start.
        let _ = Command::new("kill").args(["-TERM", &self.pid().to_string()]).status();
        let began = Instant::now();
        while !self.has_ended() && began.elapsed() < Self::PATIENCE {
            std::thread::sleep(Duration::from_millis(10));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
