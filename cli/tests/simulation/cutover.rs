//! How some seeds' following ends: production has stopped, the operator cuts over, and a host dies meanwhile.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::RangeInclusive;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use tdferry_proto::v1;
use tdferry_proto::v1::cutover_request::Step;
use tonic::{Code, Status};

use crate::client::{Admin, Operator};
use crate::faults::Fault;
use crate::kinds::{COORDINATORS, Kind, STORE, worker_host};
use crate::world::{TASK, World};

/// How many of the seeds that follow a source are cut over.
const SHARE: f64 = 0.5;
/// So long after the operator first asked somebody dies: about as long as a cutover takes.
const AFTER_MILLIS: RangeInclusive<u64> = 0..=5_000;
/// Shorter and longer than a session.
const DOWN_MILLIS: RangeInclusive<u64> = 300..=5_000;
/// As the command line has it.
const MAX_LAG_SECONDS: f64 = 10.0;
/// How the task's state reads once the mark is set.
const UNDER_WAY: &str = "cutting over";

/// Who dies while a seed's task is cut over, and when.
pub(crate) struct Cutover {
    host: String,
    after: Duration,
    down: Duration,
    asked: Mutex<Asked>,
}

/// Whether the operator has asked for it.
#[derive(Clone, Copy)]
enum Asked {
    NotYet,
    At(Duration),
    /// The driver knows of it.
    Told,
}

/// Drawn apart, as all that concerns following.
pub(crate) fn draw(seed: u64, workers: usize) -> Option<Cutover> {
    let mut hasher = DefaultHasher::new();
    (seed, "cutover").hash(&mut hasher);
    let mut rng = SmallRng::seed_from_u64(hasher.finish());
    let host = match rng.random_range(0..6) {
        0..3 => worker_host(rng.random_range(0..workers)),
        3..5 => format!("coordinator-{}", rng.random_range(0..COORDINATORS)),
        _ => STORE.to_owned(),
    };
    let [after, down] =
        [AFTER_MILLIS, DOWN_MILLIS].map(|range| Duration::from_millis(rng.random_range(range)));
    rng.random_bool(SHARE).then_some(Cutover { host, after, down, asked: Mutex::new(Asked::NotYet) })
}

impl Cutover {
    /// The crash, once it is known when.
    pub(crate) fn crash(&self) -> Option<Fault> {
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        let Asked::At(at) = *asked else { return None };
        *asked = Asked::Told;
        let from = at + self.after;
        Some(Fault { kind: Kind::Crash(self.host.clone()), from, to: from + self.down })
    }

    fn asked(&self) {
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        if let Asked::NotYet = *asked {
            *asked = Asked::At(turmoil::sim_elapsed().unwrap_or_default());
        }
    }
}

/// Sets the mark, unless it is set or something must hold first; to be called until the task has ended.
pub(crate) async fn ask(operator: &mut Operator, world: &World, cutover: &Cutover) -> Result<(), Status> {
    let under_way = |task: &v1::TaskView| task.state == UNDER_WAY || task.phase != "live";
    if world.seen.lock().unwrap_or_else(PoisonError::into_inner).as_ref().is_none_or(under_way) {
        return Ok(());
    }
    cutover.asked();
    let request = v1::CutoverRequest {
        name: TASK.to_owned(),
        step: Step::Freeze.into(),
        mark_unix_millis: None,
        max_lag_seconds: MAX_LAG_SECONDS,
        accept_rejects: false,
    };
    let freeze = |mut admin: Admin| {
        let request = request.clone();
        async move { admin.cutover(request).await }
    };
    match operator.ask(freeze).await {
        Ok(told) => {
            let lacking: Vec<_> = told.items.iter().filter(|item| !item.holds).collect();
            world.log.note(format!("operator cuts over; what does not hold: {lacking:?}"));
            if lacking.is_empty() {
                world.acted("cut over");
            }
            Ok(())
        }
        // a mark that was set by a try whose answer was lost may have ended it by now
        Err(status) if status.code() == Code::FailedPrecondition => Ok(()),
        Err(status) => Err(status),
    }
}
