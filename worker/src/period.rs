//! The period that a task's options ask for, in the units of a database. Pure.

use tdferry_common::options::{Mode, Options};
use tdferry_common::task::Cutoff;
use tdferry_common::time::{Period, Precision};

/// From the task's start to its end; all of time where it names neither.
pub(crate) fn asked(options: &Options, precision: Precision) -> Period {
    let from = options.start.map_or(i64::MIN, |at| units(at.as_nanosecond(), precision));
    let to = options.end.map_or(i64::MAX, |at| units(at.as_nanosecond(), precision));
    Period { from, to: to.max(from) }
}

/// From where on rows belong to a task whose tails begin at this moment.
pub(crate) fn taken_from(options: &Options, precision: Precision, tails: i64) -> i64 {
    if options.mode == Mode::Realtime { tails } else { asked(options, precision).from }
}

/// What the task's start and end leave of the time before T0.
pub(crate) fn history(options: &Options, cutoff: Cutoff) -> Period {
    asked(options, cutoff.precision).intersect(Period { from: i64::MIN, to: cutoff.units })
}

/// The first whole unit that is not before this moment, so that half-open stays half-open.
fn units(unix_nanos: i128, precision: Precision) -> i64 {
    let nanos_a_unit = i128::from(Precision::Nano.per_second() / precision.per_second());
    let units = unix_nanos.div_euclid(nanos_a_unit) + i128::from(unix_nanos.rem_euclid(nanos_a_unit) > 0);
    i64::try_from(units).unwrap_or(if unix_nanos < 0 { i64::MIN } else { i64::MAX })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_between_two_units_is_the_later_one() {
        for (nanos, wanted) in [(0, 0), (1, 1), (1_000_000, 1), (1_000_001, 2), (-1, 0), (-1_000_000, -1)] {
            assert_eq!(units(nanos, Precision::Milli), wanted, "{nanos}");
        }
    }

    #[test]
    fn without_start_and_end_all_of_time_is_asked_for() {
        assert_eq!(asked(&Options::default(), Precision::Micro), Period::ALL);
    }
}
