//! release, stall and orphan: a lease is deleted if it still is the one that was meant. A stall is told in its shard.

use tdferry_common::lease::{LeaseKey, SeenLease};
use tdferry_common::shard::{Shard, ShardEvent};

use super::Store;
use super::error::StoreError;
use super::guarded::{Answer, Guarded};
use super::list::{StoredShard, lease_in};
use crate::keys;
use crate::record::encode_shard;

/// What became of ending another's lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LeaseEnded {
    /// The lease that was seen is gone.
    Ended,
    /// Its shard moved on meanwhile: it lives, leave it.
    Alive,
}

impl Store {
    /// Gives a lease back as its shard stands. That it is gone already is fine. May be repeated.
    ///
    /// Where the shard still is as it was seen, the claim does not count towards poison: nobody died of it.
    pub(crate) async fn release(&self, key: &LeaseKey, seen: Option<&StoredShard>) -> Result<(), StoreError> {
        let lease = keys::lease(&key.task, &key.shard);
        let txn = || Guarded::new("release").epoch(&lease, key.epoch).delete(lease.clone());
        if let Some((stored, next)) = seen.and_then(uncounted) {
            let shard = keys::shard(&stored.task, stored.plan, &stored.shard.id);
            let txn = txn().unchanged(&shard, stored.changed).put(shard, encode_shard(&next));
            if let Answer::Done(_) = self.run(txn).await? {
                return Ok(());
            }
        }
        self.run(txn()).await.map(drop)
    }

    /// Ends a lease that its worker does not know of, if neither it nor its shard changed since.
    pub(crate) async fn delete_lease(
        &self,
        seen: &SeenLease,
        shard: &StoredShard,
    ) -> Result<LeaseEnded, StoreError> {
        self.end_lease(seen, shard, Guarded::new("end lease")).await
    }

    /// Ends a lease that stalled, if neither it nor its shard changed since; the shard keeps the reason.
    pub(crate) async fn stall(
        &self,
        seen: &SeenLease,
        shard: &StoredShard,
        reason: String,
    ) -> Result<LeaseEnded, StoreError> {
        let Ok(next) = shard.shard.clone().next(ShardEvent::Stalled { reason }) else {
            return Ok(LeaseEnded::Alive);
        };
        let key = keys::shard(&shard.task, shard.plan, &shard.shard.id);
        self.end_lease(seen, shard, Guarded::new("stall").put(key, encode_shard(&next))).await
    }

    async fn end_lease(
        &self,
        seen: &SeenLease,
        shard: &StoredShard,
        txn: Guarded,
    ) -> Result<LeaseEnded, StoreError> {
        let lease = keys::lease(&seen.key.task, &seen.key.shard);
        let key = keys::shard(&shard.task, shard.plan, &shard.shard.id);
        let txn = txn
            .epoch(&lease, seen.key.epoch)
            .unchanged(&key, shard.changed)
            .delete(lease.clone())
            .otherwise_read(lease)
            .otherwise_read(key);
        let Answer::Lost { mut reads, .. } = self.run(txn).await? else { return Ok(LeaseEnded::Ended) };
        reads.truncate(1);
        let now = reads.pop().flatten().map(|found| lease_in(&found)).transpose()?;
        let same = now.is_some_and(|(epoch, _)| epoch == seen.key.epoch);
        Ok(if same { LeaseEnded::Alive } else { LeaseEnded::Ended })
    }
}

/// The shard without its last claim, if that still counts.
fn uncounted(stored: &StoredShard) -> Option<(&StoredShard, Shard)> {
    let next = stored.shard.clone().next(ShardEvent::Released).ok()?;
    (next != stored.shard).then_some((stored, next))
}
