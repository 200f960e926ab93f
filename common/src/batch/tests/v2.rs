//! The 2.x block: sentinels, values that look like them, and every value that 2.x can hold.

use proptest::prelude::*;

use super::super::{BadBlock, Block, Cell, Value};
use super::{columns, table, values};
use crate::schema::DataType;
use crate::time::Precision;

fn transcode(kinds: &[DataType], rows: usize, widths: &[usize], data: &[u8]) -> Result<Block, BadBlock> {
    Block::from_v2(columns(kinds), Precision::Micro, rows, widths, data)
}

fn one(kind: DataType, width: usize, cell: &[u8]) -> Value {
    transcode(&[kind], 1, &[width], cell).unwrap().cell(0, 0).to_value()
}

#[test]
fn a_sentinel_is_null_and_its_neighbours_are_not() {
    let fixed: [(DataType, &[u8], &[u8], Value); 14] = [
        (DataType::Bool, &[2], &[1], Value::Bool(true)),
        (DataType::TinyInt, &[0x80], &[0x81], Value::Int(-127)),
        (DataType::SmallInt, &[0, 0x80], &[1, 0x80], Value::Int(-32_767)),
        (DataType::Int, &[0, 0, 0, 0x80], &[1, 0, 0, 0x80], Value::Int(-2_147_483_647)),
        (DataType::BigInt, &[0, 0, 0, 0, 0, 0, 0, 0x80], &[1, 0, 0, 0, 0, 0, 0, 0x80], Value::Int(-i64::MAX)),
        (DataType::Timestamp, &[0, 0, 0, 0, 0, 0, 0, 0x80], &[0; 8], Value::Timestamp(0)),
        (DataType::UTinyInt, &[0xff], &[0xfe], Value::UInt(254)),
        (DataType::USmallInt, &[0xff; 2], &[0xff, 0x7f], Value::UInt(32_767)),
        (DataType::UInt, &[0xff; 4], &[0xfe, 0xff, 0xff, 0xff], Value::UInt(4_294_967_294)),
        (DataType::UBigInt, &[0xff; 8], &[0; 8], Value::UInt(0)),
        (
            DataType::Float,
            &[0, 0, 0xf0, 0x7f],
            &[0, 0, 0xc0, 0x7f],
            Value::Float(f32::from_bits(0x7fc0_0000)),
        ),
        (
            DataType::Float,
            &[0, 0, 0xf0, 0x7f],
            &[0, 0, 0xf0, 0xff],
            Value::Float(f32::from_bits(0xfff0_0000)),
        ),
        (
            DataType::Double,
            &[0, 0, 0, 0, 0, 0xff, 0xff, 0x7f],
            &[0, 0, 0, 0, 0, 0, 0xf8, 0x7f],
            Value::Double(f64::from_bits(0x7ff8_0000_0000_0000)),
        ),
        (
            DataType::Double,
            &[0, 0, 0, 0, 0, 0xff, 0xff, 0x7f],
            &[1, 0, 0, 0, 0, 0xff, 0xff, 0x7f],
            Value::Double(f64::from_bits(0x7fff_ff00_0000_0001)),
        ),
    ];
    for (kind, sentinel, neighbour, expected) in fixed {
        assert_eq!(one(kind, sentinel.len(), sentinel), Value::Null, "{kind:?}");
        assert_eq!(one(kind, neighbour.len(), neighbour), expected, "{kind:?}");
    }
}

#[test]
fn text_cells_are_null_only_as_their_type_says_it() {
    let cases: [(DataType, &[u8], Value); 10] = [
        (DataType::Binary, &[1, 0, 0xff, 9, 9, 9], Value::Null),
        (DataType::Binary, &[0, 0, 0xff, 9, 9, 9], Value::Binary(vec![])),
        (DataType::Binary, &[2, 0, 0xff, 0xff, 9, 9], Value::Binary(vec![0xff, 0xff])),
        (DataType::Binary, &[4, 0, 0xff, 0xff, 0xff, 0xff], Value::Binary(vec![0xff; 4])),
        (DataType::Binary, &[1, 0, 0, 9, 9, 9], Value::Binary(vec![0])),
        (DataType::Nchar, &[4, 0, 0xff, 0xff, 0xff, 0xff], Value::Null),
        (DataType::Nchar, &[0, 0, 0xff, 0xff, 0xff, 0xff], Value::Nchar(String::new())),
        (DataType::Nchar, &[4, 0, 0xf0, 0x9f, 0x98, 0x80], Value::Nchar("\u{1f600}".into())),
        (DataType::Json, &[4, 0, 0xff, 0xff, 0xff, 0xff], Value::Null),
        (DataType::Json, &[2, 0, b'{', b'}', 0, 0], Value::Json("{}".into())),
    ];
    for (kind, cell, expected) in cases {
        assert_eq!(one(kind, 6, cell), expected, "{kind:?} {cell:?}");
    }
}

