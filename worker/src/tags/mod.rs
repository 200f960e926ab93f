//! Tags of whole stables of either side, each read with one query while the shards that create or compare its subtables
//! ask for them.
//!
//! It is a shortcut and promises nothing: what it does not bring is asked for by name. What it takes of memory and of
//! connections is bounded for the whole worker.

mod reading;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tdferry_common::batch::TagRow;
use tdferry_common::port::{Rows, Side};
use tdferry_common::schema::Stable;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::timeout;

use crate::lease::{Attempt, Worked};
pub(crate) use reading::Holder;
use reading::Reading;

/// A shard of fewer names asks for them: reading a whole stable for a few would not pay.
const LEAST_NAMES: usize = 1_000;
/// Tags kept for shards that have not asked yet: those of some 200,000 subtables, a small part of a worker's memory.
const MOST_BYTES: usize = 32 << 20;
/// Stables that are being read, each with a connection: a quarter of those that a source is given, and more stables than
/// a worker usually is at.
const MOST_READ: usize = 8;
/// How long a stable that no create shard is at waits for the next one. Shards are handed out in no strict order, and
/// one that is created over a slow link takes its time.
const KEPT_UNUSED: Duration = Duration::from_secs(60);

/// What this worker reads.
#[derive(Clone)]
pub(crate) struct StableTags(Arc<Shelf>);

struct Shelf {
    stables: Mutex<BTreeMap<Key, Arc<Entry>>>,
    /// To read a stable.
    may_read: Arc<Semaphore>,
    /// Bytes kept of all.
    kept: Arc<AtomicUsize>,
}

/// A task as stored, a stable, and whose.
type Key = (String, String, Side);

struct Entry {
    /// Shards that are at it.
    users: watch::Sender<usize>,
    reading: tokio::sync::Mutex<Reading>,
}

/// A shard that takes tags, until it is dropped.
pub(crate) struct Taking {
    tags: StableTags,
    holder: Holder,
    /// `None` where the shard is small.
    entry: Option<Arc<Entry>>,
}

impl Default for StableTags {
    fn default() -> Self {
        let may_read = Arc::new(Semaphore::new(MOST_READ));
        Self(Arc::new(Shelf { stables: Mutex::default(), may_read, kept: Arc::default() }))
    }
}

impl StableTags {
    /// A shard begins.
    pub(crate) fn begin(&self, attempt: &Attempt, stable: &Stable, holder: Holder) -> Taking {
        let many = attempt.claimed.shard_names().len() >= LEAST_NAMES;
        let key = || (attempt.claimed.spec.clone(), stable.name.clone(), holder.side());
        let entry = many.then(|| self.enter(key()));
        Taking { tags: self.clone(), holder, entry }
    }

    /// Lets go of a task's, whose subtables are all created or compared.
    pub(crate) fn forget(&self, spec: &str) {
        self.0.lock().retain(|(of, _, _), _| of != spec);
    }

    fn enter(&self, key: Key) -> Arc<Entry> {
        let mut stables = self.0.lock();
        let new = || {
            let reading = tokio::sync::Mutex::new(Reading::new(Arc::clone(&self.0.kept)));
            let entry = Entry { users: watch::Sender::new(0), reading };
            tokio::spawn(end_unused(Arc::downgrade(&self.0), key.clone(), entry.users.subscribe()));
            Arc::new(entry)
        };
        let entry = Arc::clone(stables.entry(key.clone()).or_insert_with(new));
        entry.users.send_modify(|users| *users += 1);
        entry
    }

    /// To read one more stable. Where there is none, what is unused makes room for the next who asks.
    fn permit(&self) -> Option<OwnedSemaphorePermit> {
        let permit = Arc::clone(&self.0.may_read).try_acquire_owned().ok();
        if permit.is_none() {
            self.0.end_all_unused();
        }
        permit
    }

    /// Whether as much is kept as may be, when all that nobody uses is gone.
    fn is_full(&self) -> bool {
        let full = || self.0.kept.load(Ordering::Relaxed) > MOST_BYTES;
        full() && {
            self.0.end_all_unused();
            full()
        }
    }
}

impl Taking {
    /// Tags of these subtables: out of the whole stable's where they are in it, by name where they are not.
    pub(crate) async fn of(
        &self,
        attempt: &Attempt,
        stable: &Stable,
        names: &[String],
    ) -> Worked<Vec<TagRow>> {
        attempt.go_on()?;
        let mut rows = self.take(attempt, stable, names).await;
        let rest = without(names, &rows);
        if !rest.is_empty() {
            let by_name: &dyn Rows = match &self.holder {
                Holder::Source(source) => source.as_ref(),
                Holder::Sink(sink) => sink.as_ref(),
            };
            let doing = "reading the tags of subtables";
            rows.extend(attempt.ask(doing, by_name.side(), || by_name.tags(stable, &rest)).await?);
        }
        Ok(rows)
    }

