//! Every change since the last compaction, and the newest value of each key before it.
//! Pure: it decides nothing about leases, guards or durability.

use std::collections::BTreeMap;

use bytes::Bytes;
use etcd_client::proto::{PbEvent, PbKeyValue};

use super::tail::Tail;
use super::{KeyRange, Revision};
use crate::refusal::Refusal;

/// etcd's store begins at revision 1, before anything was written.
const FIRST_REVISION: i64 = 1;
/// etcd's mark for "never compacted".
const NEVER_COMPACTED: i64 = -1;
/// What an event costs beside its key and value: map nodes, marks, counters. Only used to bound memory.
const EVENT_OVERHEAD: usize = 160;

const EVENT_PUT: i32 = 0;
const EVENT_DELETE: i32 = 1;

/// One change of one key; no value means that the key was deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) key: Bytes,
    pub(crate) value: Option<Value>,
}

/// What a put stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Value {
    pub(crate) bytes: Bytes,
    pub(crate) created: i64,
    pub(crate) version: i64,
    pub(crate) lease: i64,
}

/// A live key as it was at some revision.
#[derive(Debug, Clone, Copy)]
pub(crate) struct KeyAt<'a> {
    pub(crate) key: &'a Bytes,
    pub(crate) modified: i64,
    pub(crate) value: &'a Value,
}

#[derive(Debug, Clone, Copy)]
struct Mark {
    at: Revision,
    live: bool,
}

/// The keyspace at every revision that was not compacted.
#[derive(Debug)]
pub(crate) struct History {
    events: BTreeMap<Revision, Event>,
    index: BTreeMap<Bytes, Vec<Mark>>,
    revision: i64,
    compacted: i64,
    superseded_bytes: usize,
    written_bytes: usize,
    tail: Tail,
}

impl History {
    pub(crate) fn new() -> Self {
        Self {
            events: BTreeMap::new(),
            index: BTreeMap::new(),
            revision: FIRST_REVISION,
            compacted: NEVER_COMPACTED,
            superseded_bytes: 0,
            written_bytes: 0,
            tail: Tail::empty(),
        }
    }

    /// The history as it was stored; events may come in any order of keys but ascending revisions.
    pub(crate) fn restore(revision: i64, compacted: i64, events: Vec<(Revision, Event)>) -> Self {
        let mut history = Self::new();
        for (at, event) in events {
            history.append(at, event);
        }
        history.revision = revision;
        history.compacted = compacted;
        history
    }

    pub(crate) fn revision(&self) -> i64 {
        self.revision
    }

    pub(crate) fn compacted(&self) -> i64 {
        self.compacted
    }

    /// Bytes held only for old reads and watches: what a compaction to now would give back.
    pub(crate) fn superseded_bytes(&self) -> usize {
        self.superseded_bytes
    }

    /// Bytes ever appended in this process: a measure of progress, never of what is held.
    pub(crate) fn written_bytes(&self) -> usize {
        self.written_bytes
    }

    pub(crate) fn set_revision(&mut self, main: i64) {
        self.revision = main;
    }

    pub(crate) fn append(&mut self, at: Revision, event: Event) {
        self.written_bytes = self.written_bytes.saturating_add(size(&event));
        let live = event.value.is_some();
        let before = self.index.get(&event.key).and_then(|marks| marks.last().copied());
        if let Some(mark) = before.filter(|mark| mark.live) {
            self.superseded_bytes += self.events.get(&mark.at).map_or(0, size);
        }
        if !live {
            self.superseded_bytes += size(&event);
        }
        self.index.entry(event.key.clone()).or_default().push(Mark { at, live });
        self.events.insert(at, event);
    }

