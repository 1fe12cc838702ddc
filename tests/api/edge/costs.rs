//! What clients cost a server, by the kernel's word.

use std::fmt::Display;
use std::fs::{read_dir, read_to_string};

/// Descriptors that a process has open.
pub(crate) fn descriptors(pid: impl Display) -> usize {
    read_dir(format!("/proc/{pid}/fd")).unwrap().count()
}

/// What a process has in memory, in KiB.
pub(crate) fn memory(pid: impl Display) -> usize {
    let status = read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}
