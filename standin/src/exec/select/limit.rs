//! LIMIT and OFFSET over any stream of rows.

use std::sync::Arc;

use crate::data::{Batch, Column};
use crate::error::SqlResult;
use crate::exec::Engine;
use crate::exec::answer::Stream;

pub(super) struct Limited<S> {
    inner: S,
    skip: u64,
    left: u64,
}

impl<S: Stream> Limited<S> {
    pub(super) fn new(inner: S, (offset, limit): (u64, Option<u64>)) -> Self {
        Self { inner, skip: offset, left: limit.unwrap_or(u64::MAX) }
    }
}

impl<S: Stream> Stream for Limited<S> {
    fn next(&mut self, engine: &Arc<Engine>, limit: usize) -> SqlResult<Option<Batch>> {
        while self.left > 0 {
            let useful = usize::try_from(self.skip.saturating_add(self.left)).unwrap_or(usize::MAX);
            let Some(mut batch) = self.inner.next(engine, limit.min(useful))? else { return Ok(None) };
            let skipped = usize::try_from(self.skip).unwrap_or(usize::MAX).min(batch.rows);
            self.skip -= skipped as u64;
            let left = usize::try_from(self.left).unwrap_or(usize::MAX);
            let kept = (batch.rows - skipped).min(left);
            self.left -= kept as u64;
            if kept == batch.rows {
                return Ok(Some(batch));
            }
            if kept > 0 {
                batch.columns = batch.columns.iter().map(|column| cut(column, skipped, kept)).collect();
                batch.rows = kept;
                return Ok(Some(batch));
            }
        }
        Ok(None)
    }
}

fn cut(column: &Column, from: usize, rows: usize) -> Column {
    let mut part = Column::new(column.ty());
    part.extend(column, from..from + rows);
    part
}
