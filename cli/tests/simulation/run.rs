//! One seed from its beginning to its end: the driver of the simulation.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rand::SeedableRng;
use rand::rngs::StdRng;
use serde::{Deserialize, Serialize};
use turmoil::Sim;

use crate::check::{self, Shown};
use crate::cutover::Cutover;
use crate::faults::{self, DOWN_AT_MOST, Fault, QUIET_FROM, USUAL_LATENCY};
use crate::kinds::{self, Kind, STORE};
use crate::log::Log;
use crate::planted::Planted;
use crate::world::World;
use crate::{client, hosts, live, telling};

/// The grain of simulated time.
const TICK: Duration = Duration::from_millis(5);
/// After everything was repaired the task ends within this time (promise L1): twice the time after which a lease that
/// makes no progress is taken away.
const ENDS_WITHIN: Duration = Duration::from_secs(120);
/// Whoever was held up may still write after the end.
const AFTERWARDS: Duration = Duration::from_secs(3);
/// Segments under way in one connection.
const SEGMENTS: usize = 4_096;

/// What one seed showed.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Ran {
    pub(crate) simulated: Duration,
    pub(crate) trace: u64,
    pub(crate) shown: Shown,
    pub(crate) faults: BTreeMap<String, u64>,
    /// What happened to single requests.
    pub(crate) requests: BTreeMap<String, u64>,
    /// What an operator did.
    pub(crate) acted: BTreeMap<String, u64>,
    pub(crate) told: BTreeMap<String, u64>,
    pub(crate) retried: u64,
}

/// One simulation at a time in a process: see [`align`].
static ALONE: Mutex<()> = Mutex::new(());

/// Runs a seed; what it breaks is an error in words.
pub(crate) fn run(seed: u64, planted: Planted, aloud: bool) -> Result<Ran, String> {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    align();
    let log = Log::new(aloud);
    let (ran, told) = telling::listening(&log, aloud, || {
        catch_unwind(AssertUnwindSafe(|| simulate(seed, planted, &log))).unwrap_or_else(|panic| {
            let words = panic.downcast_ref::<String>().cloned();
            let words = words.or_else(|| panic.downcast_ref::<&str>().map(|words| (*words).to_owned()));
            Err(format!("panicked: {}", words.unwrap_or_default()))
        })
    });
    ran.map(|ran| Ran { told, trace: log.trace(), ..ran })
}

/// A runtime that ends drops its tasks in an order that follows from their ids modulo a small power of two, and ids are
/// counted for the whole process. So that a crash says goodbye to its peers in the same order every time, each
/// simulation starts at the same id modulo a larger one, and no other may run beside it.
fn align() {
    const MODULUS: u64 = 64;
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        while tokio::spawn(async {}).id().to_string().parse::<u64>().unwrap() % MODULUS != 0 {}
    });
}

fn simulate(seed: u64, planted: Planted, log: &Log) -> Result<Ran, String> {
    let mut rng = StdRng::seed_from_u64(seed);
    let world = World::new(seed, &mut rng, planted, log.clone());
    let faults = faults::draw(&mut rng, world.workers.len(), world.live.is_some());
    let ends_within = ENDS_WITHIN * if world.live.is_some() { 2 } else { 1 };
    faults::in_calls(&world, &mut rng);
    let mut sim = build(seed, &world);
    let mut driver =
        Driver { waiting: faults, under_way: Vec::new(), counted: BTreeMap::new(), quiet: false };
    loop {
        driver.turn(&mut sim, &world);
        if sim.step().map_err(|error| format!("a host ended: {error}"))? {
            break;
        }
        if sim.elapsed() > QUIET_FROM + ends_within {
            check::check(&world)?;
            let seen = world.seen.lock().unwrap().clone();
            let state = seen.map(|task| (task.state, task.progress, task.reason));
            return Err(format!(
                "L1: the task has not ended {ends_within:?} after the last fault: {state:?}; {:?}",
                check::equal(&world)
            ));
        }
    }
    let ended = sim.elapsed();
    driver.quiet(&mut sim, &world);
    while sim.elapsed() < ended + AFTERWARDS {
        world.log.set_now(sim.elapsed());
        sim.step().map_err(|error| format!("a host ended: {error}"))?;
    }
    let shown = check::check(&world)?;
    completed(&world)?;
    check::equal(&world)?;
    let mut counted = driver.counted;
    for (side, server) in [("source", &world.source), ("sink", &world.sink)] {
        for (fault, times) in server.fired() {
            let word = format!("{side} {}", format!("{fault:?}").to_lowercase());
            *counted.entry(word).or_default() += times;
        }
    }
    let retried = world.retried.load(std::sync::atomic::Ordering::Relaxed);
    let requests = world.meddling.fired().into_iter().map(|(what, times)| (what.to_owned(), times)).collect();
    let acted = world.acted.lock().unwrap_or_else(PoisonError::into_inner).clone();
    Ok(Ran { simulated: sim.elapsed(), shown, faults: counted, requests, acted, retried, ..Ran::default() })
}

