//! Which faults come when: drawn from the seed before anything runs, begun and ended by the driver.

use std::ops::RangeInclusive;
use std::time::Duration;

use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use tdferry_common::testing::FaultPlan;
use turmoil::Sim;

use crate::kinds::{COORDINATORS, Kind, STORE, worker_host};
use crate::steps::{At, Step, When};
use crate::world::World;

/// The first fault may come now: by then there are hosts to hit.
const FIRST_MILLIS: u64 = 300;
/// No fault lasts beyond it: then everything is repaired, and the task must come to its end.
pub(crate) const QUIET_FROM: Duration = Duration::from_secs(60);
/// Enough to meet each other, few enough that work goes on between them.
const FAULTS: RangeInclusive<usize> = 50..=85;
/// Shorter and longer than a session, so that leases are lost in some and not in others.
const LASTS_MILLIS: RangeInclusive<u64> = 200..=6_000;
/// A process may be stopped for four sessions' time; a step may be as long in coming.
const LONG_MILLIS: RangeInclusive<u64> = 200..=12_000;
/// Whoever was killed at a step is started again by then, perhaps after its session.
pub(crate) const DOWN_AT_MOST: Duration = Duration::from_secs(4);
/// Faults inside of calls to each database.
const CALL_FAULTS: u32 = 16;
/// How many of a thousand calls fail while that budget lasts.
const CALLS_PER_MILLE: u32 = 15;
/// One message in so many is lost while a link loses some. A lost one cuts the link until the next gets through.
const LOSS: f64 = 0.02;
const SLOW_LINK: Duration = Duration::from_millis(250);
pub(crate) const USUAL_LATENCY: Duration = Duration::from_millis(30);

/// One fault: what, and from when to when.
#[derive(Debug, Clone)]
pub(crate) struct Fault {
    pub(crate) kind: Kind,
    pub(crate) from: Duration,
    pub(crate) to: Duration,
}

/// A seed's faults, in the order they begin.
pub(crate) fn draw(rng: &mut StdRng, workers: usize, is_live: bool) -> Vec<Fault> {
    let mut faults: Vec<Fault> = Vec::new();
    let last = u64::try_from(QUIET_FROM.as_millis()).unwrap();
    for _ in 0..rng.random_range(FAULTS) {
        let kind = match draw_kind(rng, workers) {
            // a plan grows rarely, too
            Kind::CrashAt(at) if is_live && at.step == Step::Cut && rng.random_bool(0.7) => {
                Kind::CrashAt(At { step: Step::Grow, ..at })
            }
            kind => kind,
        };
        let long = matches!(kind, Kind::Pause(_) | Kind::CrashAt(_));
        let lasts = if long { LONG_MILLIS } else { LASTS_MILLIS };
        let from = Duration::from_millis(rng.random_range(FIRST_MILLIS..last));
        let to = (from + Duration::from_millis(rng.random_range(lasts))).min(QUIET_FROM);
        let fault = Fault { kind, from, to };
        if !faults.iter().any(|other| meet(other, &fault)) {
            faults.push(fault);
        }
    }
    faults.sort_by_key(|fault| fault.from);
    faults
}

fn meet(a: &Fault, b: &Fault) -> bool {
    let places = b.kind.places();
    a.from <= b.to && b.from <= a.to && a.kind.places().iter().any(|place| places.contains(place))
}

fn draw_kind(rng: &mut StdRng, workers: usize) -> Kind {
    let worker = rng.random_range(0..workers);
    let coordinator = format!("coordinator-{}", rng.random_range(0..COORDINATORS));
    let (a, b) = match rng.random_range(0..3) {
        0 => (coordinator.clone(), STORE.to_owned()),
        1 => (worker_host(worker), coordinator.clone()),
        _ => (coordinator.clone(), worker_host(worker)),
    };
    match rng.random_range(0..41) {
        0..3 => Kind::Crash(worker_host(worker)),
        3 => Kind::Crash(coordinator),
        4 => Kind::Crash(STORE.to_owned()),
        5..7 => Kind::Drain(worker),
        7..11 => Kind::Pause(worker_host(worker)),
        11..13 => Kind::Pause(coordinator),
        13 => Kind::Severed(a, b),
        14..16 => Kind::SeveredOneWay(a, b),
        16..19 => Kind::Held(a, b),
        19 => Kind::Lossy(a, b),
        20 => Kind::Slow(a, b),
        21 => Kind::SourceAway,
        22 => Kind::SinkAway,
        23..25 => Kind::ShortReads,
        25..27 => Kind::Meddled(worker_host(worker)),
        27..29 => Kind::Meddled(coordinator),
        29..34 => Kind::CrashAt(step_of(worker_host(worker), &WORKER_STEPS, rng)),
        34..40 => Kind::CrashAt(step_of(coordinator, &COORDINATOR_STEPS, rng)),
        _ => Kind::CrashAt(step_of(STORE.to_owned(), &[Step::Write], rng)),
    }
}

