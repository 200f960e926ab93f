//! One round: a fresh task, faults while it runs, fair weather, and then every cell and every promise.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use rand::Rng;
use rand::rngs::SmallRng;
use serde_json::Value as Json;
use tdferry_coordinator::invariant;
use tdferry_standin::{Action, Fault, MetersSeed, When};
use tokio::time::{Instant, sleep, timeout};

use crate::cast::{Cast, PASSWORD_ENV};
use crate::deck::{Deck, Tally};
use crate::support::process::answer;
use crate::wait::Patience;

/// Once faults stopped everything moves on, within a few sessions' lives and the time that the copying itself takes.
pub(crate) const STUCK: Duration = Duration::from_secs(120);
/// What each request to the sink takes while faults are inflicted, so that they hit writes in flight.
const WRITE_MILLIS: std::ops::Range<u64> = 150..400;
/// A small table is read by a query, a block, and the word that there is no more.
const REQUESTS_OF_A_READ: u64 = 3;
/// How often is asked how the task is.
const ASK_EVERY: Duration = Duration::from_millis(200);
/// How many waves of faults one task gets at most.
const WAVES: usize = 6;
/// What the cluster says of a shard that faults hit five times in a row; a person opens it again.
pub(crate) const POISON: &str = "claimed";

/// Runs one, until no time is left for faults.
pub(crate) async fn round(
    cast: &Cast,
    number: usize,
    deck: &mut Deck,
    rng: &mut SmallRng,
    until: Instant,
) -> Result<Tally> {
    let task = format!("round{number}");
    let mut tally = Tally::default();
    let (seeds, rows) = seed(cast, &task, rng)?;
    slow(cast, rng);
    println!("{task}: {seeds}");
    create(cast, &task, "").await?;
    if rng.random_ratio(2, 3) {
        timeout(STUCK, copying(cast, &task)).await.context("no copying begins")?;
    }
    let mut waves = 0;
    while waves < WAVES && Instant::now() < until && is_much_left(cast, &task, rows).await {
        waves += 1;
        tally.add(deck.wave(cast, rng).await);
    }
    cast.heal().await?;
    ends(cast, &task, &mut tally).await?;
    equal(cast, &task, &mut tally).await?;
    promises(cast, &task, &mut tally).await?;
    clear(cast, &task).await?;
    tally.rounds += 1;
    Ok(tally)
}

/// Makes both sides answer late, so that faults hit reads and writes in flight: workers read ahead otherwise.
pub(crate) fn slow(cast: &Cast, rng: &mut SmallRng) {
    let late = |millis| Fault::new(When::Any, Action::Delay(Duration::from_millis(millis)));
    let write = rng.random_range(WRITE_MILLIS);
    cast.servers.target_standin().faults().add(late(write));
    cast.servers.source_standin().faults().add(late(write / REQUESTS_OF_A_READ));
}

/// One to three stables, dense and sparse; how many rows that are.
fn seed(cast: &Cast, database: &str, rng: &mut SmallRng) -> Result<(String, u64)> {
    let (mut told, mut all) = (Vec::new(), 0);
    for stable in 0..rng.random_range(1..=3) {
        let (subtables, rows) = match stable == 0 || rng.random_bool(0.3) {
            // of so many subtables that the task outlasts the faults
            true if stable == 0 => (rng.random_range(1_500..2_200), rng.random_range(60..180)),
            true => (rng.random_range(250..450), rng.random_range(100..300)),
            false => (rng.random_range(300..900), rng.random_range(3..30)),
        };
        told.push(format!("{subtables} x {rows}"));
        all += subtables * rows;
        cast.servers.source_standin().seed_meters(&MetersSeed {
            database: database.to_owned(),
            stable: format!("stable{stable}"),
            prefix: format!("s{stable}_"),
            seed: rng.random(),
            null_every: 9,
            ..MetersSeed::new(subtables, rows)
        })?;
    }
    Ok((told.join(", "), all))
}

