//! Values held against the lengths of the target's columns: which rows are too long, and how they are made to fit. Pure.

use std::collections::BTreeMap;

use tdferry_common::batch::{BadBlock, Block, BlockBuilder};
use tdferry_common::schema::{Column, DataType};

/// Bytes of one character of NCHAR.
const CHARACTER: usize = 4;

/// What becomes of a value that is too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Made {
    /// As much of it as fits.
    Shorter,
    /// NULL.
    Null,
}

/// Bytes that each of a block's columns may hold at the target; `None` where any value fits.
pub(super) struct Room(Vec<Option<usize>>);

impl Room {
    /// The room that a target's columns have for those of a block, which go by the target's names here. A column that the
    /// target lacks takes anything.
    pub(super) fn of(columns: &[Column], target: &[Column]) -> Self {
        let target: BTreeMap<&str, &Column> =
            target.iter().map(|column| (column.name.as_str(), column)).collect();
        let room = |column: &Column| {
            let own = target.get(column.name.as_str())?;
            let length = usize::try_from(own.length).ok()?;
            match own.data_type {
                DataType::Binary => Some(length),
                DataType::Nchar => length.checked_mul(CHARACTER),
                _ => None,
            }
        };
        Self(columns.iter().map(room).collect())
    }

    /// The columns of a row whose values are too long.
    pub(super) fn overfull<'a>(&'a self, block: &'a Block, row: usize) -> impl Iterator<Item = usize> + 'a {
        let is_over = move |(col, room): (usize, &Option<usize>)| {
            let length = block.payload_of(row, col).map_or(0, <[u8]>::len);
            room.is_some_and(|room| length > room).then_some(col)
        };
        self.0.iter().enumerate().filter_map(is_over)
    }

    /// The block with every value made to fit.
    pub(super) fn fitted(&self, block: &Block, made: Made) -> Result<Block, BadBlock> {
        let mut builder = BlockBuilder::new(std::sync::Arc::clone(block.columns()), block.precision());
        for row in 0..block.rows() {
            let cell = |(col, room): (usize, &Option<usize>)| {
                let bytes = block.payload_of(row, col)?;
                match (room, made) {
                    (Some(room), Made::Shorter) if bytes.len() > *room => {
                        Some(shorter(bytes, *room).to_vec())
                    }
                    (Some(room), Made::Null) if bytes.len() > *room => None,
                    _ => Some(bytes.to_vec()),
                }
            };
            builder.push_payloads(self.0.iter().enumerate().map(cell).collect())?;
        }
        builder.finish()
    }

    /// The columns, as long as the longest value of the block needs them; those that are long enough are left out.
    pub(super) fn lacking(&self, block: &Block) -> Vec<Column> {
        let mut longest = BTreeMap::new();
        for row in 0..block.rows() {
            for col in self.overfull(block, row) {
                let length = block.payload_of(row, col).map_or(0, <[u8]>::len);
                let known = longest.entry(col).or_insert(0);
                *known = length.max(*known);
            }
        }
        let column = |(col, bytes): (usize, usize)| {
            let source = block.columns().get(col)?;
            let per = if source.data_type == DataType::Nchar { CHARACTER } else { 1 };
            let needed = u32::try_from(bytes.div_ceil(per)).ok()?;
            Some(Column { length: source.length.max(needed), ..source.clone() })
        };
        longest.into_iter().filter_map(column).collect()
    }
}

/// The beginning of a value: of text no part of a character, of other bytes as many as fit.
fn shorter(bytes: &[u8], room: usize) -> &[u8] {
    let text = std::str::from_utf8(bytes).map(|text| text.floor_char_boundary(room));
    bytes.get(..text.unwrap_or(room)).unwrap_or(bytes)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tdferry_common::batch::Value;
    use tdferry_common::time::Precision;

    use super::*;

    fn columns(binary: u32, nchar: u32) -> [Column; 3] {
        let column = |name: &str, data_type, length| Column { name: name.into(), data_type, length };
        [
            column("ts", DataType::Timestamp, 8),
            column("b", DataType::Binary, binary),
            column("n", DataType::Nchar, nchar),
        ]
    }

    fn block(rows: &[(&[u8], &str)]) -> Block {
        let mut builder = BlockBuilder::new(Arc::from(columns(20, 20)), Precision::Milli);
        for (at, (binary, nchar)) in (0..).zip(rows) {
            let row = [Value::Timestamp(at), Value::Binary(binary.to_vec()), Value::Nchar((*nchar).into())];
            builder.push_row(&row).unwrap();
        }
        builder.finish().unwrap()
    }

    fn values(block: &Block, row: usize) -> [Value; 2] {
        [1, 2].map(|col| block.cell(row, col).to_value())
    }

    #[test]
    fn values_are_held_against_the_targets_columns_by_name() {
        let block = block(&[(b"1234", "123"), (b"12345", "1234"), (b"", "")]);
        let mut target = columns(4, 3);
        target.reverse();
        let room = Room::of(block.columns(), &target);
        let overfull = |row| room.overfull(&block, row).collect::<Vec<_>>();
        assert_eq!([overfull(0), overfull(1), overfull(2)], [vec![], vec![1, 2], vec![]]);
        assert!(Room::of(block.columns(), &columns(4, 4)[..1]).overfull(&block, 1).next().is_none());
    }

    #[test]
    fn a_value_is_cut_between_characters_and_bytes_that_are_no_text_anywhere() {
        let long = block(&[("涛思数据".as_bytes(), "涛思数据"), (&[0xff; 6], "ab")]);
        let room = Room::of(long.columns(), &columns(4, 3));
        let cut = room.fitted(&long, Made::Shorter).unwrap();
        assert_eq!(values(&cut, 0), [Value::Binary("涛".into()), Value::Nchar("涛思数".into())]);
        assert_eq!(values(&cut, 1), [Value::Binary(vec![0xff; 4]), Value::Nchar("ab".into())]);
        let null = room.fitted(&long, Made::Null).unwrap();
        assert_eq!(values(&null, 0), [Value::Null, Value::Null]);
        assert_eq!(values(&null, 1), [Value::Null, Value::Nchar("ab".into())]);
        assert_eq!((0..2).map(|row| null.timestamp(row)).collect::<Vec<_>>(), [Some(0), Some(1)]);
    }

    #[test]
    fn a_column_is_to_be_as_long_as_the_sources_and_as_its_longest_value() {
        let long = block(&[(b"12345", "1234567890123456789012"), (b"", "x")]);
        let lacking = Room::of(long.columns(), &columns(4, 3)).lacking(&long);
        let told: Vec<_> = lacking.iter().map(|column| (column.name.as_str(), column.length)).collect();
        assert_eq!(told, [("b", 20), ("n", 22)]);
        assert!(Room::of(long.columns(), &columns(5, 22)).lacking(&long).is_empty());
    }
}
