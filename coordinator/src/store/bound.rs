//! bound: a tail is to end at a moment, or never, whoever holds its lease.

use tdferry_common::shard::ShardEvent;
use tdferry_common::spec::TaskName;
use tdferry_common::task::TaskState;

use super::Store;
use super::control::MAX_ROUNDS;
use super::error::StoreError;
use super::guarded::{Answer, Guarded, Versioned};
use super::list::StoredShard;
use crate::keys;
use crate::record::encode_shard;

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bounded {
    /// It ends there.
    Done,
    /// It has passed that moment.
    Passed,
    /// The task's state is not what it was.
    Changed,
}

impl Store {
    /// Bounds one tail of the plan of the state that was read.
    pub(crate) async fn bound(
        &self,
        task: &TaskName,
        read: &Versioned<TaskState>,
        tail: &StoredShard,
        to: i64,
    ) -> Result<Bounded, StoreError> {
        let (state, key) = (keys::state(task), keys::shard(task, tail.plan, &tail.shard.id));
        let mut stored = tail.clone();
        for _ in 0..MAX_ROUNDS {
            let Ok(next) = stored.shard.clone().next(ShardEvent::Bounded { to }) else {
                return Ok(Bounded::Passed);
            };
            if next == stored.shard {
                return Ok(Bounded::Done);
            }
            let txn = Guarded::new("bound")
                .unchanged(&state, read.changed)
                .unchanged(&key, stored.changed)
                .put(key.clone(), encode_shard(&next));
            if let Answer::Done(_) = self.run(txn).await? {
                return Ok(Bounded::Done);
            }
            let now = self.read_task(task).await?;
            if now.is_none_or(|now| now.state.changed != read.changed) {
                return Ok(Bounded::Changed);
            }
            match self.read_shard(task, tail.plan, &tail.shard.id).await? {
                Some(now) => stored = now,
                None => return Ok(Bounded::Changed),
            }
        }
        Err(StoreError::Contended("bound"))
    }
}
