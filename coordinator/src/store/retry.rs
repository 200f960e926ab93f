//! retry: failed shards are opened again, page by page, and the task with them.

use tdferry_common::id::ShardId;
use tdferry_common::shard::{ShardEvent, ShardState};
use tdferry_common::spec::TaskName;
use tdferry_common::task::{TaskEvent, TaskState};

use super::Store;
use super::control::MAX_ROUNDS;
use super::error::StoreError;
use super::guarded::{Answer, Guarded, PAGE_OPS};
use super::list::{StoredShard, TaskRecord};
use crate::keys;
use crate::record::{encode_shard, encode_state};

/// Besides the shards a page puts the state.
const PAGE_SHARDS: usize = PAGE_OPS - 1;

/// What became of a retry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Retried {
    /// So many shards were opened again.
    Opened(usize),
    /// There is no such task.
    NoTask,
}

impl Store {
    /// Opens failed shards again: all, or only one. A task that failed goes on in the phase where it failed.
    pub(crate) async fn retry_shards(
        &self,
        task: &TaskName,
        only: Option<&ShardId>,
    ) -> Result<Retried, StoreError> {
        let mut opened = 0;
        for _ in 0..MAX_ROUNDS {
            let Some(read) = self.read_task(task).await? else { return Ok(Retried::NoTask) };
            let shards = self.all_shards(task, read.state.value.plan()).await?;
            let rejected = shards.iter().map(|one| one.shard.checkpoint.totals.rejected).sum();
            let failed = failed_shards(shards, only);
            if failed.is_empty() && !is_stopped(&read.state.value, only) {
                return Ok(Retried::Opened(opened));
            }
            opened += self.open_again(task, read, &failed, rejected).await?;
        }
        Err(StoreError::Contended("retry"))
    }

    /// Opens them until somebody else changes something; how many.
    async fn open_again(
        &self,
        task: &TaskName,
        read: TaskRecord,
        failed: &[StoredShard],
        rejected: u64,
    ) -> Result<usize, StoreError> {
        let state_key = keys::state(task);
        let mut changed = read.state.changed;
        let mut opened = 0;
        let state = match read.state.value {
            failed @ TaskState::Failed { .. } => {
                failed.clone().next(TaskEvent::Retried { rejected }).unwrap_or(failed)
            }
            state => state,
        };
        let pages: Vec<_> =
            if failed.is_empty() { vec![failed] } else { failed.chunks(PAGE_SHARDS).collect() };
        for page in pages {
            let mut txn = Guarded::new("retry")
                .unchanged(&state_key, changed)
                .put(state_key.clone(), encode_state(&state));
            for StoredShard { plan, shard, changed, .. } in page {
                let key = keys::shard(task, *plan, &shard.id);
                if let Ok(open) = shard.clone().next(ShardEvent::Retried) {
                    txn = txn.unchanged(&key, *changed).put(key, encode_shard(&open));
                }
            }
            match self.run(txn).await? {
                Answer::Done(revision) => changed = revision,
                Answer::Lost { .. } => break,
            }
            opened += page.len();
        }
        Ok(opened)
    }
}

fn failed_shards(mut shards: Vec<StoredShard>, only: Option<&ShardId>) -> Vec<StoredShard> {
    shards.retain(|one| matches!(one.shard.state, ShardState::Failed { .. }));
    shards.retain(|one| only.is_none_or(|only| one.shard.id == *only));
    shards
}

/// Whether the task failed as a whole, as one does that rejects too much: then it goes on where no shard failed.
fn is_stopped(state: &TaskState, only: Option<&ShardId>) -> bool {
    matches!(state, TaskState::Failed { .. }) && only.is_none()
}
