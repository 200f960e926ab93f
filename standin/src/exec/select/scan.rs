//! Rows as they are stored, table after table, produced only as fast as they are fetched.

use std::sync::Arc;

use super::tables::Tables;
use super::{Query, limit, project, sort};
use crate::config::Flavor;
use crate::data::{Batch, Column, DataType, Value};
use crate::error::{SqlError, SqlResult};
use crate::exec::answer::Stream;
use crate::exec::predicate::{Filter, Source};
use crate::exec::{Engine, ResultStream};
use crate::sql::ast::Expr;
use crate::store::{ReadRange, TableRef, Wanted};

pub(super) struct Scan {
    tables: Tables,
    filter: Filter,
    out: Vec<Source>,
    /// What to read for `out` alone, and for `out` plus the tests on rows.
    direct: Vec<Wanted>,
    read: Vec<Source>,
    descending: bool,
    current: Option<Place>,
}

/// How far one table has been read.
struct Place {
    table: TableRef,
    from: i64,
    to: i64,
}

pub(super) fn select(engine: &Arc<Engine>, query: Query) -> SqlResult<ResultStream> {
    let mut columns = project::project(&query)?;
    if columns.is_empty() {
        return Err(SqlError::unsupported(query.scope.flavor, "an empty select list"));
    }
    let visible = columns.len();
    let precision = query.scope.precision;
    let one_table = !query.resolved.is_stable();
    let by_time = match query.select.order_by.as_slice() {
        [] => Some(false),
        [(Expr::Column(name), descending)] if one_table && query.scope.source(name)? == Source::Ts => {
            Some(*descending)
        }
        _ => None,
    };
    let keys = if by_time.is_some() { Vec::new() } else { sort_keys(&query, &mut columns)? };
    let (mut fields, sources): (Vec<_>, Vec<_>) = columns.into_iter().unzip();
    let scan = Scan::new(&query, sources, by_time.unwrap_or(false));
    let bounds = (query.select.offset, query.select.limit);
    fields.truncate(visible);
    if keys.is_empty() && !query.select.distinct {
        return Ok(ResultStream::new(fields, precision, limit::Limited::new(scan, bounds)));
    }
    let sorted = sort::sort(engine, scan, &keys, visible, query.select.distinct)?;
    Ok(ResultStream::new(fields, precision, limit::Limited::new(sorted, bounds)))
}

/// Columns to sort by; those that are not in the answer are added behind it.
fn sort_keys(
    query: &Query,
    columns: &mut Vec<(crate::data::Field, Source)>,
) -> SqlResult<Vec<(usize, bool)>> {
    let mut keys = Vec::new();
    for (expr, descending) in &query.select.order_by {
        let by_label = columns.iter().position(|(field, _)| field.name == expr.label());
        let at = match by_label {
            Some(at) => at,
            None => {
                columns.push(project::one(&query.scope, expr)?);
                columns.len() - 1
            }
        };
        keys.push((at, *descending));
    }
    Ok(keys)
}

impl Scan {
    pub(super) fn new(query: &Query, out: Vec<Source>, descending: bool) -> Self {
        let mut read = out.clone();
        read.extend(query.filter.row_sources());
        let direct = out.iter().map(wanted).collect();
        Self {
            tables: Tables::with_rows(query),
            filter: query.filter.clone(),
            out,
            direct,
            read,
            descending,
            current: None,
        }
    }

    /// Reads on in the current table, as its rows are stored; `false` at its end.
    fn read_on(&mut self, engine: &Engine, limit: usize, out: &mut Batch) -> SqlResult<bool> {
        let Some(place) = &mut self.current else { return Ok(false) };
        if !place.table.keeps_rows() {
            return Err(digest_only(engine.flavor()));
        }
        let asked = ReadRange { from: place.from, to: place.to, limit, latest: self.descending };
        let plain = !self.descending && !self.filter.has_row_part();
        let edges = if plain {
            let before = out.rows;
            let edges = place.table.read(asked, &self.direct, out);
            fill(&place.table, &self.out, out, before);
            edges
        } else {
            pick_rows(&place.table, asked, (&self.read, self.out.len()), &self.filter, out)
        };
        let Some((first, last)) = edges else { return Ok(false) };
        if self.descending {
            place.to = first.saturating_sub(1);
        } else {
            place.from = last.saturating_add(1);
        }
        Ok(place.from <= place.to && (first != i64::MIN) && (last != i64::MAX))
    }
}

