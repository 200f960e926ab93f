//! What is left of a copy shard: subtables not begun, the rest of the one under way, and the rows expected in both.
//!
//! Estimates only: they decide whether a cut is worth its while, never what is copied.

use tdferry_common::shard::{Checkpoint, Estimate, Shard};

/// A shard is denser than planned if it has read so many times the rows that were expected of all of it.
const DENSER: u64 = 2;
/// Parts of a subtable.
const WHOLE: u64 = 1_000_000;

/// What is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Left {
    /// Subtables not begun.
    pub(super) whole: u32,
    /// What is left of the subtable under way, in parts of [`WHOLE`].
    rest: u64,
    rows: u64,
    row_bytes: u64,
}

/// Whether a shard has read far more than was planned, and as much as was planned is left at the least.
pub(crate) fn is_denser(shard: &Shard) -> bool {
    let planned = shard.estimate.rows.max(1);
    let left = Left::of(shard, &shard.checkpoint).rows();
    shard.checkpoint.totals.read >= planned.saturating_mul(DENSER) && left >= planned
}

impl Left {
    /// Of a shard that stands at a checkpoint: what the plan says, or more where it goes on as it went so far.
    pub(crate) fn of(shard: &Shard, at: &Checkpoint) -> Self {
        let index = at.offset.index.clamp(shard.range.from, shard.range.to);
        let tables = shard.range.to - index;
        let passed = passed(shard, at).min(WHOLE);
        let begun = u32::from(at.offset.next > shard.period.from && tables > 0);
        let whole = tables - begun;
        let rest = if begun > 0 { WHOLE - passed } else { 0 };
        let done = u64::from(index - shard.range.from) * WHOLE + if begun > 0 { passed } else { 0 };
        let weight = u64::from(whole) * WHOLE + rest;
        let Estimate { rows, bytes } = shard.estimate;
        let read = at.totals.read;
        let as_so_far = proportion(read, weight, done).unwrap_or(0);
        let is_over = tables == 0;
        Self {
            whole,
            rest,
            rows: if is_over { 0 } else { rows.saturating_sub(read).max(as_so_far) },
            row_bytes: at.totals.bytes.checked_div(read).or_else(|| bytes.checked_div(rows)).unwrap_or(0),
        }
    }

    /// Rows in all of it.
    pub(crate) const fn rows(self) -> u64 {
        self.rows
    }

    /// Whether a subtable is begun and not through.
    pub(super) const fn is_under_way(self) -> bool {
        self.rest > 0
    }

    /// Rows in so many of the subtables not begun.
    pub(super) fn rows_of(self, tables: u32) -> u64 {
        let weight = u64::from(self.whole) * WHOLE + self.rest;
        proportion(self.rows, u64::from(tables) * WHOLE, weight).unwrap_or(0)
    }

    /// How many of the subtables not begun the parent keeps, so that it has as much left as each of its children gets.
    pub(super) fn kept_tables(self, children: u32) -> u32 {
        let weight = u64::from(self.whole) * WHOLE + self.rest;
        let fair = (weight / u64::from(children + 1)).saturating_sub(self.rest);
        let kept = u32::try_from((fair + WHOLE / 2) / WHOLE).unwrap_or(u32::MAX);
        kept.max(u32::from(self.rest == 0)).min(self.whole.saturating_sub(1))
    }

    /// What is expected of a place with so many rows.
    pub(super) const fn estimate(self, rows: u64) -> Estimate {
        Estimate { rows, bytes: rows.saturating_mul(self.row_bytes) }
    }
}

/// How much of the subtable under way was passed, in parts of [`WHOLE`].
fn passed(shard: &Shard, at: &Checkpoint) -> u64 {
    let part = |units: i64| i128::from(units) - i128::from(shard.period.from);
    let length = part(shard.period.to).max(1);
    u64::try_from(part(at.offset.next) * i128::from(WHOLE) / length).unwrap_or(0)
}

/// `number` times `part` by `of`; `None` for a part of nothing.
fn proportion(number: u64, part: u64, of: u64) -> Option<u64> {
    let whole = u128::from(number) * u128::from(part);
    whole.checked_div(u128::from(of)).map(|share| u64::try_from(share).unwrap_or(u64::MAX))
}