/// Cuts are rare, so they are waited for more often.
const WORKER_STEPS: [Step; 7] =
    [Step::Claim, Step::Write, Step::Commit, Step::Finish, Step::Cut, Step::Cut, Step::Cut];
const COORDINATOR_STEPS: [Step; 6] =
    [Step::Claim, Step::Commit, Step::Finish, Step::Cut, Step::Cut, Step::Cut];

fn step_of(host: String, steps: &[Step], rng: &mut StdRng) -> At {
    let step = *steps.choose(rng).unwrap();
    let when = if rng.random_bool(0.5) { When::Before } else { When::After };
    At { host, step, when }
}

/// Faults inside of calls to both databases.
pub(crate) fn in_calls(world: &World, rng: &mut StdRng) {
    for server in [&world.source, &world.sink] {
        server.set_faults(Some(FaultPlan::new(rng.random(), CALL_FAULTS, CALLS_PER_MILLE)));
    }
}

pub(crate) fn begin(sim: &mut Sim<'_>, world: &World, kind: &Kind) {
    match kind {
        Kind::Crash(host) => sim.crash(host.as_str()),
        Kind::CrashAt(at) => world.steps.arm(at),
        Kind::Drain(worker) => world.workers[*worker].drain(),
        Kind::Pause(host) => world.pause(sim, host),
        Kind::Meddled(host) => world.meddling.begin(host),
        Kind::Severed(a, b) => sim.partition(a.as_str(), b.as_str()),
        Kind::SeveredOneWay(a, b) => sim.partition_oneway(a.as_str(), b.as_str()),
        Kind::Held(a, b) => sim.hold(a.as_str(), b.as_str()),
        Kind::Lossy(a, b) => sim.set_link_fail_rate(a.as_str(), b.as_str(), LOSS),
        Kind::Slow(a, b) => sim.set_link_latency(a.as_str(), b.as_str(), SLOW_LINK),
        Kind::SourceAway => world.source.set_away(true),
        Kind::SinkAway => world.sink.set_away(true),
        Kind::ShortReads => world.shorts.switch(true),
    }
}

pub(crate) fn end(sim: &mut Sim<'_>, world: &World, kind: &Kind) {
    match kind {
        Kind::Crash(host) => sim.bounce(host.as_str()),
        Kind::CrashAt(at) => {
            world.steps.disarm(at);
            if !sim.is_host_running(at.host.as_str()) {
                sim.bounce(at.host.as_str());
            }
        }
        // whoever has not left in order by now is killed
        Kind::Drain(worker) => sim.bounce(worker_host(*worker)),
        Kind::Pause(host) => world.resume(sim, host),
        Kind::Meddled(host) => world.meddling.end(host),
        Kind::Severed(a, b) | Kind::SeveredOneWay(a, b) => sim.repair(a.as_str(), b.as_str()),
        Kind::Held(a, b) => sim.release(a.as_str(), b.as_str()),
        Kind::Lossy(a, b) => {
            sim.set_link_fail_rate(a.as_str(), b.as_str(), 0.0);
            sim.repair(a.as_str(), b.as_str());
        }
        Kind::Slow(a, b) => sim.set_link_latency(a.as_str(), b.as_str(), USUAL_LATENCY),
        Kind::SourceAway => world.source.set_away(false),
        Kind::SinkAway => world.sink.set_away(false),
        Kind::ShortReads => world.shorts.switch(false),
    }
}
