//! A round of following: two tasks at once, one of history and what comes after it, one of what comes alone, on sources
//! that are written to all the while. Faults while history is copied, while both follow, and while they are cut over;
//! then every cell, every acknowledged row, and every promise.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use tokio::time::{Instant, sleep, timeout};

use crate::cast::Cast;
use crate::deck::{Deck, Tally};
use crate::production::{Orders, Production, Written};
use crate::round::{POISON, STUCK, ask, clear, copying, create, promises, show, slow};
use crate::support::process::answer;
use crate::wait::Patience;

/// Of the task that copies history, too: as many as a tail must follow in time on two slow cores.
const SUBTABLES: usize = 10_000;
/// Of the task that only follows.
const FEW_SUBTABLES: usize = 1_000;
/// Rows that each subtable has from before.
const ROWS: usize = 5;
const ASK_EVERY: Duration = Duration::from_millis(200);
/// Waves of faults while history is copied, and while all is followed.
const WAVES_BEFORE: usize = 2;
const WAVES: usize = 4;
/// Structure is looked at often, so that each wave meets a change; the day that rows are late by is counted again.
const OPTIONS: &str = "excursion = \"1s\"\nschema-polling-interval = \"1s\"\naudit-window = \"2m,25h\"\n";
/// Whoever only follows takes what is dated up to a day before it began, and a little more.
const RETRO: &str = "retro = \"25h\"\n";
/// How far a task may be behind when it is cut over: it goes on to the mark anyway.
const MAX_LAG: &str = "60";

/// A source that is written to, and the task that follows it.
struct Followed {
    name: String,
    mode: &'static str,
}

/// Runs one, until no time is left for faults.
pub(crate) async fn round(
    cast: &Cast,
    number: usize,
    deck: &mut Deck,
    rng: &mut SmallRng,
    until: Instant,
) -> Result<Tally> {
    let all = [("both", SUBTABLES), ("realtime", FEW_SUBTABLES)];
    let source = cast.servers.source_standin();
    let (mut tasks, mut productions) = (Vec::new(), Vec::new());
    for (mode, subtables) in all {
        let name = format!("{mode}{number}");
        let rng = SmallRng::seed_from_u64(rng.random());
        productions.push(Production::begin(source, &name, subtables, ROWS, rng)?);
        tasks.push(Followed { name, mode });
    }
    println!("follow{number}: {SUBTABLES} and {FEW_SUBTABLES} x {ROWS}, written to");
    slow(cast, rng);
    let orders = Orders::default();
    let writing = futures_util::future::try_join_all(
        productions.into_iter().map(|production| production.write(&orders)),
    );
    let faulty = async {
        let tally = faults(cast, &tasks, (deck, rng), &orders, until).await;
        orders.stop.set(true);
        tally
    };
    let (written, tally) = tokio::join!(writing, faulty);
    let (written, mut tally) = (written?, tally?);
    let wave = async {
        let tally = deck.wave(cast, rng).await;
        cast.heal().await.map(|()| tally)
    };
    let cut_over = async {
        let mut retried = Tally::default();
        for task in &tasks {
            cut_over(cast, &task.name, &mut retried).await?;
        }
        anyhow::Ok(retried)
    };
    let (inflicted, over) = tokio::join!(wave, cut_over);
    tally.add(inflicted?);
    tally.add(over?);
    for (task, written) in tasks.iter().zip(&written) {
        arrived(cast, &task.name, written, &mut tally).await?;
        promises(cast, &task.name, &mut tally).await?;
        clear(cast, &task.name).await?;
    }
    tally.followed += 1;
    Ok(tally)
}

