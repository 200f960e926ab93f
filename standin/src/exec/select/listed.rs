//! Queries on virtual tables (`information_schema`): a list of rows, filtered, cut and counted.

use std::sync::Arc;

use super::sort;
use crate::data::{DataType, Field, Precision, Value};
use crate::error::{SqlError, SqlResult};
use crate::exec::predicate::{Filter, Scope, Source};
use crate::exec::{Engine, ResultStream};
use crate::sql::ast::{Expr, Select};

pub(super) fn select(
    engine: &Arc<Engine>,
    select: &Select,
    fields: Vec<Field>,
    mut rows: Vec<Vec<Value>>,
) -> SqlResult<ResultStream> {
    let scope = Scope::listed(engine, &fields);
    let filter = Filter::in_scope(&scope, select.filter.as_ref())?;
    let cell = |row: &[Value], source: &Source| match source {
        Source::Cell { id, .. } => row.get(*id as usize).cloned().unwrap_or_default(),
        _ => Value::Null,
    };
    rows.retain(|row| filter.takes_row(&|source| cell(row, source)));
    for (expr, descending) in select.order_by.iter().rev() {
        let column = position(&scope, &fields, expr)?;
        rows.sort_by(|a, b| {
            let order = sort::compare(&a[column], &b[column]);
            if *descending { order.reverse() } else { order }
        });
    }
    if let [item] = select.items.as_slice()
        && matches!(&item.expr, Expr::Call { name, .. } if name == "count")
    {
        let label = item.alias.clone().unwrap_or_else(|| item.expr.label());
        let count = Value::Int(i64::try_from(rows.len()).unwrap_or(i64::MAX));
        let field = Field::fixed(label, DataType::BigInt);
        return Ok(ResultStream::of_rows(vec![field], Precision::Milli, &[vec![count]]));
    }
    let mut shown: Vec<(Field, usize)> = Vec::new();
    for item in &select.items {
        if item.expr == Expr::Star {
            shown.extend(fields.iter().cloned().enumerate().map(|(at, field)| (field, at)));
            continue;
        }
        let at = position(&scope, &fields, &item.expr)?;
        let name = item.alias.clone().unwrap_or_else(|| fields[at].name.clone());
        shown.push((Field { name, ..fields[at].clone() }, at));
    }
    let cut = |row: Vec<Value>| shown.iter().map(|(_, at)| row[*at].clone()).collect();
    let skip = usize::try_from(select.offset).unwrap_or(usize::MAX);
    let take = select.limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
    let mut cells: Vec<Vec<Value>> = rows.into_iter().map(cut).collect();
    if select.distinct {
        let mut seen = std::collections::HashSet::new();
        cells.retain(|row| seen.insert(format!("{row:?}")));
    }
    let cells: Vec<Vec<Value>> = cells.into_iter().skip(skip).take(take).collect();
    let fields = shown.into_iter().map(|(field, _)| field).collect();
    Ok(ResultStream::of_rows(fields, Precision::Milli, &cells))
}

fn position(scope: &Scope, fields: &[Field], expr: &Expr) -> SqlResult<usize> {
    let Expr::Column(name) = expr else {
        return Err(SqlError::unsupported(scope.flavor, format!("{} here", expr.label())));
    };
    let at = fields.iter().position(|field| field.name == *name);
    at.ok_or_else(|| SqlError::no_column(scope.flavor, name))
}
