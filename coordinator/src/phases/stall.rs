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

pub(super) async fn run(core: &Core) {
    let mut standing = Standing::new();
    // batch times are not reported, so the floor alone decides
    let patience = core.timing().stall_after(Duration::ZERO);
    loop {
        tokio::time::sleep(core.jittered(core.timing().heartbeat)).await;
        let leases = core.view().read(leases);
        for (lease, shard) in stalled(&mut standing, leases, core.clock.monotonic(), patience) {
            told("stall", end(core, &lease, &shard).await);
        }
    }
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
) -> Vec<(SeenLease, StoredShard)> {
    let since = |standing: &Standing, lease: &SeenLease, shard: &StoredShard| match standing.get(&lease.key) {
        Some((changed, since)) if *changed == shard.changed => *since,
        _ => now,
    };
    let still: Standing = leases
        .iter()
        .map(|(lease, shard)| (lease.key.clone(), (shard.changed, since(standing, lease, shard))))
        .collect();
    *standing = still;
    let is_over = |(lease, _): &(SeenLease, StoredShard)| {
        standing.get(&lease.key).is_some_and(|(_, since)| now >= *since + patience)
    };
    leases.into_iter().filter(is_over).collect()
}

async fn end(core: &Core, lease: &SeenLease, shard: &StoredShard) -> Result<(), StoreError> {
    if core.store.delete_lease(lease, shard).await? == LeaseEnded::Ended {
        let LeaseKey { task, shard, epoch } = &lease.key;
        tracing::warn!(%task, %shard, %epoch, worker = %lease.worker, "stalled lease ended");
    }
    Ok(())
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
