//! What an operator does with tasks and sees of them. Nothing here copies, and nothing here knows gRPC's types.

mod change;
mod create;
mod cutover;
mod describe;
mod health;
mod kept;
mod lag;
mod list_shards;
mod list_tables;
mod rebalance;
mod show;

use tdferry_common::spec::TaskName;
use tdferry_proto::status::ApiError;

pub(crate) use change::{delete, repair, retry, set_control};
pub(crate) use create::{MemorySecrets, copy, create, export};
pub(crate) use cutover::{CutoverAsked, Item, checklist, freeze, thaw};
pub(crate) use kept::Kept;
pub(crate) use lag::{Lag, LagAlarms, named};
pub(crate) use list_shards::{ShardShown, ShardsAsked, list_shards};
pub(crate) use list_tables::{ShardTables, list_tables};
pub(crate) use rebalance::rebalance;
pub(crate) use show::{TaskShown, lag_alarm, list, show, show_fresh};

fn no_such(task: &TaskName) -> ApiError {
    ApiError::NotFound(format!("there is no task {task}; `tdferry task list` shows all"))
}
