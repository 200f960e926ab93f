//! The 3.x raw block byte by byte: header, where each column lies, and the writer that lays columns out.
//!
//! Little endian throughout. Header: `u32` version, length, rows, columns, flags, `u64` group. Then per column
//! `u8` type and `u32` length, then per column the `u32` length of its data, then the columns: a bitmap (first row
//! in the highest bit, 1 is NULL) and the values, or an `i32` offset a row (-1 is NULL) and `u16`-prefixed cells.

use std::sync::Arc;

use bytes::Bytes;

use super::Block;
use crate::schema::{Column, DataType};
use crate::time::Precision;

/// Bytes before the schema.
pub(super) const HEADER: usize = 28;
/// Bytes of schema and data length for one column.
pub(super) const PER_COLUMN: usize = 5 + 4;
/// The only version of the layout that can hold what 2.x holds.
const VERSION: u32 = 1;
/// What the server itself writes there; nothing reads it.
const FLAGS: u32 = u32::MAX;
/// Offsets are `i32`, so nothing larger can be addressed.
pub(super) const MOST_BYTES: usize = i32::MAX as usize;
/// The offset that means NULL.
pub(super) const NULL_OFFSET: i32 = -1;

/// Bytes, a row or a value that are no block.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("rows cannot be read as a block: {what}")]
pub struct BadBlock {
    what: String,
}

impl BadBlock {
    pub(super) fn new(what: impl Into<String>) -> Self {
        Self { what: what.into() }
    }

    pub(super) fn column(column: &Column, what: &str) -> Self {
        Self::new(format!("column {:?} ({}): {what}", column.name, column.data_type.sql()))
    }
}

/// Where one column lies in the block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Lane {
    /// Start of the bitmap, or of the offsets.
    pub(super) head: usize,
    /// Start of the values, or of the cells.
    pub(super) data: usize,
    /// End of both.
    pub(super) end: usize,
}

/// Bytes of a bitmap for so many rows.
pub(super) const fn bitmap_len(rows: usize) -> usize {
    rows.div_ceil(8)
}

/// Bytes of a column besides its data.
pub(super) const fn head_len(data_type: DataType, rows: usize) -> usize {
    match data_type.width() {
        Some(_) => bitmap_len(rows),
        None => rows * 4,
    }
}

/// Whether a bitmap says NULL for a row.
pub(super) fn bit(bitmap: &[u8], row: usize) -> bool {
    bitmap.get(row / 8).is_some_and(|byte| byte & (0x80 >> (row % 8)) != 0)
}

/// `N` bytes at a place; zeros beyond the end, which checked blocks never reach.
pub(super) fn fixed<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    bytes.get(at..).and_then(|rest| rest.first_chunk::<N>()).copied().unwrap_or([0; N])
}

/// The payload of the `u16`-prefixed cell at an offset; `None` where it leaves its column.
pub(super) fn prefixed(cells: &[u8], at: usize) -> Option<&[u8]> {
    let (length, rest) = cells.get(at..)?.split_first_chunk::<2>()?;
    rest.get(..usize::from(u16::from_le_bytes(*length)))
}

