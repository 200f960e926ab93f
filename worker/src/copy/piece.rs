//! Rows of one write, of one table or of many, and how they are made fewer: halved, cut to a number, parted. Pure.

use std::collections::BTreeMap;
use std::ops::Range;

use tdferry_common::batch::{Block, Run, TableRuns};
use tdferry_common::digest::RowSum;
use tdferry_common::time::Period;

/// Rows that go out together.
#[derive(Debug, Clone)]
pub(crate) enum Piece {
    /// Of one table.
    One { table: String, rows: Block },
    /// Of many.
    Many(TableRuns),
}

/// A stretch of rows of one table, as it is told of those that are refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stretch {
    pub(super) rows: u64,
    pub(super) first: Option<i64>,
    pub(super) last: Option<i64>,
}

impl Piece {
    pub(super) fn block(&self) -> &Block {
        match self {
            Self::One { rows, .. } => rows,
            Self::Many(runs) => &runs.block,
        }
    }

    pub(crate) fn rows(&self) -> usize {
        self.block().rows()
    }

    /// How many bytes its rows take.
    pub(crate) fn bytes(&self) -> usize {
        self.block().byte_len()
    }

    /// The sum of its rows.
    pub(super) fn sum(&self) -> RowSum {
        match self {
            Self::One { table, rows } => RowSum::of_block(table, rows),
            Self::Many(runs) => RowSum::of_runs(runs),
        }
    }

    /// The names of the tables, each once.
    pub(super) fn tables(&self) -> Vec<String> {
        self.stretches().into_keys().collect()
    }

    /// Two pieces of about the same number of rows, in order.
    pub(super) fn halves(&self) -> [Self; 2] {
        let middle = self.rows() / 2;
        [self.slice(0..middle), self.slice(middle..self.rows())]
    }

    /// Pieces of at most so many rows, in order.
    pub(super) fn of_at_most(self, rows: usize) -> Vec<Self> {
        if self.rows() <= rows {
            return vec![self];
        }
        let starts = (0..self.rows()).step_by(rows.max(1));
        starts.map(|start| self.slice(start..start.saturating_add(rows).min(self.rows()))).collect()
    }

    /// The rows for which the answer is yes, and those for which it is no.
    pub(super) fn part(&self, yes: impl Fn(Option<i64>) -> bool) -> [Self; 2] {
        let block = self.block();
        [true, false].map(|wanted| self.filter(|row| yes(block.timestamp(row)) == wanted))
    }

    /// The rows that a closure picks by their number, and the others.
    pub(crate) fn part_rows(&self, yes: impl Fn(usize) -> bool) -> [Self; 2] {
        [true, false].map(|wanted| self.filter(|row| yes(row) == wanted))
    }

    /// The same rows with other values, in a block of as many rows.
    pub(super) fn with_block(&self, block: Block) -> Self {
        self.with(block, Range::clone)
    }

    /// From its first moment to just past its last; `None` without rows.
    pub(super) fn span(&self) -> Option<Period> {
        let times = || (0..self.rows()).filter_map(|row| self.block().timestamp(row));
        times().min().zip(times().max()).map(|(from, last)| Period { from, to: last.saturating_add(1) })
    }

    /// What there is of each table.
    pub(super) fn stretches(&self) -> BTreeMap<String, Stretch> {
        let mut stretches = BTreeMap::new();
        for (table, rows) in self.runs() {
            let stretch =
                stretches.entry(table.to_owned()).or_insert(Stretch { rows: 0, first: None, last: None });
            stretch.rows += u64::try_from(rows.len()).unwrap_or(u64::MAX);
            stretch.first = stretch.first.or_else(|| self.block().timestamp(rows.start));
            stretch.last = rows.end.checked_sub(1).and_then(|last| self.block().timestamp(last));
        }
        stretches
    }

    /// Whose each row is.
    pub(crate) fn table_of_each_row(&self) -> Vec<&str> {
        self.runs().into_iter().flat_map(|(table, rows)| rows.map(move |_| table)).collect()
    }

    fn runs(&self) -> Vec<(&str, Range<usize>)> {
        match self {
            Self::One { rows, .. } if rows.rows() == 0 => Vec::new(),
            Self::One { table, rows } => vec![(table, 0..rows.rows())],
            Self::Many(runs) => runs.runs.iter().map(|run| (run.table.as_str(), run.rows.clone())).collect(),
        }
    }

