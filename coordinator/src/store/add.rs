//! add: shards that follow from others join a plan that counts, page by page, then the task goes on.
//!
//! Each page puts the state as well, so that nobody who listed the shards before can end the phase. Whoever is
//! overtaken lists again: the ids follow from what is there, so that two who add the same agree.

use tdferry_common::shard::Shard;
use tdferry_common::spec::TaskName;
use tdferry_common::task::TaskState;

use super::Store;
use super::error::StoreError;
use super::guarded::{Answer, Guarded, PAGE_OPS, Versioned};
use super::state::StatePut;
use crate::keys;
use crate::record::{encode_shard, encode_state};

/// Besides the shards a page puts the state, and guards it.
const PAGE_SHARDS: usize = PAGE_OPS - 2;

impl Store {
    /// Adds shards to the plan of the state that was read, none of which is there yet, and puts the next state.
    pub(crate) async fn add_shards(
        &self,
        task: &TaskName,
        read: &Versioned<TaskState>,
        shards: &[Shard],
        next: &TaskState,
    ) -> Result<StatePut, StoreError> {
        let (key, plan) = (keys::state(task), read.value.plan());
        let mut state = read.clone();
        for page in shards.chunks(PAGE_SHARDS) {
            let guarded = Guarded::new("add")
                .unchanged(&key, state.changed)
                .put(key.clone(), encode_state(&read.value));
            let txn = page.iter().fold(guarded, |txn, shard| {
                let key = keys::shard(task, plan, &shard.id);
                txn.absent(&key).put(key, encode_shard(shard))
            });
            match self.run(txn).await? {
                Answer::Done(revision) => state.changed = revision,
                Answer::Lost { .. } => return Ok(StatePut::Changed),
            }
        }
        self.put_state(task, &state, next).await
    }
}
