//! A block: rows of known columns in the 3.x raw layout, checked once and never decoded as a whole.
//!
//! It knows neither which table its rows belong to nor where they came from.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;

use super::cell::{Cell, Nchar};
use super::layout::{self, BadBlock, HEADER, Lane, NULL_OFFSET, PER_COLUMN, Writer};
use crate::schema::{Column, DataType};
use crate::time::Precision;

/// Rows of known columns. Cheap to clone.
#[derive(Clone)]
pub struct Block {
    columns: Arc<[Column]>,
    precision: Precision,
    raw: Bytes,
    rows: usize,
    lanes: Arc<[Lane]>,
    /// How many columns of `raw` are hidden in front of `columns`.
    hidden: usize,
}

impl Block {
    /// Takes a raw block of these columns. Everything is checked here, so that no later read can fail.
    pub fn from_raw(columns: Arc<[Column]>, precision: Precision, raw: Bytes) -> Result<Self, BadBlock> {
        let (rows, lanes) = layout::check(&columns, &raw)?;
        Ok(Self::from_parts(columns, precision, raw, rows, lanes.into()))
    }

    /// No rows of these columns.
    pub fn empty(columns: Arc<[Column]>, precision: Precision) -> Self {
        let none = Self { columns, precision, raw: Bytes::new(), rows: 0, lanes: Arc::default(), hidden: 0 };
        none.gather(&[])
    }

    /// A block whose layout its maker vouches for.
    pub(super) fn from_parts(
        columns: Arc<[Column]>,
        precision: Precision,
        raw: Bytes,
        rows: usize,
        lanes: Arc<[Lane]>,
    ) -> Self {
        Self { columns, precision, raw, rows, lanes, hidden: 0 }
    }

    /// Its columns, in order.
    pub fn columns(&self) -> &Arc<[Column]> {
        &self.columns
    }

    /// What one unit of its timestamps is.
    pub fn precision(&self) -> Precision {
        self.precision
    }

    /// How many rows it has.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// How many bytes `raw` would answer.
    pub fn byte_len(&self) -> usize {
        if self.hidden == 0 { self.raw.len() } else { self.front_len() + self.body().len() }
    }

    /// The whole raw block: the very bytes it was made from, unless columns were dropped.
    pub fn raw(&self) -> Bytes {
        if self.hidden == 0 {
            return self.raw.clone();
        }
        let mut writer = Writer::new(Arc::clone(&self.columns), self.rows, self.body().len());
        for lane in self.lanes() {
            writer.begin();
            let head = writer.out.len() - (lane.data - lane.head);
            writer.out.truncate(head);
            writer.out.extend_from_slice(self.bytes(lane.head..lane.end));
            writer.end();
        }
        writer.finish(self.precision).map_or_else(|_| Bytes::new(), |block| block.raw)
    }

    /// The timestamp of a row: its first column, where that is one.
    pub fn timestamp(&self, row: usize) -> Option<i64> {
        match self.cell(row, 0) {
            Cell::Timestamp(units) => Some(units),
            _ => None,
        }
    }