/// Creates a task, with more lines of its file than where from and where to.
pub(crate) async fn create(cast: &Cast, task: &str, more: &str) -> Result<()> {
    let dsn = |address| format!("taos+ws://root:${{env:{PASSWORD_ENV}}}@{address}/{task}");
    let (from, to) = (dsn(cast.to_source.address), dsn(cast.to_sink.address));
    let file = cast.folder.join(format!("{task}.toml"));
    std::fs::write(
        &file,
        format!("name = \"{task}\"\ntype = \"TDengine2\"\nfrom = '{from}'\nto = '{to}'\n{more}"),
    )?;
    ask(cast, &["task", "create", "-f", file.to_str().context("a path")?]).await.map(drop)
}

/// Asks the cluster, past all wires.
pub(crate) async fn ask(cast: &Cast, args: &[&str]) -> Result<String> {
    let urls = cast.urls();
    let args: Vec<_> = args.iter().copied().chain(["--coordinator", &urls]).collect();
    let answer = answer(&args).await;
    ensure!(answer.code == 0, "{args:?}: {}", answer.stderr);
    Ok(answer.stdout)
}

pub(crate) async fn show(cast: &Cast, task: &str) -> Result<Json> {
    Ok(serde_json::from_str(&ask(cast, &["task", "show", task, "--json"]).await?)?)
}

/// Whether a wave of faults finds work as long as it lasts: two fifths of all rows.
async fn is_much_left(cast: &Cast, task: &str, rows: u64) -> bool {
    let written = show(cast, task).await.ok().and_then(|task| task["progress"]["rows_written"].as_u64());
    written.unwrap_or(0) * 5 < rows * 3
}

pub(crate) async fn copying(cast: &Cast, task: &str) {
    while show(cast, task).await.is_ok_and(|task| task["progress"]["rows_written"] == 0) {
        sleep(ASK_EVERY).await;
    }
}

/// Every task moves to its end (promise L1).
pub(crate) async fn ends(cast: &Cast, task: &str, tally: &mut Tally) -> Result<()> {
    let mut patience = Patience::of(STUCK);
    loop {
        let lasts = patience.lasts();
        let shown = show(cast, task).await;
        match shown.as_ref().ok().and_then(|task| task["state"].as_str()) {
            Some("completed") => return Ok(()),
            Some("failed") => {
                let reason = shown?["reason"].to_string();
                ensure!(
                    reason.contains(POISON),
                    "L1: {task} failed though nothing is wrong any more: {reason}"
                );
                ask(cast, &["task", "retry", task]).await?;
                tally.retried += 1;
            }
            _ if !lasts => bail!("L1: {task} is stuck: {shown:?}"),
            _ => {}
        }
        sleep(ASK_EVERY).await;
    }
}

/// Every cell, and totals that count each row once.
pub(crate) async fn equal(cast: &Cast, task: &str, tally: &mut Tally) -> Result<()> {
    let compared = cast.servers.compare(task, task).await;
    ensure!(compared.is_equal(), "S3: cells differ: {:#?}", compared.differences);
    let shown = show(cast, task).await?;
    let told = shown["progress"]["rows_written"].as_u64().unwrap_or(0);
    ensure!(told == compared.rows, "{told} rows are told, there are {}", compared.rows);
    tally.rows += compared.rows;
    Ok(())
}

/// What the whole log of the task shows.
pub(crate) async fn promises(cast: &Cast, task: &str, tally: &mut Tally) -> Result<()> {
    cast.recorder.caught_up(cast).await?;
    let log = cast.recorder.of(task)?;
    let history = invariant::check(&log)?;
    invariant::planned(&log, &task.parse()?)?;
    tally.commits += history.commits.len();
    tally.leases += history.leases;
    Ok(())
}

pub(crate) async fn clear(cast: &Cast, task: &str) -> Result<()> {
    ask(cast, &["task", "delete", task, "--yes"]).await?;
    cast.recorder.forget(task);
    let drop = format!("drop database {task}");
    cast.servers.target_standin().execute(&drop)?;
    cast.servers.source_standin().execute(&drop)?;
    Ok(())
}
