//! The shards of a task, page by page from the store itself, with who is seen to hold them.

use tdferry_common::id::{PlanId, ShardId};
use tdferry_common::lease::SeenLease;
use tdferry_common::shard::{Shard, ShardState};
use tdferry_common::spec::TaskName;
use tdferry_proto::status::ApiError;

use super::no_such;
use crate::shared::Core;
use crate::store::{StoreError, StoredShard};

/// Shards in one answer: each is some hundred bytes.
const MAX_PAGE: usize = 1_000;

/// Which shards are asked for.
#[derive(Debug, Clone, Default)]
pub(crate) struct ShardsAsked {
    /// Zero leaves it to the coordinator.
    pub(crate) page_size: usize,
    /// From this one on.
    pub(crate) from: Option<ShardId>,
    /// Only in this state, whatever else it holds.
    pub(crate) state: Option<ShardState>,
}

/// A shard as shown.
#[derive(Debug, Clone)]
pub(crate) struct ShardShown {
    pub(crate) shard: Shard,
    /// Of its group; empty for normal tables and for shards without a group.
    pub(crate) stable: String,
    pub(crate) lease: Option<SeenLease>,
}

/// A page of shards and where the next one starts.
#[derive(Debug, Clone, Default)]
pub(crate) struct Listing {
    pub(crate) shards: Vec<ShardShown>,
    pub(crate) next: Option<ShardId>,
}

/// Lists shards of the plan that counts, or the survey's.
pub(crate) async fn list_shards(
    core: &Core,
    task: &TaskName,
    asked: ShardsAsked,
) -> Result<Listing, ApiError> {
    let record = core.store.read_task(task).await?.ok_or_else(|| no_such(task))?;
    let plan = record.state.value.plan();
    let limit = if asked.page_size == 0 { MAX_PAGE } else { asked.page_size.min(MAX_PAGE) };
    let mut listing = Listing { next: asked.from.clone(), ..Listing::default() };
    loop {
        let page = core.store.list_shards(task, plan, listing.next.as_ref()).await?;
        for stored in page.shards.into_iter().filter(|stored| is_asked(&stored.shard, asked.state.as_ref())) {
            if listing.shards.len() == limit {
                listing.next = Some(stored.shard.id);
                return Ok(listing);
            }
            listing.shards.push(shown(core, plan, stored).await?);
        }
        listing.next = page.next;
        if listing.next.is_none() {
            return Ok(listing);
        }
    }
}

fn is_asked(shard: &Shard, state: Option<&ShardState>) -> bool {
    state.is_none_or(|state| state.name() == shard.state.name())
}

async fn shown(core: &Core, plan: PlanId, stored: StoredShard) -> Result<ShardShown, StoreError> {
    let StoredShard { task, shard, .. } = stored;
    let stable = match shard.group {
        Some(group) => core.store.group(&task, plan, group).await?.map(|group| group.stable.clone()),
        None => None,
    };
    let lease = core.view().read(|mirror| mirror.task(&task)?.lease(&shard.id).cloned());
    Ok(ShardShown { shard, stable: stable.unwrap_or_default(), lease })
}
