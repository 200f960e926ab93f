//! Leases whose worker lives and does not move: liveness is not progress, so they are ended and claimed anew.

use std::collections::BTreeMap;
use std::time::Duration;

use tdferry_common::id::{ShardId, WorkerId};
use tdferry_common::lease::{LeaseKey, SeenLease};
use tokio::time::Instant;

use super::told;
use crate::leases::shard_of;
use crate::shared::Core;
use crate::store::{LeaseEnded, Revision, StoreError, StoredShard};
use crate::view::Mirror;

/// When each lease's shard was first seen as it still stands.
type Standing = BTreeMap<LeaseKey, (Revision, Instant)>;

/// A lease that stalled, its shard, and since when that stands still.
type Stalled = (SeenLease, StoredShard, Instant);

pub(super) async fn run(core: &Core) {
    let mut standing = Standing::new();
    // batch times are not reported, so the floor alone decides
    let patience = core.timing().stall_after(Duration::ZERO);
    loop {
        tokio::time::sleep(core.jittered(core.timing().heartbeat)).await;
        let leases = core.view().read(leases);
        let stalled = stalled(&mut standing, leases, core.clock.monotonic(), patience);
        match takes_commits(core).await {
            Ok(true) => {
                for one in stalled {
                    told("stall", end(core, &one).await);
                }
            }
            // where nobody can commit, nobody stalls: all have their whole time again
            Ok(false) => standing.clear(),
            Err(error) => {
                standing.clear();
                told("stall", Err(error));
            }
        }
    }
}

/// Whether the store takes what is written now. An alarm is told elsewhere.
async fn takes_commits(core: &Core) -> Result<bool, StoreError> {
    Ok(core.store.upkeep().await?.alarms.is_empty())
}

/// Leases that must show progress. A survey commits at its end only, and its intake has a patience of its own; who waits
/// for a database is not stuck.
fn leases(mirror: &Mirror) -> Vec<(SeenLease, StoredShard)> {
    let waits = |worker: WorkerId, task: &str| {
        mirror.worker(worker).is_some_and(|worker| worker.waiting.iter().any(|waiting| waiting.task == task))
    };
    let all = mirror.tasks().flat_map(|(_, task)| task.leases());
    let due = all.filter(|lease| {
        lease.key.shard != ShardId::survey() && !waits(lease.worker, lease.key.task.as_str())
    });
    due.filter_map(|lease| Some((lease.clone(), shard_of(mirror, &lease.key)?))).collect()
}

fn stalled(
    standing: &mut Standing,
    leases: Vec<(SeenLease, StoredShard)>,
    now: Instant,
    patience: Duration,
) -> Vec<Stalled> {
    let since = |standing: &Standing, lease: &SeenLease, shard: &StoredShard| match standing.get(&lease.key) {
        Some((changed, since)) if *changed == shard.changed => *since,
        _ => now,
    };
    let still: Standing = leases
        .iter()
        .map(|(lease, shard)| (lease.key.clone(), (shard.changed, since(standing, lease, shard))))
        .collect();
    *standing = still;
    let over = |(lease, shard): (SeenLease, StoredShard)| {
        let (_, since) = *standing.get(&lease.key)?;
        (now >= since + patience).then_some((lease, shard, since))
    };
    leases.into_iter().filter_map(over).collect()
}

/// Takes the lease away, and leaves in the shard who stalled, since when, and what was done.
async fn end(core: &Core, (lease, stored, since): &Stalled) -> Result<(), StoreError> {
    let stood = core.clock.monotonic().saturating_duration_since(*since);
    let since = since_in_words(core.clock.wall_millis(), stood);
    let host = core.view().read(|mirror| mirror.worker(lease.worker).map(|worker| worker.host.clone()));
    let host = host.unwrap_or_else(|| "unknown host".to_owned());
    let reason = format!(
        "stalled: worker {} on {host} lived and committed nothing under epoch {} since {since}; its lease was taken away",
        lease.worker, lease.key.epoch
    );
    if core.store.stall(lease, stored, reason).await? == LeaseEnded::Ended {
        let LeaseKey { task, shard, epoch } = &lease.key;
        tracing::warn!(%task, %shard, %epoch, worker = %lease.worker, host, since, "stalled lease ended");
    }
    Ok(())
}

/// A moment so long ago, as people read it.
fn since_in_words(now_millis: i64, ago: Duration) -> String {
    let at = now_millis.saturating_sub(i64::try_from(ago.as_millis()).unwrap_or(i64::MAX));
    jiff::Timestamp::from_millisecond(at)
        .map_or_else(|_| "an unknown time".to_owned(), |at| format!("{at:.0}"))
}

#[cfg(test)]
mod tests {
    use tdferry_common::id::{Epoch, GroupId, PlanId, SessionId};
    use tdferry_common::shard::{Range, Shard, ShardKind};
    use tdferry_common::time::Period;

    use super::*;

    fn leased(epoch: i64, changed: i64) -> Vec<(SeenLease, StoredShard)> {
        let id = ShardId::create(GroupId(0));
        let shard =
            Shard::planned(id.clone(), ShardKind::Create, None, Range::NONE, Period { from: 0, to: 0 });
        let task: tdferry_common::spec::TaskName = "t".parse().unwrap();
        let key = LeaseKey { task: task.clone(), shard: id, epoch: Epoch(epoch) };
        let lease = SeenLease { key, worker: WorkerId(1), session: SessionId(1) };
        vec![(lease, StoredShard { task, plan: PlanId(1), shard, changed: Revision(changed) })]
    }

    #[tokio::test(start_paused = true)]
    async fn a_lease_stalls_when_its_shard_stands_still_for_too_long() {
        let (mut standing, start, patience) = (Standing::new(), Instant::now(), Duration::from_secs(600));
        let mut look = |epoch, changed, at: u64| {
            let now = start + Duration::from_secs(at);
            stalled(&mut standing, leased(epoch, changed), now, patience).len()
        };
        assert_eq!(look(5, 6, 0), 0);
        assert_eq!(look(5, 6, 599), 0);
        assert_eq!(look(5, 7, 600), 0, "it committed");
        assert_eq!(look(8, 7, 1_100), 0, "another lease of the same shard");
        assert_eq!(look(8, 7, 1_700), 1);
    }
}
