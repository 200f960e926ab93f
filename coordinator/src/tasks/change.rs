//! What an operator changes: the control of a task, its failed shards, whether there is one.

use tdferry_common::id::ShardId;
use tdferry_common::shard::Extra;
use tdferry_common::spec::TaskName;
use tdferry_common::task::{Control, TaskEvent, TaskState};
use tdferry_proto::status::ApiError;

use super::no_such;
use crate::phases;
use crate::planner::compare;
use crate::shared::Core;
use crate::store::{ControlSet, Deleted, Retried, StatePut};

/// Losing the race for a task's state this often means that something is wrong.
const REPAIR_TRIES: u32 = 5;

/// Sets what is wanted of a task. Pause and stop drain what is under way.
pub(crate) async fn set_control(core: &Core, task: &TaskName, control: Control) -> Result<(), ApiError> {
    let record = core.store.read_task(task).await?.ok_or_else(|| no_such(task))?;
    let state = record.state.value;
    if state.is_terminal() {
        let hint = match state {
            TaskState::Failed { .. } => "`tdferry shard retry` opens its failed shards again",
            TaskState::Differs { .. } => "`tdferry repair` makes alike what differs",
            _ => "nothing is left to do",
        };
        return Err(ApiError::Conflict(format!("task {task} has ended ({}): {hint}", state.name())));
    }
    match core.store.set_control(task, control).await? {
        ControlSet::Done => tracing::info!(%task, %control, "control set"),
        ControlSet::NoTask => return Err(no_such(task)),
    }
    Ok(())
}

/// Has a task that differs made alike and compared again.
pub(crate) async fn repair(core: &Core, task: &TaskName, extra: Extra) -> Result<(), ApiError> {
    for _ in 0..REPAIR_TRIES {
        let record = core.store.read_task(task).await?.ok_or_else(|| no_such(task))?;
        let state = &record.state.value;
        let TaskState::Differs { round, .. } = state else {
            let name = state.name();
            return Err(ApiError::Conflict(format!(
                "task {task} is {name}: only one that differs can be repaired"
            )));
        };
        let shards: Vec<_> =
            core.store.all_shards(task, state.plan()).await?.into_iter().map(|stored| stored.shard).collect();
        let adds = compare::repairs(&shards, *round, extra);
        let next =
            state.clone().next(TaskEvent::Repairing).map_err(|err| ApiError::Conflict(err.to_string()))?;
        if let StatePut::Done(_) = core.store.add_shards(task, &record.state, &adds, &next).await? {
            tracing::info!(%task, shards = adds.len(), "repair begins");
            return Ok(());
        }
    }
    Err(ApiError::Conflict(format!("somebody else changes task {task} all the time; try again")))
}

/// Ends a task for good; what is in flight is fenced at once.
pub(crate) async fn delete(core: &Core, task: &TaskName) -> Result<(), ApiError> {
    match core.store.delete_task(task).await? {
        Deleted::NoTask => Err(no_such(task)),
        Deleted::Done => {
            tracing::info!(%task, "task deleted");
            // what is not swept now is swept in the background, by any coordinator
            if let Err(err) = phases::sweep_task(core, task).await {
                tracing::warn!(%task, error = %err, "sweep will go on later");
            }
            Ok(())
        }
    }
}

/// Opens failed shards again, all or one, and their task with them; how many.
pub(crate) async fn retry(core: &Core, task: &TaskName, only: Option<&ShardId>) -> Result<u32, ApiError> {
    let opened = match core.store.retry_shards(task, only).await? {
        Retried::NoTask => return Err(no_such(task)),
        Retried::Opened(opened) => opened,
    };
    match only {
        Some(shard) if opened == 0 => {
            Err(ApiError::Conflict(format!("shard {shard} of task {task} has not failed")))
        }
        _ => {
            tracing::info!(%task, shards = opened, "failed shards opened again");
            Ok(u32::try_from(opened).unwrap_or(u32::MAX))
        }
    }
}
