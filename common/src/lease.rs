//! The exclusive right to a shard. A lease one holds and a lease one has seen are different types.

use serde::{Deserialize, Serialize};

use crate::id::{Epoch, SessionId, ShardId, WorkerId};
use crate::shard::Shard;
use crate::spec::TaskName;

/// Names one lease for good: a later lease of the same shard has another epoch.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct LeaseKey {
    /// Whose shard.
    pub task: TaskName,
    /// Which shard.
    pub shard: ShardId,
    /// The fencing token.
    pub epoch: Epoch,
}

/// A lease that was claimed: the shard as it stood then, and the token with which to commit.
///
/// Only a claim makes one. It proves nothing about now: whether it still holds is decided at each commit.
#[derive(Debug, Clone)]
pub struct HeldLease {
    /// What is held, under which epoch.
    pub key: LeaseKey,
    /// The task's fence at the claim; commits carry it.
    pub fence: u64,
    /// The shard at the claim.
    pub shard: Shard,
}

/// A lease as somebody else's record shows it, to be looked at only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeenLease {
    /// What was held, under which epoch.
    pub key: LeaseKey,
    /// By whom.
    pub worker: WorkerId,
    /// In which session.
    pub session: SessionId,
}
