//! Real processes under faults: `tdferry` itself, a real etcd of three members, stand-ins for the databases, a wire
//! between each two. A seed decides data and faults; after each round every cell of the target equals the source, and
//! the store's whole log keeps every promise. Every other round copies a source that rests, the others follow sources
//! that are written to all the while.
//!
//! `TDFERRY_CHAOS_SECONDS=1800` sets how long faults are inflicted, `TDFERRY_CHAOS_SEED=7` which;
//! `TDFERRY_CHAOS_KINDS='Store(NoSpace'` deals but these kinds, to look into one;
//! `TDFERRY_CHAOS_KILLS=50` how many workers are killed to measure how soon others go on.

#![allow(clippy::print_stderr, clippy::print_stdout, reason = "a tally for whoever runs it")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on fails")]

mod actor;
mod cast;
mod clock;
mod deck;
mod etcd;
mod failover;
mod following;
mod kinds;
mod link;
mod longest;
mod production;
mod recorder;
mod room;
mod round;
mod scenes;
#[path = "../support/mod.rs"]
mod support;
mod wait;

use std::time::Duration;

use anyhow::{Context, Result};
use rand::rngs::SmallRng;
use rand::{SeedableRng, TryRngCore};
use tokio::time::Instant;

use cast::{Cast, SLOTS};
use deck::{Deck, Tally};
use scenes::Scene;

/// How long faults are inflicted, unless told otherwise.
const SECONDS: u64 = 180;
/// Kinds that a run which is long enough must have seen the effect of.
const LEAST_KINDS: usize = 30;
/// A shorter run must have seen one for so many seconds: waves take longer on a machine that is busy besides.
const SECONDS_A_KIND: u64 = 12;
/// With less time left neither a round nor a scene is begun, so that a run does not take much longer than it was told.
const LEAST_LEFT: Duration = Duration::from_secs(15);
const SECONDS_ENV: &str = "TDFERRY_CHAOS_SECONDS";
const SEED_ENV: &str = "TDFERRY_CHAOS_SEED";
/// Deals only kinds whose name has this in it, such as `Clock` or `Wire(WorkersAndSink, Cut`, and no scenes.
const KINDS_ENV: &str = "TDFERRY_CHAOS_KINDS";
/// How many workers are killed to measure how soon others go on. Only where it is set: a measurement of time is no test.
const KILLS_ENV: &str = "TDFERRY_CHAOS_KILLS";
/// The tests of this file would be each other's noise.
static ALONE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok().filter(|text| !text.is_empty())?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name}={text} is no number")))
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_and_nothing_is_stuck_whatever_befalls_the_processes() {
    let _alone = ALONE.lock().await;
    let seed = number(SEED_ENV).unwrap_or_else(|| rand::rngs::OsRng.try_next_u64().unwrap());
    let seconds = number(SECONDS_ENV).unwrap_or(SECONDS);
    let folder = tempfile::Builder::new().prefix("tdferry-chaos-").tempdir().unwrap();
    println!("seed {seed}, {seconds} s of faults, logs in {}", folder.path().display());
    let only = std::env::var(KINDS_ENV).ok().filter(|text| !text.is_empty());
    let mut deck = Deck::of(only.as_deref());
    let ran = run(folder.path().to_owned(), &mut deck, seed, Duration::from_secs(seconds)).await;
    match ran {
        Ok(tally) => {
            println!("{tally}");
            let least = usize::try_from(seconds / SECONDS_A_KIND).unwrap().min(LEAST_KINDS);
            let least = if only.is_some() { 1 } else { least };
            assert!(tally.observed() >= least, "only {} kinds had an effect: seed {seed}", tally.observed());
        }
        Err(broken) => {
            let logs = folder.keep();
            let schedule = deck.dealt.join("\n  ");
            panic!(
                "{broken:#}\nseed {seed}; dealt were\n  {schedule}\nlogs are in {}\nto run it again: \
                 {SEED_ENV}={seed} {SECONDS_ENV}={seconds} cargo test --package tdferry-cli --test chaos -- --nocapture",
                logs.display()
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn others_go_on_in_time_where_a_killed_worker_last_committed() {
    let _alone = ALONE.lock().await;
    let Some(kills) = number(KILLS_ENV) else { return println!("not measured: {KILLS_ENV} is not set") };
    let kills = usize::try_from(kills).unwrap();
    let folder = tempfile::Builder::new().prefix("tdferry-failover-").tempdir().unwrap();
    let mut rng = SmallRng::seed_from_u64(number(SEED_ENV).unwrap_or(1));
    let cast = Cast::assemble(folder.path().to_owned(), failover::SLOTS, 1).await.unwrap();
    match failover::measure(&cast, kills, &mut rng).await {
        Ok(measured) => println!("{measured}"),
        Err(broken) => panic!("{broken:#}\nlogs are in {}", folder.keep().display()),
    }
}

async fn run(folder: std::path::PathBuf, deck: &mut Deck, seed: u64, time: Duration) -> Result<Tally> {
    let mut rng = SmallRng::seed_from_u64(seed);
    let cast = Cast::assemble(folder, SLOTS, seed).await.context("the cast does not come together")?;
    let until = Instant::now() + time;
    let mut tally = Tally::default();
    let mut number = 0;
    let is_time = || Instant::now() + LEAST_LEFT < until;
    while number == 0 || is_time() {
        tally.add(match number % 2 {
            0 => following::round(&cast, number, deck, &mut rng, until).await?,
            _ => round::round(&cast, number, deck, &mut rng, until).await?,
        });
        number += 1;
        if deck.is_part() || !is_time() {
            continue;
        }
        let scene = Scene::ALL[number % Scene::ALL.len()];
        deck.dealt.push(format!("{scene:?}"));
        scene.play(&cast, number).await?;
        *tally.scenes.entry(scene).or_default() += 1;
    }
    Ok(tally)
}
