//! commit and finish: the shard's record under its lease; a finish ends the lease in the same transaction.

use tdferry_common::id::PlanId;
use tdferry_common::lease::LeaseKey;
use tdferry_common::shard::{Checkpoint, IllegalTransition, Outcome, Shard, ShardEvent};

use super::Store;
use super::error::StoreError;
use super::guarded::Guarded;
use super::held::{Holder, UnderLease};
use crate::keys;

/// A commit as a worker asks for it.
#[derive(Debug, Clone)]
pub(crate) struct Commit<'a> {
    /// Under which lease.
    pub(crate) key: &'a LeaseKey,
    /// The plan the shard belongs to.
    pub(crate) plan: PlanId,
    /// The task's fence at the claim.
    pub(crate) fence: u64,
    /// Where the shard will stand. Its epoch is the lease's, whatever it says.
    pub(crate) checkpoint: Checkpoint,
    /// How the lease ends; `None`: it goes on.
    pub(crate) outcome: Option<Outcome>,
}

/// What became of a write under a lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Committed {
    /// It is stored.
    Done,
    /// It was stored before; the answer had got lost.
    Already,
    /// The lease is not the writer's, or the fence was raised: drop everything.
    Fenced,
    /// It does not follow what is stored.
    Refused(IllegalTransition),
}

impl Store {
    /// Moves a shard on, and with an outcome ends its lease. May be repeated.
    pub(crate) async fn commit(&self, commit: Commit<'_>) -> Result<Committed, StoreError> {
        let write = Write {
            checkpoint: Checkpoint { epoch: commit.key.epoch, ..commit.checkpoint },
            outcome: commit.outcome,
            key: commit.key,
        };
        let Commit { key, plan, fence, .. } = commit;
        let holder = Holder { key, plan, fence, checkpoint: &write.checkpoint };
        // a commit has no guard beside those of its lease
        self.under_lease(holder, &write).await?.ok_or(StoreError::Contended("commit"))
    }
}

struct Write<'a> {
    checkpoint: Checkpoint,
    outcome: Option<Outcome>,
    key: &'a LeaseKey,
}

impl UnderLease for Write<'_> {
    fn next(&self, shard: Shard) -> Result<Shard, IllegalTransition> {
        let checkpoint = self.checkpoint;
        shard.next(match &self.outcome {
            None => ShardEvent::Committed { checkpoint },
            Some(outcome) => ShardEvent::Ended { checkpoint, outcome: outcome.clone() },
        })
    }

    fn beside(&self, txn: Guarded, _next: &Shard) -> Guarded {
        match self.outcome {
            None => txn,
            Some(_) => txn.delete(keys::lease(&self.key.task, &self.key.shard)),
        }
    }
}
