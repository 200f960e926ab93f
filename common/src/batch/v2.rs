//! From the 2.x block to the 3.x one.
//!
//! A 2.x block is its columns one after the other, each `rows` cells of one width, with no header. NULL is a
//! sentinel; a text cell is a `u16` length, its bytes and padding, with NCHAR already in UTF-8.

use std::sync::Arc;

use super::Block;
use super::layout::{self, BadBlock, Writer};
use crate::schema::{Column, DataType};
use crate::time::Precision;

impl Block {
    /// Transcodes a 2.x block of `rows` rows, whose cells are as wide as `cell_widths` says for each column.
    pub fn from_v2(
        columns: Arc<[Column]>,
        precision: Precision,
        rows: usize,
        cell_widths: &[usize],
        data: &[u8],
    ) -> Result<Self, BadBlock> {
        let expected = total(rows, cell_widths);
        if cell_widths.len() != columns.len() || columns.is_empty() || expected != Some(data.len()) {
            return Err(BadBlock::new(format!(
                "{} bytes for {rows} rows of {} columns with widths {cell_widths:?}",
                data.len(),
                columns.len()
            )));
        }
        let mut writer = Writer::new(Arc::clone(&columns), rows, data.len());
        let mut rest = data;
        for (column, width) in columns.iter().zip(cell_widths) {
            let (cells, after) = rest.split_at_checked(rows * width).unwrap_or((rest, &[]));
            rest = after;
            writer.begin();
            if let Some(own) = column.data_type.width() {
                if own != *width {
                    return Err(BadBlock::column(column, &format!("cells are {width} bytes wide")));
                }
                writer.out.extend_from_slice(cells);
                mark_nulls(column.data_type, writer.bitmap(), cells);
            } else {
                varied(&mut writer, column, cells, *width)?;
            }
            writer.end();
        }
        writer.finish(precision)
    }
}

fn total(rows: usize, cell_widths: &[usize]) -> Option<usize> {
    cell_widths.iter().try_fold(0_usize, |sum, width| sum.checked_add(*width))?.checked_mul(rows)
}

/// Sets the bit of every row whose value is its type's sentinel.
fn mark_nulls(data_type: DataType, bitmap: &mut [u8], cells: &[u8]) {
    match data_type {
        DataType::Bool => mark(bitmap, cells, [0x02]),
        DataType::TinyInt => mark(bitmap, cells, i8::MIN.to_le_bytes()),
        DataType::SmallInt => mark(bitmap, cells, i16::MIN.to_le_bytes()),
        DataType::Int => mark(bitmap, cells, i32::MIN.to_le_bytes()),
        DataType::BigInt | DataType::Timestamp => mark(bitmap, cells, i64::MIN.to_le_bytes()),
        DataType::UTinyInt => mark(bitmap, cells, [0xff; 1]),
        DataType::USmallInt => mark(bitmap, cells, [0xff; 2]),
        DataType::UInt => mark(bitmap, cells, [0xff; 4]),
        DataType::UBigInt => mark(bitmap, cells, [0xff; 8]),
        DataType::Float => mark(bitmap, cells, 0x7ff0_0000_u32.to_le_bytes()),
        DataType::Double => mark(bitmap, cells, 0x7fff_ff00_0000_0000_u64.to_le_bytes()),
        DataType::Binary | DataType::Nchar | DataType::Json => {}
    }
}

fn mark<const N: usize>(bitmap: &mut [u8], cells: &[u8], sentinel: [u8; N]) {
    for (byte, eight) in bitmap.iter_mut().zip(cells.chunks(8 * N)) {
        for (bit, cell) in eight.as_chunks::<N>().0.iter().enumerate() {
            *byte |= u8::from(*cell == sentinel) << (7 - bit);
        }
    }
}

fn varied(writer: &mut Writer, column: &Column, cells: &[u8], width: usize) -> Result<(), BadBlock> {
    let bad = |row: usize, what: &str| BadBlock::column(column, &format!("row {row} {what}"));
    if width < 2 {
        return Err(BadBlock::column(column, &format!("cells are {width} bytes wide")));
    }
    for (row, cell) in cells.chunks_exact(width).enumerate() {
        let payload = layout::prefixed(cell, 0).ok_or_else(|| bad(row, "is longer than its cell"))?;
        if is_null(column.data_type, payload) {
            writer.skip_cell(row);
        } else if column.data_type == DataType::Nchar {
            let text = std::str::from_utf8(payload).map_err(|_| bad(row, "is not UTF-8"))?;
            writer.push_text(row, text).ok_or_else(|| bad(row, "is too long as NCHAR"))?;
        } else {
            writer.push_cell(row, payload);
        }
    }
    Ok(())
}

fn is_null(data_type: DataType, payload: &[u8]) -> bool {
    match data_type {
        DataType::Binary => payload == [0xff],
        _ => payload == [0xff; 4],
    }
}
