//! How soon others go on after a kill, how much is written again, and how long nothing is committed when a coordinator
//! dies: measured, and held against what is promised (L2, S7).

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use rand::Rng;
use rand::rngs::SmallRng;
use serde_json::Value as Json;
use tdferry_common::timing::Timing;
use tdferry_standin::MetersSeed;
use tokio::time::{Instant, sleep};

use crate::cast::{COORDINATORS, Cast, HEARTBEAT_MILLIS, WORKERS};
use crate::deck::Tally;
use crate::round::{ask, clear, create, ends, equal, promises, show};
use crate::wait::until;

/// What each write takes: several fit into no commit's interval, so that a kill always finds one in flight.
const WRITE: Duration = Duration::from_millis(250);
/// Two stables of two shards each, or three: fewer leases than the workers that are left have slots.
const SUBTABLES: u64 = 300;
/// Rows of a subtable, which one write holds.
const ROWS: u64 = 300;
/// What a lease may have written beyond its last commit: the write that the commit did not cover, and one in flight.
const UNCOMMITTED: u64 = 2;
/// Far longer than a takeover.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long a coordinator is away, and how long is listened for commits.
const AWAY: Duration = Duration::from_secs(4);
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// What was measured.
#[derive(Debug, Default)]
pub(crate) struct Measured {
    takeovers: Vec<Duration>,
    gaps: Vec<Duration>,
    /// Rows written again, and how many may be.
    again: (u64, u64),
    rows: u64,
}

/// Kills workers and coordinators in turn, so many of each kind, over as many tasks as it takes.
pub(crate) async fn measure(cast: &Cast, kills: usize, rng: &mut SmallRng) -> Result<Measured> {
    let mut measured = Measured::default();
    let mut number = 0;
    while measured.takeovers.len() < kills || measured.gaps.len() < kills.div_ceil(5) {
        let task = format!("failover{number}");
        number += 1;
        let before = cast.servers.rows_written_to_target();
        let allowed = one_task(cast, &task, kills, &mut measured, rng).await?;
        let mut tally = Tally::default();
        ends(cast, &task, &mut tally).await?;
        equal(cast, &task, &mut tally).await?;
        promises(cast, &task, &mut tally).await?;
        clear(cast, &task).await?;
        measured.rows += tally.rows;
        let again = cast.servers.rows_written_to_target() - before - tally.rows;
        ensure!(again <= allowed, "S7: {again} rows of {task} were written again, {allowed} may be");
        measured.again = (measured.again.0 + again, measured.again.1 + allowed);
    }
    let timing = Timing::from_heartbeat(Duration::from_millis(HEARTBEAT_MILLIS));
    let slowest = measured.takeovers.iter().max().copied().unwrap_or_default();
    ensure!(slowest <= timing.takeover_bound(), "L2: a takeover took {slowest:?}: {measured}");
    Ok(measured)
}

/// Kills while the task runs; how many rows may be written again.
async fn one_task(
    cast: &Cast,
    task: &str,
    kills: usize,
    measured: &mut Measured,
    rng: &mut SmallRng,
) -> Result<u64> {
    for stable in 0..3 {
        cast.servers.source_standin().seed_meters(&MetersSeed {
            database: task.to_owned(),
            stable: format!("stable{stable}"),
            prefix: format!("s{stable}_"),
            ..MetersSeed::new(SUBTABLES, ROWS)
        })?;
    }
    cast.servers.slow_target(WRITE);
    create(cast, task).await?;
    let mut allowed = 0;
    while !show(cast, task).await.is_ok_and(|task| task["terminal"] == true) {
        let leases = worker_killed(cast, task, measured, rng).await?;
        allowed += leases * UNCOMMITTED * ROWS;
        // who took them over copies now, and commits
        if leases > 0 && measured.gaps.len() < kills.div_ceil(5) {
            measured.gaps.push(coordinator_killed(cast, task, rng).await?);
        }
        if measured.takeovers.len() >= kills && measured.gaps.len() >= kills.div_ceil(5) {
            break;
        }
        sleep(LOOK_EVERY).await;
    }
    cast.servers.quick_target();
    Ok(allowed)
}

