//! The shards of one plan, and which of them are free: claims look at those alone, so that picking one costs the same
//! in a plan of a hundred thousand as in one of ten.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tdferry_common::id::ShardId;
use tdferry_common::shard::{Density, Extra, Shard, ShardKind};

use crate::store::StoredShard;

/// Where a shard stands among those of its kind: the oldest period first.
type Place = (i64, ShardId);

/// One plan as last seen.
#[derive(Debug, Clone, Default)]
pub(super) struct Plan {
    shards: BTreeMap<ShardId, Arc<StoredShard>>,
    /// Neither terminal nor leased, by kind in the order of the phases.
    free: [BTreeSet<Place>; KINDS.len()],
}

impl Plan {
    pub(super) fn get(&self, shard: &ShardId) -> Option<&Arc<StoredShard>> {
        self.shards.get(shard)
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Arc<StoredShard>> {
        self.shards.values()
    }

    /// The free shards of these kinds in the order in which they are to be claimed.
    pub(super) fn free(&self, due: impl Fn(ShardKind) -> bool) -> impl Iterator<Item = &Arc<StoredShard>> {
        let due = KINDS.into_iter().zip(&self.free).filter(move |(kind, _)| due(*kind));
        due.flat_map(|(_, places)| places).filter_map(|(_, id)| self.shards.get(id))
    }

    pub(super) fn put(&mut self, stored: StoredShard, leased: bool) {
        self.remove(&stored.shard.id);
        if !leased && !stored.shard.is_terminal() {
            self.of_kind(stored.shard.kind).insert(place(&stored.shard));
        }
        self.shards.insert(stored.shard.id.clone(), Arc::new(stored));
    }

    pub(super) fn remove(&mut self, shard: &ShardId) {
        if let Some(former) = self.shards.remove(shard) {
            self.of_kind(former.shard.kind).remove(&place(&former.shard));
        }
    }

    /// A lease on a shard was seen, or seen gone.
    pub(super) fn set_leased(&mut self, shard: &ShardId, leased: bool) {
        let Some(stored) = self.shards.get(shard) else { return };
        let (kind, place) = (stored.shard.kind, place(&stored.shard));
        if leased || stored.shard.is_terminal() {
            self.of_kind(kind).remove(&place);
        } else {
            self.of_kind(kind).insert(place);
        }
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    fn of_kind(&mut self, kind: ShardKind) -> &mut BTreeSet<Place> {
        let [survey, schema, create, copy, tags, tables, verify, repair, tail] = &mut self.free;
        match kind {
            ShardKind::Survey => survey,
            ShardKind::Schema => schema,
            ShardKind::Create => create,
            ShardKind::Copy(_) => copy,
            ShardKind::VerifyTags => tags,
            ShardKind::VerifyTables => tables,
            ShardKind::Verify(_) => verify,
            ShardKind::Repair(..) => repair,
            ShardKind::Tail => tail,
        }
    }
}

/// Every kind once, in the order of the phases; how dense it is makes no difference.
const KINDS: [ShardKind; 9] = [
    ShardKind::Survey,
    ShardKind::Schema,
    ShardKind::Create,
    ShardKind::Copy(Density::Dense),
    ShardKind::VerifyTags,
    ShardKind::VerifyTables,
    ShardKind::Verify(Density::Dense),
    ShardKind::Repair(Density::Dense, Extra::Kept),
    ShardKind::Tail,
];

fn place(shard: &Shard) -> Place {
    (shard.period.from, shard.id.clone())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tdferry_common::id::{GroupId, PlanId};
    use tdferry_common::shard::{Range, ShardState};
    use tdferry_common::spec::TaskName;
    use tdferry_common::time::Period;

    use super::*;
    use crate::store::Revision;

    fn stored(id: u32, from: i64, done: bool) -> StoredShard {
        let (range, period) = (Range { from: 0, to: 1 }, Period { from, to: 100 });
        let kind = ShardKind::Copy(if id.is_multiple_of(2) { Density::Dense } else { Density::Sparse });
        let mut shard = Shard::planned(ShardId::copy(GroupId(0), id), kind, Some(GroupId(0)), range, period);
        if done {
            shard.state = ShardState::Done;
        }
        StoredShard {
            task: TaskName::try_from("t".to_owned()).unwrap(),
            plan: PlanId(1),
            shard,
            changed: Revision(1),
        }
    }

    proptest! {
        #[test]
        fn free_are_those_neither_terminal_nor_leased_the_oldest_first(
            steps in prop::collection::vec((0_u8..4, 0_u32..8, 0_i64..5, any::<bool>()), 0..60),
        ) {
            let mut plan = Plan::default();
            let mut leases = BTreeSet::new();
            for (what, n, from, flag) in steps {
                let id = ShardId::copy(GroupId(0), n);
                match what {
                    0 | 1 => plan.put(stored(n, from, flag), leases.contains(&id)),
                    2 => plan.remove(&id),
                    _ => {
                        plan.set_leased(&id, flag);
                        if flag { leases.insert(id); } else { leases.remove(&id); }
                    }
                }
                let mut expected: Vec<_> = plan
                    .all()
                    .map(|one| &one.shard)
                    .filter(|shard| !shard.is_terminal() && !leases.contains(&shard.id))
                    .map(|shard| (shard.period.from, shard.id.clone()))
                    .collect();
                expected.sort();
                let copies = |kind| matches!(kind, ShardKind::Copy(_));
                let free: Vec<_> =
                    plan.free(copies).map(|one| (one.shard.period.from, one.shard.id.clone())).collect();
                prop_assert_eq!(free, expected);
                prop_assert_eq!(plan.free(|kind| !copies(kind)).count(), 0);
            }
        }
    }
}