    /// Tags of these subtables as far as reading the stable brings them; each is given away once.
    async fn take(&self, attempt: &Attempt, stable: &Stable, names: &[String]) -> Vec<TagRow> {
        let Some(entry) = &self.entry else { return Vec::new() };
        let mut reading = entry.reading.lock().await;
        if !reading.is_begun() {
            let Some(permit) = self.tags.permit() else { return Vec::new() };
            reading.begin(&self.holder, stable, permit);
        }
        let limit = attempt.session.timing.database_request;
        reading.take(names, (limit, self.holder.side()), || self.tags.is_full()).await
    }
}

/// The names that no row has.
pub(crate) fn without(names: &[String], rows: &[TagRow]) -> Vec<String> {
    if rows.len() >= names.len() {
        return Vec::new();
    }
    let found: BTreeSet<&str> = rows.iter().map(|row| row.name.as_str()).collect();
    names.iter().filter(|name| !found.contains(name.as_str())).cloned().collect()
}

impl Drop for Taking {
    fn drop(&mut self) {
        if let Some(entry) = &self.entry {
            entry.users.send_modify(|users| *users -= 1);
        }
    }
}

impl Entry {
    fn is_used(&self) -> bool {
        *self.users.borrow() > 0
    }
}

impl Shelf {
    fn end_all_unused(&self) {
        self.lock().retain(|_, entry| entry.is_used());
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Key, Arc<Entry>>> {
        self.stables.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ends the reading of a stable, with its connection and what is kept of it, when no create shard comes to it any more.
async fn end_unused(shelf: Weak<Shelf>, key: Key, mut users: watch::Receiver<usize>) {
    loop {
        // an error: it was let go of
        if users.wait_for(|users| *users == 0).await.is_err() {
            return;
        }
        match timeout(KEPT_UNUSED, users.changed()).await {
            Ok(Ok(())) => continue,
            Ok(Err(_)) => return,
            Err(_) => {}
        }
        let Some(shelf) = shelf.upgrade() else { return };
        let mut stables = shelf.lock();
        if stables.get(&key).is_none_or(|entry| !entry.is_used()) {
            stables.remove(&key);
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use tdferry_common::batch::Value;
    use tdferry_common::testing::{MemDatabase, MemServer, MemSource};

    use super::*;

    fn key(stable: &str) -> Key {
        ("t".into(), stable.into(), Side::Source)
    }

    fn taking(tags: &StableTags, stable: &str) -> Taking {
        let server = MemServer::source(MemDatabase::default());
        let holder = Holder::Source(Arc::new(MemSource::new(server)));
        Taking { tags: tags.clone(), holder, entry: Some(tags.enter(key(stable))) }
    }

    fn keep(taking: &Taking, bytes: usize) {
        let entry = taking.entry.as_ref().unwrap();
        let tags = vec![Value::Binary(vec![0; bytes])];
        entry.reading.try_lock().unwrap().keep(TagRow { name: "a".into(), tags });
    }

    #[tokio::test]
    async fn bytes_are_bounded_for_all_stables_together_and_those_in_use_come_first() {
        let tags = StableTags::default();
        let (one, other) = (taking(&tags, "one"), taking(&tags, "other"));
        keep(&one, MOST_BYTES * 2 / 3);
        assert!(!tags.is_full());
        keep(&other, MOST_BYTES * 2 / 3);
        assert!(tags.is_full());
        drop(other);
        assert!(!tags.is_full());
        assert_eq!(tags.0.lock().keys().collect::<Vec<_>>(), [&key("one")]);
        tags.forget("t");
        drop(one);
        assert_eq!(tags.0.kept.load(Ordering::Relaxed), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_stable_is_kept_for_a_while_for_the_next_shard() {
        let tags = StableTags::default();
        let first = taking(&tags, "s");
        tokio::time::sleep(KEPT_UNUSED * 2).await;
        keep(&first, 1_000);
        drop(first);
        tokio::time::sleep(KEPT_UNUSED * 2 / 3).await;
        let second = taking(&tags, "s");
        drop(second);
        tokio::time::sleep(KEPT_UNUSED * 2 / 3).await;
        assert!(tags.0.kept.load(Ordering::Relaxed) > 1_000);
        tokio::time::sleep(KEPT_UNUSED).await;
        assert!(tags.0.lock().is_empty());
        assert_eq!(tags.0.kept.load(Ordering::Relaxed), 0);
    }
}
