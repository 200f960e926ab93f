//! How much at once: names in a slice, bytes read ahead, tables whose rows are worth counting one by one. Pure.

use tdferry_common::schema::{Column, DataType};
use tdferry_common::shard::Estimate;

/// Bytes read and not yet taken to be written, per lease: a few narrow blocks; one larger passes alone. More of them were
/// measured to help nothing.
pub(crate) const READ_AHEAD_BYTES: usize = 256 * 1024;
/// Rows of a slice, by design: what is read again when a stream breaks, or when a lease is lost between commits.
const SLICE_ROWS: u64 = 100_000;
/// Bytes of a slice, by design.
const SLICE_BYTES: u64 = 8 * 1024 * 1024;
/// A slice with so many times the rows or bytes it should have is read in smaller ones: what is expected of a table may
/// well be wrong by half, but a slice that never ends never commits either.
const SLICE_OVERFULL: u64 = 4;
/// An overfull slice is read again in so many parts: a table found in few tries is worth a few queries more.
const OVERFULL_PARTS: u32 = 8;
/// Names of a slice: more do not make reading faster, and a slice of nearly empty tables should still commit.
const SLICE_NAMES: u64 = 4_096;
/// Up to here a source counts a stable's rows by subtable in far less than a second; beyond ten thousand it may fail.
pub(crate) const EXACT_TABLES: u64 = 2_000;
/// Text columns are rarely full; this much of their declared length is what they are taken to hold.
const USUAL_FILL: u32 = 2;
/// JSON has no declared length.
const USUAL_JSON: u32 = 64;

/// How many subtables a sparse shard reads together, if it has this many and this is expected of them.
pub(crate) fn slice_names(estimate: Estimate, tables: u32) -> u32 {
    let tables = u64::from(tables.max(1));
    let fitting = |limit: u64, expected: u64| limit.saturating_mul(tables) / expected.max(1);
    let names = fitting(SLICE_ROWS, estimate.rows).min(fitting(SLICE_BYTES, estimate.bytes));
    u32::try_from(names.clamp(1, SLICE_NAMES)).unwrap_or(1)
}

/// Whether a slice holds far more than a slice should.
pub(crate) fn is_overfull(rows: u64, bytes: u64) -> bool {
    rows > SLICE_ROWS * SLICE_OVERFULL || bytes > SLICE_BYTES * SLICE_OVERFULL
}

/// How many subtables to read together where so many were overfull; `None` where it was one alone.
pub(crate) fn fewer_names(names: u32) -> Option<u32> {
    (names > 1).then(|| (names / OVERFULL_PARTS).max(1))
}

/// Bytes that a row of these columns usually takes.
pub(crate) fn row_bytes(columns: &[Column]) -> u32 {
    let one = |column: &Column| match column.data_type {
        DataType::Binary => column.length / USUAL_FILL,
        DataType::Nchar => column.length.saturating_mul(4) / USUAL_FILL,
        DataType::Json => USUAL_JSON,
        fixed => fixed.width().and_then(|width| u32::try_from(width).ok()).unwrap_or(0),
    };
    columns.iter().map(one).fold(0, u32::saturating_add)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_slice_is_bounded_by_rows_by_bytes_and_by_names() {
        let names = |rows, bytes, tables| slice_names(Estimate { rows, bytes }, tables);
        assert_eq!(names(1_000_000, 0, 1_000), 100);
        assert_eq!(names(1_000_000, 16 * SLICE_BYTES, 1_000), 62);
        assert_eq!(names(0, 0, 50_000), 4_096);
        assert_eq!(names(u64::MAX, u64::MAX, 3), 1);
    }

    #[test]
    fn a_row_is_as_wide_as_its_columns_usually_are() {
        let column = |data_type, length| Column { name: "c".into(), data_type, length };
        let columns = [
            column(DataType::Timestamp, 8),
            column(DataType::Bool, 1),
            column(DataType::Binary, 20),
            column(DataType::Nchar, 10),
        ];
        assert_eq!(row_bytes(&columns), 8 + 1 + 10 + 20);
    }

    proptest! {
        #[test]
        fn a_slice_holds_at_least_one_name_and_no_more_rows_than_it_may(
            rows in 0_u64..u64::MAX / 2, bytes: u64, tables in 0_u32..5_000_000,
        ) {
            let names = u64::from(slice_names(Estimate { rows, bytes }, tables));
            prop_assert!((1..=SLICE_NAMES).contains(&names));
            let expected = u128::from(names) * u128::from(rows) / u128::from(tables.max(1));
            prop_assert!(names == 1 || expected <= u128::from(SLICE_ROWS));
        }
    }
}
