//! What options must satisfy together, and the bounds of single ones.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::{Mode, OnConflict, OptionError, Options};

/// More leases or writes in flight than this help no machine.
const CONCURRENCY: RangeInclusive<u32> = 1..=1024;
/// taosd and taosAdapter refuse more rows in one statement's block at some versions (32,767); far above it memory goes.
const BATCH_ROWS: RangeInclusive<u32> = 1..=1_000_000;
/// From what one wide row needs up to the server's own limit.
const SQL_BYTES: RangeInclusive<u32> = 65_480..=1_048_576;
/// Shorter periods would ask more often than answers are worth.
const LEAST_UNIT: Duration = Duration::from_secs(1);
/// Polling faster than this only loads the source.
const LEAST_POLL: Duration = Duration::from_millis(50);
/// A source that is polled once a second is so far behind all the time.
const LEAST_ALARM: Duration = Duration::from_secs(1);
/// Shorter, and a slow answer is taken for a dead table.
const LEAST_TABLE_TIMEOUT: Duration = Duration::from_secs(1);

impl Options {
    /// Whether the options make sense together; the error names the one to change.
    pub fn check(&self) -> Result<(), OptionError> {
        self.check_range()?;
        self.check_mode()?;
        self.check_dots()?;
        self.check_conflict()?;
        within("workers", self.workers, CONCURRENCY)?;
        within("write-concurrency", self.write_concurrency, CONCURRENCY)?;
        within("batch-size", self.batch_size, BATCH_ROWS)?;
        within("max-sql-length", Some(self.max_sql_length), SQL_BYTES)?;
        self.database.check()?;
        at_least("unit", self.unit.unwrap_or(LEAST_UNIT), LEAST_UNIT)?;
        at_least("interval", self.interval, LEAST_POLL)?;
        at_least("schema-polling-interval", self.schema_polling_interval, LEAST_POLL)?;
        if !self.lag_alarm.is_zero() {
            at_least("lag-alarm", self.lag_alarm, LEAST_ALARM)?;
        }
        at_least("timeout-per-table", self.timeout_per_table, LEAST_TABLE_TIMEOUT)
    }

    fn check_range(&self) -> Result<(), OptionError> {
        match (self.start, self.end) {
            (Some(start), Some(end)) if start > end => {
                Err(OptionError::new("start", format!("{start} is after `end`, {end}; exchange them")))
            }
            (Some(start), Some(end)) if start == end => Err(OptionError::new(
                "start",
                format!(
                    "{start} is also `end`, which is not copied itself, so nothing would be; move one of them"
                ),
            )),
            _ => Ok(()),
        }
    }

    fn check_dots(&self) -> Result<(), OptionError> {
        match self.dots.as_ref().filter(|text| text.contains(|c: char| ".`".contains(c) || c.is_control())) {
            Some(text) => {
                Err(OptionError::new("dots", format!("{text:?} cannot stand in a name; write `_`")))
            }
            None => Ok(()),
        }
    }

    /// What the target kept of its own differs from the source, and is to.
    fn check_conflict(&self) -> Result<(), OptionError> {
        let compares = self.verify.reads_back() || self.mode == Mode::Verify;
        if self.on_conflict == OnConflict::KeepTarget && (compares || self.repair) {
            let what = "`keep-target` leaves rows that differ from the source, which comparing would find and repairing undo; \
                        leave out one of the two";
            return Err(OptionError::new("on-conflict", what));
        }
        Ok(())
    }

    fn check_mode(&self) -> Result<(), OptionError> {
        let refuse = |option, mode| {
            let what = format!("has no meaning with `mode={mode}`; leave it out, or write `mode=history`");
            Err(OptionError::new(option, what))
        };
        match self.mode {
            Mode::Realtime if self.start.is_some() => refuse("start", "realtime"),
            Mode::Realtime if self.end.is_some() => refuse("end", "realtime"),
            Mode::Both if self.end.is_some() => refuse("end", "both"),
            _ => Ok(()),
        }
    }
}

pub(super) fn within(
    option: &str,
    value: Option<u32>,
    bounds: RangeInclusive<u32>,
) -> Result<(), OptionError> {
    match value.filter(|value| !bounds.contains(value)) {
        None => Ok(()),
        Some(value) => {
            let (least, most) = (bounds.start(), bounds.end());
            Err(OptionError::new(
                option,
                format!("{value} is out of bounds; write a number from {least} to {most}"),
            ))
        }
    }
}

fn at_least(option: &str, value: Duration, least: Duration) -> Result<(), OptionError> {
    if value >= least {
        return Ok(());
    }
    let (value, least) = (super::show_duration(value), super::show_duration(least));
    Err(OptionError::new(option, format!("{value} is too short; write {least} or more")))
}
