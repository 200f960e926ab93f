//! The layout, byte by byte, and what is refused.

use bytes::Bytes;
use proptest::prelude::*;

use super::super::{Block, Cell, Value};
use super::{build, columns, table, values};
use crate::schema::DataType;
use crate::time::Precision;

const KINDS: [DataType; 4] = [DataType::Timestamp, DataType::TinyInt, DataType::Binary, DataType::Nchar];

/// Two rows: (1, NULL, "", "涛") and (2, -3, "ab", NULL), written down from the description of the layout.
fn by_hand(lengths: [u32; 2]) -> Vec<u8> {
    let mut raw = Vec::new();
    for word in [1_u32, 0, 2, 4, 0xffff_ffff, 0, 0] {
        raw.extend(word.to_le_bytes());
    }
    for (kind, length) in [(9_u8, 8_u32), (2, 1), (8, lengths[0]), (10, lengths[1])] {
        raw.push(kind);
        raw.extend(length.to_le_bytes());
    }
    for length in [16_u32, 2, 6, 6] {
        raw.extend(length.to_le_bytes());
    }
    raw.extend([0b0000_0000, 1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0]);
    raw.extend([0b1000_0000, 0, 0xfd]);
    raw.extend([0, 0, 0, 0, 2, 0, 0, 0]);
    raw.extend([0, 0, 2, 0, b'a', b'b']);
    raw.extend([0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff]);
    raw.extend([4, 0, 0x9b, 0x6d, 0, 0]);
    let total = u32::try_from(raw.len()).unwrap();
    raw[4..8].copy_from_slice(&total.to_le_bytes());
    raw
}

fn rows_by_hand() -> Vec<Vec<Value>> {
    vec![
        vec![Value::Timestamp(1), Value::Null, Value::Binary(vec![]), Value::Nchar("涛".into())],
        vec![Value::Timestamp(2), Value::Int(-3), Value::Binary(b"ab".to_vec()), Value::Null],
    ]
}

fn read(raw: Vec<u8>) -> Result<Block, super::super::BadBlock> {
    Block::from_raw(columns(&KINDS), Precision::Milli, Bytes::from(raw))
}

#[test]
fn a_block_written_by_hand_is_read_and_a_built_one_is_the_same_bytes() {
    let block = read(by_hand([22, 82])).unwrap();
    assert_eq!(values(&block), rows_by_hand());
    assert_eq!([block.timestamp(0), block.timestamp(1), block.timestamp(2)], [Some(1), Some(2), None]);
    assert_eq!(build(&KINDS, &rows_by_hand()).raw(), by_hand([22, 82]));
}

#[test]
fn lengths_of_zero_in_the_schema_of_text_columns_do_no_harm() {
    assert_eq!(values(&read(by_hand([0, 0])).unwrap()), rows_by_hand());
}

#[test]
fn bytes_after_the_last_column_do_no_harm() {
    let mut raw = by_hand([22, 82]);
    raw.push(0);
    assert_eq!(values(&read(raw).unwrap()), rows_by_hand());
}

#[test]
fn cells_may_share_their_place_and_are_told_apart_when_laid_out_anew() {
    let mut raw = by_hand([22, 82]);
    let offsets = raw.len() - 8 - 6 - 6 - 8;
    raw[offsets..offsets + 4].copy_from_slice(&2_i32.to_le_bytes());
    let block = read(raw).unwrap();
    assert_eq!([block.cell(0, 2), block.cell(1, 2)], [Cell::Binary(b"ab"), Cell::Binary(b"ab")]);
    assert_eq!(block.slice(0..1).cell(0, 2), Cell::Binary(b"ab"));
}

#[test]
fn cells_beyond_the_last_row_or_column_are_null() {
    let block = read(by_hand([22, 82])).unwrap();
    assert_eq!([block.cell(2, 0), block.cell(0, 4), block.cell(usize::MAX, usize::MAX)], [Cell::Null; 3]);
}

#[test]
fn what_is_no_block_is_refused_with_its_column_and_row() {
    let offsets = by_hand([22, 82]).len() - 8 - 6 - 6 - 8;
    let cases: [(usize, &[u8], &str); 9] = [
        (0, &[9], "version 9"),
        (8, &[200], "200 rows"),
        (8, &[0xff; 4], "rows"),
        (12, &[3], "4 columns expected, 3 found"),
        (28, &[5], "column \"c9\" (TIMESTAMP): type number 5 found"),
        (48, &[15], "15 bytes"),
        (offsets, &[5, 0, 0, 0], "column \"c8\" (BINARY): row 0"),
        (offsets + 4, &[0xfe, 0xff, 0xff, 0xff], "row 1 has a bad cell at -2"),
        (offsets + 8 + 6 + 8, &[3], "column \"c10\" (NCHAR): row 0"),
    ];
    for (at, bytes, expected) in cases {
        let mut raw = by_hand([22, 82]);
        raw[at..at + bytes.len()].copy_from_slice(bytes);
        let refusal = read(raw).map(|_| ()).unwrap_err().to_string();
        assert!(refusal.contains(expected), "{expected}: {refusal}");
    }
}

#[test]
fn a_block_cut_short_anywhere_is_refused() {
    let whole = by_hand([22, 82]);
    for length in 0..whole.len() {
        assert!(read(whole[..length].to_vec()).is_err(), "{length}");
    }
}

proptest! {
    #[test]
    fn what_is_put_into_a_block_comes_out_of_its_bytes((kinds, rows) in table()) {
        let built = build(&kinds, &rows);
        prop_assert_eq!(values(&built), &rows[..]);
        let read = Block::from_raw(columns(&kinds), Precision::Milli, built.raw()).unwrap();
        prop_assert_eq!(values(&read), rows);
        prop_assert_eq!(built.byte_len(), built.raw().len());
        prop_assert_eq!(u32::from_le_bytes(built.raw()[4..8].try_into().unwrap()) as usize, built.byte_len());
    }

    #[test]
    fn damaged_bytes_are_refused_or_read_but_never_panic(
        (kinds, rows) in table(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
    ) {
        let mut raw = build(&kinds, &rows).raw().to_vec();
        for (at, byte) in damage {
            let at = at.index(raw.len());
            raw[at] = byte;
        }
        if let Ok(block) = Block::from_raw(columns(&kinds), Precision::Milli, raw.into())
            && block.rows() < 1_000
        {
            values(&block);
            prop_assert_eq!(values(&block.filter(|row| row > 0)).len(), block.rows().saturating_sub(1));
        }
    }
}
