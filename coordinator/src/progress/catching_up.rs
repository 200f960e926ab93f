//! How fast tails catch up with their sources: over the last minute, from watermarks that are looked at now and then.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tdferry_common::id::ShardId;
use tdferry_common::shard::Shard;
use tdferry_common::spec::TaskName;
use tdferry_common::time::Precision;
use tokio::time::Instant;

/// How far back a rate looks.
const WINDOW: Duration = Duration::from_secs(60);
/// Between two moments that are remembered: an idle tail commits no oftener, and a tail is to cost a few hundred bytes.
const EVERY: Duration = Duration::from_secs(5);

/// A tail at some moment.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Standing {
    /// Seconds of the source that it has followed since it began.
    followed: f64,
    /// From its watermark to the source's newest row, as last heard.
    behind: f64,
    /// Rows it read.
    read: u64,
}

/// How a tail comes on; what cannot be told yet is `None`.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct Pace {
    /// Rows between its watermark and the newest row, if they lie as densely as those it read in the last minute; where it
    /// stood still, as those since it began.
    pub(crate) rows_behind: Option<u64>,
    /// Seconds of the source in a second: 1 keeps up, more catches up.
    pub(crate) source_seconds: Option<f64>,
    pub(crate) rows_per_second: Option<f64>,
    /// Until nothing is behind; `None` also where it falls back.
    pub(crate) live_in_seconds: Option<u64>,
}

/// All tails of the tasks that are live.
#[derive(Debug, Default)]
pub(crate) struct PaceBook(Mutex<BTreeMap<TaskName, BTreeMap<ShardId, Moments>>>);

#[derive(Debug, Default)]
struct Moments(VecDeque<(Instant, Standing)>);

impl Standing {
    /// From what a tail's shard holds.
    pub(crate) fn of(shard: &Shard, precision: Precision) -> Self {
        let (watermark, totals) = (shard.checkpoint.offset.next, &shard.checkpoint.totals);
        let behind = totals.newest.map_or(0, |newest| newest.saturating_sub(watermark).saturating_add(1));
        let followed = watermark.saturating_sub(shard.period.from);
        Self {
            followed: seconds(followed.max(0), precision),
            behind: seconds(behind.max(0), precision),
            read: totals.read,
        }
    }

    /// From the watermark, the first moment that is not read yet, to the newest row; zero where that is passed.
    pub(crate) const fn behind_seconds(&self) -> f64 {
        self.behind
    }
}

impl PaceBook {
    /// Remembers how all tails of live tasks stand; others are forgotten.
    pub(crate) fn sample(&self, now: Instant, standing: BTreeMap<TaskName, BTreeMap<ShardId, Standing>>) {
        let mut book = self.lock();
        book.retain(|task, _| standing.contains_key(task));
        for (task, tails) in standing {
            let known = book.entry(task).or_default();
            known.retain(|shard, _| tails.contains_key(shard));
            for (shard, standing) in tails {
                known.entry(shard).or_default().add(now, standing);
            }
        }
    }

