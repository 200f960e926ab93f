//! Two sides of one table, walked together in the order of time: every row that one lacks or has otherwise.

use tdferry_common::batch::Block;
use tdferry_common::shard::Differing;

use super::Visit;
use super::cursor::{At, Cursor};
use crate::lease::Worked;

/// Rows of the target alone are told together up to this many, so that they are never held without bound.
const MOST_EXTRA: usize = 4_096;

/// What differs in a stretch of one table.
pub(super) enum Found<'a> {
    /// Rows of a block of the source that the target lacks, or has with other values.
    Source { table: &'a str, block: &'a Block, missing: Vec<usize>, changed: Vec<Changed> },
    /// Rows of the target at these moments, with none of the source between them.
    Extra { table: &'a str, times: Vec<i64> },
}

/// A row of the source's block that the target has with other values.
pub(super) struct Changed {
    pub(super) row: usize,
    pub(super) columns: Vec<Other>,
}

/// A column, by its place, and what the target has there; `None` is NULL.
pub(super) struct Other {
    pub(super) column: usize,
    pub(super) value: Option<Vec<u8>>,
}

/// Differences that were seen and not told yet.
#[derive(Default)]
struct Seen {
    missing: Vec<usize>,
    changed: Vec<Changed>,
    extra: Vec<i64>,
    differing: Differing,
}

/// Walks to the end of both; how many rows differ.
pub(super) async fn run(
    source: &mut Cursor<'_>,
    target: &mut Cursor<'_>,
    visit: &mut dyn Visit,
) -> Worked<Differing> {
    let mut seen = Seen::default();
    let table = source.table;
    loop {
        if source.is_through() {
            seen.tell_source(table, source.block(), visit).await?;
        }
        match (source.at().await?, target.at().await?) {
            (None, None) => break,
            (Some(one), Some(other)) if one.head().0 == other.head().0 => {
                seen.tell_extra(table, visit).await?;
                seen.both(one, other);
                one.row += 1;
                other.row += 1;
            }
            (Some(one), other) if other.as_ref().is_none_or(|other| one.head().0 < other.head().0) => {
                seen.tell_extra(table, visit).await?;
                seen.missing.push(one.row);
                seen.differing.missing += 1;
                one.row += 1;
            }
            (_, Some(other)) => {
                if seen.extra_is_full() {
                    seen.tell_extra(table, visit).await?;
                }
                seen.add_extra(other.head().0);
                other.row += 1;
            }
            // the second arm took it
            (Some(_), None) => break,
        }
    }
    seen.tell_extra(table, visit).await?;
    Ok(seen.differing)
}

impl Seen {
    fn both(&mut self, one: &At, other: &At) {
        if one.head().1 == other.head().1 {
            return;
        }
        let differs = |col: &usize| one.block.cell(one.row, *col) != other.block.cell(other.row, *col);
        let other =
            |column| Other { column, value: other.block.payload_of(other.row, column).map(<[u8]>::to_vec) };
        let columns = (0..one.block.columns().len()).filter(differs).map(other).collect();
        self.changed.push(Changed { row: one.row, columns });
        self.differing.changed += 1;
    }

    fn add_extra(&mut self, ts: i64) {
        self.differing.extra += 1;
        self.extra.push(ts);
    }

    fn extra_is_full(&self) -> bool {
        self.extra.len() >= MOST_EXTRA
    }

    async fn tell_source(&mut self, table: &str, block: Option<&Block>, visit: &mut dyn Visit) -> Worked<()> {
        let (missing, changed) = (std::mem::take(&mut self.missing), std::mem::take(&mut self.changed));
        let Some(block) = block.filter(|_| !missing.is_empty() || !changed.is_empty()) else { return Ok(()) };
        visit.found(Found::Source { table, block, missing, changed }).await
    }

    async fn tell_extra(&mut self, table: &str, visit: &mut dyn Visit) -> Worked<()> {
        let times = std::mem::take(&mut self.extra);
        if times.is_empty() { Ok(()) } else { visit.found(Found::Extra { table, times }).await }
    }
}
