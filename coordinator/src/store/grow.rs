//! grow: a commit of a tail that also adds subtables to the plan, with shards that copy what they held before.

use tdferry_common::id::{GroupId, PlanId};
use tdferry_common::lease::LeaseKey;
use tdferry_common::shard::{Checkpoint, IllegalTransition, Shard, ShardEvent};
use tdferry_common::task::TaskState;

use super::Store;
use super::commit::Committed;
use super::error::StoreError;
use super::guarded::{Guarded, Versioned};
use super::held::{Holder, UnderLease};
use crate::keys;
use crate::record::{encode_shard, encode_state};

/// A growth as it is tried.
#[derive(Debug, Clone)]
pub(crate) struct Grow<'a> {
    /// The tail's lease.
    pub(crate) key: &'a LeaseKey,
    /// The plan that grows.
    pub(crate) plan: PlanId,
    /// The task's state by which the groups were made.
    pub(crate) state: &'a Versioned<TaskState>,
    /// The task's fence at the claim.
    pub(crate) fence: u64,
    /// Where the tail will stand.
    pub(crate) checkpoint: Checkpoint,
    /// What is new: packed groups, each with the shards that copy and follow it.
    pub(crate) groups: Vec<(GroupId, Vec<u8>, Vec<Shard>)>,
}

impl Store {
    /// Adds to a plan under a tail's lease. `None` where the state or one of the groups is not as it was thought to be.
    pub(crate) async fn grow(&self, grow: &Grow<'_>) -> Result<Option<Committed>, StoreError> {
        let checkpoint = Checkpoint { epoch: grow.key.epoch, ..grow.checkpoint };
        let holder = Holder { key: grow.key, plan: grow.plan, fence: grow.fence, checkpoint: &checkpoint };
        self.under_lease(holder, &Growing { grow, checkpoint }).await
    }
}

struct Growing<'a> {
    grow: &'a Grow<'a>,
    checkpoint: Checkpoint,
}

impl UnderLease for Growing<'_> {
    fn next(&self, shard: Shard) -> Result<Shard, IllegalTransition> {
        shard.next(ShardEvent::Committed { checkpoint: self.checkpoint })
    }

    /// Puts the state unchanged: whoever listed the shards before must list these too.
    fn beside(&self, txn: Guarded, _next: &Shard) -> Guarded {
        let (task, plan, read) = (&self.grow.key.task, self.grow.plan, self.grow.state);
        let state = keys::state(task);
        let txn = txn.unchanged(&state, read.changed).put(state, encode_state(&read.value));
        self.grow.groups.iter().fold(txn, |txn, (id, packed, shards)| {
            let group = keys::group(task, plan, *id);
            let txn = txn.absent(&group).put(group, packed.clone());
            shards.iter().fold(txn, |txn, shard| {
                let key = keys::shard(task, plan, &shard.id);
                txn.absent(&key).put(key, encode_shard(shard))
            })
        })
    }
}
