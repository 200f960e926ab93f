//! Subtables whose creation the target acknowledged, and that nobody has looked for yet.
//!
//! Looking for all of a stable at once costs a fraction of looking for each shard's by name. So the last create shard
//! of a stable that this worker is at looks for those of the shards before it as well. It knows no database.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Names kept at most: some 15 MB, and few looks at a stable of a million subtables.
const MOST_NAMES: usize = 200_000;

/// By task as stored and stable.
#[derive(Clone, Default)]
pub(crate) struct Created(Arc<Mutex<BTreeMap<Key, Unseen>>>);

type Key = (String, String);

#[derive(Default)]
struct Unseen {
    /// Create shards of the stable that this worker is at.
    shards: usize,
    names: Vec<String>,
}

/// One create shard at work.
pub(crate) struct Creating {
    created: Created,
    key: Key,
    /// What is being looked for; goes back if that does not come to its end.
    looked_for: Vec<String>,
    ended: bool,
}

impl Created {
    /// A create shard begins.
    pub(crate) fn begin(&self, spec: &str, stable: &str) -> Creating {
        let key = (spec.to_owned(), stable.to_owned());
        self.lock().entry(key.clone()).or_default().shards += 1;
        Creating { created: self.clone(), key, looked_for: Vec::new(), ended: false }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Key, Unseen>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Creating {
    /// All of the shard is created. What is to be looked for now: nothing while other shards are at work that will.
    pub(crate) fn created(&mut self, names: &[String]) -> &[String] {
        let mut all = self.created.lock();
        let unseen = all.entry(self.key.clone()).or_default();
        unseen.names.extend_from_slice(names);
        if !std::mem::replace(&mut self.ended, true) {
            unseen.shards -= 1;
        }
        if unseen.shards == 0 || unseen.names.len() > MOST_NAMES {
            self.looked_for = std::mem::take(&mut unseen.names);
        }
        drop(all);
        &self.looked_for
    }

    /// All that was looked for is there.
    pub(crate) fn seen(mut self) {
        self.looked_for.clear();
    }
}

impl Drop for Creating {
    fn drop(&mut self) {
        let mut all = self.created.lock();
        if let Some(unseen) = all.get_mut(&self.key) {
            unseen.names.append(&mut self.looked_for);
            unseen.shards -= usize::from(!self.ended);
            if unseen.shards == 0 && unseen.names.is_empty() {
                all.remove(&self.key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn the_last_shard_at_work_looks_for_the_names_of_all() {
        let created = Created::default();
        let (mut one, mut other) = (created.begin("t", "s"), created.begin("t", "s"));
        let mut elsewhere = created.begin("t", "s2");
        assert!(one.created(&names(&["a"])).is_empty());
        one.seen();
        assert_eq!(elsewhere.created(&names(&["x"])), ["x"]);
        elsewhere.seen();
        assert_eq!(other.created(&names(&["b"])), ["a", "b"]);
        other.seen();
        assert!(created.lock().is_empty());
    }

    #[test]
    fn what_was_not_looked_for_to_the_end_is_left_to_the_next() {
        let created = Created::default();
        let (mut one, other) = (created.begin("t", "s"), created.begin("t", "s"));
        assert!(one.created(&names(&["a"])).is_empty());
        drop((one, other));
        let mut third = created.begin("t", "s");
        assert_eq!(third.created(&names(&["b"])), ["a", "b"]);
        drop(third);
        assert_eq!(created.begin("t", "s").created(&names(&["c"])), ["a", "b", "c"]);
    }
}
