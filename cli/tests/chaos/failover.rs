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
use tdferry_standin::{Action, Fault, When};
use tokio::time::{Instant, sleep};

use crate::cast::{COORDINATORS, Cast, HEARTBEAT_MILLIS, WORKERS};
use crate::deck::Tally;
use crate::longest::{Gap, Still};
use crate::round::{ask, clear, create, ends, equal, promises, show};
use crate::wait::until;

/// Leases a worker takes at once here: three workers have more than room for what the fourth held.
pub(crate) const SLOTS: u32 = 8;
/// What each write takes: more than a commit's interval, so that a kill always finds one in flight, and less than a
/// write may take.
const WRITE: Duration = Duration::from_millis(500);
/// Each is one shard, which cannot be cut: cuts would fill all slots, and then no lease is taken over at once.
const STABLES: u64 = 8;
/// Rows of the two subtables of a shard: one write, and some forty of whole blocks.
const ROWS: [u64; 2] = [300, 160_000];
/// Rows of one statement that fills the source.
const STATEMENT: usize = 4_000;
/// The first row's moment: 2026-01-01, in milliseconds.
const START: u64 = 1_767_225_600_000;
/// Until what was on its way to the sink has arrived there, and has been committed by whoever lives. Nobody takes over
/// before.
const ARRIVED: Duration = Duration::from_millis(1_500);
/// Far longer than a takeover.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long a coordinator is away, and how long is listened for commits.
const AWAY: Duration = Duration::from_secs(4);
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// What was measured.
#[derive(Debug, Default)]
pub(crate) struct Measured {
    takeovers: Vec<Duration>,
    /// The longest without a commit, and without a row, for each coordinator that was killed.
    gaps: Vec<(Duration, Duration)>,
    /// Rows written again, and how many may be.
    again: (u64, u64),
    rows: u64,
    /// Kills that were not counted, as the machine stood still.
    dropped: usize,
}

