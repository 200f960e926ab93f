//! Peak memory of a worker in a process of its own, while it copies what is large in one way or the other.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::Args;
use serde::{Deserialize, Serialize};
use tempfile::TempDir;
use tokio::process::Command;
use tokio::time::{Instant, sleep, timeout};

use crate::process::Server;
use crate::servers::dsn;
use crate::task::{self, PASSWORD};
use crate::tdferry::Tdferry;
use crate::{cpu, output, process};

/// What a worker must stay below, in MiB.
const LIMIT: u64 = 512;
/// How often is looked whether the task has ended.
const LOOK: Duration = Duration::from_secs(1);

/// How large and how long.
#[derive(Debug, Args)]
pub(crate) struct MemoryArgs {
    /// Sizes, as SUBTABLESxROWS, with /MILLISECONDS between rows where so many seconds have not passed yet
    #[arg(long, value_delimiter = ',', default_values = ["1x50000000/100", "1000000x5"])]
    sizes: Vec<String>,
    /// Leases the worker copies at once
    #[arg(long, default_value_t = 4)]
    slots: u32,
    /// Seconds after which a size is given up
    #[arg(long, default_value_t = 1_800)]
    limit: u64,
}

/// What came of one size.
#[derive(Debug, Serialize)]
struct Peak {
    size: String,
    state: String,
    rows: u64,
    seconds: f64,
    worker_peak_mib: u64,
    coordinator_peak_mib: u64,
    limit_mib: u64,
    within: bool,
}

/// The part of `task show --json` that is looked at.
#[derive(Debug, Deserialize)]
struct Shown {
    state: String,
    reason: String,
    terminal: bool,
    progress: Progress,
}

/// See [`Shown`].
#[derive(Debug, Deserialize)]
struct Progress {
    rows_written: u64,
}

/// Four servers, gone when this is dropped.
struct Stage {
    coordinator: Server,
    worker: Server,
    _databases: [Server; 2],
    folder: TempDir,
}

/// Measures each size; an error if any is not copied whole or takes too much.
pub(crate) async fn run(args: &MemoryArgs, tdferry: &Tdferry, json: bool) -> Result<()> {
    let mut peaks = Vec::new();
    for size in &args.sizes {
        let measured = timeout(Duration::from_secs(args.limit), measure(args, tdferry, size)).await;
        let peak = measured.with_context(|| format!("{size}: not copied within {} s", args.limit))??;
        if !json {
            output::data(&format!(
                "{size}: {} after {:.0} s, {} rows; peak memory of the worker {} MiB (below {LIMIT} wanted), of the coordinator {} MiB",
                peak.state, peak.seconds, peak.rows, peak.worker_peak_mib, peak.coordinator_peak_mib
            ))?;
        }
        peaks.push(peak);
    }
    if json {
        output::json(&peaks)?;
    }
    ensure!(peaks.iter().all(|peak| peak.within), "not all was copied below {LIMIT} MiB");
    Ok(())
}

async fn measure(args: &MemoryArgs, tdferry: &Tdferry, size: &str) -> Result<Peak> {
    let stage = Stage::start(tdferry, size, args.slots).await?;
    let started = Instant::now();
    stage.ask(tdferry, &["task", "create", "-f", stage.path("task.toml")?.as_str()]).await?;
    let shown = loop {
        sleep(LOOK).await;
        let shown: Shown =
            serde_json::from_str(&stage.ask(tdferry, &["task", "show", "memory", "--json"]).await?)?;
        if shown.terminal {
            break shown;
        }
    };
    if !shown.reason.is_empty() {
        output::say(&shown.reason);
    }
    let worker_peak_mib = cpu::peak_kib(stage.worker.pid)? / 1024;
    let rows = shown.progress.rows_written;
    ensure!(Some(rows) == wanted(size), "{size}: {} with {rows} rows", shown.state);
    Ok(Peak {
        size: size.to_owned(),
        rows,
        seconds: started.elapsed().as_secs_f64(),
        worker_peak_mib,
        coordinator_peak_mib: cpu::peak_kib(stage.coordinator.pid)? / 1024,
        limit_mib: LIMIT,
        within: worker_peak_mib < LIMIT && shown.state == "completed",
        state: shown.state,
    })
}

impl Stage {
    async fn start(tdferry: &Tdferry, size: &str, slots: u32) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let seed = format!("meters:{size}@power");
        let listening = "listening on ws://";
        let source = Server::start(&mut tdferry.standin("2.6", Some(&seed)), listening).await?;
        let target = Server::start(tdferry.standin("3", None).args(["--sink", "digest"]), listening).await?;
        let file = task::file("memory", &format!("{}/power", dsn(&source)), &dsn(&target));
        std::fs::write(folder.path().join("task.toml"), file)?;
        let store = folder.path().join("store");
        let mut coordinator = tdferry.command(["coordinator", "--listen", "127.0.0.1:0", "--store"]);
        let coordinator = Server::start(coordinator.arg(&store), "coordinator listening on ").await?;
        let mut worker = tdferry.command(["worker", "--slots", &slots.to_string(), "--coordinator"]);
        worker.arg(format!("http://{}", coordinator.address)).env(PASSWORD.0, PASSWORD.1);
        let worker = Server::silent(&mut worker)?;
        Ok(Self { coordinator, worker, _databases: [source, target], folder })
    }

    fn path(&self, name: &str) -> Result<String> {
        let path: &Path = self.folder.path();
        Ok(path.join(name).to_str().context("the folder for temporary files has an odd name")?.to_owned())
    }

    async fn ask(&self, tdferry: &Tdferry, words: &[&str]) -> Result<String> {
        let mut command: Command = tdferry.command(words);
        command.env("TDFERRY_COORDINATORS", format!("http://{}", self.coordinator.address));
        Ok(process::run(&mut command).await?.stdout)
    }
}

/// The rows of a size.
fn wanted(size: &str) -> Option<u64> {
    let (subtables, rows) = size.split('/').next()?.split_once('x')?;
    Some(subtables.parse::<u64>().ok()? * rows.parse::<u64>().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_is_so_many_rows_whatever_lies_between_them() {
        assert_eq!(wanted("1x50000000/100"), Some(50_000_000));
        assert_eq!(wanted("1000000x5"), Some(5_000_000));
        assert_eq!(wanted("much"), None);
    }
}
