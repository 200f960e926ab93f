//! A plan that grows while its task is live: all of it in one revision with a commit of the tail that found it, copied
//! up to where it is followed from, and named once (promises S5 and S9).

use std::collections::BTreeMap;

use tdferry_common::id::{GroupId, PlanId};
use tdferry_common::shard::{Shard, ShardKind};
use tdferry_common::spec::TaskName;

use crate::record::Group;

/// What one revision added to one plan.
#[derive(Default)]
pub(super) struct Growth<'a> {
    /// Groups that were not there before.
    pub(super) groups: BTreeMap<GroupId, &'a Group>,
    /// Their shards, none of which was there before.
    pub(super) shards: Vec<&'a Shard>,
    /// Tails that committed, as they stand after it, each with the stable it follows; none: the whole database.
    pub(super) tails: Vec<(&'a Shard, Option<&'a str>)>,
}

/// By task and plan.
pub(super) type ByPlan<'a> = BTreeMap<(TaskName, PlanId), Growth<'a>>;

impl Growth<'_> {
    /// What is wrong with it, if anything, the plan being the one that counts.
    pub(super) fn wrong(&self, states_put: bool) -> Option<String> {
        if self.groups.is_empty() && self.shards.is_empty() {
            return None;
        }
        let [(tail, stable)] = self.tails[..] else {
            return Some(format!("it grew with the commits of {} tails", self.tails.len()));
        };
        if !states_put {
            return Some("it grew without the task's state: who lists its shards may miss some".to_owned());
        }
        let strange =
            self.groups.iter().find(|(_, group)| stable.is_some_and(|stable| group.stable != stable));
        if let Some((id, group)) = strange {
            return Some(format!("group {id} of {:?} was found by the tail of another stable", group.stable));
        }
        self.shards.iter().find_map(|shard| self.strange(shard, (tail, stable))).or_else(|| self.uncopied())
    }

    fn strange(&self, shard: &Shard, (tail, stable): (&Shard, Option<&str>)) -> Option<String> {
        let id = &shard.id;
        let Some(group) = shard.group.and_then(|group| self.groups.get(&group)) else {
            return Some(format!("{id} is of no new group"));
        };
        // what a stable's tail finds is its own from where it stands; or has a tail of its own from where all began
        let own =
            |one: &&Shard| one.kind == ShardKind::Tail && one.group == shard.group && !one.range.is_empty();
        let is_listed = self.shards.iter().any(own);
        let follows = stable.filter(|_| !is_listed);
        let from = follows.map_or(tail.period.from, |_| tail.checkpoint.offset.next);
        let whole = usize::try_from(shard.range.len()) == Ok(group.names.len()) && shard.range.from == 0;
        match shard.kind {
            ShardKind::Copy(_) if shard.period.to != from => {
                Some(format!("{id} copies {}, and it is followed from {from} on", shard.period))
            }
            ShardKind::Tail if shard.period.from != from => {
                Some(format!("{id} follows {}, and what was before ends at {from}", shard.period))
            }
            ShardKind::Tail if follows.is_some() => Some(format!("{id} follows what {} follows", tail.id)),
            ShardKind::Copy(_) | ShardKind::Tail if whole => None,
            ShardKind::Copy(_) | ShardKind::Tail => Some(format!("{id} is on a part of its group")),
            _ => Some(format!("{id} is nothing that a plan grows by")),
        }
    }

    /// Names that no shard copies.
    fn uncopied(&self) -> Option<String> {
        let copied = |id: &GroupId| {
            let of_group = self.shards.iter().filter(|shard| shard.group == Some(*id));
            of_group.into_iter().any(|shard| matches!(shard.kind, ShardKind::Copy(_)))
        };
        let (id, _) = self.groups.iter().find(|(id, group)| !group.names.is_empty() && !copied(id))?;
        Some(format!("nothing copies what the subtables of group {id} held before"))
    }
}
