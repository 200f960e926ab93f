//! The select list of a query without aggregates: result columns and where their cells come from.

use super::Query;
use crate::config::Flavor;
use crate::data::{DataType, Field, Value};
use crate::error::{SqlError, SqlResult, pick};
use crate::exec::predicate::{Scope, Source};
use crate::sql::ast::{Expr, Literal};
use crate::store::ColumnDef;

/// The declared length of `tbname`, which differs between the generations.
pub(super) fn name_field(flavor: Flavor) -> Field {
    Field::text("tbname", pick(flavor, 193, 270))
}

/// Result columns, in order.
pub(super) fn project(query: &Query) -> SqlResult<Vec<(Field, Source)>> {
    let mut columns = Vec::new();
    for item in &query.select.items {
        if item.expr == Expr::Star {
            star(query, &mut columns);
            continue;
        }
        let (mut field, source) = one(&query.scope, &item.expr)?;
        if let Some(alias) = &item.alias {
            field.name.clone_from(alias);
        }
        columns.push((field, source));
    }
    Ok(columns)
}

pub(super) fn one(scope: &Scope, expr: &Expr) -> SqlResult<(Field, Source)> {
    if let Expr::Literal(literal) = expr {
        return constant(scope, expr, literal);
    }
    let Expr::Column(name) = expr else {
        let what = format!("{} in a select list", expr.label());
        return Err(SqlError::unsupported(scope.flavor, what));
    };
    let source = scope.source(name)?;
    Ok((field(scope, name, &source), source))
}

/// How a source shows in a result.
pub(super) fn field(scope: &Scope, name: &str, source: &Source) -> Field {
    let schema = scope.schema();
    let by_id = |defs: &[ColumnDef], id: u32| defs.iter().find(|def| def.id == id).map(shown(scope.flavor));
    let known = schema.and_then(|schema| match source {
        Source::TableName => Some(name_field(scope.flavor)),
        Source::Ts => schema.columns.first().map(ColumnDef::field),
        Source::Cell { id, .. } => by_id(&schema.columns, *id),
        Source::Tag { id, .. } => by_id(&schema.tags, *id),
        Source::Const { .. } => None,
    });
    known.unwrap_or_else(|| Field::fixed(name, DataType::Timestamp))
}

fn shown(flavor: Flavor) -> impl Fn(&ColumnDef) -> Field {
    move |def| {
        let mut field = def.field();
        if field.ty == DataType::Json {
            field.bytes = pick(flavor, 4096, 4095);
        }
        field
    }
}

fn star(query: &Query, columns: &mut Vec<(Field, Source)>) {
    let Some(schema) = query.scope.schema() else { return };
    let tags = if query.resolved.is_stable() { schema.tags.as_slice() } else { &[] };
    for (at, def) in schema.columns.iter().enumerate() {
        let source = if at == 0 { Source::Ts } else { Source::Cell { id: def.id, ty: def.ty } };
        columns.push((def.field(), source));
    }
    for def in tags {
        columns.push((shown(query.scope.flavor)(def), Source::Tag { id: def.id, ty: def.ty }));
    }
}

fn constant(scope: &Scope, expr: &Expr, literal: &Literal) -> SqlResult<(Field, Source)> {
    let value = literal.plain(|offset| scope.now_ticks(offset));
    let ty = match (literal, &value) {
        (Literal::Now(_), _) => DataType::Timestamp,
        (_, Value::Int(_)) => DataType::BigInt,
        (_, Value::UInt(_)) => DataType::UBigInt,
        (_, Value::Float(_)) => DataType::Double,
        (_, Value::Bool(_)) => DataType::Bool,
        (_, Value::Bytes(text)) => {
            let bytes = u32::try_from(text.len().max(1)).unwrap_or(u32::MAX);
            return Ok((Field::text(expr.label(), bytes), Source::Const { value, ty: DataType::Binary }));
        }
        (_, Value::Null) => return Err(SqlError::unsupported(scope.flavor, "a bare NULL in a select list")),
    };
    Ok((Field::fixed(expr.label(), ty), Source::Const { value, ty }))
}
