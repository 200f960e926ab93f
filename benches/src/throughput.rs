//! How rows a second grow with the workers, where distance bounds each of them: every answer of a database takes some
//! milliseconds, blocks have a fixed size, and each worker copies one lease at a time.
//!
//! The databases are in this process, whose CPU is theirs; everything else is a process of its own.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::Args;
use serde::{Deserialize, Serialize};
use tdferry_standin::{Action, Config, Fault, Flavor, MetersSeed, Server as Standin, SinkMode, When};
use tokio::time::{Instant, sleep, timeout};

use crate::process::Server;
use crate::scale::cast::Cast;
use crate::task::{self, PASSWORD};
use crate::tdferry::Tdferry;
use crate::{cpu, output};

/// Rows of a subtable: ten blocks of a 2.6.
const ROWS: u64 = 40_960;
/// Measured from here, in hundredths of the rows: all workers copy.
const FROM: u64 = 20;
/// Measured to here, in hundredths of the rows: none runs out of work.
const TO: u64 = 70;
/// Longer than any point takes.
const PATIENCE: Duration = Duration::from_secs(600);
/// How often the rows are looked at.
const LOOK: Duration = Duration::from_millis(5);
/// A point that takes more of the CPU says more about this machine than about workers.
const BUSY: f64 = 0.7;

/// How large and how far away.
#[derive(Debug, Args)]
pub(crate) struct ThroughputArgs {
    /// Workers of each point
    #[arg(long, value_delimiter = ',', default_values_t = [1, 2, 4, 8])]
    workers: Vec<u32>,
    /// Milliseconds that each answer of a database takes longer
    #[arg(long, default_value_t = 5)]
    latency: u64,
    /// Subtables for each worker, of 40,960 rows each
    #[arg(long, default_value_t = 160)]
    subtables: u64,
    /// Slots of each worker
    #[arg(long, default_value_t = 1)]
    slots: u32,
}

/// What so many workers came to.
#[derive(Debug, Serialize)]
struct Point {
    workers: u32,
    rows_per_second: f64,
    /// Against as many times the first point's rows a second per worker.
    of_linear: f64,
    /// Of all cores, while it was measured.
    cpu_share: f64,
    /// CPU seconds per million rows: workers, coordinator with etcd, databases.
    cpu_per_million: [f64; 3],
}

/// What stands between two looks.
#[derive(Debug, Clone, Copy)]
struct Look {
    at: Instant,
    rows: u64,
    cpu: [f64; 3],
}

/// The part of `task show --json` that is looked at.
#[derive(Debug, Deserialize)]
struct Shown {
    state: String,
    terminal: bool,
}

/// Measures each point in turn.
pub(crate) async fn run(args: &ThroughputArgs, tdferry: &Tdferry, json: bool) -> Result<()> {
    let mut points: Vec<Point> = Vec::new();
    for workers in &args.workers {
        let mut point = measure(args, tdferry, *workers).await?;
        let first = points.first().unwrap_or(&point);
        point.of_linear =
            point.rows_per_second / f64::from(*workers) / (first.rows_per_second / f64::from(first.workers));
        if !json {
            output::data(&point.told())?;
        }
        points.push(point);
    }
    if json { output::json(&points) } else { Ok(()) }
}

async fn measure(args: &ThroughputArgs, tdferry: &Tdferry, workers: u32) -> Result<Point> {
    let databases = databases(args, workers).await?;
    let [from, to] = [databases[0].dsn(), databases[1].dsn()].map(|dsn| dsn.replace("ws://", "taos+ws://"));
    let cast = Cast::start(tdferry, 1).await?;
    let mut processes = Vec::new();
    for _ in 0..workers {
        let slots = args.slots.to_string();
        let mut worker = tdferry.command(["worker", "--slots", &slots, "--coordinator"]);
        processes.push(Server::silent(worker.arg(cast.urls().join(",")).env(PASSWORD.0, PASSWORD.1))?);
    }
    cast.create(tdferry, &task::file("throughput", &format!("{from}/power"), &to)).await?;
    let all = ROWS * args.subtables * u64::from(workers);
    let look = async |hundredths: u64| -> Result<Look> {
        timeout(PATIENCE, reached(&databases[1], all * hundredths / 100))
            .await
            .with_context(|| format!("{workers} workers did not write {hundredths} % of {all} rows"))?;
        let pids: Vec<_> = processes.iter().map(|worker| worker.pid).collect();
        let cpu = [cpu::seconds(&pids)?, cast.cpu()?.iter().sum(), cpu::seconds(&[std::process::id()])?];
        Ok(Look { at: Instant::now(), rows: written(&databases[1]), cpu })
    };
    let (begun, ended) = (look(FROM).await?, look(TO).await?);
    look(100).await?;
    completed(&cast, tdferry).await?;
    Ok(Point::between(workers, begun, ended))
}

/// A seeded source and an empty target, both far away.
async fn databases(args: &ThroughputArgs, workers: u32) -> Result<[Standin; 2]> {
    let source = Standin::start(Config::new(Flavor::V26)).await?;
    let mut empty = Config::new(Flavor::V3);
    empty.sink = SinkMode::Digest;
    let target = Standin::start(empty).await?;
    source.seed_meters(&MetersSeed::new(args.subtables * u64::from(workers), ROWS))?;
    for database in [&source, &target] {
        database.faults().add(Fault::new(When::Any, Action::Delay(Duration::from_millis(args.latency))));
    }
    Ok([source, target])
}

fn written(target: &Standin) -> u64 {
    let stats = target.stats();
    stats.rows_by_block + stats.rows_by_insert
}

async fn reached(target: &Standin, rows: u64) {
    while written(target) < rows {
        sleep(LOOK).await;
    }
}

/// Waits until the task says that it is whole.
async fn completed(cast: &Cast, tdferry: &Tdferry) -> Result<()> {
    timeout(PATIENCE, async {
        loop {
            let told = cast.ask(tdferry, &["task", "show", "throughput", "--json"]).await?;
            let Shown { state, terminal } = serde_json::from_str(&told)?;
            if terminal {
                ensure!(state == "completed", "the task ended as {state}");
                return Ok(());
            }
            sleep(LOOK).await;
        }
    })
    .await
    .context("the task does not end")?
}

impl Point {
    fn between(workers: u32, begun: Look, ended: Look) -> Self {
        let seconds = (ended.at - begun.at).as_secs_f64();
        let used: [f64; 3] = std::array::from_fn(|index| ended.cpu[index] - begun.cpu[index]);
        let rows = millions(ended.rows - begun.rows);
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let cores = f64::from(u16::try_from(cores).unwrap_or(u16::MAX));
        Self {
            workers,
            rows_per_second: rows * 1e6 / seconds,
            of_linear: 1.0,
            cpu_share: used.iter().sum::<f64>() / seconds / cores,
            cpu_per_million: used.map(|seconds| seconds / rows),
        }
    }

    fn told(&self) -> String {
        let [workers, cluster, databases] = self.cpu_per_million;
        let void = if self.cpu_share > BUSY { ", void: the CPU is the bound" } else { "" };
        format!(
            "{} workers: {:.0} rows/s, {:.2} of linear, {:.0} % of the CPU{void}; CPU seconds per million rows: \
             workers {workers:.3}, coordinator and etcd {cluster:.3}, databases {databases:.3}",
            self.workers,
            self.rows_per_second,
            self.of_linear,
            self.cpu_share * 100.0
        )
    }
}

#[expect(clippy::cast_precision_loss, reason = "a count of rows, to be shown with three digits")]
fn millions(rows: u64) -> f64 {
    rows as f64 / 1e6
}
