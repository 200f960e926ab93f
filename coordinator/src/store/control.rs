//! What an operator sets: the control that claims compare, and the fence that ends leases in flight.

use tdferry_common::spec::TaskName;
use tdferry_common::task::Control;

use super::error::StoreError;
use super::guarded::{Answer, Guarded, Revision};
use super::{Found, Store};
use crate::keys;
use crate::record::{decode_control, decode_fence, encode_control, encode_fence};

/// Two operators at once are thinkable, sixteen are not.
pub(super) const MAX_ROUNDS: u32 = 16;

/// What became of a change of control.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ControlSet {
    /// It is what was asked for.
    Done,
    /// There is no such task, or it is being deleted.
    NoTask,
}

impl Store {
    /// Sets what the operator wants of a task. Leases in flight go on until they drain.
    pub(crate) async fn set_control(
        &self,
        task: &TaskName,
        control: Control,
    ) -> Result<ControlSet, StoreError> {
        let key = keys::control(task);
        for _ in 0..MAX_ROUNDS {
            let Some(found) = self.of_living_task(task, &key).await? else { return Ok(ControlSet::NoTask) };
            if found.decode(decode_control)? == control {
                return Ok(ControlSet::Done);
            }
            // guarded by what was read, so that a late duplicate of this request cannot undo a later one
            let txn = Guarded::new("control")
                .exists(&keys::state(task))
                .unchanged(&key, Revision(found.changed))
                .put(key.clone(), encode_control(control));
            if let Answer::Done(_) = self.run(txn).await? {
                return Ok(ControlSet::Done);
            }
        }
        Err(StoreError::Contended("control"))
    }

    #[cfg_attr(
        not(test),
        expect(dead_code, reason = "nothing but a deletion ends leases in flight yet; tested here")
    )]
    /// Ends every lease in flight: no commit that carries an older fence passes. The new fence, or `None` without
    /// such a task.
    pub(crate) async fn raise_fence(&self, task: &TaskName) -> Result<Option<u64>, StoreError> {
        let key = keys::fence(task);
        let Some(first) = self.of_living_task(task, &key).await? else { return Ok(None) };
        let raised = first.decode(decode_fence)?.saturating_add(1);
        let txn = Guarded::new("fence")
            .exists(&keys::state(task))
            .unchanged(&key, Revision(first.changed))
            .put(key.clone(), encode_fence(raised))
            .otherwise_read(key);
        match self.run(txn).await? {
            Answer::Done(_) => Ok(Some(raised)),
            // it only ever rises: whoever changed it, what was in flight is fenced
            Answer::Lost { mut reads, .. } => {
                reads.pop().flatten().map(|found| found.decode(decode_fence)).transpose()
            }
        }
    }

    /// The value of a key of a task that has a state.
    async fn of_living_task(&self, task: &TaskName, key: &str) -> Result<Option<Found>, StoreError> {
        let mut reads = self.read(&[key.to_owned(), keys::state(task)]).await?;
        let state = reads.pop().flatten();
        let found = reads.pop().flatten();
        Ok(state.and(found))
    }
}
