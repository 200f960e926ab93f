//! What was called and what came of it: the counters and the event log of an in-memory database.

use std::collections::BTreeMap;

use crate::port::Side;
use crate::time::Period;

/// The methods of the ports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "the names are the methods'")]
pub enum Call {
    Version,
    Database,
    Clock,
    Stables,
    NormalTables,
    Extent,
    Subtables,
    Tags,
    AllTags,
    Read,
    ReadMany,
    ReadAll,
    Count,
    CountEach,
    CountBuckets,
    Newest,
    Census,
    CreateDatabase,
    Tables,
    CreateStable,
    CreateTable,
    CreateSubtables,
    MissingSubtables,
    Write,
    WriteMany,
    SetTags,
    Delete,
    Keeps,
    Widen,
}

/// Something that happened, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A call was made.
    Called {
        /// Which database.
        side: Side,
        /// Which method.
        call: Call,
    },
    /// A fault fired in a call.
    Failed {
        /// Which database.
        side: Side,
        /// Which method.
        call: Call,
        /// Which fault.
        fault: super::Fault,
    },
    /// Rows of a table were read.
    Read {
        /// The table.
        table: String,
        /// How many.
        rows: usize,
        /// From the first to just past the last.
        period: Period,
    },
    /// Rows of a table were applied, whether or not the answer arrives.
    Wrote {
        /// The table.
        table: String,
        /// How many.
        rows: usize,
        /// From the least timestamp to just past the greatest.
        period: Period,
    },
}

/// Rows written to one table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Written {
    /// All of them, repeats included.
    pub rows: u64,
    /// Those that were there before.
    pub again: u64,
}

/// What was done so far.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Counters {
    /// Calls by method. A stream counts once.
    pub calls: BTreeMap<Call, u64>,
    /// Streams that somebody holds and that are not at their end, by method.
    pub open: BTreeMap<Call, u64>,
    /// Blocks that streams answered.
    pub blocks: u64,
    /// Rows that streams answered.
    pub rows_read: u64,
    /// Lines of the answers to counts by bucket and by table.
    pub counted: u64,
    /// Rows written, by table.
    pub written: BTreeMap<String, Written>,
    /// Writes that were refused for good.
    pub refused: u64,
}

impl Counters {
    /// Rows written to all tables, repeats included.
    pub fn rows_written(&self) -> u64 {
        self.written.values().map(|written| written.rows).sum()
    }

    /// Rows written that were there before.
    pub fn rows_again(&self) -> u64 {
        self.written.values().map(|written| written.again).sum()
    }

    /// A count was answered with so many lines.
    pub(super) fn counted(&mut self, lines: usize) {
        self.counted = self.counted.saturating_add(u64::try_from(lines).unwrap_or(u64::MAX));
    }

    /// How many streams of a method are open.
    pub fn open(&self, call: Call) -> u64 {
        self.open.get(&call).copied().unwrap_or_default()
    }

    /// How often a method was called.
    pub fn calls(&self, call: Call) -> u64 {
        self.calls.get(&call).copied().unwrap_or_default()
    }
}
