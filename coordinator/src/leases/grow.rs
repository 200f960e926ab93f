//! Subtables that a tail found, on their way into the plan; and those that the plan has, told to a tail.

use std::collections::BTreeSet;
use std::sync::Arc;

use tdferry_common::id::{GroupId, ShardId};
use tdferry_common::lease::LeaseKey;
use tdferry_common::shard::{Checkpoint, Density, Range, Shard, ShardKind};
use tdferry_common::time::Period;

use super::{Asked, commit};
use crate::record::Group;
use crate::shared::Core;
use crate::store::{Committed, Grow, StoreError, StoredShard};

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
    /// From here to where the tail stands is copied by shards of their own.
    pub(crate) from: i64,
}

/// Commits, and adds subtables to the plan. May be repeated: the commit that is stored tells.
pub(crate) async fn grow(core: &Core, asked: GrowAsked) -> Result<Committed, StoreError> {
    let GrowAsked { key, fence, checkpoint, names, from } = asked;
    for _ in 0..MAX_ROUNDS {
        let Some(task) = core.store.read_task(&key.task).await? else { return Ok(Committed::Fenced) };
        let plan = task.state.value.plan();
        let shards = core.store.all_shards(&key.task, plan).await?;
        let Some(stable) = stable_of(core, &shards, &key).await? else { return Ok(Committed::Fenced) };
        let period = Period { from: from.min(checkpoint.offset.next), to: checkpoint.offset.next };
        let groups = groups(&stable, &names, period, &shards)?;
        if groups.is_empty() {
            return commit(core, Asked { key, fence, checkpoint, outcome: None }).await;
        }
        let grow = Grow { key: &key, plan, fence, checkpoint, groups };
        if let Some(committed) = core.store.grow(&grow).await? {
            if committed == Committed::Done {
                let (task, shard) = (&key.task, &key.shard);
                tracing::info!(%task, %shard, stable, subtables = names.len(), "plan grown");
            }
            return Ok(committed);
        }
    }
    Err(StoreError::Contended("grow"))
}

async fn stable_of(
    core: &Core,
    shards: &[StoredShard],
    key: &LeaseKey,
) -> Result<Option<String>, StoreError> {
    let tail = shards.iter().find(|one| one.shard.id == key.shard);
    let Some((plan, group)) = tail.and_then(|tail| Some((tail.plan, tail.shard.group?))) else {
        return Ok(None);
    };
    Ok(core.store.group(&key.task, plan, group).await?.map(|group| group.stable.clone()))
}

/// New groups behind those that are there, each with the shard that copies it.
fn groups(
    stable: &str,
    names: &[String],
    period: Period,
    shards: &[StoredShard],
) -> Result<Vec<(GroupId, Vec<u8>, Shard)>, StoreError> {
    let last = shards.iter().filter_map(|one| one.shard.group).max();
    let first = last.map_or(0, |last| last.0.saturating_add(1));
    let pack = |(names, id): (&[String], u32)| {
        let (id, range) = (GroupId(id), Range { from: 0, to: u32::try_from(names.len()).unwrap_or(u32::MAX) });
        let group = Group { stable: stable.to_owned(), names: names.to_vec() };
        let packed = group.encode().map_err(|large| StoreError::Invalid(large.to_string()))?;
        let kind = ShardKind::Copy(Density::Sparse);
        Ok((id, packed, Shard::planned(ShardId::copy(id, 0), kind, Some(id), range, period)))
    };
    chunks(names).into_iter().zip(first..).map(pack).collect()
}

fn chunks(mut names: &[String]) -> Vec<&[String]> {
    let mut chunks = Vec::new();
    while !names.is_empty() {
        let mut bytes = 0;
        let fits = |name: &&String| {
            bytes += name.len() + 2;
            bytes <= GROUP_BYTES
        };
        let fitting = names.iter().take(GROUP_NAMES).take_while(fits).count().max(1);
        let (chunk, rest) = names.split_at(fitting);
        chunks.push(chunk);
        names = rest;
    }
    chunks
}

/// The names of one group of a tail's stable.
#[derive(Debug, Clone)]
pub(crate) struct Named {
    pub(crate) group: GroupId,
    pub(crate) names: Arc<Group>,
}

/// The group of a tail's stable that follows one, by number; `None` behind the last.
pub(crate) async fn names(
    core: &Core,
    key: &LeaseKey,
    after: Option<GroupId>,
) -> Result<Option<Named>, StoreError> {
    let Some(task) = core.store.read_task(&key.task).await? else { return Ok(None) };
    let plan = task.state.value.plan();
    let shards = core.store.all_shards(&key.task, plan).await?;
    let Some(stable) = stable_of(core, &shards, key).await? else { return Ok(None) };
    let groups: BTreeSet<GroupId> = shards.iter().filter_map(|one| one.shard.group).collect();
    for group in groups.into_iter().filter(|group| after.is_none_or(|after| *group > after)) {
        let Some(names) = core.store.group(&key.task, plan, group).await? else { continue };
        if names.stable == stable && !names.names.is_empty() {
            return Ok(Some(Named { group, names }));
        }
    }
    Ok(None)
}
