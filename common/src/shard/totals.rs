//! What a shard did and found, in numbers.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What a shard did so far: totals, never deltas, so that a commit that is repeated counts once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Totals {
    /// Rows read from the source.
    pub read: u64,
    /// Rows the sink acknowledged.
    pub written: u64,
    /// Rows the sink refused for good.
    pub rejected: u64,
    /// Rows that were not written since the target had them already.
    pub kept: u64,
    /// Bytes of the rows read.
    pub bytes: u64,
    /// Subtables finished (copy), or created or found (create).
    pub tables: u64,
    /// Rows the target held in this place before the first write; `None` until counted.
    pub before: Option<u64>,
    /// Rows the source counted after the last one was read.
    pub source_counted: u64,
    /// Rows the target counted after the last one was written.
    pub target_counted: u64,
    /// Rows that were read, and that the source's KEEP took before it counted.
    pub expired: u64,
    /// Where the target was found to differ.
    pub differing: Differing,
    /// Rows of the source that fall on the moment of a later one in the target's coarser unit of time: that one is read
    /// in their place.
    pub merged: u64,
    /// The order-free sum over what was read less that over what was written: rows that were rejected, kept by the
    /// target, or shortened. With it the source's own sum is known where only the target's is stored.
    pub left_out: u128,
    /// Of a tail: the source's newest row when it was last asked.
    pub newest: Option<i64>,
    /// Of a tail: rows that came after the watermark had passed them, found and copied.
    pub late: u64,
}

/// In what a target differs from its source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Differing {
    /// Tables with rows that differ, and subtables that are missing or have other tags.
    pub tables: u64,
    /// Rows that only the source has.
    pub missing: u64,
    /// Rows that only the target has.
    pub extra: u64,
    /// Rows with other values.
    pub changed: u64,
    /// Of the tables, those that are missing or have other tags.
    pub unlike: u64,
    /// Tables that only the target has.
    pub extra_tables: u64,
}

impl Differing {
    /// Whether nothing differs.
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }

    /// Whether all that differs is what only the target has: a repair that may delete nothing has nothing to do.
    pub const fn is_only_extra(&self) -> bool {
        let Self { missing, changed, unlike, extra, extra_tables, .. } = self;
        *missing == 0 && *changed == 0 && *unlike == 0 && (*extra > 0 || *extra_tables > 0)
    }

    /// What differs in both.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self {
            tables: self.tables.saturating_add(other.tables),
            missing: self.missing.saturating_add(other.missing),
            extra: self.extra.saturating_add(other.extra),
            changed: self.changed.saturating_add(other.changed),
            unlike: self.unlike.saturating_add(other.unlike),
            extra_tables: self.extra_tables.saturating_add(other.extra_tables),
        }
    }
}

impl fmt::Display for Differing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { tables, missing, extra, changed, extra_tables, .. } = self;
        write!(f, "{tables} tables differ: {missing} rows missing, {extra} extra, {changed} changed")?;
        if *extra_tables > 0 {
            write!(f, "; {extra_tables} extra tables, which only the target has")?;
        }
        Ok(())
    }
}

impl Totals {
    /// Whether the four counts of a copy shard agree (promise S4).
    ///
    /// Rows that the target had before may or may not be the same rows, so its count lies between two bounds.
    pub fn agree(&self) -> bool {
        let accepted = self.written.saturating_add(self.kept);
        self.source_counted.saturating_add(self.expired) == self.read
            && accepted.saturating_add(self.rejected) == self.read
            && self.target_counted.saturating_add(self.expired) >= accepted
            && self.target_counted <= accepted.saturating_add(self.before.unwrap_or(0))
    }
}
