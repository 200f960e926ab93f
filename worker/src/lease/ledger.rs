//! How far an attempt has come: written by the work, read by the committer. It runs ahead of what is committed, by
//! a bounded number of batches.
//!
//! Only what the sink has acknowledged is ever entered: data before offset.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tdferry_common::digest::RowSum;
use tdferry_common::offset::Offset;
use tdferry_common::shard::{Checkpoint, Totals};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

/// Batches that may be ahead of the last commit that was answered: a few seconds at the best rate ever measured
/// (some 500 a second for one lease), so that it holds work up only when no coordinator answers.
const MAX_UNCOMMITTED: u64 = 2_048;

/// A place and the totals up to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Counts the changes.
    pub(crate) version: u64,
    pub(crate) offset: Offset,
    pub(crate) totals: Totals,
    /// Over the rows before the offset; `None` where it was not made.
    pub(crate) sum: Option<u128>,
    /// Somebody waits for the commit.
    urgent: bool,
}

/// The progress of one attempt.
pub(crate) struct Ledger {
    entry: watch::Sender<Entry>,
    committed: watch::Sender<u64>,
    /// What was entered since something has to be done before it may be committed.
    held_back: Mutex<Option<Entry>>,
    /// What the next commit adds to the plan.
    growth: Mutex<Option<Growth>>,
}

/// What is not in the plan, and from where on its rows are to be copied apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Growth {
    pub(crate) names: Vec<String>,
    pub(crate) from: i64,
    /// By the database's tail: a new stable, or empty for new normal tables.
    pub(crate) stable: Option<String>,
}

impl Ledger {
    /// Goes on from the lease's checkpoint.
    pub(crate) fn from_checkpoint(checkpoint: &Checkpoint) -> Self {
        let Checkpoint { offset, totals, sum, .. } = *checkpoint;
        Self {
            entry: watch::Sender::new(Entry { version: 0, offset, totals, sum, urgent: false }),
            committed: watch::Sender::new(0),
            held_back: Mutex::new(None),
            growth: Mutex::new(None),
        }
    }

    /// How far the work has come.
    pub(crate) fn entry(&self) -> Entry {
        self.held_back().unwrap_or_else(|| self.committable())
    }

    /// For the committer: what may be committed.
    pub(super) fn committable(&self) -> Entry {
        *self.entry.borrow()
    }

    /// What is entered from here on is not committed before it is let go.
    pub(crate) fn hold_back(&self) {
        let now = self.committable();
        self.held_back().get_or_insert(now);
    }

    /// Whether so much is held back that room may run out.
    pub(crate) fn holds_back_much(&self) -> bool {
        self.entry().version.saturating_sub(self.committable().version) >= MAX_UNCOMMITTED / 2
    }

    /// What was held back may be committed.
    pub(crate) fn let_go(&self) {
        let held_back = self.held_back().take();
        if let Some(held_back) = held_back {
            self.entry.send_modify(|entry| *entry = Entry { urgent: entry.urgent, ..held_back });
        }
    }

    fn held_back(&self) -> MutexGuard<'_, Option<Entry>> {
        self.held_back.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn totals(&self) -> Totals {
        self.entry().totals
    }

    /// Enters what has been acknowledged and changes no row.
    pub(crate) fn advance(&self, change: impl FnOnce(&mut Offset, &mut Totals)) {
        self.advance_by(Some(RowSum::ZERO), change);
    }

    /// Enters rows that have been acknowledged, with their sum; without it the whole is unknown from here on.
    pub(crate) fn advance_by(&self, sum: Option<RowSum>, change: impl FnOnce(&mut Offset, &mut Totals)) {
        let enter = |entry: &mut Entry| {
            let before = entry.offset;
            change(&mut entry.offset, &mut entry.totals);
            entry.sum = entry.sum.zip(sum).map(|(all, more)| all.wrapping_add(more.value()));
            debug_assert!(before <= entry.offset, "promise S2: an offset never goes back");
            entry.version += 1;
        };
        match self.held_back().as_mut() {
            Some(entry) => enter(entry),
            None => self.entry.send_modify(enter),
        }
    }

    /// Has subtables added to the plan by a commit; returns once they are. Nothing may be held back.
    pub(crate) async fn grow(&self, growth: Growth) {
        *self.growth.lock().unwrap_or_else(PoisonError::into_inner) = Some(growth);
        self.advance(|_, _| {});
        self.settle().await;
    }

