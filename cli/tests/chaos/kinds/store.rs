//! What befalls the store: a real etcd of three members.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use rand::Rng;
use rand::rngs::SmallRng;
use tokio::time::sleep;

use crate::actor::PATIENCE;
use crate::cast::Cast;
use crate::etcd::MEMBERS;
use crate::room;
use crate::wait::until;

/// Above an election's time.
const PAUSE: Duration = Duration::from_secs(3);
/// Longer than a worker's session lives, which must not end while nobody can tell.
const WITHOUT_QUORUM: Duration = Duration::from_secs(4);
/// How long a dead member stays away, in milliseconds.
const AWAY: std::ops::Range<u64> = 500..3_000;

/// Which.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// The member that leads is killed with -9.
    LeaderKilled,
    /// Another is.
    FollowerKilled,
    /// The member that leads stands still, and comes back believing that it leads.
    LeaderPaused,
    /// Another member is asked to lead.
    LeaderMoved,
    /// Two of three stand still.
    QuorumPaused,
    /// All are killed at once.
    AllKilled,
    /// A member comes back with nothing on its disk.
    MemberReplaced,
    /// Its files grow to their quota: no write is taken until somebody made room.
    NoSpace,
    /// A member that compacts its file answers nobody.
    Defragmented,
}

impl Kind {
    pub(crate) const ALL: [Self; 9] = [
        Self::LeaderKilled,
        Self::FollowerKilled,
        Self::LeaderPaused,
        Self::LeaderMoved,
        Self::QuorumPaused,
        Self::AllKilled,
        Self::MemberReplaced,
        Self::NoSpace,
        Self::Defragmented,
    ];

    pub(crate) async fn inflict(self, cast: &Cast, rng: &mut SmallRng) -> Result<()> {
        let leader = cast.etcd.leader().await?;
        let follower = (leader + rng.random_range(1..MEMBERS)) % MEMBERS;
        let away = Duration::from_millis(rng.random_range(AWAY));
        match self {
            Self::LeaderKilled => killed(cast, &[leader], away).await,
            Self::FollowerKilled => killed(cast, &[follower], away).await,
            Self::LeaderPaused => leader_paused(cast, leader).await,
            Self::LeaderMoved => leader_moved(cast, leader, follower).await,
            Self::QuorumPaused => quorum_paused(cast, leader).await,
            Self::AllKilled => killed(cast, &[0, 1, 2], away).await,
            Self::MemberReplaced => member_replaced(cast, follower).await,
            Self::NoSpace => no_space(cast).await,
            Self::Defragmented => {
                let defragmented = cast.etcd.member(leader).await?.defragment().await;
                defragmented.map(drop).map_err(Into::into)
            }
        }
    }
}

/// Killed, away for a while, and back with a leader among all.
async fn killed(cast: &Cast, who: &[usize], away: Duration) -> Result<()> {
    for index in who {
        let mut place = cast.etcd.members[*index].place.lock().await;
        place.process.as_mut().context("it is dead already")?.kill().await?;
    }
    sleep(away).await;
    for index in who {
        cast.etcd.revive(*index).await?;
    }
    led(cast).await
}

async fn led(cast: &Cast) -> Result<()> {
    until(PATIENCE, "a leader of etcd", || async { cast.etcd.leader().await.ok() }).await.map(drop)
}

async fn leader_paused(cast: &Cast, leader: usize) -> Result<()> {
    let place = cast.etcd.members[leader].place.lock().await;
    let process = place.process.as_ref().context("it is dead")?;
    process.freeze().await?;
    let another = || async { cast.etcd.leader().await.ok().filter(|now| *now != leader) };
    let seen = until(PATIENCE, "another leader", another).await;
    sleep(PAUSE).await;
    process.thaw()?;
    seen.map(drop)
}

async fn leader_moved(cast: &Cast, leader: usize, follower: usize) -> Result<()> {
    let target = cast.etcd.status(follower).await?.id;
    cast.etcd.member(leader).await?.move_leader(target).await?;
    let moved = || async { cast.etcd.leader().await.ok().filter(|now| *now == follower) };
    until(PATIENCE, "the other leader", moved).await.map(drop)
}

/// Seen: the member that is left takes no write.
async fn quorum_paused(cast: &Cast, left: usize) -> Result<()> {
    let mut frozen = Vec::new();
    for index in (0..MEMBERS).filter(|index| *index != left) {
        let place = cast.etcd.members[index].place.lock().await;
        place.process.as_ref().context("it is dead")?.freeze().await?;
        frozen.push(place);
    }
    let refused = match cast.etcd.member(left).await {
        Ok(mut alone) => alone.put("chaos", "", None).await.is_err(),
        Err(_) => true,
    };
    sleep(WITHOUT_QUORUM).await;
    frozen.iter().flat_map(|place| place.process.as_ref()).try_for_each(|actor| actor.thaw())?;
    ensure!(refused, "one of three took a write");
    led(cast).await
}

/// Seen: the cluster lists a member of another id in its place, and that one serves.
async fn member_replaced(cast: &Cast, index: usize) -> Result<()> {
    let before = cast.etcd.status(index).await?.id;
    let mut place = cast.etcd.members[index].place.lock().await;
    place.process.as_mut().context("it is dead already")?.kill().await?;
    drop(place);
    cast.etcd.replace(index, before).await?;
    let served =
        || async { cast.etcd.status(index).await.ok().filter(|now| now.id != before && now.leader != 0) };
    until(PATIENCE, "the empty member served", served).await?;
    // it hears all of history, and so of every write that once filled the others
    room::made(cast).await
}

/// Written until no room is left, and then made room as an operator does.
/// Seen: etcd's own alarm is listed, and a write refused.
async fn no_space(cast: &Cast) -> Result<()> {
    let seen = room::fill(cast).await;
    sleep(PAUSE).await;
    room::made(cast).await?;
    seen
}
