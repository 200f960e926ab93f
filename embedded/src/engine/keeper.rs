//! What time does to the state: leases end, old history is forgotten. Pure; the runner brings the time.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use crate::state::State;

/// How often the clock is looked at while leases live; etcd's own interval.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// A silence longer than the shortest TTL (2 s): the process was stopped, or its disk was. Keepalives
/// may have been missed in it, so it must not cost anyone a lease.
const GAP: Duration = Duration::from_secs(2);
/// How far apart the marks lie at which history can be cut: the promise of ten minutes is kept to a minute.
const MARK_EVERY: Duration = Duration::from_secs(60);
/// History for old reads and watches in memory, whatever its age: beyond it the oldest goes early.
const HISTORY_BYTES: usize = 64 * 1024 * 1024;
/// Marks are also set by volume, so that going early can go in small steps.
const MARK_BYTES: usize = HISTORY_BYTES / 8;

#[derive(Debug)]
pub(super) struct Keeper {
    history: Duration,
    looked: Instant,
    marks: VecDeque<Mark>,
}

#[derive(Debug, Clone, Copy)]
struct Mark {
    at: Instant,
    revision: i64,
    bytes: usize,
}

impl Keeper {
    pub(super) fn new(history: Duration, state: &State, now: Instant) -> Self {
        let mark = Mark { at: now, revision: state.history.revision(), bytes: state.history.written_bytes() };
        Self { history, looked: now, marks: VecDeque::from([mark]) }
    }

    /// To be called before anything else in a turn: what arrived after a gap must find its lease alive.
    pub(super) fn look(&mut self, state: &mut State, now: Instant) {
        if now.saturating_duration_since(self.looked) > GAP && !state.leases.is_empty() {
            tracing::warn!(gap = ?now.saturating_duration_since(self.looked), "time passed unseen, leases extended");
            state.leases.renew_all(now);
        }
        self.looked = now;
        while let Some(id) = state.leases.due(now) {
            // The id was read from the live leases a line above, so it cannot be unknown.
            let _ = state.end_lease(id);
        }
    }

    /// Forgets history that is too old or too much. To be called after a turn's changes.
    pub(super) fn trim(&mut self, state: &mut State, now: Instant) {
        self.mark(state, now);
        let mut cut = None;
        while let Some(oldest) = self.marks.front() {
            let old = now.saturating_duration_since(oldest.at) >= self.history;
            let crowded = state.history.superseded_bytes() > HISTORY_BYTES && cut.is_none();
            if !old && !crowded {
                break;
            }
            cut = Some(oldest.revision);
            self.marks.pop_front();
        }
        if let Some(revision) = cut.filter(|revision| *revision > state.history.compacted()) {
            state.compact(revision);
        }
    }

    /// When to look again although nobody asks for anything.
    pub(super) fn wake(&self, state: &State, now: Instant) -> Option<Instant> {
        let lease = state.leases.next_deadline().map(|deadline| deadline.min(now + LOOK_EVERY));
        let marked = self.marks.back().map_or(0, |mark| mark.revision).max(state.history.compacted());
        let mark = (state.history.revision() > marked).then(|| now + MARK_EVERY);
        let cut = self.marks.front().map(|mark| mark.at + self.history);
        [lease, mark, cut].into_iter().flatten().min()
    }

    fn mark(&mut self, state: &State, now: Instant) {
        let (revision, bytes) = (state.history.revision(), state.history.written_bytes());
        let due = self.marks.back().is_none_or(|newest| {
            revision > newest.revision
                && (now.saturating_duration_since(newest.at) >= MARK_EVERY
                    || bytes > newest.bytes.saturating_add(MARK_BYTES))
        });
        if due && revision > state.history.compacted() {
            self.marks.push_back(Mark { at: now, revision, bytes });
        }
    }
}
