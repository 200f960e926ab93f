//! The order-free sum over rows by which two databases are compared.
//!
//! Each row of a table is hashed to 128 bits over the table's name, the timestamp and all cells; the hashes are added
//! up. So neither the order of rows nor the borders of batches matter, sums of stretches add to the sum of the whole, and
//! a row counted twice shows. It knows values, not layouts: a 2.x block and the 3.x block made of it sum to the same.

use std::fmt;

use xxhash_rust::xxh3::{xxh3_64, xxh3_128};

use crate::batch::{Block, TableRuns};

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

    /// The sum of all rows of a block; its columns count in their order, the timestamp as the first.
    pub fn of_block(table: &str, block: &Block) -> Self {
        Self::of_hashes(&row_hashes(table, block))
    }

    /// The sum of rows of many tables.
    pub fn of_runs(rows: &TableRuns) -> Self {
        Self::of_hashes(&run_hashes(rows))
    }

    /// The sum of rows by their hashes.
    pub fn of_hashes(hashes: &[u128]) -> Self {
        Self(hashes.iter().fold(0, |sum, hash| sum.wrapping_add(*hash)))
    }

    /// Adds the sum of other rows.
    pub const fn add(&mut self, other: Self) {
        self.0 = self.0.wrapping_add(other.0);
    }

    /// Takes the sum of some of the rows away again.
    pub const fn subtract(&mut self, other: Self) {
        self.0 = self.0.wrapping_sub(other.0);
    }
}

impl fmt::Display for RowSum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// A hash of each row of one table.
pub fn row_hashes(table: &str, block: &Block) -> Vec<u128> {
    block.hash_rows(&[(xxh3_128(table.as_bytes()), 0..block.rows())])
}

/// A hash of each row of many tables.
pub fn run_hashes(rows: &TableRuns) -> Vec<u128> {
    let seeds: Vec<_> =
        rows.runs.iter().map(|run| (xxh3_128(run.table.as_bytes()), run.rows.clone())).collect();
    rows.block.hash_rows(&seeds)
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
        RowSum::of_block(table, &block(rows))
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
        assert_eq!(sum.to_string(), "57566f2059c042560963eea65c712dfd");
    }

    /// Every type with two values that are as alike as can be, and the widest.
    fn alike() -> Vec<(Column, Value, Value)> {
        let column = |data_type, length| Column { name: "v".into(), data_type, length };
        let fixed = |data_type: DataType| column(data_type, 8);
        vec![
            (fixed(DataType::Bool), Value::Bool(false), Value::Bool(true)),
            (fixed(DataType::TinyInt), Value::Int(-127), Value::Int(-128)),
            (fixed(DataType::SmallInt), Value::Int(32_766), Value::Int(32_767)),
            (fixed(DataType::Int), Value::Int(-1), Value::Int(0)),
            (fixed(DataType::BigInt), Value::Int(i64::MAX), Value::Int(i64::MAX - 1)),
            (fixed(DataType::UTinyInt), Value::UInt(254), Value::UInt(255)),
            (fixed(DataType::USmallInt), Value::UInt(0), Value::UInt(1)),
            (fixed(DataType::UInt), Value::UInt(u64::from(u32::MAX)), Value::UInt(u64::from(u32::MAX) - 1)),
            (fixed(DataType::UBigInt), Value::UInt(u64::MAX), Value::UInt(u64::MAX - 1)),
            (fixed(DataType::Float), Value::Float(0.1), Value::Float(f32::from_bits(0.1_f32.to_bits() + 1))),
            (fixed(DataType::Float), Value::Float(0.0), Value::Float(-0.0)),
            (fixed(DataType::Double), Value::Double(f64::NAN), Value::Double(-f64::NAN)),
            (fixed(DataType::Timestamp), Value::Timestamp(0), Value::Timestamp(1)),
            (column(DataType::Binary, 9), Value::Binary(vec![0xff]), Value::Binary(vec![0xff, 0])),
            (column(DataType::Nchar, 9), Value::Nchar("涛".into()), Value::Nchar("思".into())),
        ]
    }

    #[test]
    fn the_last_bit_of_any_type_shows_and_so_does_null_for_any_value() {
        let ts = Column { name: "ts".into(), data_type: DataType::Timestamp, length: 8 };
        for (column, value, other) in alike() {
            let what = format!("{column:?}");
            let columns: Arc<[Column]> = Arc::new([ts.clone(), column.clone(), column]);
            let sum = |one: &Value, two: &Value| {
                let mut builder = BlockBuilder::new(Arc::clone(&columns), Precision::Milli);
                builder.push_row(&[Value::Timestamp(1), one.clone(), two.clone()]).unwrap();
                RowSum::of_block("t", &builder.finish().unwrap())
            };
            let cells = [&value, &other, &Value::Null];
            let sums: Vec<_> = cells.iter().flat_map(|one| cells.iter().map(|two| sum(one, two))).collect();
            for (n, one) in sums.iter().enumerate() {
                assert!(sums.iter().skip(n + 1).all(|other| one != other), "{what}, {n}");
            }
        }
    }

    #[test]
    fn a_hash_knows_its_table_its_row_and_nothing_of_its_neighbours() {
        let times: Vec<_> = (0..1_300).map(|ts| (ts, (ts % 3 > 0).then_some("x"), None)).collect();
        let whole = block(&times);
        let hashes = row_hashes("t", &whole);
        for rows in [0..1, 511..513, 7..1_299, 1_024..1_300] {
            assert_eq!(row_hashes("t", &whole.slice(rows.clone())), hashes[rows]);
        }
        let run = |table: &str, rows| crate::batch::Run { table: table.into(), rows };
        let runs = TableRuns {
            block: whole,
            runs: vec![run("t", 0..600), run("u", 600..601), run("t", 601..1_300)],
        };
        let of_runs = run_hashes(&runs);
        assert_eq!((&of_runs[..600], &of_runs[601..]), (&hashes[..600], &hashes[601..]));
        assert_ne!(of_runs[600], hashes[600]);
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
            parts.add(sum("t", second));
            prop_assert_eq!(whole, parts);
        }
    }
}
