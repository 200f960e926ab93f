//! Clocks that step while a process runs. The library `libfaketime` shows one worker and one coordinator another time
//! of day; their monotonic clock goes on as it is, as it does when an administrator sets the clock.

use std::time::Duration;

use anyhow::{Context, Result};
use jiff::Timestamp;
use rand::rngs::SmallRng;
use tdferry_common::clock::wall_now;
use tokio::sync::Mutex;

use crate::actor::Actor;
use crate::cast::{Cast, Clock};
use crate::wait::until;

/// How far a clock steps, in seconds.
const STEP: i64 = 3_600;
/// More than a busy machine takes from a line's time to the time it is read here, less than a step.
const LEAST_MILLIS: u64 = 1_800_000;
/// Within which a process at work says something.
const WORDS: Duration = Duration::from_secs(15);

/// Which.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// A worker's clock steps an hour ahead, and back.
    WorkerAhead,
    /// A worker's clock steps an hour back, and ahead again.
    WorkerBehind,
    /// A coordinator's clock steps an hour ahead, and back.
    CoordinatorAhead,
    /// A coordinator's clock steps an hour back, and ahead again.
    CoordinatorBehind,
}

impl Kind {
    pub(crate) const ALL: [Self; 4] =
        [Self::WorkerAhead, Self::WorkerBehind, Self::CoordinatorAhead, Self::CoordinatorBehind];

    pub(crate) const fn of_worker(self) -> bool {
        matches!(self, Self::WorkerAhead | Self::WorkerBehind)
    }

    pub(crate) async fn inflict(self, cast: &Cast, _rng: &mut SmallRng) -> Result<()> {
        let clock = cast.clock.as_ref().context("libfaketime is not installed")?;
        let place = match self.of_worker() {
            true => &cast.workers[Clock::WORKER].process,
            false => &cast.coordinators[Clock::COORDINATOR].process,
        };
        let step = match self {
            Self::WorkerAhead | Self::CoordinatorAhead => STEP,
            Self::WorkerBehind | Self::CoordinatorBehind => -STEP,
        };
        let name = if self.of_worker() { Clock::OF_WORKER } else { Clock::OF_COORDINATOR };
        clock.set(name, step)?;
        let seen = stepped(place, step).await;
        clock.set(name, 0)?;
        seen
    }
}

/// Seen: a line in its log that was written an hour away from now.
async fn stepped(place: &Mutex<Option<Actor>>, step: i64) -> Result<()> {
    let place = place.lock().await;
    let actor = place.as_ref().context("it is dead")?;
    let mark = actor.mark();
    let away = |line: &str| {
        let time = line.split_whitespace().next()?.parse::<Timestamp>().ok()?;
        let off = time.as_millisecond() - wall_now();
        (off.unsigned_abs() > LEAST_MILLIS && off.signum() == step.signum()).then_some(())
    };
    let line = || async { actor.said_since(mark).lines().find_map(away) };
    until(WORDS, "a line of another time", line).await
}
