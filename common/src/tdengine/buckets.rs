//! Counts by buckets of time, as both lines of servers answer them: windows of whole seconds, held against what was
//! asked for.
//!
//! Windows of days and weeks start by the server's time zone, on 2.7 and on 3.3.1. Those of seconds start at multiples
//! of their length since 1970 on both, also before 1970 and in zones that are half an hour off (docs/tdengine.md).

use std::collections::BTreeMap;

use super::rows::{Table, number};
use crate::port::{PortError, PortResult, Side};
use crate::time::{Period, Precision};

/// The windows of a query, as its last part.
pub(super) fn windows(side: Side, precision: Precision, bucket: i64) -> PortResult<String> {
    let seconds = precision.whole_seconds(bucket).ok_or_else(|| PortError::Invalid {
        side,
        message: format!("rows are counted by whole seconds, not by {bucket} {precision}"),
    })?;
    Ok(format!(" interval({seconds}s)"))
}

/// Rows by the start of their window, from `start, count`.
pub(super) fn counts(side: Side, bucket: i64, answers: &[Table]) -> PortResult<BTreeMap<i64, u64>> {
    let mut counts = BTreeMap::new();
    for row in answers.iter().flat_map(|answer| &answer.rows) {
        let cell = |index: usize| row.get(index).and_then(number);
        let odd = |what: String| PortError::Invalid { side, message: format!("counting by time: {what}") };
        let (Some(start), Some(rows)) = (cell(0), cell(1).and_then(|rows| u64::try_from(rows).ok())) else {
            return Err(odd("the server answers no window and its count".into()));
        };
        if Period::bucket(bucket, start) != start {
            return Err(odd(format!("a window starts at {start}, which is no multiple of {bucket}")));
        }
        if rows > 0 {
            *counts.entry(start).or_default() += rows;
        }
    }
    Ok(counts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::Value;

    fn answer(rows: &[(i64, i64)]) -> Table {
        let row = |(start, count): &(i64, i64)| vec![Value::Timestamp(*start), Value::Int(*count)];
        Table { columns: Vec::new(), rows: rows.iter().map(row).collect() }
    }

    #[test]
    fn windows_are_seconds_in_every_precision() {
        for precision in [Precision::Milli, Precision::Micro, Precision::Nano] {
            let day = precision.per_second() * 86_400;
            assert_eq!(windows(Side::Source, precision, day).unwrap(), " interval(86400s)");
            for bad in [0, -day, day - 1] {
                assert!(windows(Side::Source, precision, bad).is_err(), "{bad} {precision}");
            }
        }
    }

    #[test]
    fn windows_of_several_answers_are_added_up_and_empty_ones_left_out() {
        let answers = [answer(&[(-60, 1), (0, 2)]), answer(&[(0, 3), (60, 0)])];
        assert_eq!(counts(Side::Sink, 60, &answers).unwrap(), BTreeMap::from([(-60, 1), (0, 5)]));
    }

    #[test]
    fn a_window_that_starts_elsewhere_is_an_error_that_says_so() {
        let error = counts(Side::Sink, 60, &[answer(&[(0, 1), (30, 1)])]).unwrap_err().to_string();
        assert!(error.contains("starts at 30, which is no multiple of 60"), "{error}");
    }
}
