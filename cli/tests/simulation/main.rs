//! The cluster in a simulated network: the real coordinators, workers, store, gRPC and etcd client, faults at any
//! moment, one seed for everything. Every promise is checked on the whole log of each seed.
//!
//! `TDFERRY_SIM_SEEDS=200` runs so many seeds, `TDFERRY_SIM_SEED=7` runs that one and prints its history.

#![allow(clippy::print_stderr, clippy::print_stdout, reason = "a tally for whoever runs it")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on fails")]

mod check;
mod client;
mod faults;
mod hosts;
mod log;
mod net;
mod planted;
mod ports;
mod run;
mod source;
mod tally;
mod telling;
mod world;

use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use planted::Planted;
use run::{Ran, run};
use tally::Tally;

/// Seeds of one run, unless told otherwise: what two slow cores do in two minutes.
const SEEDS: u64 = 50;
/// Names how many seeds to run.
const SEEDS_ENV: &str = "TDFERRY_SIM_SEEDS";
/// Names one seed to run, aloud.
const SEED_ENV: &str = "TDFERRY_SIM_SEED";
/// Set by this program when it asks another process of its own to run a seed.
const ASKED_ENV: &str = "TDFERRY_SIM_ASKED";
/// What stands before the answer.
const ANSWER: &str = "ran: ";
/// The test that a failing seed is replayed with.
const REPLAY: &str = "every_promise_holds_under_every_seed";
/// Kinds of faults that must have fired over the fixed seeds, or nothing was shown.
const MUST_FIRE: [&str; 24] = [
    "crash worker",
    "crash coordinator",
    "crash store",
    "drain",
    "pause",
    "severed",
    "severedoneway",
    "held",
    "lossy",
    "slow",
    "sourceaway",
    "sinkaway",
    "shortreads",
    "source before",
    "source after",
    "source delay",
    "source stall",
    "source cut",
    "sink before",
    "sink after",
    "sink delay",
    "sink stall",
    "sink cut",
    "sink toolarge",
];

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name}={text} is no number")))
}

#[test]
fn every_promise_holds_under_every_seed() {
    if let Some(seed) = number(SEED_ENV) {
        return alone(seed);
    }
    let seeds = number(SEEDS_ENV).unwrap_or(SEEDS);
    let ran = all(seeds);
    let mut tally = Tally::default();
    let mut failed = Vec::new();
    for (seed, ran) in &ran {
        match ran {
            Ok(ran) => tally.add(*seed, ran),
            Err(broken) => failed.push(format!("seed {seed}: {broken}\n  {}", replay(*seed))),
        }
    }
    println!("{tally}");
    assert!(failed.is_empty(), "{} of {seeds} seeds fail\n{}", failed.len(), failed.join("\n"));
    if seeds >= SEEDS {
        for fault in MUST_FIRE {
            assert!(tally.faults.contains_key(fault), "no {fault} in {seeds} seeds");
        }
        assert!(tally.cuts > 0, "no shard was cut in {seeds} seeds");
        assert!(tally.fenced() > 0, "no commit was ever fenced: the seeds are too tame");
    }
}

#[test]
fn a_seed_repeats_itself_in_this_process_and_in_another() {
    // the second broke off connections with many requests under way, in an order that once followed the machine's clock
    for seed in [1, 20] {
        let trace = |seed| run(seed, Planted::Nothing, false).unwrap().trace;
        let first = trace(seed);
        assert_eq!(first, trace(seed), "seed {seed} went another way");
        assert_eq!(first, elsewhere(seed).unwrap().trace, "seed {seed} went another way in another process");
        assert_ne!(first, trace(seed + 1), "seed {seed} decides nothing");
    }
}

#[test]
fn an_answer_before_the_write_is_found() {
    found(Planted::AnswerBeforeWrite, "S3");
}

#[test]
fn a_write_that_is_sent_again_without_need_is_found() {
    found(Planted::WriteTwice, "S7");
}

#[test]
fn a_commit_without_the_epochs_guard_is_found() {
    found(Planted::NoEpochGuard, "S1");
}

/// Some seed of the fixed ones must find a planted bug by the promise that it breaks.
fn found(planted: Planted, promise: &str) {
    let broken = |seed| run(seed, planted, false).err().filter(|broken| broken.starts_with(promise));
    let found = (0..SEEDS).find_map(|seed| Some((seed, broken(seed)?)));
    let (seed, broken) =
        found.unwrap_or_else(|| panic!("{SEEDS} seeds do not show that {planted:?} breaks {promise}"));
    println!("{planted:?} is found by seed {seed}: {broken}");
}

/// Runs one seed; aloud unless it is another process that asks.
fn alone(seed: u64) {
    let asked = std::env::var(ASKED_ENV).is_ok();
    let ran = run(seed, Planted::Nothing, !asked);
    if asked {
        return println!("\n{ANSWER}{}", serde_json::to_string(&ran).unwrap());
    }
    match ran {
        Ok(ran) => println!("the trace of seed {seed} is {:016x}", ran.trace),
        Err(broken) => panic!("seed {seed}: {broken}\n  {}", replay(seed)),
    }
}

fn replay(seed: u64) -> String {
    format!("{SEED_ENV}={seed} cargo test --package tdferry-cli --test simulation {REPLAY} -- --nocapture")
}

/// Runs a seed in a process of its own.
fn elsewhere(seed: u64) -> Result<Ran, String> {
    let mut other = Command::new(std::env::current_exe().unwrap());
    other.args(["--exact", REPLAY, "--nocapture"]).env(SEED_ENV, seed.to_string()).env(ASKED_ENV, "1");
    let output = other.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let answer = said.lines().find_map(|line| line.strip_prefix(ANSWER));
    answer.map_or_else(
        || Err(format!("no answer: {said}{}", String::from_utf8_lossy(&output.stderr))),
        |answer| serde_json::from_str(answer).unwrap(),
    )
}

/// Runs the seeds on all cores, in their order when they are through.
fn all(seeds: u64) -> Vec<(u64, Result<Ran, String>)> {
    let next = AtomicU64::new(0);
    let ran = Mutex::new(Vec::new());
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds {
                        return;
                    }
                    let one = elsewhere(seed);
                    ran.lock().unwrap().push((seed, one));
                }
            });
        }
    });
    let mut ran = ran.into_inner().unwrap();
    ran.sort_by_key(|(seed, _)| *seed);
    ran
}
