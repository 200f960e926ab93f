//! Time as the databases count it: whole units since 1970, in the precision of the database.
//!
//! A timestamp without its precision is never compared with another; a period is always half open.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What one unit of a database's timestamps is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub enum Precision {
    /// Milliseconds, what a database has unless told otherwise.
    #[default]
    #[serde(rename = "ms")]
    Milli,
    /// Microseconds.
    #[serde(rename = "us")]
    Micro,
    /// Nanoseconds.
    #[serde(rename = "ns")]
    Nano,
}

impl Precision {
    /// Units in one second.
    pub const fn per_second(self) -> i64 {
        match self {
            Self::Milli => 1_000,
            Self::Micro => 1_000_000,
            Self::Nano => 1_000_000_000,
        }
    }

    /// The word that SQL uses: `ms`, `us` or `ns`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Milli => "ms",
            Self::Micro => "us",
            Self::Nano => "ns",
        }
    }

    /// Reads the word that SQL uses.
    pub fn from_word(word: &str) -> Option<Self> {
        match word {
            "ms" => Some(Self::Milli),
            "us" => Some(Self::Micro),
            "ns" => Some(Self::Nano),
            _ => None,
        }
    }

    /// How many units a duration is, rounded down; clamped at what can be counted.
    pub fn units(self, duration: Duration) -> i64 {
        let per_second = self.per_second().unsigned_abs();
        let units = duration.as_nanos().saturating_mul(u128::from(per_second)) / 1_000_000_000;
        i64::try_from(units).unwrap_or(i64::MAX)
    }

    /// Units since 1970 for a wall time in milliseconds; clamped at the ends of what can be written.
    pub const fn from_unix_millis(self, millis: i64) -> i64 {
        millis.saturating_mul(self.per_second() / 1_000)
    }

    /// The same moment in another unit, rounded down; `None` where that cannot count it.
    pub fn convert(self, units: i64, to: Self) -> Option<i64> {
        match to.per_second() / self.per_second() {
            0 => Some(units.div_euclid(self.per_second() / to.per_second())),
            times => units.checked_mul(times),
        }
    }

    /// The moments of a period in another unit: exactly those that, rounded down to this unit, lie in it. Open ends
    /// stay open.
    pub fn convert_period(self, period: Period, to: Self) -> Period {
        let open = |units: i64| units == i64::MIN || units == i64::MAX;
        let first = |units: i64| {
            if open(units) {
                return units;
            }
            match to.per_second() / self.per_second() {
                0 => {
                    let units_in_one = self.per_second() / to.per_second();
                    units.div_euclid(units_in_one) + i64::from(units.rem_euclid(units_in_one) > 0)
                }
                times => units.saturating_mul(times),
            }
        };
        Period { from: first(period.from), to: first(period.to) }
    }

    /// How many seconds so many units are; `None` unless they are whole ones, and more than none.
    pub const fn whole_seconds(self, units: i64) -> Option<i64> {
        if units > 0 && units % self.per_second() == 0 { Some(units / self.per_second()) } else { None }
    }

    /// A moment as people read it, to the last unit, such as `2024-01-31T00:00:00.123456Z`.
    pub fn show(self, units: i64) -> String {
        let nanos = i128::from(units) * i128::from(Self::Nano.per_second() / self.per_second());
        let Ok(moment) = jiff::Timestamp::from_nanosecond(nanos) else {
            return format!("{units} {self} since 1970");
        };
        match self {
            Self::Milli => format!("{moment:.3}"),
            Self::Micro => format!("{moment:.6}"),
            Self::Nano => format!("{moment:.9}"),
        }
    }

    /// Wall time in milliseconds, rounded down.
    pub const fn to_unix_millis(self, units: i64) -> i64 {
        units.div_euclid(self.per_second() / 1_000)
    }
}

impl fmt::Display for Precision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A wall time in milliseconds as people read it, such as `2024-01-31T00:00:00Z`.
pub fn show_millis(unix_millis: i64) -> String {
    jiff::Timestamp::from_millisecond(unix_millis)
        .map_or_else(|_| format!("{unix_millis} ms since 1970"), |moment| moment.to_string())
}

/// A half-open stretch of time `[from, to)` in the units of a database. `OPEN` ends are the ends of the number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Period {
    /// The first unit inside.
    pub from: i64,
    /// The first unit outside.
    pub to: i64,
}

