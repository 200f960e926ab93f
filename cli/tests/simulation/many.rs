//! Many seeds, each in a process of its own, on all cores: the fixed set of every test run, or what the environment
//! names.
//!
//! `TDFERRY_SIM_SEED=7` runs that one and prints its history. `TDFERRY_SIM_SEEDS=3000` runs the first so many and goes
//! on behind its tally; `TDFERRY_SIM_PART=0/2` only every second of them, on one core. `TDFERRY_SIM_AGAIN=20` picks
//! so many of the tally and holds them to what they did before.

use std::collections::BTreeSet;
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use rand::rngs::SmallRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};

use crate::planted::Planted;
use crate::run::{Ran, run};
use crate::tally::{Kept, Line, Tally};

/// Seeds of every test run: with the planted bugs, what two slow cores do in two minutes.
const FIXED: u64 = 60;
/// Seeds that once showed a bug of what is shipped: a worker ended for good when its new session ran out before the
/// store had shown it.
const FOUND: [u64; 1] = [355];
/// Seeds of a test run that nobody has run before.
const FRESH: u64 = 4;
const SEED_ENV: &str = "TDFERRY_SIM_SEED";
const SEEDS_ENV: &str = "TDFERRY_SIM_SEEDS";
const PART_ENV: &str = "TDFERRY_SIM_PART";
const AGAIN_ENV: &str = "TDFERRY_SIM_AGAIN";
/// Set by this program when it asks another process of its own to run a seed.
const ASKED_ENV: &str = "TDFERRY_SIM_ASKED";
/// What stands before the answer.
const ANSWER: &str = "ran: ";
/// The test that a failing seed is replayed with.
const REPLAY: &str = "every_promise_holds_under_every_seed";
/// What must have fired over the fixed seeds, or nothing was shown.
const MUST_FIRE: [&str; 42] = [
    "crash worker",
    "crash coordinator",
    "crash store",
    "drain",
    "pause worker",
    "pause coordinator",
    "meddled worker",
    "meddled coordinator",
    "request lost",
    "answer lost",
    "request twice",
    "request late",
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
    "sink toolarge",
    "worker drained",
    "label drained",
    "undrained",
    "rebalance of some leases",
    "rebalance of none",
    "late row written",
    "burst written",
    "subtable added",
    "normal table added",
    "stable added",
    "column added",
    "cut over",
];
/// Crashes at a step, some of which fire in one seed of ten: all of them must have fired over many seeds.
const RARE: [&str; 24] = [
    "crash worker before claim",
    "crash worker after claim",
    "crash worker before write",
    "crash worker after write",
    "crash worker before commit",
    "crash worker after commit",
    "crash worker before finish",
    "crash worker after finish",
    "crash worker before cut",
    "crash worker after cut",
    "crash worker before grow",
    "crash worker after grow",
    "crash coordinator before claim",
    "crash coordinator after claim",
    "crash coordinator before commit",
    "crash coordinator after commit",
    "crash coordinator before finish",
    "crash coordinator after finish",
    "crash coordinator before cut",
    "crash coordinator after cut",
    "crash coordinator before grow",
    "crash coordinator after grow",
    "crash store before write",
    "crash store after write",
];
/// So few of the rare ones may be missing in the fixed seeds: each change of the program makes other histories of them.
const MAY_MISS: usize = 3;
/// In so many seeds none may.
const MANY: u64 = 400;

/// Runs what the environment names; the fixed set and a few fresh seeds if it names nothing.
pub(crate) fn as_told() {
    if let Some(seed) = number(SEED_ENV) {
        alone(seed);
    } else if let Some(seeds) = number(SEEDS_ENV) {
        tallied(seeds);
    } else if let Some(seeds) = number(AGAIN_ENV) {
        again(usize::try_from(seeds).unwrap());
    } else {
        usual();
    }
}

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name}={text} is no number")))
}

