//! What a tail found, on its way into the plan; and what the plan has, told to a tail.

use std::collections::BTreeSet;

use tdferry_common::id::{GroupId, ShardId};
use tdferry_common::lease::LeaseKey;
use tdferry_common::options::TailBy;
use tdferry_common::shard::{Checkpoint, Density, Range, Shard, ShardKind};
use tdferry_common::time::Period;

use super::{Asked, commit};
use crate::planner;
use crate::record::Group;
use crate::shared::Core;
use crate::store::{Committed, Grow, StoreError, StoredShard};
use crate::tasks::Kept;

/// Losing the race for the next number of a group this often means that something is wrong.
const MAX_ROUNDS: u32 = 8;
/// Names of one group: more would make one shard of too many subtables.
const GROUP_NAMES: usize = 2_000;
/// Bytes of one group's names: what is stored of them is less than this, and fits.
const GROUP_BYTES: usize = 48 * 1024;

/// A growth as a worker asks for it.
#[derive(Debug, Clone)]
pub(crate) struct GrowAsked {
    pub(crate) key: LeaseKey,
    pub(crate) fence: u64,
    pub(crate) checkpoint: Checkpoint,
    pub(crate) names: Vec<String>,
    /// From here to where they are followed is copied by shards of their own.
    pub(crate) from: i64,
    /// By the database's tail: the stable that gets a tail, empty for normal tables.
    pub(crate) stable: Option<String>,
}

/// Commits, and adds to the plan. May be repeated: the commit that is stored tells.
pub(crate) async fn grow(core: &Core, asked: GrowAsked) -> Result<Committed, StoreError> {
    let GrowAsked { key, fence, checkpoint, .. } = &asked;
    let (fence, checkpoint) = (*fence, *checkpoint);
    for _ in 0..MAX_ROUNDS {
        let Some(task) = core.store.read_task(&key.task).await? else { return Ok(Committed::Fenced) };
        let plan = task.state.value.plan();
        let shards = core.store.all_shards(&key.task, plan).await?;
        let Some(tail) = shards.iter().find(|one| one.shard.id == key.shard) else {
            return Ok(Committed::Fenced);
        };
        // a task that is being cut over follows nothing beyond its mark
        let mark = task.state.value.planned().and_then(|planned| planned.mark);
        let live = Period { from: tail.shard.period.from, to: mark.unwrap_or(i64::MAX) };
        let groups = match &asked.stable {
            Some(stable) => followed(stable, &asked, live, &shards)?,
            None => {
                let Some(stable) = stable_of(core, tail).await? else { return Ok(Committed::Fenced) };
                match tail_by(&task.spec)? {
                    TailBy::Stable => copied(&stable, &asked, &shards)?,
                    TailBy::Names => listed(&stable, &asked, live, &shards)?,
                }
            }
        };
        if groups.is_empty() {
            return commit(core, Asked { key: key.clone(), fence, checkpoint, outcome: None }).await;
        }
        let grow = Grow { key, plan, state: &task.state, fence, checkpoint, groups };
        if let Some(committed) = core.store.grow(&grow).await? {
            if committed == Committed::Done {
                let (task, shard, groups) = (&key.task, &key.shard, grow.groups.len());
                tracing::info!(%task, %shard, stable = asked.stable, tables = asked.names.len(), groups, "plan grown");
            }
            return Ok(committed);
        }
    }
    Err(StoreError::Contended("grow"))
}

async fn stable_of(core: &Core, tail: &StoredShard) -> Result<Option<String>, StoreError> {
    let Some(group) = tail.shard.group else { return Ok(None) };
    Ok(core.store.group(&tail.task, tail.plan, group).await?.map(|group| group.stable.clone()))
}

fn tail_by(stored: &str) -> Result<TailBy, StoreError> {
    let spec = Kept::open(stored).and_then(|kept| kept.spec());
    Ok(spec.map_err(|unread| StoreError::Invalid(unread.to_string()))?.options.tail_by)
}

type Grown = (GroupId, Vec<u8>, Vec<Shard>);

/// New subtables of a stable that is followed: each group with the shard that copies it up to the watermark.
fn copied(stable: &str, asked: &GrowAsked, shards: &[StoredShard]) -> Result<Vec<Grown>, StoreError> {
    let watermark = asked.checkpoint.offset.next;
    let period = Period { from: asked.from.min(watermark), to: watermark };
    let grown = |(names, id)| {
        packed(stable, names)
            .map(|(packed, range)| (id, packed, vec![copy(id, Density::Sparse, range, period)]))
    };
    packs(&asked.names).into_iter().zip(next_ids(shards)).map(grown).collect()
}

