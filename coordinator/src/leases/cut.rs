//! A cut on its way to the store: a commit that shrinks its shard and puts children for what was taken away.

use tdferry_common::lease::LeaseKey;
use tdferry_common::shard::{Checkpoint, Shard};

use crate::planner::{Recut, Wanted, recut};
use crate::shared::Core;
use crate::store::{Commit, Committed, Cut, StoreError, StoredShard};

/// A cut as a worker asks for it.
#[derive(Debug, Clone)]
pub(crate) struct CutAsked {
    pub(crate) key: LeaseKey,
    pub(crate) fence: u64,
    /// Where the worker stopped.
    pub(crate) checkpoint: Checkpoint,
    /// As the directive said.
    pub(crate) wanted: Wanted,
}

/// Commits and cuts, or only commits where there is too little to cut; with what the lease is on now. May be repeated.
pub(crate) async fn cut(core: &Core, asked: CutAsked) -> Result<(Committed, Option<Shard>), StoreError> {
    let Some(task) = core.store.read_task(&asked.key.task).await? else {
        return Ok((Committed::Fenced, None));
    };
    let plan = task.state.value.plan();
    let Some(stored) = core.store.read_shard(&asked.key.task, plan, &asked.key.shard).await? else {
        return Ok((Committed::Fenced, None));
    };
    let committed = cut_stored(core, &asked, &stored).await?;
    let stands = matches!(committed, Committed::Done | Committed::Already);
    let now = match stands {
        true => core.store.read_shard(&asked.key.task, plan, &asked.key.shard).await?,
        false => None,
    };
    Ok((committed, now.map(|now| now.shard)))
}

/// What a cut leaves follows from the shard as it stood one commit before, and from nothing else: a repetition finds
/// the commit stored, whatever it would cut by now.
async fn cut_stored(core: &Core, asked: &CutAsked, stored: &StoredShard) -> Result<Committed, StoreError> {
    let CutAsked { key, fence, checkpoint, wanted } = asked;
    let follows = checkpoint.seq == stored.shard.checkpoint.seq + 1
        && checkpoint.offset >= stored.shard.checkpoint.offset;
    let (plan, fence, checkpoint) = (stored.plan, *fence, *checkpoint);
    match recut(&stored.shard, &checkpoint, *wanted).filter(|_| follows) {
        Some(recut) => {
            let left = recut.clone();
            let committed = core.store.cut(Cut { key, plan, fence, checkpoint, recut }).await?;
            if committed == Committed::Done {
                log(key, &left);
            }
            Ok(committed)
        }
        None => core.store.commit(Commit { key, plan, fence, checkpoint, outcome: None }).await,
    }
}

fn log(key: &LeaseKey, recut: &Recut) {
    let LeaseKey { task, shard, epoch } = key;
    let (children, range, period) = (recut.children.len(), recut.range, recut.period);
    tracing::info!(%task, %shard, %epoch, children, from = range.from, to = range.to, %period, "shard cut");
}