/// Checks a whole block once and tells its rows and where its columns lie. Later reads rest on this.
pub(super) fn check(columns: &[Column], raw: &[u8]) -> Result<(usize, Vec<Lane>), BadBlock> {
    let word = |at: usize| u32::from_le_bytes(fixed(raw, at));
    let size = |at: usize| usize::try_from(word(at)).unwrap_or(usize::MAX);
    let mut at = HEADER + columns.len() * PER_COLUMN;
    if raw.len() < at || raw.len() > MOST_BYTES {
        return Err(BadBlock::new(format!("{} bytes cannot hold {} columns", raw.len(), columns.len())));
    }
    if word(0) != VERSION {
        return Err(BadBlock::new(format!("layout version {} is not known, only {VERSION}", word(0))));
    }
    let (rows, count) = (size(8), size(12));
    if count != columns.len() || columns.is_empty() {
        return Err(BadBlock::new(format!("{} columns expected, {count} found", columns.len())));
    }
    let (mut lanes, mut unpacked) = (Vec::with_capacity(count), 0_usize);
    for (n, column) in columns.iter().enumerate() {
        let code = raw.get(HEADER + n * 5).copied().unwrap_or_default();
        if code != column.data_type.code() {
            return Err(BadBlock::column(column, &format!("type number {code} found")));
        }
        let data = at.saturating_add(head_len(column.data_type, rows.min(MOST_BYTES)));
        let lane = Lane { head: at, data, end: data.saturating_add(size(HEADER + count * 5 + n * 4)) };
        unpacked = unpacked.saturating_add(check_lane(column, raw, rows, lane)?);
        at = lane.end;
        lanes.push(lane);
    }
    if unpacked > MOST_BYTES {
        return Err(BadBlock::new(format!("{unpacked} bytes of cells are too many")));
    }
    Ok((rows, lanes))
}

/// Checks one column and tells how many bytes its cells take when none share their place.
fn check_lane(column: &Column, raw: &[u8], rows: usize, lane: Lane) -> Result<usize, BadBlock> {
    let (Some(head), Some(cells)) = (raw.get(lane.head..lane.data), raw.get(lane.data..lane.end)) else {
        return Err(BadBlock::column(column, &format!("{rows} rows do not end within {} bytes", raw.len())));
    };
    if let Some(width) = column.data_type.width() {
        if Some(cells.len()) != rows.checked_mul(width) {
            return Err(BadBlock::column(column, &format!("{} bytes for {rows} rows", cells.len())));
        }
        return Ok(cells.len());
    }
    let mut unpacked = 0_usize;
    for (row, offset) in head.as_chunks::<4>().0.iter().enumerate() {
        let offset = i32::from_le_bytes(*offset);
        if offset == NULL_OFFSET {
            continue;
        }
        let payload = usize::try_from(offset).ok().and_then(|offset| prefixed(cells, offset));
        let whole = |payload: &&[u8]| column.data_type != DataType::Nchar || payload.len().is_multiple_of(4);
        let Some(payload) = payload.filter(whole) else {
            return Err(BadBlock::column(column, &format!("row {row} has a bad cell at {offset}")));
        };
        unpacked = unpacked.saturating_add(payload.len() + 2);
    }
    Ok(unpacked)
}

/// Lays out a block column by column.
pub(super) struct Writer {
    columns: Arc<[Column]>,
    rows: usize,
    /// The block so far; a column's head and data are appended here between `begin` and `end`.
    pub(super) out: Vec<u8>,
    lanes: Vec<Lane>,
    /// Where the head of the column that began last starts.
    head: usize,
}

impl Writer {
    /// A block of these columns; `room` is how many bytes its columns will take, as well as it is known.
    pub(super) fn new(columns: Arc<[Column]>, rows: usize, room: usize) -> Self {
        let front = HEADER + columns.len() * PER_COLUMN;
        let mut out = Vec::with_capacity(front + room);
        out.resize(front, 0);
        let lanes = Vec::with_capacity(columns.len());
        Self { columns, rows, out, lanes, head: front }
    }

    /// Reserves a zeroed head for the next column.
    pub(super) fn begin(&mut self) {
        let head = self.out.len();
        let data_type = self.columns.get(self.lanes.len()).map_or(DataType::Bool, |column| column.data_type);
        self.out.resize(head + head_len(data_type, self.rows), 0);
        self.lanes.push(Lane { head, data: self.out.len(), end: self.out.len() });
        self.head = head;
    }

    /// Ends the column that began last.
    pub(super) fn end(&mut self) {
        if let Some(lane) = self.lanes.last_mut() {
            lane.end = self.out.len();
        }
    }

    /// The bitmap of the column that began last, before its values are appended or after.
    pub(super) fn bitmap(&mut self) -> &mut [u8] {
        self.out.get_mut(self.head..self.head + bitmap_len(self.rows)).unwrap_or_default()
    }

