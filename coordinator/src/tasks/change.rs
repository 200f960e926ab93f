//! What an operator changes: the control of a task, its failed shards, whether there is one.

use tdferry_common::id::ShardId;
use tdferry_common::shard::Extra;
use tdferry_common::spec::TaskName;
use tdferry_common::task::{Control, TaskEvent, TaskState};
use tdferry_proto::status::ApiError;

use super::{Kept, no_such};
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
        check_extra(&record.spec, extra)?;
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

/// A task that takes only some rows cannot tell the others from those that the source does not have.
fn check_extra(stored: &str, extra: Extra) -> Result<(), ApiError> {
    let chooses = !Kept::open(stored)?.spec()?.options.row_filter.is_empty();
    if extra == Extra::Deleted && chooses {
        return Err(ApiError::Conflict(
            "the task takes rows by a condition (`where`), so that rows it left out would be deleted as if the source \
             did not have them; repair it without deleting"
                .into(),
        ));
    }
    Ok(())
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use tdferry_common::options::OptionValue;
    use tdferry_common::spec::{Spec, TaskKind};

    use super::*;

    fn stored(options: &[(&str, &str)]) -> String {
        let options: BTreeMap<_, _> =
            options.iter().map(|(key, value)| ((*key).to_owned(), OptionValue::text(*value))).collect();
        let (from, to) = ("taos+ws://old:6041/source", "taos+ws://new:6041/target");
        let spec = Spec::build("t", TaskKind::TDengine2, from, to, &options).unwrap().to_json().unwrap();
        Kept::new(&spec, 0).unwrap().seal().unwrap()
    }

    #[test]
    fn nothing_is_deleted_for_a_task_that_leaves_rows_out_by_a_condition() {
        let (all, some) = (stored(&[]), stored(&[("where", "voltage > 200")]));
        assert_eq!(check_extra(&all, Extra::Deleted), Ok(()));
        assert_eq!(check_extra(&some, Extra::Kept), Ok(()));
        let refused = check_extra(&some, Extra::Deleted).unwrap_err().to_string();
        assert!(refused.contains("`where`"), "{refused}");
    }
}