/// What the database's tail found: a stable gets a tail, which meets its subtables itself; normal tables one that
/// follows them and shards that copy what they held before.
fn followed(
    stable: &str,
    asked: &GrowAsked,
    live: Period,
    shards: &[StoredShard],
) -> Result<Vec<Grown>, StoreError> {
    if stable.is_empty() {
        return listed(stable, asked, live, shards);
    }
    let grown =
        |id| packed(stable, &[]).map(|(packed, range)| (id, packed, vec![planner::tail(id, range, live)]));
    next_ids(shards).next().map(grown).into_iter().collect()
}

/// Tables that are followed by their names: each group with its tail, and the shard that copies what was before.
fn listed(
    stable: &str,
    asked: &GrowAsked,
    live: Period,
    shards: &[StoredShard],
) -> Result<Vec<Grown>, StoreError> {
    let period = Period { from: asked.from.min(live.from), to: live.from };
    let density = if stable.is_empty() { Density::Dense } else { Density::Sparse };
    let grown = |(names, id)| {
        let (packed, range) = packed(stable, names)?;
        Ok((id, packed, vec![planner::tail(id, range, live), copy(id, density, range, period)]))
    };
    packs(&asked.names).into_iter().zip(next_ids(shards)).map(grown).collect()
}

/// Numbers of groups behind those that are there.
fn next_ids(shards: &[StoredShard]) -> impl Iterator<Item = GroupId> + use<> {
    let last = shards.iter().filter_map(|one| one.shard.group).max();
    (last.map_or(0, |last| last.0.saturating_add(1))..).map(GroupId)
}

fn packed(stable: &str, names: &[String]) -> Result<(Vec<u8>, Range), StoreError> {
    let group = Group { stable: stable.to_owned(), names: names.to_vec() };
    let packed = group.encode().map_err(|large| StoreError::Invalid(large.to_string()))?;
    Ok((packed, Range { from: 0, to: u32::try_from(names.len()).unwrap_or(u32::MAX) }))
}

fn copy(id: GroupId, density: Density, range: Range, period: Period) -> Shard {
    Shard::planned(ShardId::copy(id, 0), ShardKind::Copy(density), Some(id), range, period)
}

fn packs(mut names: &[String]) -> Vec<&[String]> {
    let mut packs = Vec::new();
    while !names.is_empty() {
        let mut bytes = 0;
        let fits = |name: &&String| {
            bytes += name.len() + 2;
            bytes <= GROUP_BYTES
        };
        let fitting = names.iter().take(GROUP_NAMES).take_while(fits).count().max(1);
        let (pack, rest) = names.split_at(fitting);
        packs.push(pack);
        names = rest;
    }
    packs
}

/// What the plan has, as a tail is told: the names of one group of its stable.
#[derive(Debug, Clone, Default)]
pub(crate) struct Named {
    /// None: that was all.
    pub(crate) group: Option<GroupId>,
    pub(crate) names: Vec<String>,
    /// To the database's tail: the stables that are followed.
    pub(crate) stables: Vec<String>,
}

/// The group of a tail's stable that follows one, by number; to the database's tail all that is followed.
pub(crate) async fn names(core: &Core, key: &LeaseKey, after: Option<GroupId>) -> Result<Named, StoreError> {
    let Some(task) = core.store.read_task(&key.task).await? else { return Ok(Named::default()) };
    let plan = task.state.value.plan();
    let shards = core.store.all_shards(&key.task, plan).await?;
    let Some(tail) = shards.iter().find(|one| one.shard.id == key.shard) else { return Ok(Named::default()) };
    let of_stable = stable_of(core, tail).await?;
    let mut all = Named::default();
    let tails = |one: &&StoredShard| of_stable.is_some() || one.shard.kind == ShardKind::Tail;
    let groups: BTreeSet<GroupId> = shards.iter().filter(tails).filter_map(|one| one.shard.group).collect();
    for id in groups.into_iter().filter(|group| after.is_none_or(|after| *group > after)) {
        let Some(group) = core.store.group(&key.task, plan, id).await? else { continue };
        match &of_stable {
            Some(stable) if *stable == group.stable && !group.names.is_empty() => {
                return Ok(Named { group: Some(id), names: group.names.clone(), stables: Vec::new() });
            }
            Some(_) => {}
            None if group.stable.is_empty() => all.names.extend(group.names.iter().cloned()),
            None => all.stables.push(group.stable.clone()),
        }
    }
    Ok(all)
}
