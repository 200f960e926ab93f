//! ORDER BY where rows do not come in that order by themselves, and DISTINCT over rows: both need all rows.

use std::cmp::Ordering;
use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

use crate::data::{Batch, Column, Value};
use crate::error::SqlResult;
use crate::exec::answer::Stream;
use crate::exec::{BLOCK_ROWS, Engine};

/// Sorted rows, ready to be handed out.
pub(super) struct Sorted {
    all: Batch,
    order: VecDeque<usize>,
    visible: usize,
}

pub(super) fn sort(
    engine: &Arc<Engine>,
    mut stream: impl Stream,
    keys: &[(usize, bool)],
    visible: usize,
    distinct: bool,
) -> SqlResult<Sorted> {
    let mut all = Batch::default();
    while let Some(batch) = stream.next(engine, BLOCK_ROWS)? {
        if all.columns.is_empty() {
            all = batch;
            continue;
        }
        all.rows += batch.rows;
        let columns = all.columns.iter_mut().zip(&batch.columns);
        columns.for_each(|(column, more)| column.extend(more, 0..more.len()));
    }
    let mut order: Vec<usize> = (0..all.rows).collect();
    if distinct {
        let mut seen = HashSet::new();
        let row = |row: usize| format!("{:?}", cells(&all.columns[..visible], row));
        order.retain(|at| seen.insert(row(*at)));
    }
    order.sort_by(|a, b| {
        let mut steps = keys.iter().map(|(column, descending)| {
            let column = &all.columns[*column];
            let order = compare(&column.value(*a), &column.value(*b));
            if *descending { order.reverse() } else { order }
        });
        steps.find(|order| *order != Ordering::Equal).unwrap_or(Ordering::Equal)
    });
    Ok(Sorted { all, order: order.into(), visible })
}

/// NULL sorts before everything.
pub(super) fn compare(a: &Value, b: &Value) -> Ordering {
    match (a.is_null(), b.is_null()) {
        (false, false) => a.compare(b).unwrap_or(Ordering::Equal),
        (a_null, b_null) => b_null.cmp(&a_null),
    }
}

fn cells(columns: &[Column], row: usize) -> Vec<Value> {
    columns.iter().map(|column| column.value(row)).collect()
}

impl Stream for Sorted {
    fn next(&mut self, _engine: &Arc<Engine>, limit: usize) -> SqlResult<Option<Batch>> {
        let rows: Vec<usize> = self.order.drain(..limit.min(self.order.len())).collect();
        if rows.is_empty() {
            return Ok(None);
        }
        let gather = |from: &Column| {
            let mut column = Column::new(from.ty());
            rows.iter().for_each(|row| column.extend(from, *row..*row + 1));
            column
        };
        let columns = self.all.columns.iter().take(self.visible).map(gather).collect();
        Ok(Some(Batch { rows: rows.len(), columns }))
    }
}