    fn slice(&self, rows: Range<usize>) -> Self {
        let block = self.block().slice(rows.clone());
        self.with(block, |run| {
            let start = run.start.clamp(rows.start, rows.end) - rows.start;
            start..run.end.clamp(rows.start, rows.end) - rows.start
        })
    }

    fn filter(&self, keep: impl Fn(usize) -> bool) -> Self {
        let kept_before: Vec<usize> = std::iter::once(0)
            .chain((0..self.rows()).scan(0, |kept, row| {
                *kept += usize::from(keep(row));
                Some(*kept)
            }))
            .collect();
        let block = self.block().filter(&keep);
        let at = |row: usize| kept_before.get(row).copied().unwrap_or(0);
        self.with(block, |run| at(run.start)..at(run.end))
    }

    /// The same tables with other rows; runs that become empty are left out.
    fn with(&self, block: Block, moved: impl Fn(&Range<usize>) -> Range<usize>) -> Self {
        match self {
            Self::One { table, .. } => Self::One { table: table.clone(), rows: block },
            Self::Many(runs) => {
                let moved = |run: &Run| Run { table: run.table.clone(), rows: moved(&run.rows) };
                let runs = runs.runs.iter().map(moved).filter(|run| !run.rows.is_empty()).collect();
                Self::Many(TableRuns { block, runs })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;
    use tdferry_common::batch::{BlockBuilder, Value};
    use tdferry_common::schema::{Column, DataType};
    use tdferry_common::time::Precision;

    use super::*;

    /// Tables by number, with the timestamps of their rows.
    fn piece(tables: &[(u8, Vec<i64>)]) -> Piece {
        let column = Column { name: "ts".into(), data_type: DataType::Timestamp, length: 8 };
        let mut builder = BlockBuilder::new(Arc::from([column]), Precision::Milli);
        let mut runs = Vec::new();
        for (table, times) in tables {
            let start = builder.rows();
            for time in times {
                builder.push_row(&[Value::Timestamp(*time)]).unwrap();
            }
            runs.push(Run { table: format!("t{table}"), rows: start..builder.rows() });
        }
        Piece::Many(TableRuns { block: builder.finish().unwrap(), runs })
    }

    fn rows(piece: &Piece) -> Vec<(String, i64)> {
        let timestamp = |row| piece.block().timestamp(row).unwrap();
        piece
            .runs()
            .into_iter()
            .flat_map(|(table, rows)| rows.map(|row| (table.to_owned(), timestamp(row))).collect::<Vec<_>>())
            .collect()
    }

    fn any_tables() -> impl Strategy<Value = Vec<(u8, Vec<i64>)>> {
        prop::collection::vec((0_u8..4, prop::collection::vec(-9_i64..9, 1..6)), 1..6)
    }

    proptest! {
        #[test]
        fn pieces_made_of_a_piece_hold_its_rows_in_order(tables in any_tables(), most in 1_usize..9) {
            let whole = piece(&tables);
            let [one, two] = whole.halves();
            prop_assert_eq!(rows(&whole), [rows(&one), rows(&two)].concat());
            let small = whole.clone().of_at_most(most);
            prop_assert!(small.iter().all(|piece| piece.rows() <= most));
            prop_assert_eq!(rows(&whole), small.iter().flat_map(rows).collect::<Vec<_>>());
        }

        #[test]
        fn parting_loses_no_row_and_no_table(tables in any_tables(), edge in -9_i64..9) {
            let whole = piece(&tables);
            let late = |(_, time): &(String, i64)| *time >= edge;
            let [yes, no] = whole.part(|time| time.is_some_and(|time| time >= edge));
            let (expected_yes, expected_no): (Vec<_>, Vec<_>) = rows(&whole).into_iter().partition(late);
            prop_assert_eq!(rows(&yes), expected_yes);
            prop_assert_eq!(rows(&no), expected_no);
        }
    }

    #[test]
    fn a_table_in_several_runs_is_told_once() {
        let piece = piece(&[(1, vec![3, 4]), (2, vec![9]), (1, vec![7])]);
        assert_eq!(piece.tables(), ["t1", "t2"]);
        assert_eq!(piece.stretches()["t1"], Stretch { rows: 3, first: Some(3), last: Some(7) });
    }
}