fn completed(world: &World) -> Result<(), String> {
    let seen = world.seen.lock().unwrap();
    let follows_on = world.live.is_some() && world.cutover.is_none();
    match seen.as_ref() {
        Some(task) if task.state == "completed" && !follows_on => Ok(()),
        Some(task) if task.phase == "live" && follows_on => Ok(()),
        Some(task) => Err(format!("L1: the task ended as {}: {}", task.state, task.reason)),
        None => Err("L1: nobody ever saw the task".to_owned()),
    }
}

fn build(seed: u64, world: &Arc<World>) -> Sim<'static> {
    let mut sim = turmoil::Builder::new()
        .rng_seed(seed)
        .simulation_duration(QUIET_FROM + ENDS_WITHIN * 3)
        .tick_duration(TICK)
        .min_message_latency(Duration::from_millis(1))
        .max_message_latency(USUAL_LATENCY)
        .tcp_capacity(SEGMENTS)
        .enable_random_order()
        .build();
    let of = Arc::clone(world);
    sim.host(STORE, move || hosts::store(Arc::clone(&of)));
    for name in kinds::coordinators() {
        let (of, host) = (Arc::clone(world), name.clone());
        sim.host(name, move || hosts::coordinator(Arc::clone(&of), host.clone()));
    }
    for index in 0..world.workers.len() {
        let of = Arc::clone(world);
        sim.host(kinds::worker_host(index), move || hosts::worker(Arc::clone(&of), index));
    }
    if world.live.is_some() {
        let of = Arc::clone(world);
        sim.host("production", move || live::produce(Arc::clone(&of)));
    }
    sim.client("operator", client::operate(Arc::clone(world)));
    sim
}

struct Driver {
    waiting: Vec<Fault>,
    under_way: Vec<Fault>,
    counted: BTreeMap<String, u64>,
    quiet: bool,
}

impl Driver {
    /// Ends and begins what is due.
    fn turn(&mut self, sim: &mut Sim<'_>, world: &World) {
        let now = sim.elapsed();
        world.log.set_now(now);
        for at in world.steps.reached() {
            world.log.note(at.to_string());
            sim.crash(at.host.as_str());
            *self.counted.entry(at.to_string()).or_default() += 1;
            for fault in self.under_way.iter_mut().filter(|fault| fault.kind == Kind::CrashAt(at.clone())) {
                fault.to = fault.to.min(now + DOWN_AT_MOST);
            }
        }
        let over: Vec<Fault> = self.under_way.extract_if(.., |fault| fault.to <= now).collect();
        over.iter().for_each(|fault| ended(sim, world, fault));
        self.waiting.extend(world.cutover.as_ref().and_then(Cutover::crash));
        while self.waiting.first().is_some_and(|fault| fault.from <= now) {
            let fault = self.waiting.remove(0);
            world.log.note(format!("{} begins", fault.kind));
            faults::begin(sim, world, &fault.kind);
            // a crash at a step counts when somebody comes there
            if !matches!(fault.kind, Kind::CrashAt(_)) {
                *self.counted.entry(fault.kind.word()).or_default() += 1;
            }
            self.under_way.push(fault);
        }
        if now >= QUIET_FROM {
            self.quiet(sim, world);
        }
    }

    /// Nothing goes wrong any more.
    fn quiet(&mut self, sim: &mut Sim<'_>, world: &World) {
        if std::mem::replace(&mut self.quiet, true) {
            return;
        }
        self.waiting.clear();
        std::mem::take(&mut self.under_way).iter().for_each(|fault| ended(sim, world, fault));
        world.source.set_faults(None);
        world.sink.set_faults(None);
        world.log.note("no more faults");
    }
}

fn ended(sim: &mut Sim<'_>, world: &World, fault: &Fault) {
    world.log.note(format!("{} ends", fault.kind));
    faults::end(sim, world, &fault.kind);
}