impl Stream for Scan {
    fn next(&mut self, engine: &Arc<Engine>, limit: usize) -> SqlResult<Option<Batch>> {
        let columns = self.out.iter().map(|source| Column::new(source.ty())).collect();
        let mut out = Batch { rows: 0, columns };
        while out.rows < limit {
            if self.current.is_none() {
                let Some(table) = self.tables.next(engine) else { break };
                self.current = Some(Place { table, from: self.filter.from, to: self.filter.to });
            }
            if !self.read_on(engine, limit - out.rows, &mut out)? {
                self.current = None;
            }
        }
        Ok((out.rows > 0).then_some(out))
    }
}

/// Name, tags and constants of the rows read since.
fn fill(table: &TableRef, sources: &[Source], out: &mut Batch, before: usize) {
    let rows = out.rows - before;
    if rows == 0 {
        return;
    }
    for (source, column) in sources.iter().zip(&mut out.columns) {
        if let Some(value) = table_value(table, source) {
            column.push_repeated(&value, rows);
        }
    }
}

/// Reads rows aside, tests them, and adds those that pass, latest first if the read asked for the latest.
fn pick_rows(
    table: &TableRef,
    asked: ReadRange,
    (sources, visible): (&[Source], usize),
    filter: &Filter,
    out: &mut Batch,
) -> Option<(i64, i64)> {
    let columns = sources.iter().map(|source| Column::new(source.ty())).collect();
    let mut aside = Batch { rows: 0, columns };
    let wants: Vec<Wanted> = sources.iter().map(wanted).collect();
    let edges = table.read(asked, &wants, &mut aside);
    fill(table, sources, &mut aside, 0);
    let at = |row: usize| {
        let columns = &aside.columns;
        move |source: &Source| {
            let column = sources.iter().position(|known| known == source);
            column.map_or(Value::Null, |column| columns[column].value(row))
        }
    };
    for step in 0..aside.rows {
        let row = if asked.latest { aside.rows - 1 - step } else { step };
        if filter.takes_row(&at(row)) {
            out.rows += 1;
            let cells = out.columns.iter_mut().zip(&aside.columns).take(visible);
            cells.for_each(|(column, from)| column.extend(from, row..row + 1));
        }
    }
    edges
}

pub(super) fn wanted(source: &Source) -> Wanted {
    match source {
        Source::Ts => Wanted::Ts,
        Source::Cell { id, ty } => Wanted::Cell { id: *id, ty: *ty },
        Source::Tag { .. } | Source::TableName | Source::Const { .. } => Wanted::Nothing,
    }
}

/// What a source has to do with the table alone.
pub(super) fn table_value(table: &TableRef, source: &Source) -> Option<Value> {
    match source {
        Source::Ts | Source::Cell { .. } => None,
        Source::Tag { id, .. } => Some(table.tag(*id)),
        Source::TableName => Some(Value::text(table.name().as_bytes())),
        Source::Const { value, .. } => Some(value.clone()),
    }
}

pub(super) fn digest_only(flavor: Flavor) -> SqlError {
    SqlError::unsupported(flavor, "reading rows back from a sink that keeps digests only")
}

impl Source {
    pub(crate) fn ty(&self) -> DataType {
        match self {
            Self::Ts => DataType::Timestamp,
            Self::TableName => DataType::Binary,
            Self::Cell { ty, .. } | Self::Tag { ty, .. } | Self::Const { ty, .. } => *ty,
        }
    }
}