    /// For the committer: what its next commit adds to the plan.
    pub(super) fn take_growth(&self) -> Option<Growth> {
        self.growth.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Returns once another batch may be begun.
    pub(crate) async fn room(&self) {
        let version = self.entry().version;
        self.reached(version.saturating_sub(MAX_UNCOMMITTED)).await;
    }

    /// Returns once everything that was entered is committed.
    pub(crate) async fn settle(&self) {
        self.entry.send_modify(|entry| entry.urgent = true);
        self.reached(self.entry().version).await;
    }

    async fn reached(&self, version: u64) {
        // the sender is a field of this very ledger
        let _ = self.committed.subscribe().wait_for(|committed| *committed >= version).await;
    }

    /// For the committer: up to here it is committed.
    pub(super) fn committed(&self, version: u64) {
        self.committed.send_replace(version);
        self.entry.send_if_modified(|entry| {
            entry.urgent &= entry.version > version;
            false
        });
    }

    /// For the committer: returns once there is something new to commit and its time has come, or somebody waits.
    pub(super) async fn due(&self, since: Instant, interval: Duration) {
        let committed = *self.committed.borrow();
        let mut entries = self.entry.subscribe();
        let _ = entries.wait_for(|entry| entry.version > committed).await;
        tokio::select! {
            biased;
            _ = entries.wait_for(|entry| entry.urgent) => {}
            () = sleep_until(since + interval) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use tdferry_common::id::Epoch;

    use super::*;

    const INTERVAL: Duration = Duration::from_secs(1);

    fn ledger() -> Ledger {
        let offset = Offset { index: 0, next: 0 };
        Ledger::from_checkpoint(&Checkpoint {
            epoch: Epoch(0),
            seq: 0,
            offset,
            totals: Totals::default(),
            sum: Some(0),
        })
    }

    #[tokio::test(start_paused = true)]
    async fn a_commit_falls_due_an_interval_after_the_last_one_and_only_with_something_new() {
        let ledger = ledger();
        let start = Instant::now();
        assert!(ledger.due(start - INTERVAL, INTERVAL).now_or_never().is_none());
        ledger.advance(|offset, _| offset.next = 5);
        ledger.due(start, INTERVAL).await;
        assert_eq!(Instant::now(), start + INTERVAL);
    }

    #[tokio::test(start_paused = true)]
    async fn who_settles_does_not_wait_for_the_interval() {
        let ledger = ledger();
        ledger.advance(|offset, _| offset.next = 5);
        let start = Instant::now();
        tokio::join!(ledger.settle(), async {
            ledger.due(start, INTERVAL).await;
            ledger.committed(1);
        });
        assert_eq!(Instant::now(), start);
        ledger.advance(|offset, _| offset.next = 6);
        assert!(ledger.due(start, INTERVAL).now_or_never().is_none(), "the hurry is over");
    }

    #[test]
    fn a_sum_is_known_only_while_that_of_every_row_is() {
        let ledger = ledger();
        ledger.advance_by(Some(RowSum::from_value(5)), |_, _| {});
        ledger.advance(|offset, _| offset.next = 5);
        assert_eq!(ledger.entry().sum, Some(5));
        ledger.advance_by(None, |_, _| {});
        ledger.advance_by(Some(RowSum::from_value(5)), |_, _| {});
        assert_eq!(ledger.entry().sum, None);
    }

    #[test]
    fn what_is_held_back_is_seen_by_the_work_and_not_by_the_committer_until_it_is_let_go() {
        let ledger = ledger();
        ledger.advance(|offset, _| offset.next = 5);
        ledger.hold_back();
        ledger.hold_back();
        ledger.advance(|offset, totals| (offset.next, totals.rejected) = (9, 1));
        assert_eq!((ledger.entry().offset.next, ledger.totals().rejected), (9, 1));
        assert_eq!((ledger.committable().offset.next, ledger.committable().totals.rejected), (5, 0));
        ledger.let_go();
        assert_eq!(ledger.committable(), ledger.entry());
        assert_eq!((ledger.entry().offset.next, ledger.entry().version), (9, 2));
    }

    #[test]
    fn work_waits_when_too_many_batches_are_not_committed() {
        let ledger = ledger();
        for _ in 0..=MAX_UNCOMMITTED {
            ledger.advance(|_, totals| totals.read += 1);
        }
        assert!(ledger.room().now_or_never().is_none());
        ledger.committed(1);
        assert!(ledger.room().now_or_never().is_some());
    }
}
