//! The ports through which a worker touches databases: few methods, honoured alike by the real servers' adapter
//! (`tdengine`) and by the in-memory one (`testing`).
//!
//! Errors are sorted by what the caller does next. A method that returns `Ok` has been acknowledged by the
//! database; one that fails may still have been applied, so every write may be repeated.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use futures_util::stream::BoxStream;

use crate::batch::{Block, TableRuns, TagRow};
use crate::options::RowFilter;
use crate::schema::{Census, Column, Database, Extent, NormalTable, Stable};
use crate::server::Server;
use crate::spec::Spec;
use crate::time::{Period, Precision};

/// Which database an error speaks of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Side {
    /// Where rows come from.
    Source,
    /// Where rows go.
    Sink,
}

impl std::fmt::Display for Side {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Source => "source",
            Self::Sink => "sink",
        })
    }
}

/// How a denial reads, wherever it travels as words.
const DENIAL: &str = "refuses access";

/// What went wrong at a database, by what to do about it. Messages never hold a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PortError {
    /// It cannot be reached, or did not answer in time, or asks to be tried later: wait and try again.
    #[error("{side} is not reachable: {message}")]
    Away {
        /// Which database.
        side: Side,
        /// What was seen.
        message: String,
    },
    /// Name or password were refused, or the right to do this is missing: a person must act.
    #[error("{side} {DENIAL}: {message}")]
    Denied {
        /// Which database.
        side: Side,
        /// What was seen.
        message: String,
    },
    /// A database, table or column is not there.
    #[error("{side} does not have it: {message}")]
    Missing {
        /// Which database.
        side: Side,
        /// What was looked for and what was answered.
        message: String,
    },
    /// The write is too large: halve it and try again.
    #[error("{side} says the write is too large: {message}")]
    TooLarge {
        /// Which database.
        side: Side,
        /// What was seen.
        message: String,
    },
    /// At least one row of the write is refused for good; the whole write was not applied.
    #[error("{side} refuses rows: {message}")]
    Refused {
        /// Which database.
        side: Side,
        /// Why.
        reason: RefusedRow,
        /// The database's own number for it; zero where it gave none.
        code: u32,
        /// What was seen.
        message: String,
    },
    /// What is there is not what the task's options make of it: a person must change the task.
    #[error("{side} does not fit the task: {message}")]
    Unfit {
        /// Which database.
        side: Side,
        /// Which option, what was found, and what to do.
        message: String,
    },
    /// Anything else that trying again will not cure.
    #[error("{side}: {message}")]
    Invalid {
        /// Which database.
        side: Side,
        /// What was seen.
        message: String,
    },
}

/// Why a row is refused for good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RefusedRow {
    /// Its timestamp lies outside what the target keeps.
    Keep,
    /// A value is longer than the target's column.
    TooLong,
    /// The target takes no table of that name.
    BadName,
}

impl RefusedRow {
    /// Every reason.
    pub const ALL: [Self; 3] = [Self::Keep, Self::TooLong, Self::BadName];

    /// The word for it, in options, files and lists.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Keep => "keep",
            Self::TooLong => "too-long",
            Self::BadName => "bad-name",
        }
    }

    /// Reads that word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.word() == word)
    }
}

impl std::fmt::Display for RefusedRow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.word())
    }
}

impl PortError {
    /// Whether waiting may cure it.
    pub const fn is_away(&self) -> bool {
        matches!(self, Self::Away { .. })
    }

    /// Whether words, such as a shard's reason, tell of a denial.
    pub fn is_denial(words: &str) -> bool {
        words.contains(DENIAL)
    }

    /// Which database it speaks of.
    pub const fn side(&self) -> Side {
        match self {
            Self::Away { side, .. }
            | Self::Denied { side, .. }
            | Self::Missing { side, .. }
            | Self::TooLarge { side, .. }
            | Self::Refused { side, .. }
            | Self::Unfit { side, .. }
            | Self::Invalid { side, .. } => *side,
        }
    }
}

/// What a port answers.
pub type PortResult<T> = Result<T, PortError>;

/// A subtable as the survey sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subtable {
    /// Its name, verbatim.
    pub name: String,
    /// Its rows and period where they were counted one by one; `None` where only the stable's are known.
    pub extent: Option<Extent>,
}

