//! Rows of one table that differ, held until both sides are known to have answered all of theirs, then told in the order
//! of time.

use async_trait::async_trait;
use tdferry_common::batch::Block;
use tdferry_common::digest::RowSum;
use tdferry_common::port::Side;
use tdferry_common::time::Precision;

use super::super::Visit;
use super::super::merge::{Changed, Found, Other};
use super::{Change, Difference, Moment, Take, What};
use crate::lease::Worked;
use crate::reject;

/// What differs in a window of one table.
pub(super) struct Rows<'a, 'b> {
    precision: Precision,
    take: &'a mut Take<'b>,
    found: Vec<(i64, What)>,
}

impl<'a, 'b> Rows<'a, 'b> {
    pub(super) fn new(precision: Precision, take: &'a mut Take<'b>) -> Self {
        Self { precision, take, found: Vec::new() }
    }

    pub(super) fn tell(&mut self, stable: &str, table: &str, what: What) {
        (self.take)(Difference { stable: stable.to_owned(), table: table.to_owned(), what });
    }

    /// Tells what was found; it is held no more.
    pub(super) fn tell_all(&mut self, stable: &str, table: &str) {
        let mut found = std::mem::take(&mut self.found);
        found.sort_by_key(|(at, _)| *at);
        for (_, what) in found {
            self.tell(stable, table, what);
        }
    }

    fn add(&mut self, units: i64, what: impl FnOnce(Moment) -> What) {
        self.found.push((units, what(Moment { units, precision: self.precision })));
    }
}

#[async_trait]
impl Visit for Rows<'_, '_> {
    async fn found(&mut self, found: Found<'_>) -> Worked<()> {
        match found {
            Found::Extra { times, .. } => times.into_iter().for_each(|at| self.add(at, What::ExtraRow)),
            Found::Source { block, missing, changed, .. } => {
                for at in missing.into_iter().filter_map(|row| block.timestamp(row)) {
                    self.add(at, What::MissingRow);
                }
                for Changed { row, columns } in changed {
                    let changes: Vec<_> =
                        columns.iter().filter_map(|other| change(block, row, other)).collect();
                    if let Some(at) = block.timestamp(row) {
                        self.add(at, |at| What::ChangedRow(at, changes));
                    }
                }
            }
        }
        Ok(())
    }

    fn unchanged(&self) -> &'static [Side] {
        &[Side::Source, Side::Sink]
    }

    fn forget(&mut self) {
        self.found.clear();
    }

    /// It is told before its rows are walked.
    fn lacks(&mut self, _table: &str) {}

    fn table_ended(&mut self) -> (bool, RowSum) {
        (!self.found.is_empty(), RowSum::ZERO)
    }
}

fn change(block: &Block, row: usize, other: &Other) -> Option<Change> {
    let column = block.columns().get(other.column)?.clone();
    let shown = |bytes: Option<&[u8]>| {
        bytes.map_or(serde_json::Value::Null, |bytes| reject::value(column.data_type, bytes))
    };
    let (source, target) = (shown(block.payload_of(row, other.column)), shown(other.value.as_deref()));
    Some(Change { column, source, target })
}
