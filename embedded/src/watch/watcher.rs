//! One watcher: its keys, its filters, how far it has come. Pure.

use etcd_client::proto::{PbEvent, PbWatchResponse};

use crate::header::at_revision;
use crate::kv::{Event, History, KeyRange, Revision};

/// Transactions in one answer at most, as in etcd.
const MAX_REVISIONS: usize = 1000;
/// Bytes after which an answer is closed at the next transaction: with the largest transaction on top
/// and previous values beside, it stays below the 4 MiB that clients accept.
const MAX_BYTES: usize = 512 * 1024;

#[derive(Debug)]
pub(super) struct Watcher {
    pub(super) id: i64,
    pub(super) keys: KeyRange,
    /// The first transaction it has not been told of.
    pub(super) next: i64,
    pub(super) puts: bool,
    pub(super) deletes: bool,
    pub(super) prev_kv: bool,
    pub(super) progress: bool,
    /// Whether it ever was up to date; from then on a compaction may not overtake it by a moment.
    pub(super) synced: bool,
}

/// What a watcher has to be told now.
#[derive(Debug)]
pub(super) enum Portion {
    Nothing,
    Events(PbWatchResponse),
    TooLate(PbWatchResponse),
}

impl Watcher {
    /// The next portion of the events up to transaction `now`.
    pub(super) fn pull(&mut self, history: &History, now: i64) -> Portion {
        if self.is_too_late(history) {
            return Portion::TooLate(PbWatchResponse {
                watch_id: self.id,
                canceled: true,
                compact_revision: history.compacted(),
                header: Some(at_revision(0)),
                ..PbWatchResponse::default()
            });
        }
        let events = self.collect(history, now);
        self.synced |= self.next > now;
        if events.is_empty() {
            return Portion::Nothing;
        }
        let header = Some(at_revision(now));
        Portion::Events(PbWatchResponse { header, watch_id: self.id, events, ..PbWatchResponse::default() })
    }

    pub(super) fn is_behind(&self, now: i64) -> bool {
        self.next <= now
    }

    fn is_too_late(&self, history: &History) -> bool {
        let start = self.next;
        start < history.compacted() && !(self.synced && history.continues_from(start))
    }

    fn collect(&mut self, history: &History, now: i64) -> Vec<PbEvent> {
        let mut found = Vec::new();
        let mut bytes = 0;
        let mut revisions = 0;
        let mut last = 0;
        for (at, event) in history.events(self.next, now) {
            if !self.wants(event) {
                continue;
            }
            if at.main != last {
                if revisions == MAX_REVISIONS || bytes > MAX_BYTES {
                    self.next = at.main;
                    return found;
                }
                revisions += 1;
                last = at.main;
            }
            bytes += event.key.len() + event.value.as_ref().map_or(0, |value| value.bytes.len());
            found.push(self.show(history, at, event));
        }
        self.next = self.next.max(now.saturating_add(1));
        found
    }

    fn wants(&self, event: &Event) -> bool {
        let kind = if event.value.is_some() { self.puts } else { self.deletes };
        kind && self.keys.contains(&event.key)
    }

    /// The value before comes along if it was asked for and still is in the history.
    fn show(&self, history: &History, at: Revision, event: &Event) -> PbEvent {
        let mut shown = event.to_proto(at);
        if self.prev_kv && history.check_readable(at.main - 1, at.main).is_ok() {
            shown.prev_kv = history.get(&event.key, at.main - 1).map(|before| before.to_proto());
        }
        shown
    }
}
