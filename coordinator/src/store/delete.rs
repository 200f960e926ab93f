//! delete: fence raised and state gone in one transaction, then the rest swept in pages; likewise plans that do not
//! count. The fence goes last: until then the name is taken.

use tdferry_common::id::PlanId;
use tdferry_common::spec::TaskName;
use tdferry_common::task::TaskState;

use super::Store;
use super::control::MAX_ROUNDS;
use super::error::StoreError;
use super::guarded::{Answer, Guarded, Revision, Versioned};
use super::wire::Ask;
use crate::keys;
use crate::record::{decode_fence, encode_fence};

/// What became of a deletion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Deleted {
    /// The task is no more; what is left of it is to be swept.
    Done,
    /// There is no such task.
    NoTask,
}

/// What one page of sweeping did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Swept {
    /// A page is gone; there may be more.
    More,
    /// Nothing is left.
    Done,
    /// This is not to be swept: the task lives, or the plan counts.
    Kept,
}

impl Store {
    /// Ends a task for good. Everything in flight is fenced at once.
    pub(crate) async fn delete_task(&self, task: &TaskName) -> Result<Deleted, StoreError> {
        let (state_key, fence_key) = (keys::state(task), keys::fence(task));
        for _ in 0..MAX_ROUNDS {
            let mut reads = self.read(&[state_key.clone(), fence_key.clone()]).await?;
            let (fence, state) = (reads.pop().flatten(), reads.pop().flatten());
            let Some(fence) = fence else { return Ok(Deleted::NoTask) };
            let Some(state) = state else { return Ok(Deleted::Done) };
            let txn = Guarded::new("delete")
                .unchanged(&state_key, Revision(state.changed))
                .unchanged(&fence_key, Revision(fence.changed))
                .put(fence_key.clone(), encode_fence(fence.decode(decode_fence)?.saturating_add(1)))
                .delete(state_key.clone());
            if let Answer::Done(_) = self.run(txn).await? {
                return Ok(Deleted::Done);
            }
        }
        Err(StoreError::Contended("delete"))
    }

    /// Sweeps one page of what a deleted task left.
    pub(crate) async fn sweep_task(&self, task: &TaskName) -> Result<Swept, StoreError> {
        for prefix in [keys::leases(task), keys::plans(task)] {
            let guard = Guarded::new("sweep").absent(&keys::state(task));
            match self.sweep_page(&prefix, guard).await? {
                Swept::Done => {}
                other => return Ok(other),
            }
        }
        let last = Guarded::new("sweep")
            .absent(&keys::state(task))
            .none_under(&keys::leases(task))
            .none_under(&keys::plans(task))
            .delete(keys::spec(task))
            .delete(keys::control(task))
            .delete(keys::fence(task))
            .otherwise_read(keys::state(task));
        match self.run(last).await? {
            Answer::Done(_) => Ok(Swept::Done),
            Answer::Lost { mut reads, .. } => Ok(reads.pop().flatten().map_or(Swept::More, |_| Swept::Kept)),
        }
    }

    /// Sweeps one page of a plan that a task's state, as read, does not count.
    pub(crate) async fn sweep_plan(
        &self,
        task: &TaskName,
        plan: PlanId,
        read: &Versioned<TaskState>,
    ) -> Result<Swept, StoreError> {
        let counts = read.value.planned().is_none_or(|planned| planned.plan == plan);
        if counts || plan == PlanId::SURVEY {
            return Ok(Swept::Kept);
        }
        let guard = Guarded::new("sweep").unchanged(&keys::state(task), read.changed);
        let swept = self.sweep_page(&keys::plan(task, plan), guard).await?;
        if swept == Swept::Done {
            self.view().forget_plan(task, plan);
        }
        Ok(swept)
    }

    async fn sweep_page(&self, prefix: &str, guard: Guarded) -> Result<Swept, StoreError> {
        let page = self.wire().page(prefix.as_bytes(), &keys::end_of(prefix), Ask::KEYS).await?;
        let Some(last) = page.found.last() else { return Ok(Swept::Done) };
        let txn = guard.delete_range(prefix.as_bytes().to_vec(), keys::after(&last.key));
        match self.run(txn).await? {
            Answer::Done(_) => Ok(Swept::More),
            Answer::Lost { .. } => Ok(Swept::Kept),
        }
    }
}
