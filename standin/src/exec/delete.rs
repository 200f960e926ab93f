//! DELETE FROM (3.x only): rows of a table, or of all subtables of a stable, over a period of time.

use std::sync::Arc;

use super::predicate::Filter;
use super::write::too_big;
use super::{Answer, Context, Engine};
use crate::error::{SqlError, SqlResult};
use crate::sql::ast::{Expr, TableName};

/// Tables looked at under one lock.
const PAGE: usize = 1_000;

pub(super) fn delete(
    engine: &Arc<Engine>,
    context: &Context,
    name: &TableName,
    filter: Option<&Expr>,
) -> SqlResult<Answer> {
    let resolved = engine.resolve(context, name)?;
    let filter = Filter::new(engine, &resolved, filter)?;
    if filter.has_row_part() {
        return Err(SqlError::invalid(engine.flavor(), 0x2600, "DELETE takes the primary key and tags only"));
    }
    let mut gone = 0;
    let mut from = Some(0);
    while let Some(position) = from {
        let (page, next) = resolved.page(engine, position, PAGE);
        for table in page {
            if !filter.takes_table(&table) {
                continue;
            }
            let table = table.kept().ok_or_else(too_big)?;
            gone += table.delete(filter.from, filter.to);
        }
        from = next;
    }
    Ok(Answer::Affected(gone))
}