    /// How each tail of a task comes on.
    pub(crate) fn of(&self, task: &TaskName) -> BTreeMap<ShardId, Pace> {
        let book = self.lock();
        let tails = book.get(task).into_iter().flatten();
        tails.map(|(shard, moments)| (shard.clone(), moments.pace())).collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<TaskName, BTreeMap<ShardId, Moments>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Moments {
    /// The last one is always that of now; those before it are at least [`EVERY`] apart.
    fn add(&mut self, now: Instant, standing: Standing) {
        if self.0.back().is_some_and(|(_, last)| standing.followed < last.followed) {
            // of another task of the same name
            self.0.clear();
        }
        let mut last_two = self.0.iter().rev().map(|(at, _)| *at);
        if let (Some(last), Some(before)) = (last_two.next(), last_two.next())
            && last.duration_since(before) < EVERY
        {
            self.0.pop_back();
        }
        self.0.push_back((now, standing));
        while self.0.get(1).is_some_and(|(at, _)| now.duration_since(*at) >= WINDOW) {
            self.0.pop_front();
        }
    }

    fn pace(&self) -> Pace {
        let (Some((from, first)), Some((to, last))) = (self.0.front(), self.0.back()) else {
            return Pace::default();
        };
        let passed = to.duration_since(*from).as_secs_f64();
        let followed = last.followed - first.followed;
        let rows = |rows: u64, over: f64| (over > 0.0).then(|| precise(rows) / over);
        let dense =
            rows(last.read.saturating_sub(first.read), followed).or_else(|| rows(last.read, last.followed));
        let rate = |over: f64| (passed > 0.0).then(|| over / passed);
        let nearer = rate(first.behind - last.behind).filter(|nearer| *nearer > 0.0);
        let live_in = if last.behind > 0.0 { nearer.map(|nearer| last.behind / nearer) } else { Some(0.0) };
        Pace {
            rows_behind: dense.map(|dense| whole(dense * last.behind)),
            source_seconds: rate(followed),
            rows_per_second: rate(precise(last.read.saturating_sub(first.read))),
            live_in_seconds: live_in.map(whole),
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "seconds for people")]
fn seconds(units: i64, precision: Precision) -> f64 {
    units as f64 / precision.per_second() as f64
}

#[expect(clippy::cast_precision_loss, reason = "an estimate")]
fn precise(rows: u64) -> f64 {
    rows as f64
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "an estimate: `as` saturates, and nothing is decided by it"
)]
fn whole(estimate: f64) -> u64 {
    estimate.ceil() as u64
}

#[cfg(test)]
mod tests {
    use tdferry_common::id::GroupId;

    use super::*;

    fn book(standing: impl IntoIterator<Item = (f64, f64, u64)>) -> Pace {
        let (book, task, shard) =
            (PaceBook::default(), "t".parse::<TaskName>().unwrap(), ShardId::tail(GroupId(1)));
        let start = Instant::now();
        for (second, (followed, behind, read)) in (0..).zip(standing) {
            let tails = BTreeMap::from([(shard.clone(), Standing { followed, behind, read })]);
            book.sample(start + Duration::from_secs(second), BTreeMap::from([(task.clone(), tails)]));
        }
        assert!(book.lock()[&task][&shard].0.len() <= 15, "a tail costs little");
        book.of(&task).remove(&shard).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn rows_behind_rate_and_time_left_are_those_of_the_last_minute() {
        // first slowly; in the last minute three seconds in each second, ten rows in a second of the source, while
        // production goes on
        let slow = (0..300_u32).map(|n| (f64::from(n), 4_000.0, 0));
        let fast = (0..61_u32)
            .map(|n| (300.0 + f64::from(n) * 3.0, 4_000.0 - f64::from(n) * 2.0, u64::from(n) * 30));
        let pace = book(slow.chain(fast));
        assert_eq!(pace.source_seconds, Some(3.0));
        assert_eq!(pace.rows_per_second, Some(30.0));
        assert_eq!(pace.rows_behind, Some(38_800));
        assert_eq!(pace.live_in_seconds, Some(1_940));
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_stands_still_is_not_expected_to_end_and_is_as_dense_as_ever() {
        let pace = book((0..100_u32).map(|n| (50.0, 10.0 + f64::from(n), 500)));
        let wanted = Pace {
            rows_behind: Some(1_090),
            source_seconds: Some(0.0),
            rows_per_second: Some(0.0),
            live_in_seconds: None,
        };
        assert_eq!(pace, wanted);
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_is_told_of_what_was_seen_once_and_one_that_is_live_is_there() {
        assert_eq!(book([(0.0, 7.0, 0)]), Pace::default());
        assert_eq!(book([(9.0, 0.0, 3), (10.0, 0.0, 5)]).live_in_seconds, Some(0));
    }

    #[tokio::test(start_paused = true)]
    async fn another_task_of_the_name_starts_anew() {
        let pace = book([(900.0, 0.0, 9_000), (10.0, 50.0, 0), (11.0, 49.0, 7)]);
        assert_eq!((pace.rows_behind, pace.live_in_seconds), (Some(343), Some(49)));
    }
}
