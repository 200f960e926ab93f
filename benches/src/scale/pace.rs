//! Times of many requests, summed up.

use std::time::Duration;

use serde::Serialize;

/// What they come to.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(super) struct Pace {
    pub(super) requests: usize,
    pub(super) per_second: f64,
    pub(super) p50_ms: f64,
    pub(super) p99_ms: f64,
    pub(super) max_ms: f64,
}

impl Pace {
    /// Requests that took these times, sent within so many seconds.
    pub(super) fn of(mut times: Vec<Duration>, seconds: f64) -> Self {
        times.sort_unstable();
        let at = |percent: usize| {
            let index = (times.len() * percent / 100).min(times.len().saturating_sub(1));
            times.get(index).map_or(0.0, |time| time.as_secs_f64() * 1_000.0)
        };
        let per_second = f64::from(u32::try_from(times.len()).unwrap_or(u32::MAX)) / seconds;
        Self { requests: times.len(), per_second, p50_ms: at(50), p99_ms: at(99), max_ms: at(100) }
    }

    pub(super) fn told(&self) -> String {
        let Self { requests, per_second, p50_ms, p99_ms, max_ms } = self;
        format!(
            "{requests} ({per_second:.0} a second), p50 {p50_ms:.1} ms, p99 {p99_ms:.1} ms, longest {max_ms:.0} ms"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_times_that_occurred() {
        let times: Vec<_> = (1..=200).rev().map(Duration::from_millis).collect();
        let pace = Pace::of(times, 2.0);
        assert_eq!((pace.requests, pace.per_second), (200, 100.0));
        assert_eq!((pace.p50_ms, pace.p99_ms, pace.max_ms), (101.0, 199.0, 200.0));
        assert_eq!(Pace::of(Vec::new(), 1.0).max_ms, 0.0);
    }
}
