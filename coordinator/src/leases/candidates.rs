//! The shards of all running tasks that might be claimed, as far as the mirror shows.

use std::sync::Arc;

use tdferry_common::id::ShardId;
use tdferry_common::shard::{ShardKind, ShardState};
use tdferry_common::spec::TaskName;
use tdferry_common::task::{Control, Phase, Planned};

use crate::store::StoredShard;
use crate::view::{Mirror, TaskEntry};

/// A shard nobody is seen to hold, with what a claim on it needs.
#[derive(Debug, Clone)]
pub(crate) struct Candidate {
    pub(crate) shard: Arc<StoredShard>,
    pub(crate) fence: u64,
    pub(crate) spec: Arc<str>,
    pub(crate) planned: Option<Planned>,
}

/// Which slots a shard takes: tails have their own, so that they never starve copying.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Slot {
    Tail,
    Other,
}

impl Slot {
    pub(crate) const fn of(kind: ShardKind) -> Self {
        match kind {
            ShardKind::Tail => Self::Tail,
            _ => Self::Other,
        }
    }
}

/// For each task its first candidates for such slots, the oldest period first; `may` has the last word on each.
pub(crate) fn candidates(
    mirror: &Mirror,
    slot: Slot,
    limit: usize,
    may: impl Fn(&StoredShard) -> bool,
) -> Vec<Vec<Candidate>> {
    let may = |shard: &StoredShard| Slot::of(shard.shard.kind) == slot && may(shard);
    mirror.tasks().filter_map(|(name, task)| of_task(mirror, name, task, limit, may)).collect()
}

fn of_task(
    mirror: &Mirror,
    name: &TaskName,
    task: &TaskEntry,
    limit: usize,
    may: impl Fn(&StoredShard) -> bool,
) -> Option<Vec<Candidate>> {
    let state = &task.state.as_ref()?.value;
    let phase = state.phase()?;
    let (fence, spec) = (task.fence.as_ref()?.value, &task.spec.as_ref()?.value);
    if task.control.as_ref()?.value != Control::Run {
        return None;
    }
    let schema = mirror.shard(name, state.plan(), &ShardId::schema());
    let structure_stands = schema.is_some_and(|schema| schema.shard.state == ShardState::Done);
    let shards = task.free(move |kind| is_due(kind, phase, structure_stands)).filter(|one| may(one));
    let candidate = |shard: &Arc<StoredShard>| Candidate {
        shard: Arc::clone(shard),
        fence,
        spec: Arc::clone(spec),
        planned: state.planned().copied(),
    };
    let mut shards: Vec<_> = shards.take(limit).collect();
    // what may be poison waits for all others: else a process that dies again and again makes poison of the first ones
    shards.sort_by_key(|stored| stored.shard.claims);
    Some(shards.into_iter().map(candidate).collect())
}

/// Subtables can be created only once their stable is.
fn is_due(kind: ShardKind, phase: Phase, structure_stands: bool) -> bool {
    match kind {
        ShardKind::Survey => phase == Phase::Survey,
        ShardKind::Schema => phase == Phase::Schema,
        ShardKind::Create => phase == Phase::Schema && structure_stands,
        // those of subtables that came while the task was live
        ShardKind::Copy(_) => matches!(phase, Phase::Copy | Phase::Live),
        ShardKind::Tail => phase == Phase::Live,
        ShardKind::VerifyTags | ShardKind::VerifyTables | ShardKind::Verify(_) => {
            matches!(phase, Phase::Verify(_))
        }
        ShardKind::Repair(..) => matches!(phase, Phase::Repair(_)),
    }
}
