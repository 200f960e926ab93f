//! What one seed makes: data, hosts, switches, the log that all of them write.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rand::Rng;
use rand::rngs::StdRng;
use tdferry_common::options::OptionValue;
use tdferry_common::shutdown::Stopper;
use tdferry_common::spec::{Spec, TaskKind, TaskName};
use tdferry_common::testing::{MemServer, Recipe};
use tdferry_common::time::Period;
use tdferry_common::timing::Timing;
use tdferry_embedded::MemoryStorage;
use tdferry_proto::v1;
use turmoil::Sim;

use crate::acts::{self, Act};
use crate::cutover::{self, Cutover};
use crate::gate::Gate;
use crate::kinds::{WORKERS, peers, worker_host};
use crate::live::{self, Mode};
use crate::log::Log;
use crate::meddle::Meddling;
use crate::planted::Planted;
use crate::ports::Shorts;
use crate::steps::Steps;

pub(crate) const TASK: &str = "simulated";
/// 2020-09-20: a week after the first row of every generated database.
pub(crate) const NOW_MILLIS: i64 = 1_600_600_000_000;
/// A session then lives three seconds.
const HEARTBEAT: Duration = Duration::from_millis(500);
/// A batch of the store takes this long, so that a crash can fall between a change and its answer.
const DISK: Duration = Duration::from_millis(3);
/// Rows in one block: few, so that there are many writes to hit.
const BLOCK_ROWS: usize = 8;
/// How long one call to a database takes at most, so that a fault finds calls in flight; less than the limit of a write.
const SLOWEST_MILLIS: std::ops::RangeInclusive<u64> = 300..=800;

/// Everything that survives its hosts.
pub(crate) struct World {
    pub(crate) seed: u64,
    pub(crate) log: Log,
    pub(crate) timing: Timing,
    pub(crate) planted: Planted,
    pub(crate) disk: MemoryStorage,
    pub(crate) source: Arc<MemServer>,
    pub(crate) sink: Arc<MemServer>,
    pub(crate) workers: Vec<WorkerSwitches>,
    pub(crate) spec: String,
    /// Whether production goes on, and what the task follows then.
    pub(crate) live: Option<Mode>,
    /// How it is cut over at the end, if it is.
    pub(crate) cutover: Option<Cutover>,
    /// Whether some reads end early.
    pub(crate) shorts: Arc<Shorts>,
    /// How long one call to a database takes at most.
    pub(crate) slowest: Duration,
    /// At which steps somebody is to die.
    pub(crate) steps: Steps,
    /// Whose requests do not arrive as they were sent.
    pub(crate) meddling: Meddling,
    /// When an operator pauses the task, and for how long.
    pub(crate) pauses: Option<(Duration, Duration)>,
    /// What else the operator does.
    pub(crate) acts: Vec<Act>,
    /// How often each of it had an effect.
    pub(crate) acted: Mutex<BTreeMap<String, u64>>,
    /// What the client saw last.
    pub(crate) seen: Mutex<Option<v1::TaskView>>,
    /// How often the client opened poisoned shards again.
    pub(crate) retried: AtomicU64,
    starts: AtomicU64,
}

/// What the driver can do to one worker.
#[derive(Default)]
pub(crate) struct WorkerSwitches {
    pub(crate) gate: Gate,
    pub(crate) stopper: Mutex<Option<Stopper>>,
}

impl WorkerSwitches {
    pub(crate) fn drain(&self) {
        if let Some(stopper) = self.stopper.lock().unwrap_or_else(PoisonError::into_inner).as_ref() {
            stopper.drain();
        }
    }
}

impl World {
    pub(crate) fn new(seed: u64, rng: &mut StdRng, planted: Planted, log: Log) -> Arc<Self> {
        let recipe = Recipe {
            dense: (rng.random_range(3..=6), rng.random_range(250..=450)),
            sparse: (rng.random_range(20..=60), 4),
            normal: (rng.random_range(0..=2), 30),
            every_type: rng.random_bool(0.5),
            ..Recipe::small(rng.random())
        };
        let live = live::draw(seed, planted.needs_production());
        // a short history, so that faults are left for what follows it
        let recipe = match live {
            Some(_) => Recipe { dense: (3, 60), sparse: (12, 3), ..recipe },
            None => recipe,
        };
        let (source, sink) = (MemServer::source(recipe.make()), MemServer::sink());
        source.limit(|limits| limits.block_rows = BLOCK_ROWS);
        let sees = log.clone();
        sink.on_event(Arc::new(move |event| sees.sink_event(event)));
        let at = Duration::from_millis(rng.random_range(1_500..30_000));
        let pauses = rng.random_bool(0.3).then(|| (at, Duration::from_millis(rng.random_range(500..5_000))));
        let workers: Vec<_> = (0..rng.random_range(3..=WORKERS)).map(|_| WorkerSwitches::default()).collect();
        Arc::new(Self {
            seed,
            log,
            timing: Timing::from_heartbeat(HEARTBEAT),
            planted,
            disk: MemoryStorage::new().with_latency(DISK),
            source,
            sink,
            cutover: live.and_then(|_| cutover::draw(seed, workers.len())),
            workers,
            spec: spec(rng, live),
            live,
            shorts: Arc::default(),
            slowest: Duration::from_millis(rng.random_range(SLOWEST_MILLIS)),
            steps: Steps::default(),
            meddling: Meddling::new(rng.random()),
            pauses,
            acts: acts::draw(seed),
            acted: Mutex::default(),
            seen: Mutex::default(),
            retried: AtomicU64::new(0),
            starts: AtomicU64::new(0),
        })
    }

