//! Looks at the totals of all tasks that copy once a second, so that rates are known when somebody asks.

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

/// Rows and bytes of the tasks that copy.
fn totals(mirror: &Mirror) -> BTreeMap<TaskName, (u64, u64)> {
    let copying = mirror.tasks().filter(|(_, task)| {
        task.state.as_ref().is_some_and(|state| state.value.phase() == Some(Phase::Copy))
    });
    let sums = copying.map(|(name, task)| {
        let copies = task.current().filter(|one| matches!(one.shard.kind, ShardKind::Copy(_)));
        let add = |(rows, bytes), totals: &tdferry_common::shard::Totals| {
            (rows + totals.read, bytes + totals.bytes)
        };
        (name.clone(), copies.map(|one| &one.shard.checkpoint.totals).fold((0, 0), add))
    });
    sums.collect()
}
