//! How far a task is: sums over its shards, rates over the last minute, and when it will be done.
//!
//! Pure: shards and moments come in, numbers go out. It never decides anything.

mod catching_up;
mod rate;
mod tally;

pub(crate) use catching_up::{Pace, PaceBook, Standing};
pub(crate) use rate::RateBook;
pub(crate) use tally::{Tally, tally};

/// What an operator sees of a task's advance.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Progress {
    pub(crate) tally: Tally,
    pub(crate) rows_per_second: f64,
    pub(crate) bytes_per_second: f64,
    /// None until a rate is known.
    pub(crate) eta_seconds: Option<u64>,
}

/// Puts sums and rates together.
pub(crate) fn progress(tally: Tally, rates: Option<(f64, f64)>) -> Progress {
    let (rows_per_second, bytes_per_second) = rates.unwrap_or_default();
    Progress { tally, rows_per_second, bytes_per_second, eta_seconds: eta(tally.rows_left, rows_per_second) }
}

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "an estimate: `as` saturates, and nothing is decided by it"
)]
fn eta(rows_left: u64, rows_per_second: f64) -> Option<u64> {
    (rows_per_second > 0.0).then(|| (rows_left as f64 / rows_per_second).ceil() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_is_told_only_when_a_rate_is_known() {
        let tally = Tally { rows_left: 1_001, ..Tally::default() };
        assert_eq!(progress(tally, None).eta_seconds, None);
        assert_eq!(progress(tally, Some((0.0, 0.0))).eta_seconds, None);
        assert_eq!(progress(tally, Some((100.0, 1.0))).eta_seconds, Some(11));
    }
}
