//! Waiting for something to claim: a phase that changes is noticed at once instead of at the next poll.

use std::time::Duration;

use tdferry_common::id::ShardId;
use tdferry_common::spec::TaskName;

use crate::shared::Core;
use crate::store::Revision;
use crate::view::{Mirror, TaskEntry};

/// Changes that come close together are looked at once.
const SETTLE: Duration = Duration::from_millis(20);

/// What opens shards in numbers: tasks, their states and controls, and the structure that subtables wait for. A lease
/// that ends frees a single shard, which the next poll finds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Openings(Vec<Opening>);

/// Revisions of a task's state and control, and whether its structure stands.
type Opening = (Option<Revision>, Option<Revision>, bool);

impl Openings {
    /// As the mirror shows them.
    pub(crate) fn seen(mirror: &Mirror) -> Self {
        Self(mirror.tasks().map(|(name, task)| opening(mirror, name, task)).collect())
    }
}

fn opening(mirror: &Mirror, name: &TaskName, task: &TaskEntry) -> Opening {
    let state = task.state.as_ref();
    let control = task.control.as_ref().map(|control| control.changed);
    let schema = state.and_then(|state| mirror.shard(name, state.value.plan(), &ShardId::schema()));
    (state.map(|state| state.changed), control, schema.is_some_and(|schema| schema.shard.is_terminal()))
}

/// Waits until there are other openings than these, or for as long as a worker would rest; whether there are.
pub(crate) async fn wait(core: &Core, known: &Openings) -> bool {
    let mut changes = core.view().changed();
    let news = async {
        while core.view().read(Openings::seen) == *known {
            if changes.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
            tokio::time::sleep(SETTLE).await;
        }
    };
    tokio::time::timeout(core.timing().claim_poll, news).await.is_ok()
}
