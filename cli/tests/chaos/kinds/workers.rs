//! What befalls worker processes.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use rand::Rng;
use rand::rngs::SmallRng;
use tokio::time::sleep;

use crate::actor::{Actor, PATIENCE};
use crate::cast::{Cast, WORKERS};
use crate::wait::until;

/// Less than the session's three seconds.
const SHORT_PAUSE: Duration = Duration::from_millis(1_500);
/// How long a dead worker stays away, in milliseconds.
const AWAY: std::ops::Range<u64> = 100..3_000;

/// Which.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// One is killed with -9 and comes back later.
    Killed,
    /// All are killed at once.
    AllKilled,
    /// One stands still for less than its session lives.
    Paused,
    /// One stands still until its session is over, and wakes up believing that it holds leases.
    Zombie,
    /// All stand still until their sessions are over.
    AllZombies,
    /// One is asked to end in order.
    Drained,
    /// One is asked twice, and ends at once.
    Aborted,
}

impl Kind {
    pub(crate) const ALL: [Self; 7] = [
        Self::Killed,
        Self::AllKilled,
        Self::Paused,
        Self::Zombie,
        Self::AllZombies,
        Self::Drained,
        Self::Aborted,
    ];

    pub(crate) async fn inflict(self, cast: &Cast, rng: &mut SmallRng) -> Result<()> {
        let one = rng.random_range(0..WORKERS);
        let away = Duration::from_millis(rng.random_range(AWAY));
        match self {
            Self::Killed => killed(cast, &[one], away).await,
            Self::AllKilled => killed(cast, &[0, 1, 2, 3], away).await,
            Self::Paused => paused(cast, one).await,
            Self::Zombie => zombies(cast, &[one]).await,
            Self::AllZombies => zombies(cast, &[0, 1, 2, 3]).await,
            Self::Drained => drained(cast, one).await,
            Self::Aborted => aborted(cast, one).await,
        }
    }
}

async fn killed(cast: &Cast, who: &[usize], away: Duration) -> Result<()> {
    for index in who {
        let mut place = cast.workers[*index].process.lock().await;
        place.take().context("it is dead already")?.kill().await?;
    }
    sleep(away).await;
    for index in who {
        cast.start_worker(*index).await?;
    }
    Ok(())
}

async fn paused(cast: &Cast, index: usize) -> Result<()> {
    let place = cast.workers[index].process.lock().await;
    let worker = place.as_ref().context("it is dead")?;
    worker.freeze().await?;
    sleep(SHORT_PAUSE).await;
    worker.thaw()
}

/// Seen: stopped by the signal, its record gone with its session, and its own words after it woke.
async fn zombies(cast: &Cast, who: &[usize]) -> Result<()> {
    let mut frozen = Vec::new();
    for index in who {
        let place = cast.workers[*index].process.lock().await;
        let worker = place.as_ref().context("it is dead")?;
        // who has no session yet cannot lose it
        worker.has_said("session opened").await?;
        let session = session(worker).context("no session")?;
        worker.freeze().await?;
        frozen.push((place, session));
    }
    let mut seen = Ok(());
    for (_, id) in &frozen {
        let gone = || async { cast.recorder.worker(id).is_some_and(|record| !record.lives).then_some(()) };
        seen = seen.and(until(PATIENCE, &format!("the end of the session of worker {id}"), gone).await);
    }
    for (place, _) in &frozen {
        let Some(worker) = place.as_ref() else { continue };
        let mark = worker.mark();
        worker.thaw()?;
        seen = seen.and(worker.says("session lost", mark).await.map(drop));
    }
    seen
}

/// The id in the last words about its session.
pub(super) fn session(worker: &Actor) -> Option<String> {
    let said = worker.said();
    let line = said.lines().rev().find(|line| line.contains("session opened"))?;
    let id = line.split("worker=").nth(1)?.split_whitespace().next()?;
    Some(id.to_owned())
}

async fn drained(cast: &Cast, index: usize) -> Result<()> {
    let mut place = cast.workers[index].process.lock().await;
    let mut worker = place.take().context("it is dead")?;
    drop(place);
    // who is between two sessions has nothing to give back
    let lives = || async {
        let id = session(&worker)?;
        cast.recorder.worker(&id).filter(|record| record.lives).map(drop)
    };
    let lives = until(PATIENCE, "a session", lives).await;
    worker.signal("TERM")?;
    let ended = worker.exit().await?;
    cast.start_worker(index).await?;
    lives?;
    ensure!(ended.success(), "it ended with {ended}");
    ensure!(worker.said().contains("worker stopped"), "it did not leave in order");
    Ok(())
}

async fn aborted(cast: &Cast, index: usize) -> Result<()> {
    let mut worker = cast.workers[index].process.lock().await.take().context("it is dead")?;
    worker.has_said("session opened").await?;
    worker.signal("TERM")?;
    worker.has_said("signal received").await?;
    let again = worker.signal("TERM");
    let ended = worker.exit().await;
    cast.start_worker(index).await?;
    again?;
    ended.map(drop)
}
