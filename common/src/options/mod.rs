//! What a user may ask of a task, by the names operators already know: the same in a DSN, a task file and the store.
//!
//! [`KEYS`] is the table of all options; reading, writing, help and forms come from it alone.
//! Nothing here knows a database or where an option is used.

mod audit;
mod check;
mod columns;
mod database;
mod duration;
mod keys;
mod names;
mod near;
mod pattern;
mod refusing;
mod row_filter;
mod tails;
#[cfg(test)]
pub(crate) mod tests;
mod transform;
mod value;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::time::Precision;

pub use audit::{AuditBy, Horizons};
pub use columns::ColumnRule;
pub use database::{CacheModel, DATABASE_PREFIX, DURATIONS_IN_KEEP, DatabaseOptions, Keep, Minutes};
pub use duration::{parse_duration, show_duration};
pub use keys::{KEYS, OptionKey};
pub use names::{Names, TableName};
pub use pattern::Pattern;
pub use refusing::{OnBadName, OnConflict, OnKeep, OnMissingColumn, OnTooLong};
pub use row_filter::RowFilter;
pub use tails::TailBy;
pub use transform::{Act, Named, Renamed, Rule, Transform, Transforms};
pub use value::OptionValue;

pub(crate) use keys::{MAX_KEY_BYTES, canonical, keys};
pub(crate) use near::{same_word, unknown_word};

/// How long one write's SQL may be, unless the user says otherwise; the server's own limit is 1 MiB.
pub const DEFAULT_MAX_SQL_LENGTH: u32 = 800_000;
/// The database on the target that keeps rejected rows.
pub const REJECTS_DATABASE: &str = "tdferry_rejects";

/// Repairs that a task does by itself: what still differs then is written by somebody else all the time.
pub const MOST_REPAIRS: u32 = 3;

/// Which rows a task moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// A time range; without one, everything up to the task's creation; then stops.
    #[default]
    History,
    /// What is written from the creation on, until stopped.
    Realtime,
    /// History, then realtime; also spelled `all`.
    Both,
    /// None: both sides are compared as they are.
    Verify,
}

/// How a task proves that what it copied arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Verify {
    /// Every shard's counts of both sides agree. This is always looked at.
    #[default]
    Count,
    /// Besides, all tags and rows of the target are read back and compared by sums over every cell.
    Digest,
    /// The same for so many shards of a hundred, and for all tags.
    Sample(u8),
}

impl Verify {
    /// Whether anything is read back.
    pub const fn reads_back(self) -> bool {
        !matches!(self, Self::Count)
    }
}

/// What a task does about the structure of the target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SchemaMode {
    /// Create it first.
    #[default]
    Always,
    /// The target is known to have it: only check.
    None,
    /// Create it, move no rows.
    Only,
}

/// Where rows go that the target refuses.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum FailsTo {
    /// A table in the database [`REJECTS_DATABASE`] on the target.
    #[default]
    Target,
    /// A folder that all workers share.
    Folder(PathBuf),
}

/// What to do where the target's unit of time is coarser than the source's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PrecisionLoss {
    /// Refuse the task.
    #[default]
    Refuse,
    /// Cut timestamps off; of rows that fall together the last is kept, and the others are counted.
    Truncate,
}