#[test]
fn columns_written_by_hand_become_the_rows_they_hold() {
    let data = [
        [5_i64.to_le_bytes(), 6_i64.to_le_bytes()].concat(),
        vec![3, 0, b'a', b'b', b'c', 0, 0, 1, 0, 0xff, 7, 7, 7, 7],
        vec![2, 0x80],
        [vec![6, 0], "涛思".into(), vec![0, 0], vec![2, 0], "ab".into(), vec![0; 6]].concat(),
    ]
    .concat();
    let kinds = [DataType::Timestamp, DataType::Binary, DataType::TinyInt, DataType::Nchar];
    let block = transcode(&kinds, 2, &[8, 7, 1, 10], &data).unwrap();
    let rows = [
        vec![Value::Timestamp(5), Value::Binary(b"abc".to_vec()), Value::Int(2), Value::Nchar("涛思".into())],
        vec![Value::Timestamp(6), Value::Null, Value::Null, Value::Nchar("ab".into())],
    ];
    assert_eq!(values(&block), rows);
    assert_eq!(block.precision(), Precision::Micro);
}

#[test]
fn what_is_no_2x_block_is_refused() {
    let int = DataType::Int;
    let text = DataType::Nchar;
    let cases: [(DataType, usize, &[usize], &[u8]); 8] = [
        (int, 1, &[4], &[0; 3]),
        (int, 1, &[4], &[0; 5]),
        (int, 1, &[8], &[0; 8]),
        (int, 1, &[4, 4], &[0; 8]),
        (int, usize::MAX, &[4], &[0; 4]),
        (text, 1, &[1], &[0; 1]),
        (text, 1, &[4], &[3, 0, b'a', b'b']),
        (text, 1, &[4], &[1, 0, 0xe6, 0]),
    ];
    for (kind, rows, widths, data) in cases {
        assert!(transcode(&[kind], rows, widths, data).is_err(), "{kind:?} {rows} {widths:?} {data:?}");
    }
}

/// A value as 2.x holds it in a cell; `None` where 2.x takes that very pattern for NULL.
fn encode(value: &Value, kind: DataType, width: usize) -> Option<Vec<u8>> {
    let text = |bytes: &[u8]| {
        let mut cell = u16::try_from(bytes.len()).unwrap().to_le_bytes().to_vec();
        cell.extend(bytes);
        cell.resize(width, 0xee);
        cell
    };
    let sentinel = |kind: DataType| match kind {
        DataType::Bool => vec![2],
        DataType::Float => 0x7ff0_0000_u32.to_le_bytes().to_vec(),
        DataType::Double => 0x7fff_ff00_0000_0000_u64.to_le_bytes().to_vec(),
        DataType::Binary => text(&[0xff]),
        DataType::Nchar | DataType::Json => text(&[0xff; 4]),
        DataType::UTinyInt | DataType::USmallInt | DataType::UInt | DataType::UBigInt => vec![0xff; width],
        _ => [vec![0; width - 1], vec![0x80]].concat(),
    };
    let cell = match value {
        Value::Null => return Some(sentinel(kind)),
        Value::Bool(value) => vec![u8::from(*value)],
        Value::Int(value) | Value::Timestamp(value) => value.to_le_bytes()[..width].to_vec(),
        Value::UInt(value) => value.to_le_bytes()[..width].to_vec(),
        Value::Float(value) => value.to_le_bytes().to_vec(),
        Value::Double(value) => value.to_le_bytes().to_vec(),
        Value::Binary(bytes) => text(bytes),
        Value::Nchar(value) | Value::Json(value) => text(value.as_bytes()),
    };
    // What lies behind a text is padding, so only length and text decide.
    let known = |cell: &[u8]| if kind.width().is_some() { cell.len() } else { 2 + usize::from(cell[0]) };
    let null = sentinel(kind);
    (cell[..known(&cell)] != null[..known(&null)]).then_some(cell)
}

proptest! {
    #[test]
    fn every_value_that_2x_can_hold_comes_through_and_its_digest_with_it((kinds, mut rows) in table()) {
        let widths: Vec<usize> = kinds.iter().map(|kind| kind.width().unwrap_or(82)).collect();
        let mut data = Vec::new();
        for (col, (kind, width)) in kinds.iter().zip(&widths).enumerate() {
            for row in &mut rows {
                let cell = encode(&row[col], *kind, *width);
                if cell.is_none() {
                    row[col] = Value::Null;
                }
                data.extend(cell.or_else(|| encode(&Value::Null, *kind, *width)).unwrap());
            }
        }
        let block = transcode(&kinds, rows.len(), &widths, &data).unwrap();
        prop_assert_eq!(values(&block), &rows[..]);
        let read = Block::from_raw(columns(&kinds), Precision::Micro, block.raw()).unwrap();
        prop_assert_eq!(values(&read), &rows[..]);
        let sum = |block| crate::digest::RowSum::of_block("t", block);
        prop_assert_eq!(sum(&block), sum(&super::build(&kinds, &rows)));
    }
}

#[test]
fn nchar_that_is_no_text_is_kept_as_it_is_and_read_leniently() {
    let raw = [0x61_u32, 0xd800, 0x11_0000].map(u32::to_le_bytes).concat();
    let cell = super::super::Nchar::new(&raw);
    assert_eq!((cell.to_string_lossy().as_str(), cell.to_string_strict()), ("a\u{fffd}\u{fffd}", None));
    assert_eq!(Cell::Nchar(cell).to_value(), Value::Nchar("a\u{fffd}\u{fffd}".into()));
    assert_eq!(cell.as_bytes(), raw);
}
