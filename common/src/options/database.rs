//! What a target database is created like, where the task says so: options by their 3.x names, within what 3.x takes.
//!
//! Bounds are those of the 3.x documentation and of its `tdef.h`. What is left out follows from the source's options.

use std::ops::RangeInclusive;

use super::OptionError;
use super::value::{Kind, OptionValue};

/// What every option of a database begins with.
pub const DATABASE_PREFIX: &str = "database.";
/// Storage levels that KEEP may name.
const MOST_LEVELS: usize = 3;
const MINUTES_A_DAY: u64 = 1_440;
const MINUTES_AN_HOUR: u64 = 60;
/// One day to a thousand years, as 3.x bounds KEEP.
const KEEP_DAYS: RangeInclusive<u64> = 1..=365_000;
/// One hour to ten years, as 3.x bounds DURATION.
const DURATION_MINUTES: RangeInclusive<u64> = 60..=3_650 * MINUTES_A_DAY;
/// A 3.x server wants KEEP to be at least so many DURATIONs.
pub const DURATIONS_IN_KEEP: u64 = 3;

/// Options of a new target database; each follows from the source's if none.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DatabaseOptions {
    /// How long rows are kept, one storage level after the other.
    pub keep: Option<Keep>,
    /// The stretch of time that one data file holds.
    pub duration: Option<Minutes>,
    /// Vgroups.
    pub vgroups: Option<u32>,
    /// Copies of each vnode.
    pub replica: Option<u32>,
    /// MB that a vnode gathers before it writes.
    pub buffer: Option<u32>,
    /// What is cached of each table.
    pub cachemodel: Option<CacheModel>,
    /// How a vnode logs writes ahead.
    pub wal_level: Option<u32>,
    /// Milliseconds between two syncs of that log.
    pub wal_fsync_period: Option<u32>,
    /// How values are compressed.
    pub comp: Option<u32>,
    /// The fewest rows of a block in a file.
    pub minrows: Option<u32>,
    /// The most rows of a block in a file.
    pub maxrows: Option<u32>,
}

/// A length of time in whole minutes, as databases count KEEP and DURATION.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Minutes(pub u64);

/// One to three storage levels, each kept at least as long as the one before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keep(Vec<Minutes>);

/// What is cached of each table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CacheModel {
    /// Nothing.
    None,
    /// The last row.
    LastRow,
    /// The last value of each column.
    LastValue,
    /// Both.
    Both,
}

const CACHE_MODELS: [(&str, CacheModel); 4] = [
    ("none", CacheModel::None),
    ("last_row", CacheModel::LastRow),
    ("last_value", CacheModel::LastValue),
    ("both", CacheModel::Both),
];

impl CacheModel {
    /// The word of 3.x.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::LastRow => "last_row",
            Self::LastValue => "last_value",
            Self::Both => "both",
        }
    }
}

impl Keep {
    /// How long a row is kept in all.
    pub fn longest(&self) -> Minutes {
        self.0.iter().copied().max().unwrap_or(Minutes(0))
    }

    /// How long it stays on the first level: what DURATION is held against.
    pub fn shortest(&self) -> Minutes {
        self.0.iter().copied().min().unwrap_or(Minutes(0))
    }
}

impl std::fmt::Display for Minutes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.0 > 0 && self.0.is_multiple_of(MINUTES_A_DAY) {
            write!(f, "{}d", self.0 / MINUTES_A_DAY)
        } else {
            write!(f, "{}m", self.0)
        }
    }
}

impl std::fmt::Display for Keep {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (index, level) in self.0.iter().enumerate() {
            write!(f, "{}{level}", if index == 0 { "" } else { "," })?;
        }
        Ok(())
    }
}

fn minutes(text: &str) -> Result<Minutes, String> {
    let wrong = || {
        format!("{text:?} is no length of time; write days as `3650d`, hours as `12h` or minutes as `90m`")
    };
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let scale = match &text[digits.len()..] {
        // as databases do
        "" | "d" | "D" => MINUTES_A_DAY,
        "h" | "H" => MINUTES_AN_HOUR,
        "m" | "M" => 1,
        _ => return Err(wrong()),
    };
    let number: u64 = digits.parse().map_err(|_| wrong())?;
    number.checked_mul(scale).map(Minutes).ok_or_else(wrong)
}

impl Kind for Minutes {
    fn read(value: &OptionValue) -> Result<Self, String> {
        minutes(value.one()?)
    }

    fn write(&self) -> OptionValue {
        OptionValue::text(self.to_string())
    }
}

impl Kind for Keep {
    fn read(value: &OptionValue) -> Result<Self, String> {
        let levels: Vec<&str> = match value {
            OptionValue::Text(text) => text.split(',').map(str::trim).collect(),
            OptionValue::List(levels) => levels.iter().map(String::as_str).collect(),
        };
        let levels: Vec<Minutes> = levels.into_iter().map(minutes).collect::<Result<_, _>>()?;
        if levels.is_empty() || levels.len() > MOST_LEVELS {
            return Err(format!("{} storage levels; name one to {MOST_LEVELS}", levels.len()));
        }
        if !levels.is_sorted() {
            return Err(
                "a later storage level keeps rows for a shorter time; name the shortest first".to_owned()
            );
        }
        Ok(Self(levels))
    }

