//! Where the mirror shows the shard that a lease is on.

use tdferry_common::id::{PlanId, ShardId};
use tdferry_common::lease::LeaseKey;

use crate::store::StoredShard;
use crate::view::Mirror;

/// The plan a lease's shard belongs to: the survey stands apart from all plans.
pub(crate) fn plan_of(mirror: &Mirror, key: &LeaseKey) -> Option<PlanId> {
    if key.shard == ShardId::survey() {
        return Some(PlanId::SURVEY);
    }
    Some(mirror.task(&key.task)?.state.as_ref()?.value.plan())
}

/// The shard a lease is on.
pub(crate) fn shard_of(mirror: &Mirror, key: &LeaseKey) -> Option<StoredShard> {
    mirror.shard(&key.task, plan_of(mirror, key)?, &key.shard).map(|shard| StoredShard::clone(shard))
}
