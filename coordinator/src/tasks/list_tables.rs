//! The tables of a shard, from the group as it is stored.

use tdferry_common::id::ShardId;
use tdferry_common::spec::TaskName;
use tdferry_proto::status::ApiError;

use super::no_such;
use crate::shared::Core;

/// Which tables a shard is about.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ShardTables {
    /// Empty for normal tables, and for a shard without a group.
    pub(crate) stable: String,
    /// Those of its range.
    pub(crate) names: Vec<String>,
}

/// The tables of a shard of the plan that counts.
pub(crate) async fn list_tables(
    core: &Core,
    task: &TaskName,
    shard: &ShardId,
) -> Result<ShardTables, ApiError> {
    let record = core.store.read_task(task).await?.ok_or_else(|| no_such(task))?;
    let plan = record.state.value.plan();
    let found = core.store.read_shard(task, plan, shard).await?;
    let unknown = || {
        ApiError::NotFound(format!("task {task} has no shard {shard}; `tdferry shard list {task}` shows all"))
    };
    let shard = found.ok_or_else(unknown)?.shard;
    let Some(id) = shard.group else { return Ok(ShardTables::default()) };
    let missing = || ApiError::Internal(format!("group {id} of task {task} is missing in the store"));
    let group = core.store.group(task, plan, id).await?.ok_or_else(missing)?;
    let place = |index: u32| usize::try_from(index).unwrap_or(usize::MAX);
    let names = group.names.get(place(shard.range.from)..place(shard.range.to)).unwrap_or_default();
    Ok(ShardTables { stable: group.stable.clone(), names: names.to_vec() })
}