/// Faults while history is copied, and while what comes is followed.
async fn faults(
    cast: &Cast,
    tasks: &[Followed],
    (deck, rng): (&mut Deck, &mut SmallRng),
    orders: &Orders,
    until: Instant,
) -> Result<Tally> {
    let mut tally = Tally::default();
    for Followed { name, mode } in tasks {
        let retro = if *mode == "realtime" { RETRO } else { "" };
        create(cast, name, &format!("[options]\nmode = \"{mode}\"\n{OPTIONS}{retro}")).await?;
    }
    if rng.random_ratio(2, 3) {
        timeout(STUCK, copying(cast, &tasks[0].name)).await.context("no copying begins")?;
    }
    for _ in 0..WAVES_BEFORE {
        if Instant::now() < until && !are_live(cast, tasks).await {
            tally.add(deck.wave(cast, rng).await);
        }
    }
    cast.heal().await?;
    live(cast, tasks, &mut tally).await?;
    orders.is_live.set(true);
    slow(cast, rng);
    let mut waves = 0;
    while waves == 0 || (waves < WAVES && Instant::now() < until) {
        waves += 1;
        tally.add(deck.wave(cast, rng).await);
    }
    cast.heal().await?;
    Ok(tally)
}

async fn are_live(cast: &Cast, tasks: &[Followed]) -> bool {
    for task in tasks {
        if !show(cast, &task.name).await.is_ok_and(|task| task["state"] == "live") {
            return false;
        }
    }
    true
}

/// Each comes to follow its source (promise L1).
async fn live(cast: &Cast, tasks: &[Followed], tally: &mut Tally) -> Result<()> {
    let mut patience = Patience::of(STUCK);
    while !are_live(cast, tasks).await {
        let lasts = patience.lasts();
        for Followed { name, .. } in tasks {
            opened(cast, name, tally).await?;
            ensure!(lasts, "L1: {name} never is live: {:?}", show(cast, name).await);
        }
        sleep(ASK_EVERY).await;
    }
    Ok(())
}

/// Opens again what faults hit five times in a row, as a person does; nothing else may have failed.
async fn opened(cast: &Cast, task: &str, tally: &mut Tally) -> Result<()> {
    let Ok(failed) = ask(cast, &["shard", "list", task, "--state", "failed", "--json"]).await else {
        return Ok(());
    };
    if failed.lines().next().is_none() {
        return Ok(());
    }
    let other = failed.lines().find(|line| !line.contains(POISON));
    ensure!(other.is_none(), "L1: {task}: a shard failed: {other:?}");
    ask(cast, &["task", "retry", task]).await?;
    tally.retried += 1;
    Ok(())
}

/// Its writers have stopped: to its end, by the command that an operator types, again and again where it is interrupted.
async fn cut_over(cast: &Cast, task: &str, tally: &mut Tally) -> Result<()> {
    let mut patience = Patience::of(STUCK);
    loop {
        let lasts = patience.lasts();
        let urls = cast.urls();
        let told = answer(&["cutover", task, "--freeze", "--max-lag", MAX_LAG, "--coordinator", &urls]).await;
        if told.code == 0 {
            return Ok(());
        }
        if let Ok(shown) = show(cast, task).await {
            let is_over = shown["terminal"] == true && shown["state"] != "failed";
            ensure!(
                lasts && !is_over,
                "L1: {task} is not cut over: {}\n{}\n{shown}",
                told.stdout,
                told.stderr
            );
        }
        opened(cast, task, tally).await?;
        sleep(ASK_EVERY).await;
    }
}

/// Every cell, tag and name, and every row that was acknowledged.
async fn arrived(cast: &Cast, task: &str, written: &Written, tally: &mut Tally) -> Result<()> {
    let compared = cast.servers.compare(task, task).await;
    let shown = show(cast, task).await?;
    println!("  {task}: {written}; {} compared", compared.rows);
    ensure!(compared.is_equal(), "S3: {task}: cells differ: {:#?}", compared.differences);
    ensure!(
        compared.rows == written.rows,
        "{task}: {} rows were acknowledged, {} are there",
        written.rows,
        compared.rows
    );
    ensure!(shown["state"] == "completed", "{task} is {} because {}", shown["state"], shown["reason"]);
    ensure!(written.is_of_each(), "{task}: not all that may come came: {written}");
    tally.rows += compared.rows;
    tally.written.add(written);
    Ok(())
}