/// Which of all seeds: those that leave the first when divided by the second.
fn part() -> Option<(u64, u64)> {
    let text = std::env::var(PART_ENV).ok()?;
    let numbers = text.split_once('/').and_then(|(n, of)| Some((n.parse().ok()?, of.parse().ok()?)));
    Some(numbers.filter(|(n, of)| n < of).unwrap_or_else(|| panic!("{PART_ENV}={text} is not like 0/2")))
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
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

fn usual() {
    let mut rng = SmallRng::from_os_rng();
    let fresh: Vec<u64> = (0..FRESH).map(|_| u64::from(rng.random::<u32>())).collect();
    println!("fresh seeds: {fresh:?}");
    // what the fixed seeds show is the same on every machine
    let fixed: Vec<u64> = (0..FIXED).collect();
    sum(all(&[&FOUND[..], &fresh].concat(), cores(), |_| {}));
    let tally = sum(all(&fixed, cores(), |_| {}));
    fired(&tally, MAY_MISS);
    assert!(tally.cuts > 0, "no shard was cut");
    assert!(tally.fenced() > 0, "no commit was ever fenced: the seeds are too tame");
}

/// Every kind of fault came, but for so many of the rare ones.
fn fired(tally: &Tally, may_miss: usize) {
    let counted = [&tally.faults, &tally.requests, &tally.acted];
    let missing = |kind: &&str| counted.iter().all(|counts| !counts.contains_key(*kind));
    let usual: Vec<&str> = MUST_FIRE.into_iter().filter(missing).collect();
    let rare: Vec<&str> = RARE.into_iter().filter(missing).collect();
    assert!(usual.is_empty() && rare.len() <= may_miss, "never fired: {usual:?} {rare:?}");
}

/// Runs those of so many seeds that the tally lacks.
fn tallied(seeds: u64) {
    let (part, cores) = part().map_or_else(|| ((0, 1), cores()), |part| (part, 1));
    let kept = Kept::of(part);
    let before = kept.lines();
    let had: BTreeSet<u64> = before.iter().map(|line| line.seed).collect();
    let mine = |seed: &u64| seed % part.1 == part.0;
    let seeds: Vec<u64> = (0..seeds).filter(|seed| mine(seed) && !had.contains(seed)).collect();
    println!("{} seeds are in {kept}, {} are to be run", had.len(), seeds.len());
    let mut lines = all(&seeds, cores, |line| {
        // a seed that fails is run again, until it does not
        if line.ran.is_ok() {
            kept.add(line);
        } else {
            told(line);
        }
    });
    lines.extend(before);
    let tally = sum(lines);
    if tally.seeds >= MANY {
        fired(&tally, 0);
    }
}

/// Holds some seeds of the tally to what they did before.
fn again(seeds: usize) {
    let lines = Kept::all();
    let picked: Vec<&Line> = lines.choose_multiple(&mut SmallRng::from_os_rng(), seeds).collect();
    assert!(!picked.is_empty(), "there is no tally; run `make sim` first");
    let now = all(&picked.iter().map(|line| line.seed).collect::<Vec<_>>(), cores(), |_| {});
    for line in now {
        let then = lines.iter().find(|kept| kept.seed == line.seed).and_then(|kept| kept.ran.as_ref().ok());
        let (then, now) = (then.map(|ran| ran.trace), line.ran.map(|ran| ran.trace).ok());
        println!(
            "seed {:>10} {}",
            line.seed,
            now.map_or_else(|| "failed".to_owned(), |now| format!("{now:016x}"))
        );
        assert_eq!(then, now, "seed {} went another way: {}", line.seed, replay(line.seed));
    }
}

/// The sum of what held; fails with what did not.
fn sum(mut lines: Vec<Line>) -> Tally {
    lines.sort_by_key(|line| line.seed);
    let mut tally = Tally::default();
    let mut failed = 0;
    for line in &lines {
        match &line.ran {
            Ok(ran) => tally.add(line.seed, ran),
            Err(_) => {
                told(line);
                failed += 1;
            }
        }
    }
    println!("{tally}");
    assert!(failed == 0, "{failed} of {} seeds fail; each history is printed by its replay", lines.len());
    tally
}

fn told(line: &Line) {
    if let Err(broken) = &line.ran {
        println!("seed {}: {broken}\n  {}", line.seed, replay(line.seed));
    }
}

fn replay(seed: u64) -> String {
    format!("{SEED_ENV}={seed} cargo test --package tdferry-cli --test simulation {REPLAY} -- --nocapture")
}

/// Runs a seed in a process of its own.
pub(crate) fn elsewhere(seed: u64) -> Result<Ran, String> {
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

/// Runs seeds, so many at once; each is told as it ends.
fn all(seeds: &[u64], cores: usize, tell: impl Fn(&Line) + Sync) -> Vec<Line> {
    let next = AtomicUsize::new(0);
    let lines = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| {
                while let Some(seed) = seeds.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let line = Line { seed: *seed, ran: elsewhere(*seed) };
                    let mut lines = lines.lock().unwrap();
                    tell(&line);
                    lines.push(line);
                }
            });
        }
    });
    lines.into_inner().unwrap()
}
