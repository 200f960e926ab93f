//! A commit on its way to the store: it says which lease it is under, here is found which plan that belongs to.

use tdferry_common::id::{PlanId, ShardId};
use tdferry_common::lease::LeaseKey;
use tdferry_common::shard::{Checkpoint, Outcome};

use super::place::plan_of;
use crate::shared::Core;
use crate::store::{Commit, Committed, StoreError};

/// A commit as a worker asks for it.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) key: LeaseKey,
    pub(crate) fence: u64,
    pub(crate) checkpoint: Checkpoint,
    /// How the lease ends; `None`: it goes on.
    pub(crate) outcome: Option<Outcome>,
}

/// Moves a shard on, or ends its lease. May be repeated.
pub(crate) async fn commit(core: &Core, asked: Asked) -> Result<Committed, StoreError> {
    let Some(plan) = core.view().read(|mirror| plan_of(mirror, &asked.key)) else {
        return commit_fresh(core, &asked, None).await;
    };
    match commit_in(core, &asked, plan).await? {
        // the mirror may show another plan than the one that counts by now
        Committed::Fenced => commit_fresh(core, &asked, Some(plan)).await,
        done => Ok(done),
    }
}

/// The same with the plan that the store itself names, unless that was tried.
async fn commit_fresh(core: &Core, asked: &Asked, tried: Option<PlanId>) -> Result<Committed, StoreError> {
    if asked.key.shard == ShardId::survey() {
        return Ok(Committed::Fenced);
    }
    match core.store.read_task(&asked.key.task).await? {
        Some(task) if Some(task.state.value.plan()) != tried => {
            commit_in(core, asked, task.state.value.plan()).await
        }
        _ => Ok(Committed::Fenced),
    }
}

async fn commit_in(core: &Core, asked: &Asked, plan: PlanId) -> Result<Committed, StoreError> {
    let Asked { key, fence, checkpoint, outcome } = asked;
    let (fence, checkpoint) = (*fence, *checkpoint);
    let committed =
        core.store.commit(Commit { key, plan, fence, checkpoint, outcome: outcome.clone() }).await?;
    log(asked, &committed);
    Ok(committed)
}

fn log(asked: &Asked, committed: &Committed) {
    let LeaseKey { task, shard, epoch } = &asked.key;
    match (committed, &asked.outcome) {
        (Committed::Refused(why), _) => tracing::warn!(%task, %shard, %epoch, error = %why, "commit refused"),
        (Committed::Fenced, _) => tracing::info!(%task, %shard, %epoch, "commit fenced"),
        (_, Some(Outcome::Failed { reason })) => {
            tracing::error!(%task, %shard, %epoch, error = %reason, "shard failed")
        }
        (_, Some(Outcome::Erred { reason })) => {
            tracing::warn!(%task, %shard, %epoch, error = %reason, "attempt erred")
        }
        (_, Some(Outcome::Differs { finding })) => {
            tracing::error!(%task, %shard, %epoch, finding, "shard differs");
        }
        (_, Some(Outcome::Done)) => tracing::info!(%task, %shard, %epoch, "shard done"),
        (_, None) => tracing::debug!(%task, %shard, %epoch, seq = asked.checkpoint.seq, "committed"),
    }
}
