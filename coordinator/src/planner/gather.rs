//! Names gathered into a group, with what each is thought to hold.
//!
//! It orders them so that what is alike stands together: subtables to be cut alone, then dense, then sparse ones.

use tdferry_common::time::Period;

use super::bounds::{GIANT_SHARDS, MAX_GROUP_BYTES, SPARSE_ROWS};
use super::{StableSeen, TableSeen};

/// How a subtable is to be cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Size {
    /// By itself, by period alone.
    Giant,
    Dense,
    Sparse,
}

/// A table of a group.
#[derive(Debug, Clone)]
pub(super) struct Member {
    pub(super) name: String,
    /// Counted, or its share of what is known of the stable.
    pub(super) rows: u64,
    pub(super) period: Option<Period>,
    pub(super) size: Size,
}

/// The group that is being filled.
pub(super) struct Group {
    pub(super) stable: StableSeen,
    tables: Vec<(TableSeen, u64)>,
    coded_bytes: usize,
    /// Tables of the stable seen so far, over all its groups.
    seen: u64,
}

impl Group {
    pub(super) fn new(stable: StableSeen) -> Self {
        Self { stable, tables: Vec::new(), coded_bytes: 0, seen: 0 }
    }

    /// Normal tables have no stable.
    pub(super) fn is_normal(&self) -> bool {
        self.stable.name.is_empty()
    }

    pub(super) fn has_room_for(&self, name: &str, names: usize) -> bool {
        self.tables.is_empty()
            || (self.tables.len() < names && self.coded_bytes + coded_bytes(name) <= MAX_GROUP_BYTES)
    }

    /// Adds a table; of its rows only those count that may lie in the task's period.
    pub(super) fn push(&mut self, table: TableSeen, asked: Period) {
        let (rows, period) = match table.rows {
            Some(rows) => (rows, table.period.or(self.stable.period)),
            None => (self.share(), self.stable.period),
        };
        let rows = rows_within(rows, period, asked);
        self.seen += 1;
        self.coded_bytes += coded_bytes(&table.name);
        self.tables.push((table, rows));
    }

    /// Takes all tables out, giants first, then dense, then sparse ones, else in the order they came.
    pub(super) fn take_ordered(&mut self, target_rows: u64) -> Vec<Member> {
        self.coded_bytes = 0;
        let average = self.stable.rows / self.stable.tables.max(1);
        let mut members: Vec<Member> = std::mem::take(&mut self.tables)
            .into_iter()
            .map(|(table, rows)| {
                let size = match table.rows {
                    Some(_) => size(rows, target_rows),
                    // all alike: none of them is to be cut apart from the others
                    None => size(average, u64::MAX),
                };
                Member { name: table.name, rows, period: table.period, size }
            })
            .collect();
        members.sort_by_key(|member| member.size);
        members
    }

    /// This table's share of the stable's rows, such that all shares sum up to them.
    fn share(&self) -> u64 {
        if self.seen >= self.stable.tables {
            return 0;
        }
        share(self.stable.rows, self.seen, self.stable.tables)
    }
}

/// The `n`th of `parts` nearly equal shares of a sum; all of them make up the sum.
pub(super) fn share(sum: u64, n: u64, parts: u64) -> u64 {
    let upto = |k: u64| u128::from(sum) * u128::from(k) / u128::from(parts.max(1));
    u64::try_from(upto(n + 1) - upto(n)).unwrap_or(u64::MAX)
}

fn size(rows: u64, target_rows: u64) -> Size {
    if rows > target_rows.saturating_mul(GIANT_SHARDS) {
        Size::Giant
    } else if rows >= SPARSE_ROWS {
        Size::Dense
    } else {
        Size::Sparse
    }
}

/// Rows that fall into `asked` if they lie evenly in `period`.
fn rows_within(rows: u64, period: Option<Period>, asked: Period) -> u64 {
    let Some(period) = period.filter(|period| !period.is_empty()) else { return rows };
    let length =
        |period: Period| u128::try_from(i128::from(period.to) - i128::from(period.from)).unwrap_or(0);
    let inside = length(period.intersect(asked));
    u64::try_from(u128::from(rows) * inside / length(period)).unwrap_or(rows)
}

/// At most what a name takes in a stored group: two lengths and its bytes.
fn coded_bytes(name: &str) -> usize {
    name.len() + 4
}
