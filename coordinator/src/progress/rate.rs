//! Rates over the last minute, from totals that are looked at now and then.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tdferry_common::spec::TaskName;
use tokio::time::Instant;

/// How far back a rate looks.
const WINDOW: Duration = Duration::from_secs(60);
/// Moments remembered: one a second over the window, whatever the caller's pace.
const MAX_SAMPLES: usize = 61;

/// The rates of all tasks that copy.
#[derive(Debug, Default)]
pub(crate) struct RateBook(Mutex<BTreeMap<TaskName, Rates>>);

impl RateBook {
    /// Remembers the rows and bytes of this moment for all tasks that copy; others are forgotten.
    pub(crate) fn sample(&self, now: Instant, totals: BTreeMap<TaskName, (u64, u64)>) {
        let mut book = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        book.retain(|task, _| totals.contains_key(task));
        for (task, (rows, bytes)) in totals {
            book.entry(task).or_default().sample(now, rows, bytes);
        }
    }

    /// Rows and bytes per second of a task, if known.
    pub(crate) fn per_second(&self, task: &TaskName) -> Option<(f64, f64)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(task)?.per_second()
    }
}

/// Rows and bytes of one task at the last few moments it was looked at.
#[derive(Debug, Clone, Default)]
pub(crate) struct Rates {
    samples: VecDeque<(Instant, u64, u64)>,
}

impl Rates {
    /// Remembers the totals of this moment. Totals that shrank belong to another task of the same name.
    pub(crate) fn sample(&mut self, now: Instant, rows: u64, bytes: u64) {
        if self.samples.back().is_some_and(|&(_, seen, _)| rows < seen) {
            self.samples.clear();
        }
        self.samples.push_back((now, rows, bytes));
        // one from before the window is kept, so that a rate always spans all of it
        while self.samples.len() > MAX_SAMPLES
            || self.samples.get(1).is_some_and(|&(at, ..)| now - at >= WINDOW)
        {
            self.samples.pop_front();
        }
    }

    /// Rows and bytes per second; `None` before two moments were seen.
    #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
    pub(crate) fn per_second(&self) -> Option<(f64, f64)> {
        let (&(from, rows0, bytes0), &(to, rows1, bytes1)) = (self.samples.front()?, self.samples.back()?);
        let seconds = to.duration_since(from).as_secs_f64();
        let rate = |a: u64, b: u64| b.saturating_sub(a) as f64 / seconds;
        (seconds > 0.0).then(|| (rate(rows0, rows1), rate(bytes0, bytes1)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(start: Instant, seconds: u64) -> Instant {
        start + Duration::from_secs(seconds)
    }

    #[tokio::test(start_paused = true)]
    async fn a_rate_is_what_came_in_over_the_last_minute() {
        let start = Instant::now();
        let mut rates = Rates::default();
        assert_eq!(rates.per_second(), None);
        for second in 0..=120 {
            // ten a second in the first minute, then a hundred
            let rows = if second <= 60 { second * 10 } else { 600 + (second - 60) * 100 };
            rates.sample(after(start, second), rows, rows * 2);
        }
        assert_eq!(rates.per_second(), Some((100.0, 200.0)));
        assert!(rates.samples.len() <= MAX_SAMPLES);
    }

    #[tokio::test(start_paused = true)]
    async fn totals_that_shrink_start_anew() {
        let start = Instant::now();
        let mut rates = Rates::default();
        rates.sample(start, 1_000, 1_000);
        rates.sample(after(start, 1), 10, 10);
        assert_eq!(rates.per_second(), None);
    }
}
