//! Rows chosen, columns dropped, rows of many tables, and what a builder refuses.

use proptest::prelude::*;

use super::super::{Block, BlockBuilder, Run, TableRuns, Value};
use super::{build, columns, table, values};
use crate::schema::DataType;
use crate::time::Precision;

fn named(names: &[Value]) -> Block {
    let rows: Vec<_> =
        names.iter().zip(1..).map(|(name, ts)| vec![name.clone(), Value::Timestamp(ts)]).collect();
    build(&[DataType::Binary, DataType::Timestamp], &rows)
}

fn name(text: &str) -> Value {
    Value::Binary(text.into())
}

#[test]
fn neighbouring_rows_of_one_table_make_a_run() {
    let runs =
        TableRuns::from_named(named(&[name("b"), name("b"), name("涛"), name("b"), name("c")])).unwrap();
    let run = |table: &str, rows| Run { table: table.into(), rows };
    assert_eq!(runs.runs, [run("b", 0..2), run("涛", 2..3), run("b", 3..4), run("c", 4..5)]);
    assert_eq!((runs.rows(), runs.block.columns().len(), runs.block.timestamp(3)), (5, 1, Some(4)));
    assert_eq!(TableRuns::from_named(named(&[])).unwrap().runs, []);
}

#[test]
fn rows_that_name_no_table_are_refused() {
    for bad in [Value::Null, Value::Binary(vec![0xff, 0xfe])] {
        let refusal = TableRuns::from_named(named(&[name("a"), bad])).map(|_| ()).unwrap_err();
        assert!(refusal.to_string().contains("row 1"), "{refusal}");
    }
    let numbers = build(&[DataType::Int, DataType::Timestamp], &[vec![Value::Int(1), Value::Timestamp(1)]]);
    assert!(TableRuns::from_named(numbers).is_err());
}

#[test]
fn a_builder_refuses_what_does_not_fit_and_keeps_what_it_has() {
    let kinds = [DataType::Timestamp, DataType::TinyInt, DataType::UInt, DataType::Binary];
    let mut builder = BlockBuilder::new(columns(&kinds), Precision::Milli);
    let good =
        [Value::Timestamp(1), Value::Int(-128), Value::UInt(u32::MAX.into()), Value::Binary(vec![0; 65_535])];
    builder.push_row(&good).unwrap();
    let misfits = [
        (0, Value::Int(1)),
        (1, Value::Int(128)),
        (1, Value::UInt(1)),
        (2, Value::UInt(1 << 32)),
        (3, Value::Binary(vec![0; 65_536])),
        (3, Value::Nchar("a".into())),
    ];
    for (col, misfit) in misfits {
        let mut row = good.clone();
        row[col] = misfit;
        assert!(builder.push_row(&row).is_err(), "{col}");
    }
    assert!(builder.push_row(&good[..3]).is_err());
    assert_eq!(values(&builder.finish().unwrap()), [good.to_vec()]);
}

proptest! {
    #[test]
    fn a_slice_holds_those_rows((kinds, rows) in table(), from in 0_usize..25, to in 0_usize..25) {
        let slice = build(&kinds, &rows).slice(from..to);
        let expected = rows.get(from..to.min(rows.len())).unwrap_or_default();
        prop_assert_eq!(values(&slice), expected);
        let read = Block::from_raw(columns(&kinds), Precision::Milli, slice.raw()).unwrap();
        prop_assert_eq!(values(&read), expected);
    }

    #[test]
    fn a_filter_keeps_the_rows_it_wants((kinds, rows) in table(), wanted in any::<u32>()) {
        let keep = |row: usize| wanted & (1 << row) != 0;
        let kept = build(&kinds, &rows).filter(keep);
        let expected: Vec<_> = rows.iter().enumerate().filter(|(row, _)| keep(*row)).map(|(_, one)| one.clone()).collect();
        prop_assert_eq!(values(&kept), expected);
    }

    #[test]
    fn without_its_first_column_a_block_is_one_of_the_others((kinds, rows) in table(), again in any::<bool>()) {
        prop_assume!(kinds.len() > 2);
        let drop = if again { 2 } else { 1 };
        let mut block = build(&kinds, &rows).without_first();
        if again {
            block = block.without_first();
        }
        let rest: Vec<Vec<Value>> = rows.iter().map(|row| row[drop..].to_vec()).collect();
        prop_assert_eq!(values(&block), &rest[..]);
        prop_assert_eq!(block.raw(), build(&kinds[drop..], &rest).raw());
        prop_assert_eq!(block.byte_len(), block.raw().len());
        prop_assert_eq!(values(&block.filter(|row| row % 2 == 0)).len(), rest.len().div_ceil(2));
    }
}