    /// Whether the task was seen to follow.
    pub(crate) fn is_live(&self) -> bool {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.as_ref().is_some_and(|task| task.phase == "live")
    }

    /// From where on the task was to copy; before that only once it was seen to be planned.
    pub(crate) fn asked(&self) -> Period {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let cutoff = seen.as_ref().and_then(|task| task.cutoff.as_ref()).map(|cutoff| cutoff.units);
        match self.live {
            Some(Mode::Realtime) => Period { from: cutoff.unwrap_or(i64::MAX), to: i64::MAX },
            _ => Period::ALL,
        }
    }

    pub(crate) fn task(&self) -> TaskName {
        TASK.parse().unwrap()
    }

    /// Counts something that an operator did.
    pub(crate) fn acted(&self, what: &str) {
        let mut acted = self.acted.lock().unwrap_or_else(PoisonError::into_inner);
        *acted.entry(what.to_owned()).or_default() += 1;
    }

    /// A seed of its own for each start of each host.
    pub(crate) fn seed_for(&self, host: &str) -> u64 {
        let start = self.starts.fetch_add(1, Ordering::Relaxed);
        let mut hasher = DefaultHasher::new();
        (self.seed, host, start).hash(&mut hasher);
        hasher.finish()
    }

    /// Stops a process as far as others can tell: what it sends and is sent is held. Of a worker, the loop that beats
    /// and claims stands still as well, and its calls to both databases neither begin nor answer; only the timers
    /// inside of its leases go on.
    pub(crate) fn pause(&self, sim: &Sim<'_>, host: &str) {
        self.gate(host).inspect(|gate| gate.shut());
        self.links(host).for_each(|peer| sim.hold(host, peer));
    }

    pub(crate) fn resume(&self, sim: &Sim<'_>, host: &str) {
        self.gate(host).inspect(|gate| gate.open());
        self.links(host).for_each(|peer| sim.release(host, peer));
    }

    fn gate(&self, host: &str) -> Option<&Gate> {
        let worker = (0..self.workers.len()).find(|worker| worker_host(*worker) == host)?;
        Some(&self.workers[worker].gate)
    }

    fn links(&self, host: &str) -> impl Iterator<Item = String> {
        let absent: Vec<String> = (self.workers.len()..WORKERS).map(worker_host).collect();
        peers(host).into_iter().filter(move |peer| !absent.contains(peer))
    }
}

/// Periods of minutes, so that there are shards enough; dense, sparse or by density; mostly compared afterwards.
fn spec(rng: &mut StdRng, live: Option<Mode>) -> String {
    let text = |text: &str| OptionValue::Text(text.to_owned());
    let mut options = BTreeMap::new();
    let unit: u64 = rng.random_range(150..=600);
    options.insert("unit".to_owned(), text(&unit.to_string()));
    match rng.random_range(0..3) {
        0 => drop(options.insert("select-from-stable".to_owned(), text("true"))),
        1 => drop(options.insert("select-from-stable".to_owned(), text("false"))),
        _ => {}
    }
    let verify = ["count", "digest", "digest", "sample:50"];
    options.insert("verify".to_owned(), text(verify[rng.random_range(0..verify.len())]));
    if let Some(mode) = live {
        options.insert("mode".to_owned(), text(mode.word()));
        // production writes now, a week after the history: short periods would be thousands of shards
        options.insert("unit".to_owned(), text("2d"));
        options.insert("audit-window".to_owned(), text(live::AUDIT_WINDOW));
        options.insert("schema-polling-interval".to_owned(), text("2s"));
    }
    let (from, to) = ("taos+ws://old:6041/source", "taos+ws://new:6041/target");
    Spec::build(TASK, TaskKind::TDengine2, from, to, &options).unwrap().to_json().unwrap()
}
