//! What one seed makes: data, hosts, switches, the log that all of them write.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rand::Rng;
use rand::rngs::StdRng;
use tdferry_common::options::OptionValue;
use tdferry_common::shutdown::Stopper;
use tdferry_common::spec::{Spec, TaskKind, TaskName};
use tdferry_common::testing::{MemServer, Recipe};
use tdferry_common::timing::Timing;
use tdferry_embedded::MemoryStorage;
use tdferry_proto::v1;
use turmoil::Sim;

use crate::faults::{coordinators, worker_host};
use crate::log::Log;
use crate::planted::Planted;
use crate::ports::Shorts;

pub(crate) const STORE: &str = "store";
pub(crate) const COORDINATORS: usize = 2;
pub(crate) const TASK: &str = "simulated";
/// 2020-09-20: a week after the first row of every generated database.
pub(crate) const NOW_MILLIS: i64 = 1_600_600_000_000;
/// A session then lives three seconds.
const HEARTBEAT: Duration = Duration::from_millis(500);
/// A batch of the store takes this long, so that a crash can fall between a change and its answer.
const DISK: Duration = Duration::from_millis(3);
/// Rows in one block: few, so that there are many writes to hit.
const BLOCK_ROWS: usize = 16;

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
    /// Whether some reads end early.
    pub(crate) shorts: Arc<Shorts>,
    /// When an operator pauses the task, and for how long.
    pub(crate) pauses: Option<(Duration, Duration)>,
    /// What the client saw last.
    pub(crate) seen: Mutex<Option<v1::TaskView>>,
    /// How often the client opened poisoned shards again.
    pub(crate) retried: AtomicU64,
    starts: AtomicU64,
}

/// What the driver can do to one worker.
#[derive(Default)]
pub(crate) struct WorkerSwitches {
    pub(crate) paused: Arc<AtomicBool>,
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
            dense: (rng.random_range(2..=4), rng.random_range(60..=200)),
            sparse: (rng.random_range(10..=40), 4),
            normal: (rng.random_range(0..=2), 30),
            every_type: rng.random_bool(0.5),
            ..Recipe::small(rng.random())
        };
        let (source, sink) = (MemServer::source(recipe.make()), MemServer::sink());
        source.limit(|limits| limits.block_rows = BLOCK_ROWS);
        let sees = log.clone();
        sink.on_event(Arc::new(move |event| sees.sink_event(event)));
        let at = Duration::from_millis(rng.random_range(1_500..8_000));
        let pauses = rng.random_bool(0.3).then(|| (at, Duration::from_millis(rng.random_range(500..5_000))));
        Arc::new(Self {
            seed,
            log,
            timing: Timing::from_heartbeat(HEARTBEAT),
            planted,
            disk: MemoryStorage::new().with_latency(DISK),
            source,
            sink,
            workers: (0..rng.random_range(3..=4)).map(|_| WorkerSwitches::default()).collect(),
            spec: spec(rng),
            shorts: Arc::default(),
            pauses,
            seen: Mutex::default(),
            retried: AtomicU64::new(0),
            starts: AtomicU64::new(0),
        })
    }

    pub(crate) fn task(&self) -> TaskName {
        TASK.parse().unwrap()
    }

    /// A seed of its own for each start of each host.
    pub(crate) fn seed_for(&self, host: &str) -> u64 {
        let start = self.starts.fetch_add(1, Ordering::Relaxed);
        let mut hasher = DefaultHasher::new();
        (self.seed, host, start).hash(&mut hasher);
        hasher.finish()
    }

    /// Stops a worker's process as far as others can tell: what it sends and is sent is held, and its calls to both
    /// databases neither begin nor answer. Turmoil cannot stop a host's own timers, so the worker may notice.
    pub(crate) fn pause(&self, sim: &Sim<'_>, worker: usize) {
        self.workers[worker].paused.store(true, Ordering::Relaxed);
        coordinators().for_each(|coordinator| sim.hold(worker_host(worker), coordinator));
    }

    pub(crate) fn resume(&self, sim: &Sim<'_>, worker: usize) {
        self.workers[worker].paused.store(false, Ordering::Relaxed);
        coordinators().for_each(|coordinator| sim.release(worker_host(worker), coordinator));
    }
}

/// Periods of minutes, so that there are shards enough; dense, sparse or by density.
fn spec(rng: &mut StdRng) -> String {
    let text = |text: &str| OptionValue::Text(text.to_owned());
    let mut options = BTreeMap::new();
    let unit: u64 = rng.random_range(150..=600);
    options.insert("unit".to_owned(), text(&unit.to_string()));
    match rng.random_range(0..3) {
        0 => drop(options.insert("select-from-stable".to_owned(), text("true"))),
        1 => drop(options.insert("select-from-stable".to_owned(), text("false"))),
        _ => {}
    }
    let (from, to) = ("taos+ws://old:6041/source", "taos+ws://new:6041/target");
    Spec::build(TASK, TaskKind::TDengine2, from, to, &options).unwrap().to_json().unwrap()
}