/// Kills workers and coordinators in turn, so many of each kind, over as many tasks as it takes.
pub(crate) async fn measure(cast: &Cast, kills: usize, rng: &mut SmallRng) -> Result<Measured> {
    let mut measured = Measured::default();
    let mut number = 0;
    while measured.takeovers.len() < kills || measured.gaps.len() < kills.div_ceil(5) {
        let task = format!("failover{number}");
        number += 1;
        let before = cast.servers.rows_written_to_target();
        let still = Still::watch();
        let allowed = one_task(cast, &task, kills, &mut measured, rng).await?;
        let mut tally = Tally::default();
        ends(cast, &task, &mut tally).await?;
        equal(cast, &task, &mut tally).await?;
        promises(cast, &task, &mut tally).await?;
        clear(cast, &task).await?;
        measured.rows += tally.rows;
        let again = cast.servers.rows_written_to_target() - before - tally.rows;
        let stood_still = still.stood();
        ensure!(
            again <= allowed || stood_still,
            "S7: {again} rows of {task} were written again, {allowed} may be"
        );
        // a write that ran out of its time meanwhile is sent again
        if !stood_still {
            measured.again = (measured.again.0 + again, measured.again.1 + allowed);
        }
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
    for stable in 0..STABLES {
        seed(cast, task, stable)?;
    }
    let late = Fault::new(When::contains("raw block"), Action::Delay(WRITE));
    cast.servers.target_standin().faults().add(late);
    create(cast, task, "").await?;
    let mut allowed = 0;
    while !show(cast, task).await.is_ok_and(|task| task["terminal"] == true) {
        let killed = worker_killed(cast, task, measured, rng).await?;
        allowed += killed.unwrap_or(0);
        // who took them over copies now, and commits
        if killed.is_some() && measured.gaps.len() < kills.div_ceil(5) {
            measured.gaps.extend(coordinator_killed(cast, task, rng).await?);
        }
        if measured.takeovers.len() >= kills && measured.gaps.len() >= kills.div_ceil(5) {
            break;
        }
        sleep(LOOK_EVERY).await;
    }
    cast.servers.quick_target();
    Ok(allowed)
}

/// A shard of two subtables. A cut shares subtables not begun, or the time of the first: the first is through with one
/// write, and then the second is under way.
fn seed(cast: &Cast, task: &str, stable: u64) -> Result<()> {
    let source = cast.servers.source_standin();
    source.execute(&format!("create database if not exists {task} precision 'ms' keep 36500 update 1"))?;
    let columns = "(ts timestamp, voltage int) tags (groupid int)";
    source.execute(&format!("create table {task}.stable{stable} {columns}"))?;
    for (name, rows) in ["a", "b"].into_iter().zip(ROWS) {
        let table = format!("{task}.s{stable}_{name}");
        source.execute(&format!("create table {table} using {task}.stable{stable} tags (7)"))?;
        for first in (0..rows).step_by(STATEMENT) {
            let last = rows.min(first + u64::try_from(STATEMENT)?);
            let rows: String = (first..last).map(|row| format!(" ({}, {row})", START + row)).collect();
            source.execute(&format!("insert into {table} values{rows}"))?;
        }
    }
    Ok(())
}

/// Kills a worker that copies, and waits until others hold all that it held; how many rows had been written since
/// their last commits. Kills nobody where the others have no free slots for them: that is not what is promised.
async fn worker_killed(
    cast: &Cast,
    task: &str,
    measured: &mut Measured,
    rng: &mut SmallRng,
) -> Result<Option<u64>> {
    let index = rng.random_range(0..WORKERS);
    let listed: Json = serde_json::from_str(&ask(cast, &["worker", "list", "--json"]).await?)?;
    let name = format!("worker{index}");
    let (its, others): (Vec<_>, Vec<_>) = listed
        .as_array()
        .context("a list")?
        .iter()
        .partition(|worker| worker["labels"]["name"] == name.as_str());
    let free: u64 = others.into_iter().map(free).sum();
    let held = its.into_iter().flat_map(|worker| worker["leases"].as_array().cloned().unwrap_or_default());
    let mut held: BTreeMap<String, i64> = held
        .filter(|lease| {
            lease["task"] == task && lease["shard"].as_str().is_some_and(|id| id.starts_with("copy"))
        })
        .filter_map(|lease| Some((lease["shard"].as_str()?.to_owned(), lease["epoch"].as_i64()?)))
        .collect();
    if held.is_empty() || u64::try_from(held.len())? > free {
        return Ok(None);
    }
    let still = Still::watch();
    let mut process = cast.workers[index].process.lock().await.take().context("it is dead")?;
    let killed = Instant::now();
    process.kill().await?;
    cast.recorder.caught_up(cast).await?;
    // what ended between the list and the kill needs nobody
    held.retain(|shard, epoch| cast.recorder.is_leased(task, shard, *epoch));
    sleep(ARRIVED).await;
    // what its last commit ended needs nobody, either
    held.retain(|shard, epoch| cast.recorder.is_leased(task, shard, *epoch));
    let uncommitted = uncommitted(cast, task, &held).await?;
    let taken = || async {
        held.iter().all(|(shard, epoch)| cast.recorder.leased_after(task, shard, *epoch)).then_some(())
    };
    let seen = until(PATIENCE, "all that it held, held by others", taken).await;
    let took = killed.elapsed();
    cast.start_worker(index).await?;
    seen?;
    // five claims in a row without a commit are poison
    sleep(ARRIVED).await;
    if still.stood() {
        measured.dropped += 1;
    } else if !held.is_empty() {
        measured.takeovers.push(took);
    }
    Ok(Some(uncommitted))
}

/// Rows of these shards that stand on the target beyond what is committed.
async fn uncommitted(cast: &Cast, task: &str, held: &BTreeMap<String, i64>) -> Result<u64> {
    let listed = ask(cast, &["shard", "list", task, "--json"]).await?;
    let shards = listed.lines().map(serde_json::from_str).collect::<Result<Vec<Json>, _>>()?;
    let mut rows = 0;
    for shard in shards.iter().filter(|shard| shard["id"].as_str().is_some_and(|id| held.contains_key(id))) {
        let stable = shard["stable"].as_str().context("a stable")?;
        let there = cast.servers.target_standin().row_count(task, stable).unwrap_or(0);
        rows += there.saturating_sub(shard["rows_written"].as_u64().context("rows")?);
    }
    Ok(rows)
}

fn free(worker: &Json) -> u64 {
    let held = worker["leases"].as_array().map_or(0, Vec::len);
    worker["slots"].as_u64().unwrap_or(0).saturating_sub(u64::try_from(held).unwrap_or(u64::MAX))
}

/// Kills a coordinator while rows are copied; the longest time without a commit, and without a row. `None` if the task
/// was over meanwhile.
async fn coordinator_killed(
    cast: &Cast,
    task: &str,
    rng: &mut SmallRng,
) -> Result<Option<(Duration, Duration)>> {
    let index = rng.random_range(0..COORDINATORS);
    let mut process = cast.coordinators[index].process.lock().await.take().context("it is dead")?;
    let still = Still::watch();
    process.kill().await?;
    let killed = Instant::now();
    let mut commits = Gap::since(killed);
    let mut writes = Gap::since(killed);
    while killed.elapsed() < AWAY {
        sleep(LOOK_EVERY).await;
        commits.seen(u64::try_from(cast.recorder.written(task))?);
        writes.seen(cast.servers.rows_written_to_target());
    }
    cast.start_coordinator(index).await?;
    let is_over = show(cast, task).await?["terminal"] == true;
    Ok((!is_over && !still.stood()).then(|| (commits.longest(), writes.longest())))
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
        let (commits, writes): (Vec<_>, Vec<_>) = self.gaps.iter().copied().unzip();
        writeln!(f, "no commit when a coordinator was killed  {}", spread(&commits))?;
        writeln!(f, "no row when a coordinator was killed     {}", spread(&writes))?;
        let (again, since) = self.again;
        writeln!(f, "rows written again                       {again} of {}", self.rows)?;
        writeln!(f, "rows since the last commits, at kills    {since}")?;
        write!(f, "not counted, as the machine stood still  {} kills", self.dropped)
    }
}
