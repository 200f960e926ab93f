//! cut: a commit that also shrinks its shard and puts children for what was taken away. The lease stays on the parent.

use tdferry_common::id::PlanId;
use tdferry_common::lease::LeaseKey;
use tdferry_common::shard::{Checkpoint, IllegalTransition, Shard, ShardEvent};
use tdferry_common::task::TaskState;

use super::Store;
use super::commit::Committed;
use super::control::MAX_ROUNDS;
use super::error::StoreError;
use super::guarded::{Guarded, Versioned};
use super::held::{Holder, UnderLease};
use crate::keys;
use crate::planner::Recut;
use crate::record::{encode_shard, encode_state};

/// A cut as it is tried.
#[derive(Debug, Clone)]
pub(crate) struct Cut<'a> {
    /// Under which lease.
    pub(crate) key: &'a LeaseKey,
    /// The plan the shard belongs to.
    pub(crate) plan: PlanId,
    /// The task's fence at the claim.
    pub(crate) fence: u64,
    /// Where the parent will stand.
    pub(crate) checkpoint: Checkpoint,
    /// What the parent keeps and what its children get, as computed from the shard one commit before.
    pub(crate) recut: Recut,
}

impl Store {
    /// Cuts a shard under its lease. May be repeated.
    pub(crate) async fn cut(&self, cut: Cut<'_>) -> Result<Committed, StoreError> {
        let checkpoint = Checkpoint { epoch: cut.key.epoch, ..cut.checkpoint };
        let holder = Holder { key: cut.key, plan: cut.plan, fence: cut.fence, checkpoint: &checkpoint };
        for _ in 0..MAX_ROUNDS {
            let Some(state) = self.read_state(cut.key).await? else { return Ok(Committed::Fenced) };
            let write = Cutting { cut: &cut, checkpoint, state };
            if let Some(done) = self.under_lease(holder, &write).await? {
                return Ok(done);
            }
        }
        Err(StoreError::Contended("cut"))
    }
}

struct Cutting<'a> {
    cut: &'a Cut<'a>,
    checkpoint: Checkpoint,
    state: Versioned<TaskState>,
}

impl UnderLease for Cutting<'_> {
    fn next(&self, shard: Shard) -> Result<Shard, IllegalTransition> {
        let committed = shard.next(ShardEvent::Committed { checkpoint: self.checkpoint })?;
        let Recut { range, period, estimate, .. } = self.cut.recut;
        Ok(Shard { range, period, estimate, ..committed })
    }

    /// Puts the state unchanged: who completes a task compares it, and must list the children too.
    fn beside(&self, txn: Guarded, _next: &Shard) -> Guarded {
        let state = keys::state(&self.cut.key.task);
        let txn = txn.unchanged(&state, self.state.changed).put(state, encode_state(&self.state.value));
        self.cut.recut.children.iter().fold(txn, |txn, child| {
            let key = keys::shard(&self.cut.key.task, self.cut.plan, &child.id);
            txn.absent(&key).put(key, encode_shard(child))
        })
    }
}
