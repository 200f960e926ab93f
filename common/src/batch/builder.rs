//! Building a block row by row from owned values: for tests, stand-ins for databases, and small results.

use std::sync::Arc;

use super::layout::{BadBlock, Writer};
use super::{Block, Value};
use crate::schema::{Column, DataType};
use crate::time::Precision;

/// Collects rows and lays them out as one block.
#[derive(Debug)]
pub struct BlockBuilder {
    columns: Arc<[Column]>,
    precision: Precision,
    rows: Vec<Vec<Encoded>>,
}

/// The bytes of one cell; `None` for NULL.
type Encoded = Option<Vec<u8>>;

impl BlockBuilder {
    /// A builder for rows of these columns.
    pub fn new(columns: Arc<[Column]>, precision: Precision) -> Self {
        Self { columns, precision, rows: Vec::new() }
    }

    /// Adds a row, or refuses it whole where a value does not fit its column's type.
    pub fn push_row(&mut self, row: &[Value]) -> Result<(), BadBlock> {
        if row.len() != self.columns.len() {
            return Err(BadBlock::new(format!("{} values for {} columns", row.len(), self.columns.len())));
        }
        let cells: Result<_, _> =
            self.columns.iter().zip(row).map(|(column, value)| encode(column, value)).collect();
        self.rows.push(cells?);
        Ok(())
    }

    /// Adds a row by the bytes of its cells, as [`Block::payload_of`] gives them; `None` is NULL.
    pub fn push_payloads(&mut self, row: Vec<Option<Vec<u8>>>) -> Result<(), BadBlock> {
        if row.len() != self.columns.len() {
            return Err(BadBlock::new(format!("{} cells for {} columns", row.len(), self.columns.len())));
        }
        let bad = self.columns.iter().zip(&row).find(|(column, cell)| {
            cell.as_ref().is_some_and(|bytes| !is_payload(column.data_type, bytes.len()))
        });
        match bad {
            Some((column, _)) => Err(BadBlock::column(column, "bytes of another length than it takes")),
            None => {
                self.rows.push(row);
                Ok(())
            }
        }
    }

    /// How many rows it holds.
    pub fn rows(&self) -> usize {
        self.rows.len()
    }

    /// The block, or a refusal where the rows are too many for one.
    pub fn finish(self) -> Result<Block, BadBlock> {
        let mut writer = Writer::new(Arc::clone(&self.columns), self.rows.len(), 0);
        for (col, column) in self.columns.iter().enumerate() {
            writer.begin();
            for (row, cells) in self.rows.iter().enumerate() {
                let cell = cells.get(col).and_then(Option::as_deref);
                match (column.data_type.width(), cell) {
                    (Some(_), Some(bytes)) => writer.out.extend_from_slice(bytes),
                    (Some(width), None) => {
                        writer.out.resize(writer.out.len() + width, 0);
                        writer.mark_null(row);
                    }
                    (None, Some(payload)) => writer.push_cell(row, payload),
                    (None, None) => writer.skip_cell(row),
                }
            }
            writer.end();
        }
        writer.finish(self.precision)
    }
}

/// Whether a cell of this type may be so many bytes long.
fn is_payload(data_type: DataType, length: usize) -> bool {
    match data_type.width() {
        Some(width) => length == width,
        None => {
            let whole = data_type != DataType::Nchar || length.is_multiple_of(4);
            whole && length <= usize::from(u16::MAX)
        }
    }
}

fn encode(column: &Column, value: &Value) -> Result<Encoded, BadBlock> {
    let data_type = column.data_type;
    let bytes = match value {
        Value::Null => return Ok(None),
        Value::Bool(value) if data_type == DataType::Bool => Some(vec![u8::from(*value)]),
        Value::Int(value) => signed(data_type, *value),
        Value::UInt(value) => unsigned(data_type, *value),
        Value::Float(value) if data_type == DataType::Float => Some(value.to_le_bytes().to_vec()),
        Value::Double(value) if data_type == DataType::Double => Some(value.to_le_bytes().to_vec()),
        Value::Timestamp(value) if data_type == DataType::Timestamp => Some(value.to_le_bytes().to_vec()),
        Value::Binary(bytes) if data_type == DataType::Binary => Some(bytes.clone()),
        Value::Json(text) if data_type == DataType::Json => Some(text.clone().into_bytes()),
        Value::Nchar(text) if data_type == DataType::Nchar => {
            Some(text.chars().flat_map(|c| u32::from(c).to_le_bytes()).collect())
        }
        _ => None,
    };
    let fits = |bytes: &Vec<u8>| bytes.len() <= usize::from(u16::MAX);
    let bytes = bytes.filter(fits);
    bytes.map(Some).ok_or_else(|| BadBlock::column(column, &format!("cannot hold {value:?}")))
}

fn signed(data_type: DataType, value: i64) -> Option<Vec<u8>> {
    match data_type {
        DataType::TinyInt => i8::try_from(value).ok().map(|value| value.to_le_bytes().to_vec()),
        DataType::SmallInt => i16::try_from(value).ok().map(|value| value.to_le_bytes().to_vec()),
        DataType::Int => i32::try_from(value).ok().map(|value| value.to_le_bytes().to_vec()),
        DataType::BigInt => Some(value.to_le_bytes().to_vec()),
        _ => None,
    }
}

fn unsigned(data_type: DataType, value: u64) -> Option<Vec<u8>> {
    match data_type {
        DataType::UTinyInt => u8::try_from(value).ok().map(|value| value.to_le_bytes().to_vec()),
        DataType::USmallInt => u16::try_from(value).ok().map(|value| value.to_le_bytes().to_vec()),
        DataType::UInt => u32::try_from(value).ok().map(|value| value.to_le_bytes().to_vec()),
        DataType::UBigInt => Some(value.to_le_bytes().to_vec()),
        _ => None,
    }
}
