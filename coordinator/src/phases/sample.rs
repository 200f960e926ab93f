//! Looks at the totals of all tasks that read rows once a second, so that rates are known when somebody asks.

use std::collections::BTreeMap;
use std::time::Duration;

use tdferry_common::shard::ShardKind;
use tdferry_common::spec::TaskName;
use tdferry_common::task::Phase;

use crate::shared::Core;
use crate::view::Mirror;

/// Sixty of them make the minute that rates look back.
const EVERY: Duration = Duration::from_secs(1);

pub(super) async fn run(core: &Core) {
    loop {
        core.rates.sample(core.clock.monotonic(), core.view().read(totals));
        tokio::time::sleep(EVERY).await;
    }
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
