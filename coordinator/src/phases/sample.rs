//! Looks at the totals of all tasks that read rows, and at where tails stand, once a second: so that rates are known when
//! somebody asks, and that one which falls far behind is told.

use std::collections::BTreeMap;
use std::time::Duration;

use tdferry_common::id::ShardId;
use tdferry_common::shard::{Shard, ShardKind, ShardState};
use tdferry_common::spec::TaskName;
use tdferry_common::task::Phase;

use crate::progress::Standing;
use crate::shared::Core;
use crate::tasks::lag_alarm;
use crate::view::Mirror;

type Standings = BTreeMap<TaskName, BTreeMap<ShardId, Standing>>;

/// Sixty of them make the minute that rates look back.
const EVERY: Duration = Duration::from_secs(1);

pub(super) async fn run(core: &Core) {
    loop {
        core.rates.sample(core.clock.monotonic(), core.view().read(totals));
        let standing = core.view().read(standing);
        tell_lags(core, &standing);
        core.paces.sample(core.clock.monotonic(), standing);
        tokio::time::sleep(EVERY).await;
    }
}

/// Tells which tasks fall behind further than they may, and which of them have caught up again.
fn tell_lags(core: &Core, standing: &Standings) {
    let worst: BTreeMap<_, _> = standing.iter().map(|(task, tails)| (task.clone(), worst(tails))).collect();
    let alarm = |task: &TaskName| core.view().read(|mirror| lag_alarm(mirror, task));
    for (task, begins) in core.lag_alarms.watch(&worst, alarm) {
        let seconds = worst.get(&task).copied().unwrap_or_default().round();
        if begins {
            tracing::warn!(%task, seconds, "the target is further behind than its lag-alarm allows");
        } else {
            tracing::info!(%task, seconds, "the target is no further behind than its lag-alarm allows");
        }
    }
}

/// Where the tails of all live tasks stand.
fn standing(mirror: &Mirror) -> Standings {
    let live = mirror.tasks().filter_map(|(name, task)| {
        let planned = task.state.as_ref().filter(|state| state.value.phase() == Some(Phase::Live))?;
        let precision = planned.value.planned()?.cutoff.precision;
        let is_followed = |shard: &&Shard| {
            shard.kind == ShardKind::Tail && shard.group.is_some() && shard.state != ShardState::Done
        };
        let tails = task.current().map(|one| &one.shard).filter(is_followed);
        Some((name.clone(), tails.map(|one| (one.id.clone(), Standing::of(one, precision))).collect()))
    });
    live.collect()
}

fn worst(tails: &BTreeMap<ShardId, Standing>) -> f64 {
    tails.values().map(Standing::behind_seconds).fold(0.0, f64::max)
}

/// Rows and bytes of the tasks that copy or compare.
fn totals(mirror: &Mirror) -> BTreeMap<TaskName, (u64, u64)> {
    let copying = mirror.tasks().filter(|(_, task)| {
        let phase = task.state.as_ref().and_then(|state| state.value.phase());
        matches!(phase, Some(Phase::Copy | Phase::Verify(_) | Phase::Repair(_)))
    });
    let sums = copying.map(|(name, task)| {
        let reads = |kind| matches!(kind, ShardKind::Copy(_) | ShardKind::Verify(_) | ShardKind::Repair(..));
        let reading = task.current().filter(|one| reads(one.shard.kind));
        let add = |(rows, bytes), totals: &tdferry_common::shard::Totals| {
            (rows + totals.read, bytes + totals.bytes)
        };
        (name.clone(), reading.map(|one| &one.shard.checkpoint.totals).fold((0, 0), add))
    });
    sums.collect()
}
