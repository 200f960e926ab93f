//! An operator's wish that idle workers get part of what others hold, without waiting for the tail end of the task.

use tdferry_common::spec::TaskName;
use tdferry_proto::status::ApiError;

use super::no_such;
use crate::leases::{CutsFound, Seen};
use crate::record::Rebalance;
use crate::shared::Core;

/// Has every coordinator cut leases of a task for idle workers, smaller than it would by itself, for as long as a
/// session lasts. Nothing is interrupted: who holds a lease keeps part of its shard.
pub(crate) async fn rebalance(core: &Core, task: &TaskName) -> Result<CutsFound, ApiError> {
    let record = core.store.read_task(task).await?.ok_or_else(|| no_such(task))?;
    if record.state.value.is_terminal() {
        let state = record.state.value.name();
        return Err(ApiError::Conflict(format!("task {task} has ended ({state}): nothing is left to share")));
    }
    core.store.ask_rebalance(task, Rebalance { asked_millis: core.clock.wall_millis() }).await?;
    let seen = core.view().read(Seen::of).asked_for(task);
    core.cuts.look(&seen, core.clock.monotonic(), core.timing());
    let found = core.cuts.found(&seen, task);
    tracing::info!(%task, idle = found.idle, leases = found.leases, "rebalance asked for");
    Ok(found)
}