    /// The key as it was after transaction `at`.
    pub(crate) fn get(&self, key: &[u8], at: i64) -> Option<KeyAt<'_>> {
        self.index.get(key).and_then(|marks| self.live_at(marks, at))
    }

    /// The live keys of a range after transaction `at`, ascending.
    pub(crate) fn range(&self, keys: &KeyRange, at: i64) -> impl Iterator<Item = KeyAt<'_>> {
        keys.bounds()
            .into_iter()
            .flat_map(|bounds| self.index.range::<[u8], _>(bounds))
            .filter_map(move |(_, marks)| self.live_at(marks, at))
    }

    /// How many keys of a range live after transaction `at`; touches the index alone.
    pub(crate) fn count(&self, keys: &KeyRange, at: i64) -> usize {
        keys.bounds()
            .into_iter()
            .flat_map(|bounds| self.index.range::<[u8], _>(bounds))
            .filter(|(_, marks)| mark_at(marks, at).is_some_and(|mark| mark.live))
            .count()
    }

    /// Changes of the transactions `from..=to`, in order, with those that only the tail still has.
    pub(crate) fn events(&self, from: i64, to: i64) -> impl Iterator<Item = (Revision, &Event)> {
        let start = Revision::first_of(from);
        let end = Revision::first_of(to.saturating_add(1).max(from));
        let mut old = self.tail.events(start, end).peekable();
        let mut kept = self.events.range(start..end).peekable();
        std::iter::from_fn(move || {
            let old_first = match (old.peek(), kept.peek()) {
                (Some((old, _)), Some((kept, _))) => old < kept,
                (old, _) => old.is_some(),
            };
            if old_first { old.next() } else { kept.next() }
        })
        .map(|(at, event)| (*at, event))
    }

    /// True if a watcher that was up to date before `from` misses nothing by reading on from there.
    pub(crate) fn continues_from(&self, from: i64) -> bool {
        from >= self.compacted || self.tail.covers(from)
    }

    /// Refuses a read at `revision` as etcd does; zero and below mean "now".
    pub(crate) fn check_readable(&self, revision: i64, now: i64) -> Result<i64, Refusal> {
        if revision > now {
            return Err(Refusal::FutureRevision);
        }
        let at = if revision <= 0 { now } else { revision };
        if at < self.compacted { Err(Refusal::Compacted) } else { Ok(at) }
    }

    /// Refuses a compaction as etcd does.
    pub(crate) fn check_compactable(&self, revision: i64) -> Result<(), Refusal> {
        if revision <= self.compacted {
            return Err(Refusal::Compacted);
        }
        if revision > self.revision { Err(Refusal::FutureRevision) } else { Ok(()) }
    }

    /// Forgets what no read at or after `revision` can see, and says which changes those were.
    pub(crate) fn compact(&mut self, revision: i64) -> Vec<Revision> {
        let mut forgotten = Vec::new();
        self.index.retain(|_, marks| {
            let visible = marks.partition_point(|mark| mark.at.main <= revision);
            let keep_from = match visible.checked_sub(1) {
                Some(last) if marks[last].live => last,
                _ => visible,
            };
            forgotten.extend(marks.drain(..keep_from).map(|mark| mark.at));
            !marks.is_empty()
        });
        let removed: Vec<(Revision, Event)> =
            forgotten.iter().filter_map(|at| self.events.remove_entry(at)).collect();
        let bytes: usize = removed.iter().map(|(_, event)| size(event)).sum();
        self.superseded_bytes = self.superseded_bytes.saturating_sub(bytes);
        self.tail = Tail::of(removed, self.compacted);
        self.compacted = revision;
        forgotten
    }

    fn live_at<'a>(&'a self, marks: &[Mark], at: i64) -> Option<KeyAt<'a>> {
        let mark = mark_at(marks, at).filter(|mark| mark.live)?;
        let event = self.events.get(&mark.at)?;
        let value = event.value.as_ref()?;
        Some(KeyAt { key: &event.key, modified: mark.at.main, value })
    }
}

impl KeyAt<'_> {
    pub(crate) fn to_proto(self) -> PbKeyValue {
        PbKeyValue {
            key: self.key.to_vec(),
            create_revision: self.value.created,
            mod_revision: self.modified,
            version: self.value.version,
            value: self.value.bytes.to_vec(),
            lease: self.value.lease,
        }
    }
}

impl Event {
    /// The event as a watcher gets it, without what was there before.
    pub(crate) fn to_proto(&self, at: Revision) -> PbEvent {
        let (kind, kv) = match &self.value {
            Some(value) => (EVENT_PUT, KeyAt { key: &self.key, modified: at.main, value }.to_proto()),
            None => {
                let key = self.key.to_vec();
                (EVENT_DELETE, PbKeyValue { key, mod_revision: at.main, ..PbKeyValue::default() })
            }
        };
        PbEvent { r#type: kind, kv: Some(kv), prev_kv: None }
    }
}

fn mark_at(marks: &[Mark], at: i64) -> Option<Mark> {
    match marks.last() {
        Some(last) if last.at.main <= at => Some(*last),
        _ => marks.partition_point(|mark| mark.at.main <= at).checked_sub(1).map(|i| marks[i]),
    }
}

pub(super) fn size(event: &Event) -> usize {
    let value = event.value.as_ref().map_or(0, |value| value.bytes.len());
    EVENT_OVERHEAD + event.key.len() + value
}
