//! phase and completion: a task's state is put if it did not change since before the shards were listed.
//!
//! Whoever adds or reopens a shard puts the state too, so an unchanged state means that no shard was added since.
//! Read the task first, then list its shards, then put.

use tdferry_common::spec::TaskName;
use tdferry_common::task::TaskState;

use super::Store;
use super::error::StoreError;
use super::guarded::{Answer, Guarded, Revision, Versioned};
use crate::keys;
use crate::record::encode_state;

/// What became of a change of a task's state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StatePut {
    /// It is stored, by this revision.
    Done(Revision),
    /// The state is not what it was: read and list again.
    Changed,
}

impl Store {
    /// Puts the next state in place of the one that was read.
    pub(crate) async fn put_state(
        &self,
        task: &TaskName,
        read: &Versioned<TaskState>,
        next: &TaskState,
    ) -> Result<StatePut, StoreError> {
        let (key, value) = (keys::state(task), encode_state(next));
        let txn = Guarded::new("state")
            .unchanged(&key, read.changed)
            .put(key.clone(), value.clone())
            .otherwise_read(key);
        match self.run(txn).await? {
            Answer::Done(revision) => Ok(StatePut::Done(revision)),
            Answer::Lost { mut reads, repeated } => match reads.pop().flatten() {
                Some(found) if repeated && found.value == value => {
                    Ok(StatePut::Done(Revision(found.changed)))
                }
                _ => Ok(StatePut::Changed),
            },
        }
    }
}
