//! Which faults come when: drawn from the seed before anything runs, begun and ended by the driver.

use std::fmt;
use std::time::Duration;

use rand::Rng;
use rand::rngs::StdRng;
use tdferry_common::testing::FaultPlan;
use turmoil::Sim;

use crate::world::{COORDINATORS, STORE, World};

/// The first fault may come now: by then there are hosts to hit.
const FIRST: Duration = Duration::from_millis(300);
/// No fault lasts beyond it: then everything is repaired, and the task must come to its end.
pub(crate) const QUIET_FROM: Duration = Duration::from_secs(12);
/// Enough to meet each other, few enough that work goes on between them.
const FAULTS: std::ops::RangeInclusive<usize> = 10..=22;
/// Shorter and longer than a session, so that leases are lost in some and not in others.
const LASTS_MILLIS: std::ops::RangeInclusive<u64> = 200..=6_000;
/// Faults inside of calls to each database.
const CALL_FAULTS: u32 = 12;
/// How many of a thousand calls fail while that budget lasts.
const CALLS_PER_MILLE: u32 = 15;
/// One message in so many is lost while a link loses some. A lost one cuts the link until the next gets through.
const LOSS: f64 = 0.02;
const SLOW_LINK: Duration = Duration::from_millis(250);
pub(crate) const USUAL_LATENCY: Duration = Duration::from_millis(30);

/// What goes wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A host is killed, and started again at the end.
    Crash(String),
    /// A worker is asked to stop, and started again at the end.
    Drain(usize),
    /// A worker's process is stopped: see [`World::pause`].
    Pause(usize),
    /// Two hosts do not reach each other.
    Severed(String, String),
    /// The first does not reach the second.
    SeveredOneWay(String, String),
    /// What two hosts send arrives at the end.
    Held(String, String),
    /// Some messages between two hosts are lost.
    Lossy(String, String),
    /// Messages between two hosts take long.
    Slow(String, String),
    /// The source is away.
    SourceAway,
    /// The sink is away.
    SinkAway,
    /// Some reads end early without an error.
    ShortReads,
}

impl Kind {
    /// One word for it, for counting.
    pub(crate) fn word(&self) -> String {
        match self {
            Self::Crash(host) => format!("crash {}", host.split('-').next().unwrap_or_default()),
            other => {
                let text = format!("{other:?}");
                text.split('(').next().unwrap_or_default().to_lowercase()
            }
        }
    }

    /// What it keeps busy: two faults at the same place would undo each other.
    fn places(&self) -> Vec<String> {
        let link = |a: &str, b: &str| format!("{}|{}", a.min(b), a.max(b));
        match self {
            Self::Crash(host) => vec![host.clone()],
            Self::Drain(worker) => vec![worker_host(*worker)],
            Self::Pause(worker) => {
                let host = worker_host(*worker);
                let links = coordinators().map(|coordinator| link(&host, &coordinator));
                links.chain([host.clone()]).collect()
            }
            Self::Severed(a, b)
            | Self::SeveredOneWay(a, b)
            | Self::Held(a, b)
            | Self::Lossy(a, b)
            | Self::Slow(a, b) => vec![link(a, b)],
            Self::SourceAway | Self::SinkAway | Self::ShortReads => vec![format!("{self:?}")],
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

/// One fault: what, and from when to when.
#[derive(Debug, Clone)]
pub(crate) struct Fault {
    pub(crate) kind: Kind,
    pub(crate) from: Duration,
    pub(crate) to: Duration,
}

/// A seed's faults, in the order they begin.
pub(crate) fn draw(rng: &mut StdRng, workers: usize) -> Vec<Fault> {
    let mut faults: Vec<Fault> = Vec::new();
    for _ in 0..rng.random_range(FAULTS) {
        let kind = draw_kind(rng, workers);
        let last = u64::try_from(QUIET_FROM.as_millis()).unwrap();
        let from = Duration::from_millis(rng.random_range(u64::try_from(FIRST.as_millis()).unwrap()..last));
        let to = (from + Duration::from_millis(rng.random_range(LASTS_MILLIS))).min(QUIET_FROM);
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
    match rng.random_range(0..20) {
        0..3 => Kind::Crash(worker_host(worker)),
        3 => Kind::Crash(coordinator),
        4 => Kind::Crash(STORE.to_owned()),
        5 => Kind::Drain(worker),
        6..10 => Kind::Pause(worker),
        10 => Kind::Severed(a, b),
        11 => Kind::SeveredOneWay(a, b),
        12..15 => Kind::Held(a, b),
        15 => Kind::Lossy(a, b),
        16 => Kind::Slow(a, b),
        17 => Kind::SourceAway,
        18 => Kind::SinkAway,
        _ => Kind::ShortReads,
    }
}

pub(crate) fn worker_host(worker: usize) -> String {
    format!("worker-{worker}")
}

pub(crate) fn coordinators() -> impl Iterator<Item = String> {
    (0..COORDINATORS).map(|n| format!("coordinator-{n}"))
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
        Kind::Drain(worker) => world.workers[*worker].drain(),
        Kind::Pause(worker) => world.pause(sim, *worker),
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
        // whoever has not left in order by now is killed
        Kind::Drain(worker) => sim.bounce(worker_host(*worker)),
        Kind::Pause(worker) => world.resume(sim, *worker),
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