/// Kills a worker that copies, and waits until others hold all that it held; how many leases that were.
async fn worker_killed(cast: &Cast, task: &str, measured: &mut Measured, rng: &mut SmallRng) -> Result<u64> {
    let index = rng.random_range(0..WORKERS);
    let listed: Json = serde_json::from_str(&ask(cast, &["worker", "list", "--json"]).await?)?;
    let name = format!("worker{index}");
    let all = listed.as_array().context("a list")?;
    let held = all.iter().filter(|worker| worker["labels"]["name"] == name.as_str());
    let held = held.flat_map(|worker| worker["leases"].as_array().cloned().unwrap_or_default());
    let mut held: BTreeMap<String, i64> = held
        .filter(|lease| {
            lease["task"] == task && lease["shard"].as_str().is_some_and(|id| id.starts_with("copy"))
        })
        .filter_map(|lease| Some((lease["shard"].as_str()?.to_owned(), lease["epoch"].as_i64()?)))
        .collect();
    if held.is_empty() {
        return Ok(0);
    }
    let mut process = cast.workers[index].process.lock().await.take().context("it is dead")?;
    let killed = Instant::now();
    process.kill().await?;
    cast.recorder.caught_up(cast).await?;
    // what ended between the list and the kill needs nobody
    held.retain(|shard, epoch| cast.recorder.is_leased(task, shard, *epoch));
    let taken = || async {
        held.iter().all(|(shard, epoch)| cast.recorder.leased_after(task, shard, *epoch)).then_some(())
    };
    let seen = until(PATIENCE, "all that it held, held by others", taken).await;
    let took = killed.elapsed();
    cast.start_worker(index).await?;
    if seen.is_ok() {
        if !held.is_empty() {
            measured.takeovers.push(took);
        }
    } else if !show(cast, task).await?["terminal"].as_bool().unwrap_or(false) {
        seen?;
    }
    Ok(u64::try_from(held.len())?)
}

/// Kills a coordinator while rows are copied; the longest time without a commit.
async fn coordinator_killed(cast: &Cast, task: &str, rng: &mut SmallRng) -> Result<Duration> {
    let index = rng.random_range(0..COORDINATORS);
    let mut process = cast.coordinators[index].process.lock().await.take().context("it is dead")?;
    process.kill().await?;
    let (killed, mut last, mut longest) = (Instant::now(), Instant::now(), Duration::ZERO);
    let mut commits = cast.recorder.written(task);
    while killed.elapsed() < AWAY {
        sleep(LOOK_EVERY).await;
        let now = cast.recorder.written(task);
        if now != commits {
            longest = longest.max(last.elapsed());
            (commits, last) = (now, Instant::now());
        }
    }
    let longest = longest.max(last.elapsed());
    cast.start_coordinator(index).await?;
    Ok(longest)
}

fn spread(times: &[Duration]) -> String {
    let mut times = times.to_vec();
    times.sort();
    let at = |index: usize| times.get(index).copied().unwrap_or_default().as_millis();
    format!(
        "{} times, p50 {} ms, max {} ms",
        times.len(),
        at(times.len() / 2),
        at(times.len().saturating_sub(1))
    )
}

impl fmt::Display for Measured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bound = Timing::from_heartbeat(Duration::from_millis(HEARTBEAT_MILLIS)).takeover_bound();
        writeln!(
            f,
            "a killed worker's leases held by others  {}; promised {bound:?}",
            spread(&self.takeovers)
        )?;
        writeln!(f, "no commit when a coordinator was killed  {}", spread(&self.gaps))?;
        let (again, allowed) = self.again;
        write!(f, "rows written again                       {again} of {}; allowed {allowed}", self.rows)
    }
}
