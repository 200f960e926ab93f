//! Whatever is written under a lease: the loop that guards it, and what its answers mean.
//!
//! Commit, finish, cut and the flip of a plan differ only in what they make of the shard and what they write beside it.

use tdferry_common::id::PlanId;
use tdferry_common::lease::LeaseKey;
use tdferry_common::shard::{Checkpoint, IllegalTransition, Shard};

use super::commit::Committed;
use super::error::StoreError;
use super::guarded::{Answer, Guarded};
use super::list::{StoredShard, lease_in, shard_in};
use super::{Found, Store};
use crate::keys;
use crate::record::{decode_fence, encode_fence, encode_shard};

/// Only the holder changes a leased shard, so a second round is rare and an eighth means that something is wrong.
const MAX_ROUNDS: u32 = 8;

/// Under which lease something is written.
#[derive(Debug, Clone, Copy)]
pub(super) struct Holder<'a> {
    pub(super) key: &'a LeaseKey,
    pub(super) plan: PlanId,
    pub(super) fence: u64,
    /// Where the shard will stand.
    pub(super) checkpoint: &'a Checkpoint,
}

/// Something that is written under a lease.
pub(super) trait UnderLease {
    /// What the shard becomes.
    fn next(&self, shard: Shard) -> Result<Shard, IllegalTransition>;
    /// Guards and writes beside the shard's record.
    fn beside(&self, txn: Guarded, next: &Shard) -> Guarded;
}

/// What a look at fence, lease and shard says about a write.
enum Standing {
    /// It is stored already.
    Already,
    /// The lease is not the writer's.
    Fenced,
    /// The writer holds the lease; this is the shard as it stands.
    Holds(Box<StoredShard>),
}

impl Store {
    /// Writes under a lease; `None` where one of the guards beside the lease's own does not hold.
    pub(super) async fn under_lease(
        &self,
        holder: Holder<'_>,
        write: &impl UnderLease,
    ) -> Result<Option<Committed>, StoreError> {
        // the mirror may lag: what it shows is good for a try, a refusal needs a fresh look
        let mut base = self.view().shard(&holder.key.task, holder.plan, &holder.key.shard);
        for _ in 0..MAX_ROUNDS {
            if let Some(shard) = &base
                && let Ok(next) = write.next(shard.shard.clone())
            {
                match self.try_under_lease(holder, write, shard, &next).await? {
                    Tried::Done => return Ok(Some(Committed::Done)),
                    Tried::Is(Standing::Already) => return Ok(Some(Committed::Already)),
                    Tried::Is(Standing::Fenced) => return Ok(Some(Committed::Fenced)),
                    Tried::Is(Standing::Holds(now)) if now.changed == shard.changed => return Ok(None),
                    Tried::Is(Standing::Holds(now)) => base = Some(*now),
                }
                continue;
            }
            match self.standing(holder, &self.read(&holder.reads()).await?)? {
                Standing::Already => return Ok(Some(Committed::Already)),
                Standing::Fenced => return Ok(Some(Committed::Fenced)),
                Standing::Holds(now) => match write.next(now.shard.clone()) {
                    Ok(_) => base = Some(*now),
                    Err(illegal) => return Ok(Some(Committed::Refused(illegal))),
                },
            }
        }
        Err(StoreError::Contended("commit"))
    }

    async fn try_under_lease(
        &self,
        holder: Holder<'_>,
        write: &impl UnderLease,
        base: &StoredShard,
        next: &Shard,
    ) -> Result<Tried, StoreError> {
        let [fence, lease, shard] = holder.reads();
        let mut txn = Guarded::new("commit")
            .unchanged(&shard, base.changed)
            .holds(&fence, encode_fence(holder.fence))
            .put(shard.clone(), encode_shard(next));
        if self.guards_epoch() {
            txn = txn.epoch(&lease, holder.key.epoch);
        }
        let txn = txn.otherwise_read(fence).otherwise_read(lease).otherwise_read(shard);
        match self.run(write.beside(txn, next)).await? {
            Answer::Done(_) => Ok(Tried::Done),
            Answer::Lost { reads, .. } => self.standing(holder, &reads).map(Tried::Is),
        }
    }

    /// Reads come in the order of [`Holder::reads`].
    fn standing(&self, holder: Holder<'_>, reads: &[Option<Found>]) -> Result<Standing, StoreError> {
        let read = |at: usize| reads.get(at).and_then(Option::as_ref);
        let shard = read(2).map(shard_in).transpose()?;
        let Some(shard) = shard else { return Ok(Standing::Fenced) };
        if shard.shard.checkpoint == *holder.checkpoint && self.resolves_lost_answers() {
            return Ok(Standing::Already);
        }
        let fence = read(0).map(|found| found.decode(decode_fence)).transpose()?;
        let lease = read(1).map(lease_in).transpose()?;
        let holds = lease.is_some_and(|(epoch, _)| epoch == holder.key.epoch) || !self.guards_epoch();
        if holds && fence == Some(holder.fence) {
            Ok(Standing::Holds(Box::new(shard)))
        } else {
            Ok(Standing::Fenced)
        }
    }
}

enum Tried {
    Done,
    Is(Standing),
}

impl Holder<'_> {
    fn reads(&self) -> [String; 3] {
        let LeaseKey { task, shard, .. } = self.key;
        [keys::fence(task), keys::lease(task, shard), keys::shard(task, self.plan, shard)]
    }
}
