//! What a statement answers: a number of changed rows, or rows that are produced block by block on demand.

use std::collections::VecDeque;
use std::sync::Arc;

use super::Engine;
use crate::data::{Batch, Column, Field, Precision, Value};
use crate::error::SqlResult;

/// Data rows of one block, as real servers cut them.
pub(crate) const BLOCK_ROWS: usize = 4096;
/// A block is kept below this; wide rows make it hold fewer of them.
const BLOCK_BYTES: usize = 4 << 20;

pub(crate) enum Answer {
    Affected(u64),
    Rows(ResultStream),
}

/// Rows that have not been produced yet.
pub(crate) trait Stream: Send {
    /// The next rows, at most `limit` of them; `None` when there are no more.
    fn next(&mut self, engine: &Arc<Engine>, limit: usize) -> SqlResult<Option<Batch>>;
}

pub(crate) struct ResultStream {
    pub(crate) fields: Vec<Field>,
    pub(crate) precision: Precision,
    stream: Box<dyn Stream>,
}

/// Rows that are there already.
struct Ready(VecDeque<Batch>);

/// The answer to one statement, whole and in memory.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// Rows changed.
    Affected(u64),
    /// Rows answered.
    Rows(ResultTable),
}

/// A result with all its rows.
#[derive(Clone, Debug, PartialEq)]
pub struct ResultTable {
    /// The columns.
    pub fields: Vec<Field>,
    /// The unit of its timestamps.
    pub precision: Precision,
    /// The cells, row by row.
    pub rows: Vec<Vec<Value>>,
}

impl ResultStream {
    pub(crate) fn new(fields: Vec<Field>, precision: Precision, stream: impl Stream + 'static) -> Self {
        Self { fields, precision, stream: Box::new(stream) }
    }

    /// A result whose rows are known already.
    pub(crate) fn of_rows(fields: Vec<Field>, precision: Precision, rows: &[Vec<Value>]) -> Self {
        let mut batches = VecDeque::new();
        for rows in rows.chunks(BLOCK_ROWS) {
            let mut columns: Vec<Column> = fields.iter().map(|field| Column::new(field.ty)).collect();
            for row in rows {
                columns.iter_mut().zip(row).for_each(|(column, value)| column.push_value(value));
            }
            batches.push_back(Batch { rows: rows.len(), columns });
        }
        Self::new(fields, precision, Ready(batches))
    }

    pub(crate) fn next_block(&mut self, engine: &Arc<Engine>) -> SqlResult<Option<Batch>> {
        let row_bytes: usize = self.fields.iter().map(crate::block::v2_cell_width).sum();
        let limit = (BLOCK_BYTES / row_bytes.max(1)).clamp(1, BLOCK_ROWS);
        loop {
            match self.stream.next(engine, limit)? {
                Some(batch) if batch.rows == 0 => {}
                other => return Ok(other),
            }
        }
    }

    pub(crate) fn collect(mut self, engine: &Arc<Engine>) -> SqlResult<ResultTable> {
        let mut rows = Vec::new();
        while let Some(batch) = self.next_block(engine)? {
            rows.extend(
                (0..batch.rows).map(|row| batch.columns.iter().map(|column| column.value(row)).collect()),
            );
        }
        Ok(ResultTable { fields: self.fields, precision: self.precision, rows })
    }
}

impl Stream for Ready {
    fn next(&mut self, _engine: &Arc<Engine>, limit: usize) -> SqlResult<Option<Batch>> {
        let Some(front) = self.0.front_mut() else { return Ok(None) };
        if front.rows <= limit {
            return Ok(self.0.pop_front());
        }
        let cut = |column: &mut Column| {
            let mut head = Column::new(column.ty());
            head.extend(column, 0..limit);
            column.splice(0..limit, &Column::new(column.ty()), 0..0);
            head
        };
        let columns = front.columns.iter_mut().map(cut).collect();
        front.rows -= limit;
        Ok(Some(Batch { rows: limit, columns }))
    }
}
