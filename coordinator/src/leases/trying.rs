//! Shards on which this coordinator has a claim under way: its other claims need not lose a race against it.
//!
//! It saves transactions and nothing else; the store decides.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tdferry_common::id::ShardId;
use tdferry_common::spec::TaskName;

type Tried = (TaskName, ShardId);

/// All claims under way.
#[derive(Debug, Default)]
pub(crate) struct Trying(Mutex<BTreeSet<Tried>>);

/// A claim under way, over when this is dropped.
pub(super) struct Trial<'a> {
    trying: &'a Trying,
    tried: Tried,
}

impl Trying {
    /// Begins a claim, unless one is under way on the same shard.
    pub(super) fn begin(&self, task: &TaskName, shard: &ShardId) -> Option<Trial<'_>> {
        let tried = (task.clone(), shard.clone());
        let begun = self.all().insert(tried.clone());
        begun.then(|| Trial { trying: self, tried })
    }

    fn all(&self) -> MutexGuard<'_, BTreeSet<Tried>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Trial<'_> {
    fn drop(&mut self) {
        self.trying.all().remove(&self.tried);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shard_is_tried_once_at_a_time() {
        let (trying, task) = (Trying::default(), "t".parse::<TaskName>().unwrap());
        let first = trying.begin(&task, &ShardId::schema());
        assert!(first.is_some());
        assert!(trying.begin(&task, &ShardId::schema()).is_none());
        assert!(trying.begin(&task, &ShardId::survey()).is_some());
        drop(first);
        assert!(trying.begin(&task, &ShardId::schema()).is_some());
    }
}
