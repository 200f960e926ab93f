//! 3.x raw block: a 28-byte header `u32 version | u32 length | u32 rows | u32 columns | u32 flag | u64 group`,
//! then per column `u8 type, u32 bytes`, then per column `u32 data length`, then per column its data:
//! fixed types a bitmap (most significant bit first, 1 = NULL) and the values; variable ones `i32 offset` per
//! row (-1 = NULL) and cells of `u16 length` and bytes, NCHAR in UCS-4.

use super::ucs4::{push_ucs4, push_utf8};
use crate::data::{Batch, Column, DataType, Field, Nulls};

const HEADER: usize = 28;
const SCHEMA: usize = 5;
const VERSION: u32 = 1;
const FLAG: u32 = u32::MAX;
/// More columns than any table can have.
const MAX_COLUMNS: usize = 4_096 + 128;

pub(crate) fn encode(batch: &Batch, fields: &[Field], out: &mut Vec<u8>) {
    let start = out.len();
    let data: usize = batch.columns.iter().map(Column::bytes).sum();
    out.reserve(HEADER + fields.len() * 9 + data + batch.rows * fields.len() * 4);
    for word in [VERSION, 0, narrow(batch.rows), narrow(fields.len()), FLAG] {
        out.extend_from_slice(&word.to_le_bytes());
    }
    out.extend_from_slice(&0_u64.to_le_bytes());
    for field in fields {
        out.push(field.ty.code());
        out.extend_from_slice(&column_bytes(field).to_le_bytes());
    }
    let lengths = out.len();
    out.resize(lengths + fields.len() * 4, 0);
    for (at, column) in batch.columns.iter().enumerate() {
        let length = if column.ty().fixed_width().is_some() { fixed(column, out) } else { text(column, out) };
        out[lengths + at * 4..lengths + at * 4 + 4].copy_from_slice(&narrow(length).to_le_bytes());
    }
    let total = narrow(out.len() - start);
    out[start + 4..start + 8].copy_from_slice(&total.to_le_bytes());
}

/// Reads a block and tells how many bytes it took; `None` if it is not one.
pub(crate) fn decode(bytes: &[u8]) -> Option<(Batch, usize)> {
    let mut reader = Reader { bytes, at: 0 };
    let _version = reader.u32()?;
    let total = reader.u32()? as usize;
    let (rows, count) = (reader.u32()? as usize, reader.u32()? as usize);
    reader.take(12)?;
    if count > MAX_COLUMNS || total > bytes.len() {
        return None;
    }
    let types: Vec<DataType> =
        (0..count).map(|_| DataType::from_code(reader.take(SCHEMA)?[0])).collect::<Option<_>>()?;
    let lengths: Vec<usize> = (0..count).map(|_| Some(reader.u32()? as usize)).collect::<Option<_>>()?;
    let mut columns = Vec::with_capacity(count);
    for (ty, length) in types.into_iter().zip(lengths) {
        columns.push(match ty.fixed_width() {
            Some(width) => read_fixed(&mut reader, ty, rows, width)?,
            None => read_text(&mut reader, ty, rows, length)?,
        });
    }
    (reader.at == total).then_some((Batch { rows, columns }, total))
}

/// The length the schema gives: NCHAR counts bytes on the wire, and text has its length before it.
fn column_bytes(field: &Field) -> u32 {
    match field.ty {
        DataType::NChar => field.bytes * 4 + 2,
        DataType::Binary => field.bytes + 2,
        _ => field.bytes,
    }
}

fn fixed(column: &Column, out: &mut Vec<u8>) -> usize {
    let bitmap = out.len();
    out.resize(bitmap + column.len().div_ceil(8), 0);
    for (row, null) in column.nulls().as_slice().unwrap_or_default().iter().enumerate() {
        out[bitmap + row / 8] |= null << (7 - row % 8);
    }
    out.extend_from_slice(column.data());
    column.data().len()
}

fn text(column: &Column, out: &mut Vec<u8>) -> usize {
    let offsets = out.len();
    let cells = offsets + column.len() * 4;
    out.resize(cells, 0);
    for row in 0..column.len() {
        let at = offsets + row * 4;
        if column.is_null(row) {
            out[at..at + 4].copy_from_slice(&(-1_i32).to_le_bytes());
            continue;
        }
        let offset = narrow(out.len() - cells);
        out[at..at + 4].copy_from_slice(&offset.to_le_bytes());
        let start = out.len();
        out.extend_from_slice(&[0, 0]);
        match column.ty() {
            DataType::NChar => push_ucs4(column.cell(row), out),
            _ => out.extend_from_slice(column.cell(row)),
        }
        let length = u16::try_from(out.len() - start - 2).unwrap_or(u16::MAX);
        out[start..start + 2].copy_from_slice(&length.to_le_bytes());
    }
    out.len() - cells
}