    fn write(&self) -> OptionValue {
        OptionValue::text(self.to_string())
    }
}

impl Kind for CacheModel {
    fn read(value: &OptionValue) -> Result<Self, String> {
        super::value::one_of(value, &CACHE_MODELS)
    }

    fn write(&self) -> OptionValue {
        OptionValue::text(self.as_str())
    }
}

impl DatabaseOptions {
    /// Whether 3.x takes each of them, and all of them together.
    pub(super) fn check(&self) -> Result<(), OptionError> {
        let numbers = [
            ("database.vgroups", self.vgroups, 1..=1_024),
            ("database.replica", self.replica, 1..=3),
            ("database.buffer", self.buffer, 3..=16_384),
            ("database.wal-level", self.wal_level, 1..=2),
            ("database.wal-fsync-period", self.wal_fsync_period, 0..=180_000),
            ("database.comp", self.comp, 0..=2),
            ("database.minrows", self.minrows, 10..=1_000),
            ("database.maxrows", self.maxrows, 200..=10_000),
        ];
        for (name, value, bounds) in numbers {
            super::check::within(name, value, bounds)?;
        }
        self.check_times()
    }

    fn check_times(&self) -> Result<(), OptionError> {
        if let Some(keep) = &self.keep
            && !(KEEP_DAYS.start() * MINUTES_A_DAY..=KEEP_DAYS.end() * MINUTES_A_DAY)
                .contains(&keep.shortest().0)
        {
            let (least, most) = (KEEP_DAYS.start(), KEEP_DAYS.end());
            return Err(OptionError::new(
                "database.keep",
                format!("{keep} is out of bounds; write {least}d to {most}d"),
            ));
        }
        if let Some(keep) =
            self.keep.as_ref().filter(|keep| keep.longest().0 > KEEP_DAYS.end() * MINUTES_A_DAY)
        {
            return Err(OptionError::new(
                "database.keep",
                format!("{keep} is longer than {}d", KEEP_DAYS.end()),
            ));
        }
        let Some(duration) = self.duration else { return Ok(()) };
        if !DURATION_MINUTES.contains(&duration.0) {
            return Err(OptionError::new(
                "database.duration",
                format!("{duration} is out of bounds; write 60m to 3650d"),
            ));
        }
        match self.keep.as_ref().filter(|keep| keep.shortest().0 < duration.0 * DURATIONS_IN_KEEP) {
            Some(keep) => Err(OptionError::new(
                "database.duration",
                format!(
                    "{duration} fits into `database.keep`, {keep}, less than {DURATIONS_IN_KEEP} times, which 3.x refuses"
                ),
            )),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Options;
    use super::*;

    fn asked(pairs: &[(&str, &str)]) -> Result<Options, OptionError> {
        let mut options = Options::default();
        pairs.iter().try_for_each(|(name, value)| options.set(name, &OptionValue::text(*value)))?;
        options.check().map(|()| options)
    }

    #[test]
    fn lengths_are_read_as_databases_write_them() {
        for (text, minutes, written) in [
            ("3650", 5_256_000, "3650d"),
            ("3650d", 5_256_000, "3650d"),
            ("90m", 90, "90m"),
            ("48h", 2_880, "2d"),
        ] {
            let read = Minutes::read(&OptionValue::text(text)).unwrap();
            assert_eq!((read, read.to_string().as_str()), (Minutes(minutes), written));
        }
        let keep = Keep::read(&OptionValue::text("10d, 20d,30d")).unwrap();
        assert_eq!((keep.shortest(), keep.longest()), (Minutes(14_400), Minutes(43_200)));
        assert_eq!(keep.to_string(), "10d,20d,30d");
    }

    #[test]
    fn what_3_x_would_refuse_is_refused_beforehand_and_named() {
        let cases: [(&[(&str, &str)], &str); 15] = [
            (&[("database.keep", "0")], "database.keep"),
            (&[("database.keep", "365001")], "database.keep"),
            (&[("database.keep", "10d,365001d")], "database.keep"),
            (&[("database.keep", "20d,10d")], "database.keep"),
            (&[("database.keep", "1d,2d,3d,4d")], "database.keep"),
            (&[("database.keep", "soon")], "database.keep"),
            (&[("database.keep", "10y")], "database.keep"),
            (&[("database.duration", "59m")], "database.duration"),
            (&[("database.keep", "10d"), ("database.duration", "4d")], "database.duration"),
            (&[("database.vgroups", "0")], "database.vgroups"),
            (&[("database.replica", "4")], "database.replica"),
            (&[("database.cachemodel", "1")], "database.cachemodel"),
            (&[("database.comp", "3")], "database.comp"),
            (&[("database.walrus", "3")], "options"),
            (&[("database.wal-level", "0")], "database.wal-level"),
        ];
        for (pairs, option) in cases {
            assert_eq!(asked(pairs).unwrap_err().option, option, "{pairs:?}");
        }
        asked(&[("database.keep", "30d"), ("database.duration", "10d"), ("Database.WAL_level", "2")])
            .unwrap();
    }
}
