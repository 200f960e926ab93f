//! What /proc says of a process: CPU seconds, memory, sockets, whether it has ended.

use anyhow::{Context, Result};

/// Ticks of a second in /proc: the same on every Linux, whatever the kernel's own timer.
const TICKS: f64 = 100.0;

/// How a process stands.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Stat {
    /// It has ended and waits to be reaped: its times are final.
    pub(crate) ended: bool,
    /// CPU seconds, its own and the kernel's for it.
    pub(crate) seconds: f64,
}

/// How a process stands now.
pub(crate) fn stat(pid: u32) -> Result<Stat> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).context("reading /proc")?;
    parse(&text).with_context(|| format!("/proc/{pid}/stat is not understood: {text:?}"))
}

/// CPU seconds of these processes together.
pub(crate) fn seconds(pids: &[u32]) -> Result<f64> {
    pids.iter().map(|pid| Ok(stat(*pid)?.seconds)).sum()
}

/// The most memory a process ever had resident (VmHWM), in KiB.
pub(crate) fn peak_kib(pid: u32) -> Result<u64> {
    kib(pid, "VmHWM:")
}

/// The memory a process has resident (VmRSS), in KiB.
pub(crate) fn resident_kib(pid: u32) -> Result<u64> {
    kib(pid, "VmRSS:")
}

/// Sockets a process has open.
pub(crate) fn sockets(pid: u32) -> Result<u64> {
    let mut open = 0;
    for file in std::fs::read_dir(format!("/proc/{pid}/fd")).context("reading /proc")? {
        // it may be closed by now
        let is_socket = std::fs::read_link(file?.path())
            .is_ok_and(|target| target.to_string_lossy().starts_with("socket:"));
        open += u64::from(is_socket);
    }
    Ok(open)
}

fn kib(pid: u32, name: &str) -> Result<u64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).context("reading /proc")?;
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let number = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    number.with_context(|| format!("/proc/{pid}/status has no {name}"))
}

fn parse(text: &str) -> Option<Stat> {
    // the name stands in brackets and may hold anything, brackets too
    let (_, rest) = text.rsplit_once(')')?;
    let fields: Vec<_> = rest.split_whitespace().collect();
    let ticks = |index: usize| fields.get(index)?.parse::<f64>().ok();
    Some(Stat { ended: *fields.first()? == "Z", seconds: (ticks(11)? + ticks(12)?) / TICKS })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_found_behind_a_name_with_brackets_and_blanks() {
        let text = "77 (a (b) c) Z 1 77 77 0 -1 4194560 1 2 3 4 150 25 9 9 20 0 1 0 5 6";
        assert_eq!(parse(text), Some(Stat { ended: true, seconds: 1.75 }));
        assert_eq!(parse("77 (a) R 1"), None);
    }
}