fn read_fixed(reader: &mut Reader<'_>, ty: DataType, rows: usize, width: usize) -> Option<Column> {
    let bitmap = reader.take(rows.div_ceil(8))?;
    let data = reader.take(rows.checked_mul(width)?)?.to_vec();
    let nulls = if bitmap.iter().all(|byte| *byte == 0) {
        Nulls::default()
    } else {
        Nulls::from_bytes((0..rows).map(|row| bitmap[row / 8] >> (7 - row % 8) & 1).collect())
    };
    Some(Column::from_fixed(ty, data, nulls))
}

fn read_text(reader: &mut Reader<'_>, ty: DataType, rows: usize, length: usize) -> Option<Column> {
    let offsets = reader.take(rows.checked_mul(4)?)?;
    let data = reader.take(length)?;
    let mut column = Column::new(ty);
    column.reserve(rows, length);
    let mut utf8 = Vec::new();
    for offset in offsets.chunks_exact(4) {
        let Ok(at) = usize::try_from(i32::from_le_bytes(offset.try_into().ok()?)) else {
            column.push_null();
            continue;
        };
        let mut cell = Reader { bytes: data, at };
        let length = u16::from_le_bytes(cell.take(2)?.try_into().ok()?);
        let cell = cell.take(length.into())?;
        if ty == DataType::NChar {
            utf8.clear();
            push_utf8(cell, &mut utf8)?;
            column.push_cell(&utf8);
        } else {
            column.push_cell(cell);
        }
    }
    Some(column)
}

fn narrow(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let end = self.at.checked_add(count)?;
        let taken = self.bytes.get(self.at..end)?;
        self.at = end;
        Some(taken)
    }

    fn u32(&mut self) -> Option<u32> {
        self.take(4)?.try_into().ok().map(u32::from_le_bytes)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::data::Value;

    fn batch() -> (Batch, Vec<Field>) {
        let mut int = Column::new(DataType::Int);
        [Value::Int(7), Value::Null, Value::Int(-1)].iter().for_each(|value| int.push_value(value));
        let mut text = Column::new(DataType::Binary);
        [Value::from("ab"), Value::from(""), Value::Null].iter().for_each(|value| text.push_value(value));
        let mut wide = Column::new(DataType::NChar);
        [Value::Null, Value::from("汉"), Value::from("x")].iter().for_each(|value| wide.push_value(value));
        let fields =
            vec![Field::fixed("i", DataType::Int), Field::text("t", 4), Field::new("w", DataType::NChar, 2)];
        (Batch { rows: 3, columns: vec![int, text, wide] }, fields)
    }

    #[rustfmt::skip]
    const BYTES: &[u8] = &[
        1, 0, 0, 0,  125, 0, 0, 0,  3, 0, 0, 0,  3, 0, 0, 0,  0xFF, 0xFF, 0xFF, 0xFF,  0, 0, 0, 0, 0, 0, 0, 0,
        4, 4, 0, 0, 0,  8, 6, 0, 0, 0,  10, 10, 0, 0, 0,
        12, 0, 0, 0,  6, 0, 0, 0,  12, 0, 0, 0,
        0b0100_0000,  7, 0, 0, 0,  0, 0, 0, 0x80,  0xFF, 0xFF, 0xFF, 0xFF,
        0, 0, 0, 0,  4, 0, 0, 0,  0xFF, 0xFF, 0xFF, 0xFF,  2, 0, b'a', b'b',  0, 0,
        0xFF, 0xFF, 0xFF, 0xFF,  0, 0, 0, 0,  6, 0, 0, 0,  4, 0, 0x49, 0x6C, 0, 0,  4, 0, b'x', 0, 0, 0,
    ];

    #[test]
    fn a_block_is_laid_out_byte_for_byte_as_known() {
        let (batch, fields) = batch();
        let mut out = Vec::new();
        encode(&batch, &fields, &mut out);
        let mut want = BYTES.to_vec();
        want[4] = u8::try_from(BYTES.len()).unwrap();
        assert_eq!(out, want);
    }

    #[test]
    fn a_block_reads_back_as_it_was() {
        let (batch, fields) = batch();
        let mut out = Vec::new();
        encode(&batch, &fields, &mut out);
        let (read, used) = decode(&out).unwrap();
        assert_eq!((read.rows, used), (3, out.len()));
        for (read, written) in read.columns.iter().zip(&batch.columns) {
            let all = |column: &Column| (0..3).map(|row| column.value(row)).collect::<Vec<_>>();
            assert_eq!(all(read), all(written));
        }
    }

    proptest! {
        #[test]
        fn damaged_blocks_are_refused_and_never_panic(at in 0_usize..120, byte: u8, cut in 0_usize..140) {
            let (batch, fields) = batch();
            let mut out = Vec::new();
            encode(&batch, &fields, &mut out);
            let at = at % out.len();
            out[at] = byte;
            out.truncate(cut.max(1).min(out.len()));
            let _ = decode(&out);
        }
    }
}
