//! Queries answered from names and tags alone: one row per subtable, whether or not it holds rows.

use std::collections::HashSet;
use std::sync::Arc;

use super::tables::Tables;
use super::{Query, limit, project, scan, sort};
use crate::data::{Batch, Column, DataType, Field, Precision, Value};
use crate::error::SqlResult;
use crate::exec::answer::Stream;
use crate::exec::predicate::Source;
use crate::exec::{Engine, ResultStream};

struct TagRows {
    tables: Tables,
    sources: Vec<Source>,
    /// Rows seen so far, where DISTINCT has something to do.
    seen: Option<HashSet<String>>,
}

pub(super) fn select(engine: &Arc<Engine>, query: Query) -> SqlResult<ResultStream> {
    let columns = project::project(&query)?;
    let (fields, sources): (Vec<_>, Vec<_>) = columns.into_iter().unzip();
    let unique = sources.contains(&Source::TableName);
    let seen = (query.select.distinct && !unique).then(HashSet::new);
    let bounds = (query.select.offset, query.select.limit);
    let by_label = |label: &str| fields.iter().position(|field| field.name == label);
    let orders = query.select.order_by.iter();
    let keys: Option<Vec<_>> =
        orders.map(|(expr, descending)| Some((by_label(&expr.label())?, *descending))).collect();
    let rows = TagRows { tables: Tables::new(&query), sources, seen };
    match keys {
        Some(keys) if !keys.is_empty() => {
            let sorted = sort::sort(engine, rows, &keys, fields.len(), false)?;
            Ok(ResultStream::new(fields, query.scope.precision, limit::Limited::new(sorted, bounds)))
        }
        _ => Ok(ResultStream::new(fields, query.scope.precision, limit::Limited::new(rows, bounds))),
    }
}

/// 2.x: the number of subtables.
pub(super) fn count(engine: &Arc<Engine>, query: &Query) -> SqlResult<ResultStream> {
    let mut tables = Tables::new(query);
    let mut count = 0;
    while tables.next(engine).is_some() {
        count += 1;
    }
    let field = Field::fixed("count(tbname)", DataType::BigInt);
    let rows = if count == 0 { Vec::new() } else { vec![vec![Value::Int(count)]] };
    Ok(ResultStream::of_rows(vec![field], Precision::Milli, &rows))
}

impl Stream for TagRows {
    fn next(&mut self, engine: &Arc<Engine>, limit: usize) -> SqlResult<Option<Batch>> {
        let columns = self.sources.iter().map(|source| Column::new(source.ty())).collect();
        let mut out = Batch { rows: 0, columns };
        while out.rows < limit {
            let Some(table) = self.tables.next(engine) else { break };
            let value = |source| scan::table_value(&table, source).unwrap_or_default();
            let row: Vec<Value> = self.sources.iter().map(value).collect();
            if self.seen.as_mut().is_none_or(|seen| seen.insert(format!("{row:?}"))) {
                out.columns.iter_mut().zip(&row).for_each(|(column, value)| column.push_value(value));
                out.rows += 1;
            }
        }
        Ok((out.rows > 0).then_some(out))
    }
}