/// All options of a task. The defaults are those of the table in the documentation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "BTreeMap<String, OptionValue>", into = "BTreeMap<&'static str, OptionValue>")]
pub struct Options {
    /// Which rows.
    pub mode: Mode,
    /// What about the structure.
    pub schema: SchemaMode,
    /// The first moment that is copied; open if none.
    pub start: Option<Timestamp>,
    /// The first moment that is not copied; open if none.
    pub end: Option<Timestamp>,
    /// The length of one query's period; chosen by density if none.
    pub unit: Option<Duration>,
    /// How far before its start realtime looks back.
    pub retro: Duration,
    /// How often realtime polls.
    pub interval: Duration,
    /// How long to wait for rows out of order before a period is read.
    pub excursion: Duration,
    /// How often new subtables, tags and columns are looked for while running.
    pub schema_polling_interval: Duration,
    /// How far back realtime looks for rows that came late.
    pub audit_window: Horizons,
    /// How it compares what it has passed.
    pub audit_by: AuditBy,
    /// What one tail follows of a stable.
    pub tail_by: TailBy,
    /// From which lag on realtime is told to be in trouble; zero: never.
    pub lag_alarm: Duration,
    /// Which stables.
    pub stables: Names<Pattern>,
    /// Which tables.
    pub tables: Names<TableName>,
    /// Which columns.
    pub columns: Names<ColumnRule>,
    /// Which rows, by their values.
    pub row_filter: RowFilter,
    /// What is changed on the way.
    pub transforms: Transforms,
    /// What stands in a table's new name where the source's has a dot; such names are refused if none.
    pub dots: Option<String>,
    /// The target's unit of time; the source's if none.
    pub precision: Option<Precision>,
    /// What if that is coarser.
    pub precision_loss: PrecisionLoss,
    /// Read many subtables with one query; chosen by density if none.
    pub select_from_stable: Option<bool>,
    /// Leases one worker copies at once; its CPU cores if none.
    pub workers: Option<u32>,
    /// Writes in flight per worker; as many as leases if none.
    pub write_concurrency: Option<u32>,
    /// Where rejected rows go.
    pub fails_to: FailsTo,
    /// Rejected rows with which the task goes on; any number if none.
    pub reject_budget: Option<u64>,
    /// What with rows outside of what the target keeps.
    pub on_keep: OnKeep,
    /// What with values longer than the target's column. If none their rows are rejected, and a column that is shorter than
    /// the source's is no place to copy to.
    pub on_too_long: Option<OnTooLong>,
    /// What where the target's table lacks a column. If none the task fails before the first row; one that follows a
    /// source and alters nothing goes on without a column that is added later, and tells of it.
    pub on_missing_column: Option<OnMissingColumn>,
    /// What with tables whose names the target does not take.
    pub on_bad_name: OnBadName,
    /// What with rows that the target has already.
    pub on_conflict: OnConflict,
    /// Create the target database if it is missing.
    pub assert: bool,
    /// What it is created like.
    pub database: DatabaseOptions,
    /// The most rows in one write; bounded by bytes alone if none.
    pub batch_size: Option<u32>,
    /// The most bytes of SQL in one write.
    pub max_sql_length: u32,
    /// When to give up on one table.
    pub timeout_per_table: Duration,
    /// Compare and update the tags of subtables that exist.
    pub update_tags: bool,
    /// Which libtaos a native DSN loads that names none itself.
    pub library_path: Option<String>,
    /// Where libtaos of a native DSN that says nothing itself finds its configuration.
    pub config_dir: Option<String>,
    /// How to prove that it arrived.
    pub verify: Verify,
    /// Whether to repair at once what differs, at most so often as [`MOST_REPAIRS`].
    pub repair: bool,
    /// Ask for compression on the wire; reported as without effect where the client cannot do it.
    pub compression: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            mode: Mode::History,
            schema: SchemaMode::Always,
            start: None,
            end: None,
            unit: None,
            retro: Duration::ZERO,
            interval: Duration::from_secs(1),
            excursion: Duration::from_millis(500),
            schema_polling_interval: Duration::from_secs(5),
            audit_window: Horizons::default(),
            audit_by: AuditBy::Count,
            tail_by: TailBy::Stable,
            lag_alarm: Duration::from_secs(300),
            stables: Names::All,
            tables: Names::All,
            columns: Names::All,
            row_filter: RowFilter::default(),
            transforms: Transforms::default(),
            dots: None,
            precision: None,
            precision_loss: PrecisionLoss::Refuse,
            select_from_stable: None,
            workers: None,
            write_concurrency: None,
            fails_to: FailsTo::Target,
            reject_budget: None,
            on_keep: OnKeep::Reject,
            on_too_long: None,
            on_missing_column: None,
            on_bad_name: OnBadName::Fail,
            on_conflict: OnConflict::Overwrite,
            assert: true,
            database: DatabaseOptions::default(),
            batch_size: None,
            max_sql_length: DEFAULT_MAX_SQL_LENGTH,
            timeout_per_table: Duration::from_secs(300),
            update_tags: false,
            library_path: None,
            config_dir: None,
            verify: Verify::Count,
            repair: false,
            compression: false,
        }
    }
}

/// An option that cannot be used as written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{option}: {what}")]
pub struct OptionError {
    /// Which option, or `options` when the name itself is unknown.
    pub option: String,
    what: String,
}

impl OptionError {
    pub(crate) fn new(option: impl Into<String>, what: impl Into<String>) -> Self {
        Self { option: option.into(), what: what.into() }
    }

    pub(crate) fn what(&self) -> &str {
        &self.what
    }
}

impl Options {
    /// Sets one option by any of its spellings.
    pub fn set(&mut self, name: &str, value: &OptionValue) -> Result<(), OptionError> {
        let key = keys::find(name).ok_or_else(|| OptionError::new("options", unknown_word(name, keys())))?;
        (key.set)(self, value).map_err(|what| OptionError::new(key.name, what))
    }

    /// What differs from the defaults, by canonical name.
    pub fn asked(&self) -> BTreeMap<&'static str, OptionValue> {
        KEYS.iter().filter_map(|key| Some((key.name, (key.get)(self)?))).collect()
    }
}

impl TryFrom<BTreeMap<String, OptionValue>> for Options {
    type Error = OptionError;

    fn try_from(pairs: BTreeMap<String, OptionValue>) -> Result<Self, OptionError> {
        let mut options = Self::default();
        let mut seen = BTreeMap::new();
        for (name, value) in &pairs {
            options.set(name, value)?;
            if let Some(other) = seen.insert(canonical(name), name) {
                return Err(OptionError::new(
                    name,
                    format!("the same option as `{other}`; leave one of them out"),
                ));
            }
        }
        options.check()?;
        Ok(options)
    }
}

impl From<Options> for BTreeMap<&'static str, OptionValue> {
    fn from(options: Options) -> Self {
        options.asked()
    }
}
