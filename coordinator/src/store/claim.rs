//! claim: the lease, attached to the session, and the shard's count of claims, if nobody holds it and nothing changed.

use tdferry_common::id::{ClaimId, Epoch, SessionId, WorkerId};
use tdferry_common::lease::{HeldLease, LeaseKey};
use tdferry_common::shard::{Shard, ShardEvent, ShardState};
use tdferry_common::task::Control;

use super::error::StoreError;
use super::guarded::{Answer, Guarded};
use super::list::{StoredShard, lease_in, shard_in};
use super::{Found, Store};
use crate::keys;
use crate::record::{LeaseRecord, encode_control, encode_fence, encode_shard};

/// Claims in a row without a commit, after which the shard itself is held to be what kills its workers.
pub(crate) const MAX_CLAIMS: u32 = 5;

/// A claim as it is tried.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Claim<'a> {
    /// The shard as it was read.
    pub(crate) shard: &'a StoredShard,
    /// The task's fence as it was read.
    pub(crate) fence: u64,
    /// Drawn at random for this claim.
    pub(crate) claim: ClaimId,
    /// For whom.
    pub(crate) worker: WorkerId,
    /// What the lease hangs on.
    pub(crate) session: SessionId,
}

/// What became of a claim.
#[derive(Debug, Clone)]
#[expect(clippy::large_enum_variant, reason = "one is made for each claim, and taken apart at once")]
pub(crate) enum Claimed {
    /// It is held, under a new epoch.
    Ours(HeldLease),
    /// Somebody else holds it: try the next candidate.
    Taken,
    /// The shard is not what it was: try the next candidate.
    Stale,
    /// The task is paused or stopped.
    NotRunning,
    /// The task's fence was raised: read it again.
    Fenced,
    /// The worker's session is over.
    SessionGone,
    /// It was claimed too often without a commit and now has failed, alone.
    Poisoned,
}

impl Store {
    /// Tries to take a lease.
    pub(crate) async fn claim(&self, claim: Claim<'_>) -> Result<Claimed, StoreError> {
        let poisoned = claim.shard.shard.claims >= MAX_CLAIMS;
        let event = if poisoned { ShardEvent::Poisoned } else { ShardEvent::Claimed { claim: claim.claim } };
        let Ok(next) = claim.shard.shard.clone().next(event) else { return Ok(Claimed::Stale) };
        match self.run(claim.transaction(&next, poisoned)).await {
            Ok(Answer::Done(_)) if poisoned => Ok(Claimed::Poisoned),
            Ok(Answer::Done(revision)) => Ok(Claimed::Ours(claim.held(Epoch(revision.0), next))),
            Ok(Answer::Lost { reads, .. }) => claim.why_lost(reads),
            Err(StoreError::SessionGone) => Ok(Claimed::SessionGone),
            Err(err) => Err(err),
        }
    }
}

impl Claim<'_> {
    fn transaction(&self, next: &Shard, poisoned: bool) -> Guarded {
        let StoredShard { task, plan, shard, changed } = self.shard;
        let (shard_key, lease_key) = (keys::shard(task, *plan, &shard.id), keys::lease(task, &shard.id));
        let txn = Guarded::new("claim")
            .absent(&lease_key)
            .unchanged(&shard_key, *changed)
            .holds(&keys::control(task), encode_control(Control::Run))
            .holds(&keys::fence(task), encode_fence(self.fence))
            .put(shard_key.clone(), encode_shard(next))
            .otherwise_read(lease_key.clone())
            .otherwise_read(shard_key)
            .otherwise_read(keys::control(task))
            .otherwise_read(keys::fence(task));
        if poisoned { txn } else { txn.put_for(self.session, lease_key, self.lease_record().encode()) }
    }

    fn lease_record(&self) -> LeaseRecord {
        LeaseRecord { worker: self.worker, session: self.session, claim: self.claim }
    }

    fn held(&self, epoch: Epoch, shard: Shard) -> HeldLease {
        let key = LeaseKey { task: self.shard.task.clone(), shard: shard.id.clone(), epoch };
        HeldLease { key, fence: self.fence, shard }
    }

    /// Own claim id in the lease: the answer had got lost, it is ours.
    fn why_lost(&self, reads: Vec<Option<Found>>) -> Result<Claimed, StoreError> {
        let [lease, shard, control, fence] = reads.try_into().unwrap_or_default();
        let lease = lease.map(|found| lease_in(&found)).transpose()?;
        let now = shard.map(|found| shard_in(&found)).transpose()?;
        let is = |found: Option<Found>, wanted: Vec<u8>| found.is_some_and(|found| found.value == wanted);
        match (lease, now) {
            (Some((epoch, lease)), Some(now)) if lease == self.lease_record() => {
                Ok(Claimed::Ours(self.held(epoch, now.shard)))
            }
            _ if !is(fence, encode_fence(self.fence)) => Ok(Claimed::Fenced),
            _ if !is(control, encode_control(Control::Run)) => Ok(Claimed::NotRunning),
            (Some(_), _) => Ok(Claimed::Taken),
            (None, Some(now)) if self.was_poisoned(&now.shard) => Ok(Claimed::Poisoned),
            (None, _) => Ok(Claimed::Stale),
        }
    }

    fn was_poisoned(&self, now: &Shard) -> bool {
        self.shard.shard.claims >= MAX_CLAIMS && matches!(now.state, ShardState::Failed { .. })
    }
}
