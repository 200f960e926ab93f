//! Clocks that step while a process runs, as when an administrator sets them, and clocks whose seconds are long.

use std::time::Duration;

use anyhow::{Context, Result};
use jiff::Timestamp;
use rand::rngs::SmallRng;
use tdferry_common::clock::wall_now;
use tokio::time::sleep;

use super::workers;
use crate::actor::PATIENCE;
use crate::cast::Cast;
use crate::clock::{Clock, Owner};
use crate::link::{Link, Way, Weather};
use crate::wait::until;

/// How far a clock steps, in seconds.
const STEP: i64 = 3_600;
/// More than a busy machine takes from a line's time to the time it is read here, less than a step.
const STEPPED: Duration = Duration::from_secs(1_800);
/// The library looks so often at what time it is to show, and a little more.
const READ: Duration = Duration::from_millis(1_200);
/// A worker's heartbeat so many times as long outlasts its session.
const WORKER_SLOW: u32 = 10;
/// So many times as long are a coordinator's durations.
const COORDINATOR_SLOW: u32 = 4;
/// How long a slow coordinator serves, and how far it is behind by then at the least.
const SLOW: Duration = Duration::from_secs(6);
const BEHIND: Duration = Duration::from_secs(4);

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
    /// A worker's monotonic clock goes so slowly that its session ends before its next heartbeat.
    WorkerSlow,
    /// A coordinator's monotonic clock goes slowly.
    CoordinatorSlow,
}

impl Kind {
    pub(crate) const ALL: [Self; 6] = [
        Self::WorkerAhead,
        Self::WorkerBehind,
        Self::CoordinatorAhead,
        Self::CoordinatorBehind,
        Self::WorkerSlow,
        Self::CoordinatorSlow,
    ];

    pub(crate) const fn of_worker(self) -> bool {
        matches!(self, Self::WorkerAhead | Self::WorkerBehind | Self::WorkerSlow)
    }

    pub(crate) async fn inflict(self, cast: &Cast, _rng: &mut SmallRng) -> Result<()> {
        let clock = cast.clock.as_ref().context("libfaketime is not installed")?;
        match self {
            Self::WorkerAhead => stepped(cast, clock, Owner::Worker, STEP).await,
            Self::WorkerBehind => stepped(cast, clock, Owner::Worker, -STEP).await,
            Self::CoordinatorAhead => stepped(cast, clock, Owner::Coordinator, STEP).await,
            Self::CoordinatorBehind => stepped(cast, clock, Owner::Coordinator, -STEP).await,
            Self::WorkerSlow => worker_slow(cast, clock).await,
            Self::CoordinatorSlow => coordinator_slow(cast, clock).await,
        }
    }
}

/// Seen: a line in its log that was written an hour away from now.
async fn stepped(cast: &Cast, clock: &Clock, owner: Owner, step: i64) -> Result<()> {
    clock.set(owner, step)?;
    sleep(READ).await;
    let seen = complains(cast, owner, STEPPED, step.signum()).await;
    clock.set(owner, 0)?;
    seen
}

/// Seen: the end of its session in the store while it worked, and its own words when it was told.
async fn worker_slow(cast: &Cast, clock: &Clock) -> Result<()> {
    let index = Owner::Worker.index();
    cast.workers[index].process.lock().await.take().context("it is dead")?.kill().await?;
    clock.slow(Owner::Worker, WORKER_SLOW)?;
    cast.start_worker(index).await?;
    let seen = loses_its_session(cast, index).await;
    clock.set(Owner::Worker, 0)?;
    cast.workers[index].process.lock().await.take().context("it is dead")?.kill().await?;
    cast.start_worker(index).await?;
    seen
}

async fn loses_its_session(cast: &Cast, index: usize) -> Result<()> {
    let place = cast.workers[index].process.lock().await;
    let worker = place.as_ref().context("it is dead")?;
    worker.has_said("session opened").await?;
    let id = workers::session(worker).context("no session")?;
    let gone = || async { cast.recorder.worker(&id).is_some_and(|record| !record.lives).then_some(()) };
    until(PATIENCE, "the end of the session", gone).await?;
    worker.has_said("session lost").await.map(drop)
}

/// Seen: a line in its log that was written seconds ago as it counts them.
async fn coordinator_slow(cast: &Cast, clock: &Clock) -> Result<()> {
    let index = Owner::Coordinator.index();
    cast.coordinators[index].process.lock().await.take().context("it is dead")?.kill().await?;
    clock.slow(Owner::Coordinator, COORDINATOR_SLOW)?;
    cast.start_coordinator(index).await?;
    sleep(SLOW).await;
    let seen = complains(cast, Owner::Coordinator, BEHIND, -1).await;
    clock.set(Owner::Coordinator, 0)?;
    cast.coordinators[index].process.lock().await.take().context("it is dead")?.kill().await?;
    cast.start_coordinator(index).await?;
    seen
}

/// Cuts it off until it says so, in a line of a time at least so far ahead or behind.
async fn complains(cast: &Cast, owner: Owner, least: Duration, sign: i64) -> Result<()> {
    let (links, place) = match owner {
        Owner::Worker => {
            let worker = &cast.workers[owner.index()];
            (&worker.to_coordinators, &worker.process)
        }
        Owner::Coordinator => {
            let coordinator = &cast.coordinators[owner.index()];
            (&coordinator.to_store, &coordinator.process)
        }
    };
    let place = place.lock().await;
    let actor = place.as_ref().context("it is dead")?;
    let mark = actor.mark();
    let away = |line: &str| {
        let time = line.split_whitespace().next()?.parse::<Timestamp>().ok()?;
        let off = time.as_millisecond() - wall_now();
        (u128::from(off.unsigned_abs()) > least.as_millis() && off.signum() == sign).then_some(())
    };
    sever(links);
    let line = || async { actor.said_since(mark).lines().find_map(away) };
    let seen = until(PATIENCE, "a line of another time", line).await;
    links.iter().for_each(Link::heal);
    seen
}

fn sever(links: &[Link]) {
    for link in links {
        link.weather(Way::Back, Weather { held: true, ..Weather::default() });
        link.reset();
    }
}
