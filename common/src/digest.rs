//! The order-free sum over rows by which two databases are compared.
//!
//! Each row of a subtable is hashed to 128 bits over name, timestamp and cells; the hashes are added up. So neither
//! the order of rows nor the borders of batches matter, sums of stretches add to the sum of the whole, and a row
//! counted twice shows. It knows values, not layouts: a 2.x block and the 3.x block made of it sum to the same.

use std::ops::Range;

use xxhash_rust::xxh3::{xxh3_64, xxh3_128};

use crate::batch::{Block, Cell, TableRuns};

/// The sum of the rows added so far; wraps around.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RowSum(u128);

impl RowSum {
    /// The sum of no rows.
    pub const ZERO: Self = Self(0);

    /// The sum as it is stored.
    pub const fn value(self) -> u128 {
        self.0
    }

    /// Goes on from a stored sum.
    pub const fn from_value(value: u128) -> Self {
        Self(value)
    }

    /// Adds all rows of a block; its columns count in their order, the timestamp as the first.
    pub fn add_block(&mut self, table: &str, block: &Block) {
        self.add_rows(table, block, 0..block.rows());
    }

    /// Adds rows of many tables.
    pub fn add_runs(&mut self, rows: &TableRuns) {
        for run in &rows.runs {
            self.add_rows(&run.table, &rows.block, run.rows.clone());
        }
    }

    /// Adds some rows of a block.
    pub fn add_rows(&mut self, table: &str, block: &Block, rows: Range<usize>) {
        let mut text = xxh3_128(table.as_bytes()).to_le_bytes().to_vec();
        let front = text.len();
        for row in rows {
            text.truncate(front);
            for col in 0..block.columns().len() {
                push_cell(&mut text, block.cell(row, col));
            }
            self.0 = self.0.wrapping_add(xxh3_128(&text));
        }
    }

    /// Adds the sum of other rows.
    pub fn merge(&mut self, other: Self) {
        self.0 = self.0.wrapping_add(other.0);
    }
}

/// The sum of the names added so far, each with its stable's; in whatever order they come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct NameSum(u64);

impl NameSum {
    /// The sum as it is sent.
    pub const fn value(self) -> u64 {
        self.0
    }

    /// Adds a subtable, or with no stable's name a normal table.
    pub fn add(&mut self, stable: &str, table: &str) {
        // no name of a stable or table holds a zero byte
        let text = [stable.as_bytes(), &[0], table.as_bytes()].concat();
        self.0 = self.0.wrapping_add(xxh3_64(&text));
    }
}

/// Appends a cell so that no two rows of different cells look alike: a mark for the kind, the length where it varies.
fn push_cell(text: &mut Vec<u8>, cell: Cell<'_>) {
    match cell {
        Cell::Null => text.push(0),
        Cell::Bool(value) => text.extend_from_slice(&[1, value.into()]),
        Cell::Int(value) => push_fixed(text, 2, value.to_le_bytes()),
        Cell::UInt(value) => push_fixed(text, 3, value.to_le_bytes()),
        Cell::Float(value) => push_fixed(text, 4, value.to_le_bytes()),
        Cell::Double(value) => push_fixed(text, 5, value.to_le_bytes()),
        Cell::Timestamp(value) => push_fixed(text, 6, value.to_le_bytes()),
        Cell::Binary(bytes) => push_varied(text, 7, bytes),
        Cell::Nchar(nchar) => push_varied(text, 8, nchar.as_bytes()),
        Cell::Json(bytes) => push_varied(text, 9, bytes),
    }
}

fn push_fixed<const N: usize>(text: &mut Vec<u8>, kind: u8, bytes: [u8; N]) {
    text.push(kind);
    text.extend_from_slice(&bytes);
}

fn push_varied(text: &mut Vec<u8>, kind: u8, bytes: &[u8]) {
    text.push(kind);
    text.extend_from_slice(&u64::try_from(bytes.len()).unwrap_or(u64::MAX).to_le_bytes());
    text.extend_from_slice(bytes);
}

