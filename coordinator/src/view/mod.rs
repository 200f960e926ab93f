//! The mirror of the store in memory: it picks candidates and feeds progress. It is never a reason to believe.
//!
//! One listing at a revision fills it, a watch keeps it up, and every answer of our own goes in at once; of two
//! changes of a key the newer wins. Whoever must be sure asks the store.

mod change;
mod follow;
mod mirror;
mod plan;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use tdferry_common::id::{PlanId, ShardId};
use tdferry_common::spec::TaskName;
use tokio::sync::watch;

pub(crate) use change::Change;
pub(crate) use follow::follow;
#[cfg(test)]
pub(crate) use follow::{list as list_once, watch as watch_until_lost};
pub(crate) use mirror::{Mirror, TaskEntry};

use crate::store::StoredShard;

/// A handle on the mirror; clones share it.
#[derive(Clone)]
pub(crate) struct View(Arc<Shared>);

struct Shared {
    mirror: Mutex<Mirror>,
    /// Counts what went in, to wake those who wait for a change.
    changes: watch::Sender<u64>,
}

impl fmt::Debug for View {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("View").field("revision", &self.read(Mirror::revision)).finish_non_exhaustive()
    }
}

impl View {
    /// An empty mirror, as before the first listing.
    pub(crate) fn new() -> Self {
        Self(Arc::new(Shared { mirror: Mutex::new(Mirror::default()), changes: watch::Sender::new(0) }))
    }

    /// Looks at the mirror. The look must be short: every answer of the store waits for it.
    pub(crate) fn read<T>(&self, look: impl FnOnce(&Mirror) -> T) -> T {
        look(&self.0.mirror.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether the first listing is through. Before it the mirror holds only what our own answers brought.
    pub(crate) fn is_filled(&self) -> bool {
        self.read(|mirror| mirror.revision() > 0)
    }

    /// Wakes at the next change. The number only counts changes.
    pub(crate) fn changed(&self) -> watch::Receiver<u64> {
        self.0.changes.subscribe()
    }

    /// A shard as last seen.
    pub(crate) fn shard(&self, task: &TaskName, plan: PlanId, shard: &ShardId) -> Option<StoredShard> {
        self.read(|mirror| mirror.shard(task, plan, shard).map(|found| StoredShard::clone(found)))
    }

    /// Takes changes that an answer of the store brought.
    pub(crate) fn apply(&self, changes: impl IntoIterator<Item = Change>) {
        self.write(|mirror| changes.into_iter().for_each(|change| mirror.apply_own(change)));
    }

    /// Takes a fresh listing in place of everything.
    pub(crate) fn replace(&self, listed: Mirror) {
        self.write(|mirror| mirror.replace(listed));
    }

    /// A swept plan is nothing to sweep any more.
    pub(crate) fn forget_plan(&self, task: &TaskName, plan: PlanId) {
        self.write(|mirror| mirror.forget_plan(task, plan));
    }

    /// Tasks that are deleted and not yet swept: their fence stands, their state is gone.
    pub(crate) fn swept_tasks(&self) -> BTreeSet<TaskName> {
        self.read(|mirror| {
            let deleted = mirror.tasks().filter(|(_, task)| task.state.is_none() && task.fence.is_some());
            deleted.map(|(name, _)| name.clone()).collect()
        })
    }

    fn write(&self, change: impl FnOnce(&mut Mirror)) {
        change(&mut self.0.mirror.lock().unwrap_or_else(PoisonError::into_inner));
        self.0.changes.send_modify(|count| *count = count.wrapping_add(1));
    }
}