/// Two ends in the wrong order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a period must start before it ends, but {from} is after {to}")]
pub struct BadPeriod {
    from: i64,
    to: i64,
}

impl Period {
    /// All of time.
    pub const ALL: Self = Self { from: i64::MIN, to: i64::MAX };

    /// `[from, to)`; may be empty, never inverted.
    pub const fn new(from: i64, to: i64) -> Result<Self, BadPeriod> {
        if from > to { Err(BadPeriod { from, to }) } else { Ok(Self { from, to }) }
    }

    /// Whether a timestamp lies inside.
    pub const fn contains(self, units: i64) -> bool {
        self.from <= units && units < self.to
    }

    /// Whether nothing can lie inside.
    pub const fn is_empty(self) -> bool {
        self.from >= self.to
    }

    /// What lies in both; empty (at the later start) where they do not meet.
    pub fn intersect(self, other: Self) -> Self {
        let from = self.from.max(other.from);
        Self { from, to: self.to.min(other.to).max(from) }
    }

    /// The part from `units` on.
    pub fn starting_at(self, units: i64) -> Self {
        let from = units.clamp(self.from, self.to);
        Self { from, to: self.to }
    }

    /// Where the stretch that a moment lies in starts, of those `units` long that one after another start at 1970; the
    /// least number there is where it would start before that.
    pub const fn bucket(units: i64, moment: i64) -> i64 {
        moment.saturating_sub(moment.rem_euclid(units))
    }

    /// Cuts into `n` neighbours of nearly equal length that tile it; fewer where it is too short for `n`.
    pub fn cut(self, n: u32) -> Vec<Self> {
        let (from, length) = (i128::from(self.from), i128::from(self.to) - i128::from(self.from));
        let n = i128::from(n.max(1)).min(length.max(1));
        let edge = |k: i128| i64::try_from(from + length * k / n).unwrap_or(self.to);
        (0..n).map(|k| Self { from: edge(k), to: edge(k + 1) }).collect()
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let end = |units: i64| match units {
            i64::MIN | i64::MAX => "open".to_owned(),
            units => units.to_string(),
        };
        write!(f, "[{}, {})", end(self.from), end(self.to))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_inverted_period_is_refused() {
        assert!(Period::new(2, 1).is_err());
        assert!(Period::new(1, 1).is_ok_and(Period::is_empty));
    }

    proptest! {
        #[test]
        fn a_moment_is_in_a_period_exactly_if_it_is_in_the_converted_one(
            from in -3_000_i64..3_000, length in 0_i64..3_000, moment in -4_000_000_i64..4_000_000, up in any::<bool>(),
        ) {
            let (fine, coarse) = (Precision::Micro, Precision::Milli);
            let (asked, held) = if up { (fine, coarse) } else { (coarse, fine) };
            let period = Period { from, to: from + length };
            // `moment` is one of the side that holds rows, `period` of the side that asks
            let seen = held.convert(moment, asked).unwrap();
            prop_assert_eq!(asked.convert_period(period, held).contains(moment), period.contains(seen));
            prop_assert_eq!(asked.convert_period(Period::ALL, held), Period::ALL);
        }

        #[test]
        fn pieces_of_a_period_tile_it(from in any::<i64>(), to in any::<i64>(), n in 0_u32..200) {
            let whole = Period { from: from.min(to), to: from.max(to) };
            let pieces = whole.cut(n);
            prop_assert_eq!(pieces[0].from, whole.from);
            prop_assert_eq!(pieces[pieces.len() - 1].to, whole.to);
            prop_assert!(pieces.windows(2).all(|pair| pair[0].to == pair[1].from));
            prop_assert!(whole.is_empty() || pieces.iter().all(|piece| !piece.is_empty()));
        }

        #[test]
        fn a_point_is_in_both_periods_exactly_if_it_is_in_what_they_share(
            a in -9_i64..9, b in -9_i64..9, c in -9_i64..9, d in -9_i64..9, point in -10_i64..10,
        ) {
            let one = Period { from: a.min(b), to: a.max(b) };
            let other = Period { from: c.min(d), to: c.max(d) };
            let shared = one.intersect(other);
            prop_assert_eq!(shared.contains(point), one.contains(point) && other.contains(point));
        }
    }
}