    /// Marks a row as NULL in the bitmap.
    pub(super) fn mark_null(&mut self, row: usize) {
        if let Some(byte) = self.bitmap().get_mut(row / 8) {
            *byte |= 0x80 >> (row % 8);
        }
    }

    /// Says in the offsets that a row is NULL.
    pub(super) fn skip_cell(&mut self, row: usize) {
        self.set_offset(row, NULL_OFFSET);
    }

    /// Appends the cell of a row that has a length of its own. Callers bound the payload to `u16`.
    pub(super) fn push_cell(&mut self, row: usize, payload: &[u8]) {
        self.set_offset(row, self.next_offset());
        self.out.extend_from_slice(&u16::try_from(payload.len()).unwrap_or(u16::MAX).to_le_bytes());
        self.out.extend_from_slice(payload);
    }

    /// Appends text as NCHAR; `None` where it is longer than a cell can be.
    pub(super) fn push_text(&mut self, row: usize, text: &str) -> Option<()> {
        self.set_offset(row, self.next_offset());
        let prefix = self.out.len();
        self.out.extend_from_slice(&[0, 0]);
        for character in text.chars() {
            self.out.extend_from_slice(&u32::from(character).to_le_bytes());
        }
        let length = u16::try_from(self.out.len() - prefix - 2).ok()?;
        self.put(prefix, &length.to_le_bytes());
        Some(())
    }

    fn set_offset(&mut self, row: usize, offset: i32) {
        self.put(self.head + row * 4, &offset.to_le_bytes());
    }

    /// Where the next cell starts. `finish` refuses a block in which it overflowed.
    fn next_offset(&self) -> i32 {
        i32::try_from(self.filled()).unwrap_or(i32::MAX)
    }

    /// How far the data of the column that began last has come.
    fn filled(&self) -> usize {
        self.out.len() - self.lanes.last().map_or(0, |lane| lane.data)
    }

    /// The block, or a refusal where it became too large for its own offsets.
    pub(super) fn finish(mut self, precision: Precision) -> Result<Block, BadBlock> {
        if self.out.len() > MOST_BYTES {
            return Err(BadBlock::new(format!("{} bytes are too many for one block", self.out.len())));
        }
        self.write_front();
        Ok(Block::from_parts(self.columns, precision, Bytes::from(self.out), self.rows, self.lanes.into()))
    }

    fn write_front(&mut self) {
        let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX).to_le_bytes();
        let (columns, lanes) = (Arc::clone(&self.columns), std::mem::take(&mut self.lanes));
        self.put(0, &VERSION.to_le_bytes());
        self.put(4, &number(self.out.len()));
        self.put(8, &number(self.rows));
        self.put(12, &number(columns.len()));
        self.put(16, &FLAGS.to_le_bytes());
        for (n, (column, lane)) in columns.iter().zip(&lanes).enumerate() {
            let bytes = declared_bytes(column);
            self.put(HEADER + n * 5, &[column.data_type.code()]);
            self.put(HEADER + n * 5 + 1, &number(bytes));
            self.put(HEADER + columns.len() * 5 + n * 4, &number(lane.end - lane.data));
        }
        self.lanes = lanes;
    }

    fn put(&mut self, at: usize, bytes: &[u8]) {
        if let Some(place) = self.out.get_mut(at..at + bytes.len()) {
            place.copy_from_slice(bytes);
        }
    }
}

/// What the server writes as a column's length: the width, or the longest cell with its prefix.
fn declared_bytes(column: &Column) -> usize {
    let declared = usize::try_from(column.length).unwrap_or(MOST_BYTES);
    match column.data_type {
        DataType::Nchar => declared.saturating_mul(4).saturating_add(2),
        DataType::Binary | DataType::Json => declared.saturating_add(2),
        other => other.width().unwrap_or_default(),
    }
}
