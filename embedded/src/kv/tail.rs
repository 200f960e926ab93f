//! The events that the last compaction took away, kept a little longer for watchers that were only
//! a moment behind it. etcd hands events to its watchers before a compaction can overtake them.

use std::collections::BTreeMap;

use super::Revision;
use super::history::{Event, size};

/// A watcher further behind than this many events is told "compacted", as one that was away.
const TAIL_EVENTS: usize = 4096;
/// The same as a bound on memory.
const TAIL_BYTES: usize = 4 * 1024 * 1024;

#[derive(Debug)]
pub(super) struct Tail {
    events: BTreeMap<Revision, Event>,
    complete_from: i64,
}

impl Tail {
    pub(super) fn empty() -> Self {
        Self { events: BTreeMap::new(), complete_from: i64::MAX }
    }

    /// `forgotten` is what a compaction removed from a history that was complete after `compacted`.
    pub(super) fn of(forgotten: Vec<(Revision, Event)>, compacted: i64) -> Self {
        let mut tail = Self { events: BTreeMap::new(), complete_from: compacted + 1 };
        let mut bytes = 0;
        let mut newest_first = forgotten;
        newest_first.sort_by(|(a, _), (b, _)| b.cmp(a));
        for (at, event) in newest_first {
            bytes += size(&event);
            if bytes > TAIL_BYTES || tail.events.len() >= TAIL_EVENTS {
                tail.complete_from = at.main + 1;
                break;
            }
            tail.events.insert(at, event);
        }
        tail
    }

    /// True if, together with the history, nothing from revision `from` on is missing.
    pub(super) fn covers(&self, from: i64) -> bool {
        from >= self.complete_from
    }

    pub(super) fn events(&self, from: Revision, end: Revision) -> impl Iterator<Item = (&Revision, &Event)> {
        self.events.range(from..end)
    }
}
