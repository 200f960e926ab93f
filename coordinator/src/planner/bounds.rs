//! How large shards and groups are to be: every bound of the planner, each with its reason.

use super::{Asked, Totals};

/// Below it a shard's own transactions cost more than its rows.
pub(crate) const MIN_SHARD_ROWS: u64 = 100_000;
/// 20 to 60 seconds of work at the rates measured on one connection (0.3 to 1 million rows/s).
pub(super) const MAX_SHARD_ROWS: u64 = 20_000_000;
/// The same for wide rows.
pub(super) const MAX_SHARD_BYTES: u64 = 2 << 30;
/// Shards per slot: enough that the last ones end together, few enough to be cheap.
const SHARDS_PER_SLOT: u64 = 8;
/// Below it the round trip of a query costs more than its rows, however wide they are.
const MIN_QUERY_ROWS: u64 = 1_000;
/// Some thirty whole blocks: measured, the round trips of shorter queries cost a fifth of the time of narrow rows.
const MAX_QUERY_ROWS: u64 = 131_072;
/// Wide rows are worth a query sooner.
const QUERY_BYTES: u64 = 8 << 20;
/// Below this many rows per subtable and query, subtables are read together: five times faster there.
pub(super) const SPARSE_ROWS: u64 = 256;
/// A subtable of more than this many shards' rows is cut by itself.
pub(super) const GIANT_SHARDS: u64 = 2;
/// Names of a group: few keys for a million subtables, and still a small value.
const MAX_GROUP_NAMES: u64 = 4_096;
/// Below it create shards would be smaller than one batch of DDL.
const MIN_GROUP_NAMES: u64 = 256;
/// Front-coded names of a group, before compression: stays under the 64 KiB of a stored group whatever they are.
pub(super) const MAX_GROUP_BYTES: usize = 60 * 1024;
/// Shards of one plan: each is a key of the store and an entry of every coordinator's view.
const MAX_PLAN_SHARDS: u64 = 100_000;
/// Periods that the option `unit` may ask for in one group; a shorter unit is stretched.
const MAX_UNIT_PERIODS: u64 = 1_024;

/// The bounds of one plan.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    rows: u64,
    /// Names of a group.
    pub(super) names: usize,
    /// Periods of a group that `unit` may ask for.
    pub(super) unit_periods: u64,
}

impl Bounds {
    pub(super) fn new(asked: &Asked, totals: &Totals) -> Self {
        let shares = u64::from(asked.slots.max(1)) * SHARDS_PER_SLOT;
        let rows = (totals.rows / shares).clamp(MIN_SHARD_ROWS, MAX_SHARD_ROWS);
        let names = (totals.subtables / shares).clamp(MIN_GROUP_NAMES, MAX_GROUP_NAMES);
        let groups = totals.subtables / names + totals.stables + 1;
        Self {
            rows: rows.max(totals.rows / MAX_PLAN_SHARDS),
            names: usize::try_from(names).unwrap_or(usize::MAX),
            unit_periods: (MAX_PLAN_SHARDS / groups).clamp(1, MAX_UNIT_PERIODS),
        }
    }

    /// Rows below which a query of one subtable is not made shorter.
    pub(super) fn query_rows(row_bytes: u32) -> u64 {
        (QUERY_BYTES / u64::from(row_bytes.max(1))).clamp(MIN_QUERY_ROWS, MAX_QUERY_ROWS)
    }

    /// Rows that a shard should hold, given how wide they are.
    pub(super) fn rows(&self, row_bytes: u32) -> u64 {
        let by_bytes = MAX_SHARD_BYTES / u64::from(row_bytes.max(1));
        self.rows.min(by_bytes).max(1)
    }
}