    /// One cell; NULL beyond the last row or column.
    pub fn cell(&self, row: usize, col: usize) -> Cell<'_> {
        let (Some(column), Some(lane)) = (self.columns.get(col), self.lanes().get(col)) else {
            return Cell::Null;
        };
        if row >= self.rows {
            return Cell::Null;
        }
        match column.data_type.width() {
            Some(width) => self.fixed_cell(column.data_type, *lane, row, width),
            None => self.varied_cell(column.data_type, *lane, row),
        }
    }

    /// The bytes of one cell as they lie in the block; `None` for NULL, and beyond the last row or column.
    pub fn payload_of(&self, row: usize, col: usize) -> Option<&[u8]> {
        let (column, lane) = (self.columns.get(col)?, *self.lanes().get(col)?);
        if row >= self.rows {
            return None;
        }
        let Some(width) = column.data_type.width() else { return self.payload(lane, row) };
        let is_null = layout::bit(self.bytes(lane.head..lane.data), row);
        (!is_null).then(|| self.bytes(lane.data + row * width..lane.data + (row + 1) * width))
    }

    /// The same rows without the first column. Cheap: no row is touched.
    pub fn without_first(&self) -> Self {
        let columns = self.columns.get(1..).unwrap_or_default().into();
        Self { columns, hidden: (self.hidden + 1).min(self.lanes.len()), ..self.clone() }
    }

    /// These rows alone, laid out anew; what lies beyond the last row is left out.
    pub fn slice(&self, rows: Range<usize>) -> Self {
        let rows = rows.start.min(self.rows)..rows.end.min(self.rows);
        if rows == (0..self.rows) { self.clone() } else { self.gather(&[rows]) }
    }

    /// The rows that `keep` wants, laid out anew unless it wants all.
    pub fn filter(&self, mut keep: impl FnMut(usize) -> bool) -> Self {
        let mut kept: Vec<Range<usize>> = Vec::new();
        for row in (0..self.rows).filter(|&row| keep(row)) {
            match kept.last_mut() {
                Some(last) if last.end == row => last.end = row + 1,
                _ => kept.push(row..row + 1),
            }
        }
        if kept.first() == Some(&(0..self.rows)) { self.clone() } else { self.gather(&kept) }
    }

    /// The same bytes under other names; the caller vouches for their types.
    pub(super) fn with_columns(self, columns: Arc<[Column]>) -> Self {
        Self { columns, ..self }
    }

    pub(super) fn lanes(&self) -> &[Lane] {
        self.lanes.get(self.hidden..).unwrap_or_default()
    }

    pub(super) fn bytes(&self, place: Range<usize>) -> &[u8] {
        self.raw.get(place).unwrap_or_default()
    }

    fn front_len(&self) -> usize {
        HEADER + self.columns.len() * PER_COLUMN
    }

    /// The bytes of the columns that are not hidden; they lie side by side.
    fn body(&self) -> &[u8] {
        match (self.lanes().first(), self.lanes().last()) {
            (Some(first), Some(last)) => self.bytes(first.head..last.end),
            _ => &[],
        }
    }

    fn fixed_cell(&self, data_type: DataType, lane: Lane, row: usize, width: usize) -> Cell<'_> {
        if layout::bit(self.bytes(lane.head..lane.data), row) {
            return Cell::Null;
        }
        let (raw, at) = (&self.raw, lane.data + row * width);
        match data_type {
            DataType::Bool => Cell::Bool(layout::fixed::<1>(raw, at) != [0]),
            DataType::TinyInt => Cell::Int(i8::from_le_bytes(layout::fixed(raw, at)).into()),
            DataType::SmallInt => Cell::Int(i16::from_le_bytes(layout::fixed(raw, at)).into()),
            DataType::Int => Cell::Int(i32::from_le_bytes(layout::fixed(raw, at)).into()),
            DataType::BigInt => Cell::Int(i64::from_le_bytes(layout::fixed(raw, at))),
            DataType::UTinyInt => Cell::UInt(u8::from_le_bytes(layout::fixed(raw, at)).into()),
            DataType::USmallInt => Cell::UInt(u16::from_le_bytes(layout::fixed(raw, at)).into()),
            DataType::UInt => Cell::UInt(u32::from_le_bytes(layout::fixed(raw, at)).into()),
            DataType::UBigInt => Cell::UInt(u64::from_le_bytes(layout::fixed(raw, at))),
            DataType::Float => Cell::Float(f32::from_le_bytes(layout::fixed(raw, at))),
            DataType::Double => Cell::Double(f64::from_le_bytes(layout::fixed(raw, at))),
            DataType::Timestamp => Cell::Timestamp(i64::from_le_bytes(layout::fixed(raw, at))),
            DataType::Binary | DataType::Nchar | DataType::Json => Cell::Null,
        }
    }

    fn varied_cell(&self, data_type: DataType, lane: Lane, row: usize) -> Cell<'_> {
        let Some(payload) = self.payload(lane, row) else { return Cell::Null };
        match data_type {
            DataType::Nchar => Cell::Nchar(Nchar::new(payload)),
            DataType::Json => Cell::Json(payload),
            _ => Cell::Binary(payload),
        }
    }

    /// The bytes of a cell that has a length of its own; `None` for NULL.
    pub(super) fn payload(&self, lane: Lane, row: usize) -> Option<&[u8]> {
        let offset = i32::from_le_bytes(layout::fixed(&self.raw, lane.head + row * 4));
        if offset == NULL_OFFSET {
            return None;
        }
        layout::prefixed(self.bytes(lane.data..lane.end), usize::try_from(offset).ok()?)
    }
}

impl fmt::Debug for Block {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Block")
            .field("columns", &self.columns.len())
            .field("rows", &self.rows)
            .field("bytes", &self.byte_len())
            .finish()
    }
}
