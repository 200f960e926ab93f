//! SELECT: which of the few ways of answering fits the statement.

mod aggregate;
mod distribution;
mod group;
mod limit;
mod listed;
mod project;
mod scalar;
mod scan;
mod sort;
mod tables;
mod tags;

use std::sync::Arc;

use super::names::Resolved;
use super::predicate::{Filter, Scope};
use super::{Answer, Context, Engine, ResultStream, show};
use crate::config::Flavor;
use crate::error::{SqlError, SqlResult};
use crate::sql::ast::{Expr, Select};

pub(super) use distribution::distribution;

/// What every way of answering needs.
struct Query {
    scope: Scope,
    resolved: Resolved,
    filter: Filter,
    select: Select,
}

pub(super) fn select(engine: &Arc<Engine>, context: &Context, select: Select) -> SqlResult<Answer> {
    let Some(from) = &select.from else { return scalar::scalar(engine, context, &select).map(Answer::Rows) };
    let database = from.database.as_deref().or(context.database.as_deref()).unwrap_or("");
    if show::is_virtual(engine.flavor(), database) {
        let (fields, rows) = show::virtual_table(engine, &from.table)?;
        return listed::select(engine, &select, fields, rows).map(Answer::Rows);
    }
    let resolved = engine.resolve(context, from)?;
    let scope = Scope::new(engine, &resolved);
    let mut filter = Filter::in_scope(&scope, select.filter.as_ref())?;
    // rows that KEEP has let go are not read, whether or not they are still there
    let rules = engine.with_database(&resolved.database, |database| Ok(engine.write_rules(database)))?;
    filter.from = filter.from.max(rules.oldest);
    answer(engine, Query { scope, resolved, filter, select }).map(Answer::Rows)
}

fn answer(engine: &Arc<Engine>, query: Query) -> SqlResult<ResultStream> {
    if let Some(stream) = distribution::block_dist(engine, &query)? {
        return Ok(stream);
    }
    if query.counts_tables() {
        return tags::count(engine, &query);
    }
    if query.select.items.iter().any(|item| aggregate::is_aggregate(&item.expr)) {
        return aggregate::select(engine, &query);
    }
    if query.select.interval.is_some() || !query.select.groups.is_empty() {
        return Err(SqlError::unsupported(query.scope.flavor, "grouping without an aggregate"));
    }
    if query.only_tags() {
        return tags::select(engine, query);
    }
    scan::select(engine, query)
}

impl Query {
    /// 2.x answers `count(tbname)` with the number of subtables.
    fn counts_tables(&self) -> bool {
        let of_name = |args: &[Expr]| matches!(args, [Expr::Column(name)] if name == "tbname");
        self.scope.flavor == Flavor::V26
            && matches!(self.select.items.as_slice(), [item] if matches!(&item.expr,
                Expr::Call { name, args } if name == "count" && of_name(args)))
    }

    /// Whether the answer has a row per subtable, not per stored row.
    fn only_tags(&self) -> bool {
        if self.select.tags_only {
            return true;
        }
        let of_table = |expr: &Expr| match expr {
            Expr::Column(name) => {
                name == "tbname" || self.scope.schema().is_some_and(|schema| schema.tag(name).is_some())
            }
            Expr::JsonGet { .. } => true,
            _ => false,
        };
        let all = self.select.items.iter().all(|item| of_table(&item.expr));
        all && (self.scope.flavor == Flavor::V26 || self.select.distinct)
    }
}
