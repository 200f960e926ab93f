//! What befalls coordinator processes.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use etcd_client::CompactionOptions;
use rand::Rng;
use rand::rngs::SmallRng;
use tokio::time::sleep;

use crate::actor::PATIENCE;
use crate::cast::{COORDINATORS, Cast};
use crate::link::{Way, Weather};
use crate::wait::until;

/// Less than a worker's session lives.
const SHORT_PAUSE: Duration = Duration::from_millis(1_500);
/// More than it lives, so that what nobody kept alive is gone.
const LONG_PAUSE: Duration = Duration::from_secs(5);
/// How long a dead one stays away, in milliseconds.
const AWAY: std::ops::Range<u64> = 100..3_000;

/// Which.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// One is killed with -9.
    Killed,
    /// One stands still for a while.
    Paused,
    /// One stands still for longer than a session lives.
    PausedLong,
    /// Both are killed, and nobody coordinates until they come back.
    AllAway,
    /// Both stand still for longer than a session lives.
    AllPaused,
    /// One after the other is asked to end and comes back.
    RollingRestart,
    /// The store forgets history that one did not hear of.
    WatchCompacted,
}

impl Kind {
    pub(crate) const ALL: [Self; 7] = [
        Self::Killed,
        Self::Paused,
        Self::PausedLong,
        Self::AllAway,
        Self::AllPaused,
        Self::RollingRestart,
        Self::WatchCompacted,
    ];

    pub(crate) async fn inflict(self, cast: &Cast, rng: &mut SmallRng) -> Result<()> {
        let one = rng.random_range(0..COORDINATORS);
        let away = Duration::from_millis(rng.random_range(AWAY));
        match self {
            Self::Killed => killed(cast, &[one], away).await,
            Self::Paused => paused(cast, &[one], SHORT_PAUSE).await,
            Self::PausedLong => paused(cast, &[one], LONG_PAUSE).await,
            Self::AllAway => all_away(cast, away).await,
            Self::AllPaused => paused(cast, &[0, 1], LONG_PAUSE).await,
            Self::RollingRestart => rolling_restart(cast).await,
            Self::WatchCompacted => watch_compacted(cast, one).await,
        }
    }
}

async fn killed(cast: &Cast, who: &[usize], away: Duration) -> Result<()> {
    for index in who {
        let mut place = cast.coordinators[*index].process.lock().await;
        place.take().context("it is dead already")?.kill().await?;
    }
    sleep(away).await;
    for index in who {
        cast.start_coordinator(*index).await?;
    }
    Ok(())
}

async fn paused(cast: &Cast, who: &[usize], pause: Duration) -> Result<()> {
    let mut frozen = Vec::new();
    for index in who {
        let place = cast.coordinators[*index].process.lock().await;
        place.as_ref().context("it is dead")?.freeze().await?;
        frozen.push(place);
    }
    sleep(pause).await;
    frozen.iter().flat_map(|place| place.as_ref()).try_for_each(|actor| actor.thaw())
}

/// Seen: both killed, and a worker that says that nobody answers it.
async fn all_away(cast: &Cast, away: Duration) -> Result<()> {
    let place = cast.workers[0].process.lock().await;
    let worker = place.as_ref().context("the worker that is listened to is dead")?;
    let mark = worker.mark();
    killed(cast, &[0, 1], away + SHORT_PAUSE).await?;
    worker.says("heartbeat not answered", mark).await.map(drop)
}

async fn rolling_restart(cast: &Cast) -> Result<()> {
    for index in 0..COORDINATORS {
        let mut coordinator = cast.coordinators[index].process.lock().await.take().context("it is dead")?;
        coordinator.signal("TERM")?;
        let ended = coordinator.exit().await;
        cast.start_coordinator(index).await?;
        let ended = ended?;
        ensure!(ended.success(), "{} ended with {ended}", coordinator.name);
    }
    Ok(())
}

/// Seen: its own words that it lists everything anew.
async fn watch_compacted(cast: &Cast, index: usize) -> Result<()> {
    let place = cast.coordinators[index].process.lock().await;
    let coordinator = place.as_ref().context("it is dead")?;
    let mark = coordinator.mark();
    let away = Weather { held: true, ..Weather::default() };
    for link in &cast.coordinators[index].to_store {
        link.weather(Way::Out, away);
        link.reset();
    }
    let compacted = || async { Box::pin(compact_ahead(cast)).await.ok() };
    let compacted = until(PATIENCE, "history forgotten", compacted).await;
    for link in &cast.coordinators[index].to_store {
        link.reset();
        link.heal();
    }
    compacted?;
    coordinator.says("forgot history", mark).await.map(drop)
}

/// Writes something that the cut-off coordinator cannot hear of, and has everything up to it forgotten. May be repeated.
async fn compact_ahead(cast: &Cast) -> Result<()> {
    let before = cast.recorder.revision();
    let mut client = cast.etcd.any().await?;
    for _ in 0..3 {
        client.put("chaos", "", None).await?;
    }
    let recorded = || async { (cast.recorder.revision() >= before + 3).then_some(()) };
    until(PATIENCE, "what was written, recorded", recorded).await?;
    let options = CompactionOptions::new().with_physical();
    client.compact(cast.recorder.revision(), Some(options)).await?;
    Ok(())
}