/// What names a set of tables in one query: subtables of a stable, all or some, or one table by itself.
#[derive(Debug, Clone, Copy)]
pub enum Tables<'a> {
    /// Every subtable that this stable has at that moment; at a sink also those that other tasks put there.
    All {
        /// The stable's name.
        stable: &'a str,
    },
    /// These subtables of this stable.
    Of {
        /// The stable's name.
        stable: &'a str,
        /// The subtables' names.
        names: &'a [String],
    },
    /// One table, subtable or normal.
    One {
        /// Its name.
        name: &'a str,
    },
}

/// Tags and rows of a database, asked of both sides alike: so that one code counts, reads and compares either.
#[async_trait]
pub trait Rows: Send + Sync {
    /// Which side it is.
    fn side(&self) -> Side;

    /// The tags of these subtables, in any order; a subtable that does not exist is left out.
    async fn tags(&self, stable: &Stable, names: &[String]) -> PortResult<Vec<TagRow>>;

    /// The rows of one table in a period, ascending by time.
    fn read<'a>(
        &'a self,
        table: &'a str,
        columns: Arc<[Column]>,
        period: Period,
    ) -> BoxStream<'a, PortResult<Block>>;

    /// The rows of many subtables in a period. A table's rows may come in several runs, in any order of tables;
    /// the block holds the stable's columns, without its name and tags.
    fn read_many<'a>(
        &'a self,
        stable: &'a Stable,
        names: &'a [String],
        period: Period,
    ) -> BoxStream<'a, PortResult<TableRuns>>;

    /// The rows that all subtables of a stable have in a period, asked for at once. A table's rows may come in several
    /// runs, ascending over all of them; else as [`Self::read_many`].
    fn read_all<'a>(&'a self, stable: &'a Stable, period: Period) -> BoxStream<'a, PortResult<TableRuns>>;

    /// Rows of these tables in a period.
    async fn count(&self, tables: Tables<'_>, period: Period) -> PortResult<u64>;

    /// The same for each table by itself; tables without rows may be left out.
    async fn count_each(&self, tables: Tables<'_>, period: Period) -> PortResult<BTreeMap<String, u64>>;

    /// Rows of these tables in a period, by the start of the bucket of time that they lie in: a multiple of `bucket`,
    /// which is some whole seconds in units of the database. Empty buckets are left out; of one that the period cuts,
    /// only the rows inside of the period count.
    async fn count_buckets(
        &self,
        tables: Tables<'_>,
        period: Period,
        bucket: i64,
    ) -> PortResult<BTreeMap<i64, u64>>;
}

/// A 2.x database that is read. Never written to.
#[async_trait]
pub trait Source: Rows {
    /// The server's version, such as `2.6.0.34`.
    async fn version(&self) -> PortResult<String>;

    /// The database's options and precision.
    async fn database(&self) -> PortResult<Database>;

    /// What the server tells of itself; what it does not tell is unknown.
    async fn server(&self) -> PortResult<Server> {
        Ok(Server::default())
    }

    /// The server's wall clock in units of the database; `None` where it cannot be asked.
    async fn clock(&self) -> PortResult<Option<i64>>;

    /// All stables with columns and tags.
    async fn stables(&self) -> PortResult<Vec<Stable>>;

    /// All normal tables with their columns.
    async fn normal_tables(&self) -> PortResult<Vec<NormalTable>>;

    /// How much a stable holds, as cheaply as it can be told.
    async fn stable_extent(&self, stable: &str) -> PortResult<Extent>;

    /// How much a normal table holds.
    async fn table_extent(&self, table: &str) -> PortResult<Extent>;

    /// The greatest timestamp of any row of these tables, whatever rows the task leaves out; `None` where there is none.
    async fn newest(&self, tables: Tables<'_>) -> PortResult<Option<i64>>;

    /// How many tables there are, cheaply enough to be asked again and again.
    async fn census(&self) -> PortResult<Census>;

    /// Rows of these tables in a period before any of them fall together with others: as many as are read, unless
    /// the unit of time becomes coarser on the way.
    async fn count_before(&self, tables: Tables<'_>, period: Period) -> PortResult<u64> {
        self.count(tables, period).await
    }

    /// A stable's subtables in pages, each name once. `exact` asks for the extent of each where that is cheap.
    fn subtables<'a>(&'a self, stable: &'a str, exact: bool) -> BoxStream<'a, PortResult<Vec<Subtable>>>;

    /// The tags of all of a stable's subtables in pages, each subtable once.
    fn all_tags<'a>(&'a self, stable: &'a Stable) -> BoxStream<'a, PortResult<Vec<TagRow>>>;
}

/// A 3.x database that is written to.
#[async_trait]
pub trait Sink: Rows {
    /// The server's version, such as `3.3.1.0`.
    async fn version(&self) -> PortResult<String>;

    /// The database as it is, or `None` where there is none of that name.
    async fn database(&self) -> PortResult<Option<Database>>;

    /// What the server tells of itself; what it does not tell is unknown.
    async fn server(&self) -> PortResult<Server> {
        Ok(Server::default())
    }

    /// Whether the user may create tables and write, as far as the server tells without being changed.
    async fn may_write(&self) -> PortResult<()> {
        Ok(())
    }

    /// Creates the database if it is missing, by this statement's options (such as `PRECISION 'ms' KEEP 3650d`).
    async fn create_database(&self, options: &str) -> PortResult<()>;

    /// Every stable with columns and tags.
    async fn stables(&self) -> PortResult<Vec<Stable>>;

    /// The columns of these normal tables, by name; one that does not exist is left out.
    async fn tables(&self, names: &[String]) -> PortResult<Vec<NormalTable>>;

    /// Creates a stable if it is missing.
    async fn create_stable(&self, stable: &Stable) -> PortResult<()>;

    /// Creates a normal table if it is missing.
    async fn create_table(&self, table: &NormalTable) -> PortResult<()>;

    /// Gives a stable that is there the columns of this one that it lacks; rows that it holds have NULL there.
    async fn add_to_stable(&self, stable: &Stable) -> PortResult<()>;

    /// The same for a normal table.
    async fn add_to_table(&self, table: &NormalTable) -> PortResult<()>;

    /// Creates the subtables that are missing, in as few statements as fit.
    async fn create_subtables(&self, stable: &Stable, rows: &[TagRow]) -> PortResult<()>;

    /// Which of these subtables the stable does not have.
    async fn missing_subtables(&self, stable: &str, names: &[String]) -> PortResult<Vec<String>>;

    /// Writes rows of one table as a whole block. The table must exist and have all the block's columns.
    async fn write(&self, table: &str, block: &Block) -> PortResult<()>;

    /// Writes rows of many tables in as few statements as fit. All must exist; none is ever created.
    async fn write_many(&self, rows: &TableRuns) -> PortResult<()>;

    /// The tags of all of a stable's subtables in pages, each subtable once. For what is kept beside a task's tables; a
    /// sink that stands for another need not tell.
    fn all_tags<'a>(&'a self, _stable: &'a Stable) -> BoxStream<'a, PortResult<Vec<TagRow>>> {
        let message = "its subtables cannot be listed under these names".to_owned();
        let refused = PortError::Invalid { side: Side::Sink, message };
        Box::pin(futures_util::stream::once(std::future::ready(Err(refused))))
    }

    /// Has the database keep rows for at least so many days; never for fewer than it does.
    async fn widen_keep(&self, days: u64) -> PortResult<()>;

    /// Makes a text column of a stable, or of a normal table, as long as this one; never shorter than it is.
    async fn widen_column(&self, table: &str, column: &Column) -> PortResult<()>;

    /// Gives subtables that are there the tags of these rows.
    async fn set_tags(&self, stable: &Stable, rows: &[TagRow]) -> PortResult<()>;

    /// The same database, of which only those rows are read and counted for which these conditions hold, by its own names;
    /// `None` where it cannot be asked so. What is written and deleted does not mind them.
    fn narrowed(&self, _conditions: &RowFilter) -> Option<Arc<dyn Sink>> {
        None
    }

    /// Deletes the rows of one table in a period. Only ever called where a person asked for it.
    async fn delete(&self, table: &str, period: Period) -> PortResult<()>;

    /// The period that the database keeps at this moment: rows outside are refused.
    async fn keeps(&self, precision: Precision) -> PortResult<Period>;
}

/// Opens the databases that a task names. Shared by all slots of a worker; connections are pooled inside.
#[async_trait]
pub trait Connector: Send + Sync {
    /// The task's source.
    async fn source(&self, spec: &Spec) -> PortResult<Arc<dyn Source>>;

    /// The task's sink.
    async fn sink(&self, spec: &Spec) -> PortResult<Arc<dyn Sink>>;
}
