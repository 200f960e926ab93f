//! Database options: which words each generation knows, their defaults and bounds.

use std::collections::BTreeMap;

use crate::config::Flavor;
use crate::data::Precision;
use crate::error::{SqlError, SqlResult};
use crate::sql::ast::DbOption;
use crate::sql::duration_millis;
use crate::store::DatabaseOptions;

/// A numeric option: its word, its default, its lowest and its highest value.
type Number = (&'static str, i64, i64, i64);

const V26: &[Number] = &[
    ("replica", 1, 1, 3),
    ("quorum", 1, 1, 2),
    ("cache", 16, 1, 128),
    ("blocks", 6, 3, 10_000),
    ("minrows", 100, 10, 1_000),
    ("maxrows", 4_096, 200, 10_000),
    ("wal", 1, 0, 2),
    ("fsync", 3_000, 0, 180_000),
    ("comp", 2, 0, 2),
    ("cachelast", 0, 0, 3),
    ("update", 0, 0, 2),
];

const V3: &[Number] = &[
    ("buffer", 256, 3, 16_384),
    ("cachesize", 1, 1, 65_536),
    ("comp", 2, 0, 2),
    ("wal_fsync_period", 3_000, 0, 180_000),
    ("maxrows", 4_096, 10, 1_000_000),
    ("minrows", 100, 10, 1_000_000),
    ("stt_trigger", 1, 1, 16),
    ("pages", 256, 64, 2_147_483_647),
    ("pagesize", 4, 1, 16_384),
    ("replica", 1, 1, 3),
    ("wal_level", 1, 1, 2),
    ("vgroups", 0, 1, 1_024),
    ("single_stable", 0, 0, 1),
    ("table_prefix", 0, -206, 206),
    ("table_suffix", 0, -206, 206),
    ("tsdb_pagesize", 4, 1, 16_384),
    ("wal_retention_period", 3_600, -1, i64::MAX),
    ("wal_retention_size", 0, -1, i64::MAX),
    ("keep_time_offset", 0, 0, 23),
];

const DAY_MINUTES: i64 = 1_440;
const MINUTE_MS: i64 = 60_000;
const CACHE_MODELS: [&str; 4] = ["none", "last_row", "last_value", "both"];

/// The longest KEEP: a hundred years on 2.x; 3.3.1 takes 365000 days and refuses one more.
const fn max_keep_days(flavor: Flavor) -> i64 {
    match flavor {
        Flavor::V26 => 36_500,
        Flavor::V3 => 365_000,
    }
}

pub(crate) fn default_options(flavor: Flavor) -> DatabaseOptions {
    let numbers: BTreeMap<_, _> = table(flavor).iter().map(|(word, default, ..)| (*word, *default)).collect();
    DatabaseOptions {
        precision: Precision::Milli,
        keep_minutes: [3_650 * DAY_MINUTES; 3],
        duration_minutes: 10 * DAY_MINUTES,
        cachemodel: "none".into(),
        numbers,
    }
}

/// Applies written options, in order, and holds the result against the bounds.
pub(super) fn apply(
    base: DatabaseOptions,
    written: &[DbOption],
    flavor: Flavor,
    syntax: impl Fn(usize) -> SqlError,
) -> SqlResult<DatabaseOptions> {
    let mut options = base;
    for option in written {
        one(&mut options, option, flavor, &syntax)?;
    }
    let keep = options.keep_minutes;
    let ordered = keep[0] <= keep[1] && keep[1] <= keep[2];
    if flavor == Flavor::V3 && !(ordered && keep[0] >= 3 * options.duration_minutes) {
        let why = "Invalid duration value, should be keep2 >= keep1 >= keep0 >= 3 * duration";
        return Err(SqlError::new(0x2619, why));
    }
    if !ordered || keep[0] < options.duration_minutes {
        return Err(invalid(flavor, "keep"));
    }
    Ok(options)
}

fn one(
    options: &mut DatabaseOptions,
    option: &DbOption,
    flavor: Flavor,
    syntax: impl Fn(usize) -> SqlError,
) -> SqlResult<()> {
    let value = option.values.first().map_or("", String::as_str);
    let bad = || invalid(flavor, &option.word);
    match (option.word.as_str(), flavor) {
        ("precision", _) => options.precision = Precision::from_word(value).ok_or_else(bad)?,
        ("keep", _) => options.keep_minutes = keep(&option.values, flavor).ok_or_else(bad)?,
        ("days", Flavor::V26) | ("duration", Flavor::V3) => {
            options.duration_minutes = minutes(value).filter(|minutes| *minutes > 0).ok_or_else(bad)?;
        }
        ("cachemodel", Flavor::V3) => {
            let known = CACHE_MODELS.contains(&value);
            options.cachemodel = Some(value.to_owned()).filter(|_| known).ok_or_else(bad)?;
        }
        ("strict" | "encrypt_algorithm" | "s3_keeplocal" | "s3_chunksize" | "s3_compact", Flavor::V3) => {}
        (word, _) => {
            let bounds = table(flavor).iter().find(|(known, ..)| *known == word);
            let (known, _, low, high) = bounds.ok_or_else(|| syntax(option.at))?;
            let number =
                value.parse().ok().filter(|number| (low..=high).contains(&number)).ok_or_else(bad)?;
            options.numbers.insert(known, number);
        }
    }
    Ok(())
}

fn table(flavor: Flavor) -> &'static [Number] {
    match flavor {
        Flavor::V26 => V26,
        Flavor::V3 => V3,
    }
}

/// One to three lengths; the last one stands for those that are missing.
fn keep(values: &[String], flavor: Flavor) -> Option<[i64; 3]> {
    let all: Vec<i64> = values.iter().map(|value| minutes(value)).collect::<Option<_>>()?;
    let last = *all.last().filter(|_| all.len() <= 3)?;
    let keep = std::array::from_fn(|at| all.get(at).copied().unwrap_or(last));
    let fits = |minutes: &i64| (DAY_MINUTES..=max_keep_days(flavor) * DAY_MINUTES).contains(minutes);
    keep.iter().all(fits).then_some(keep)
}

/// A bare number is days.
fn minutes(text: &str) -> Option<i64> {
    if let Ok(days) = text.parse::<i64>() {
        return days.checked_mul(DAY_MINUTES);
    }
    duration_millis(text).map(|millis| millis / MINUTE_MS)
}

fn invalid(flavor: Flavor, word: &str) -> SqlError {
    SqlError::invalid(flavor, 0x2619, format!("Invalid option {word}"))
}
