//! What following a source costs, and how far behind the target is: a writer inserts into all subtables of a source
//! while `tdferry run --mode realtime` follows it, and the target is read until each row is there.
//!
//! The writer and the reader are this process; source, target and tdferry are processes of their own.

pub(crate) mod follower;
pub(crate) mod lag;
pub(crate) mod writer;

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::Args;
use serde::Serialize;
use tokio::sync::mpsc::unbounded_channel;
use tokio::time::Instant;

use crate::case::{Case, Name, STABLE};
use crate::plain::connect;
use crate::servers::{Servers, with_database};
use crate::tdferry::Tdferry;
use crate::{cpu, load, output};
use follower::Follower;
use lag::{Lag, rows_of, watch};
use writer::{Writer, Writing};

/// What the 99th of a hundred rows may be late: an interval, the excursion, and a second for all the work.
const WANTED: f64 = 1.0 + 0.5 + 1.0;
/// Real servers get a so-manieth: they share the machine with whoever measures.
const REAL_SHARE: u64 = 10;

/// How much, how long.
#[derive(Debug, Args)]
pub(crate) struct FollowArgs {
    /// Subtables that are written to
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(1..))]
    subtables: u64,
    /// Rows a second
    #[arg(long, default_value_t = 20_000, value_parser = clap::value_parser!(u64).range(10..))]
    rate: u64,
    /// Seconds that are written for
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..))]
    seconds: u64,
}

/// What it came to.
#[derive(Debug, Serialize)]
struct Followed {
    real: bool,
    subtables: u64,
    rows: u64,
    rows_per_second: f64,
    /// Statements whose arrival was watched: all of them.
    samples: u64,
    #[serde(flatten)]
    lag: Lag,
    wanted_p99_seconds: f64,
    /// Seconds from the last insert until the target was seen to hold all rows.
    whole_after_seconds: f64,
    /// Cores in use while it was written; of the servers where they are stand-ins.
    cpu_source: Option<f64>,
    cpu_target: Option<f64>,
    cpu_tdferry: f64,
    cpu_bench: f64,
}

/// Measures it on stand-ins, and on real servers where they are named.
pub(crate) async fn run(args: &FollowArgs, tdferry: &Tdferry, json: bool) -> Result<()> {
    let mut all = Vec::new();
    let case = Case { name: Name::Sparse, subtables: args.subtables, rows: 1, wanted: WANTED };
    let servers = Servers::that_keep(tdferry, &case).await?;
    all.push(measure(args, tdferry, &servers, (&case, args.rate)).await?);
    drop(servers);
    if let Some(real) = Servers::real() {
        let case = Case { subtables: (args.subtables / REAL_SHARE).max(1), ..case };
        let rate = (args.rate / REAL_SHARE).max(1);
        load::fill(&real, &case).await?;
        let measured = measure(args, tdferry, &real, (&case, rate)).await;
        for dsn in [&real.source, &real.target] {
            load::drop_database(dsn, &real.database(&case)).await?;
        }
        all.push(measured.context("on real servers")?);
    }
    if json { output::json(&all) } else { output::data(&told(&all)) }
}

async fn measure(
    args: &FollowArgs,
    tdferry: &Tdferry,
    servers: &Servers,
    (case, rate): (&Case, u64),
) -> Result<Followed> {
    let database = servers.database(case);
    let stable = format!("{database}.{STABLE}");
    let mut writer = Writer::connect(Writing {
        dsn: servers.source.clone(),
        stable: stable.clone(),
        subtable: format!("{database}.d"),
        subtables: case.subtables,
        rows_per_second: rate,
    })
    .await?;
    let (source, target) = (connect(&servers.source).await?, connect(&servers.target).await?);
    let follower = Follower::start(tdferry, &with_database(&servers.source, &database), &servers.target)?;
    follower.until_live(&mut writer, &target, &stable).await?;

    let pids = servers.pids().into_iter().flatten().chain([follower.pid(), std::process::id()]);
    let pids: Vec<u32> = pids.collect();
    let used = || pids.iter().map(|pid| cpu::seconds(&[*pid])).collect::<Result<Vec<f64>>>();
    let (begun, before) = (Instant::now(), used()?);
    let (sender, receiver) = unbounded_channel();
    let from = writer.insert(1).await?.ts;
    let watched = tokio::spawn({
        let (target, stable) = (connect(&servers.target).await?, stable.clone());
        async move { watch(&target, &stable, receiver).await }
    });
    writer.write(Duration::from_secs(args.seconds), sender).await?;
    let (seconds, ended) = (begun.elapsed().as_secs_f64(), Instant::now());
    let cores: Vec<f64> = used()?.iter().zip(&before).map(|(now, then)| (now - then) / seconds).collect();
    let seen = watched.await??;
    let whole = follower.until_same((&source, &target), &stable, from).await?;
    let written = rows_of(&source, &stable, (from, i64::MAX)).await?;
    ensure!(whole == written && written == seen.rows + 1, "{whole} of {written} rows are in the target");
    let (cpu_tdferry, cpu_bench) = (cores[cores.len() - 2], cores[cores.len() - 1]);
    let servers_cpu = |index: usize| servers.pids().map(|_| cores[index]);
    Ok(Followed {
        real: servers.are_real(),
        subtables: case.subtables,
        rows: seen.rows,
        rows_per_second: u32::try_from(seen.rows).map_or(f64::INFINITY, f64::from) / seconds,
        samples: seen.statements,
        lag: seen.lag,
        wanted_p99_seconds: WANTED,
        whole_after_seconds: ended.elapsed().as_secs_f64(),
        cpu_source: servers_cpu(0),
        cpu_target: servers_cpu(1),
        cpu_tdferry,
        cpu_bench,
    })
}

fn told(all: &[Followed]) -> String {
    let mut lines: Vec<_> = all.iter().map(Followed::told).collect();
    if !all.iter().any(|one| one.real) {
        lines.push("not run on real servers: the environment names none".into());
    }
    lines.join("\n")
}

impl Followed {
    fn told(&self) -> String {
        let servers = match (self.cpu_source, self.cpu_target) {
            (Some(source), Some(target)) => format!("source {source:.2}, target {target:.2}, "),
            _ => String::new(),
        };
        format!(
            "{} servers, {} subtables, {:.0} rows/s, {} rows in {} statements: p50 {:.2} s, p99 {:.2} s (at most {:.1} wanted), \
             max {:.2} s behind; all rows counted in the target {:.1} s after the last insert; cores: {servers}tdferry {:.2}, \
             bench {:.2}",
            if self.real { "real" } else { "stand-in" },
            self.subtables,
            self.rows_per_second,
            self.rows,
            self.samples,
            self.lag.p50_seconds,
            self.lag.p99_seconds,
            self.wanted_p99_seconds,
            self.lag.max_seconds,
            self.whole_after_seconds,
            self.cpu_tdferry,
            self.cpu_bench,
        )
    }
}