#[cfg(test)]
mod tests {
    #[test]
    fn names_sum_to_the_same_in_any_order_and_not_under_another_stable() {
        let sum = |names: &[(&str, &str)]| {
            let mut sum = super::NameSum::default();
            names.iter().for_each(|(stable, table)| sum.add(stable, table));
            sum.value()
        };
        assert_eq!(sum(&[("s", "a"), ("s", "b"), ("", "n")]), sum(&[("", "n"), ("s", "b"), ("s", "a")]));
        assert_ne!(sum(&[("s", "a"), ("t", "b")]), sum(&[("s", "b"), ("t", "a")]));
        assert_ne!(sum(&[("s", "ab")]), sum(&[("sa", "b")]));
    }

    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;
    use crate::batch::{BlockBuilder, Value};
    use crate::schema::{Column, DataType};
    use crate::time::Precision;

    fn columns() -> Arc<[Column]> {
        let column = |name: &str, data_type, length| Column { name: name.into(), data_type, length };
        Arc::new([
            column("ts", DataType::Timestamp, 8),
            column("text", DataType::Binary, 20),
            column("more", DataType::Binary, 20),
        ])
    }

    fn block(rows: &[(i64, Option<&str>, Option<&str>)]) -> Block {
        let value = |text: Option<&str>| text.map_or(Value::Null, |text| Value::Binary(text.into()));
        let mut builder = BlockBuilder::new(columns(), Precision::Milli);
        for (ts, text, more) in rows {
            builder.push_row(&[Value::Timestamp(*ts), value(*text), value(*more)]).unwrap();
        }
        builder.finish().unwrap()
    }

    fn sum(table: &str, rows: &[(i64, Option<&str>, Option<&str>)]) -> RowSum {
        let mut sum = RowSum::ZERO;
        sum.add_block(table, &block(rows));
        sum
    }

    #[test]
    fn whatever_differs_in_a_row_shows() {
        let rows = [
            sum("a", &[(1, Some(""), None)]),
            sum("b", &[(1, Some(""), None)]),
            sum("a", &[(2, Some(""), None)]),
            sum("a", &[(1, None, None)]),
            sum("a", &[(1, None, Some(""))]),
            sum("a", &[(1, Some("xy"), Some("z"))]),
            sum("a", &[(1, Some("x"), Some("yz"))]),
            sum("a", &[(1, Some(""), None), (1, Some(""), None)]),
            sum("a", &[]),
        ];
        for (n, one) in rows.iter().enumerate() {
            assert!(rows.iter().skip(n + 1).all(|other| one != other), "{n}");
        }
    }

    #[test]
    fn the_sum_of_known_rows_never_changes_since_it_is_stored() {
        let sum = sum(
            "d1001",
            &[(1_600_000_000_000, Some("涛思"), None), (1_600_000_000_001, Some(""), Some("x"))],
        );
        assert_eq!(format!("{:032x}", sum.value()), "7aad5a0ea85b1212ac55189a2dc88dc4");
    }

    proptest! {
        #[test]
        fn order_and_batch_borders_do_not_matter(
            rows in prop::collection::vec((any::<i64>(), prop::option::of("[a-c]{0,3}")), 0..20),
            border in 0_usize..20,
            shift in 0_usize..20,
        ) {
            let mut rows: Vec<_> = rows.iter().map(|(ts, text)| (*ts, text.as_deref(), None)).collect();
            let whole = sum("t", &rows);
            if !rows.is_empty() {
                let by = shift % rows.len();
                rows.rotate_left(by);
            }
            let (first, second) = rows.split_at(border.min(rows.len()));
            let mut parts = sum("t", first);
            parts.merge(sum("t", second));
            prop_assert_eq!(whole, parts);
        }
    }
}
