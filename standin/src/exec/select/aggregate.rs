//! Aggregates over all rows, per subtable or per tag, and per window of time. Where counts and edges suffice
//! no row is looked at, so that they stay cheap over computed tables and exact over digests.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::group::{Kind, State};
use super::scan::{digest_only, table_value, wanted};
use super::tables::Tables;
use super::{Query, project, sort};
use crate::config::Flavor;
use crate::data::{Batch, Column, DataType, Field, Value};
use crate::error::{SqlError, SqlResult};
use crate::exec::predicate::Source;
use crate::exec::{BLOCK_ROWS, Engine, ResultStream};
use crate::sql::ast::Expr;
use crate::sql::duration_ticks;
use crate::store::{ReadRange, TableRef, Wanted};

/// One column of the answer.
enum Output {
    Aggregate {
        kind: Kind,
        state: usize,
    },
    /// A value all rows of the group share.
    Key(Source),
    WindowStart,
}

struct Plan {
    fields: Vec<Field>,
    outputs: Vec<Output>,
    /// What each aggregate is about, in order of their states.
    aggregates: Vec<(Kind, Source)>,
    keys: Vec<Source>,
    window: Option<i64>,
    /// Whether counts and edges of tables answer it all.
    edges_suffice: bool,
}

/// The windows of one group; without INTERVAL there is one, at 0.
struct Group {
    keys: Vec<Value>,
    windows: BTreeMap<i64, Vec<State>>,
}

pub(super) fn is_aggregate(expr: &Expr) -> bool {
    matches!(expr, Expr::Call { name, .. } if Kind::named(name).is_some())
}

pub(super) fn select(engine: &Arc<Engine>, query: &Query) -> SqlResult<ResultStream> {
    let plan = Plan::new(query)?;
    let mut groups: Vec<Group> = Vec::new();
    let mut known: HashMap<String, usize> = HashMap::new();
    let per_table = plan.keys.contains(&Source::TableName);
    if plan.keys.is_empty() {
        groups.push(Group { keys: Vec::new(), windows: BTreeMap::new() });
    }
    // a table without rows is a group of its own in 3.x, unless there are windows
    let only_rows = plan.window.is_some() || query.scope.flavor == Flavor::V26;
    let mut tables = if only_rows { Tables::with_rows(query) } else { Tables::new(query) };
    while let Some(table) = tables.next(engine) {
        let at = if plan.keys.is_empty() {
            0
        } else {
            let keys: Vec<Value> =
                plan.keys.iter().map(|key| table_value(&table, key).unwrap_or_default()).collect();
            let fresh = groups.len();
            let at = if per_table { fresh } else { *known.entry(format!("{keys:?}")).or_insert(fresh) };
            if at == fresh {
                groups.push(Group { keys, windows: BTreeMap::new() });
            }
            at
        };
        plan.add_table(engine, query, &table, &mut groups[at])?;
    }
    let mut rows: Vec<Vec<Value>> = groups.iter().flat_map(|group| plan.rows(query, group)).collect();
    order(query, &plan.fields, &mut rows)?;
    Ok(ResultStream::of_rows(plan.fields, query.scope.precision, &rows))
}

/// ORDER BY, LIMIT and OFFSET over rows that are there already.
pub(super) fn order(query: &Query, fields: &[Field], rows: &mut Vec<Vec<Value>>) -> SqlResult<()> {
    for (expr, descending) in query.select.order_by.iter().rev() {
        let label = expr.label();
        let column = fields.iter().position(|field| field.name == label);
        let column = column.ok_or_else(|| SqlError::no_column(query.scope.flavor, &label))?;
        rows.sort_by(|a, b| {
            let order = sort::compare(&a[column], &b[column]);
            if *descending { order.reverse() } else { order }
        });
    }
    let skip = usize::try_from(query.select.offset).unwrap_or(usize::MAX).min(rows.len());
    rows.drain(..skip);
    rows.truncate(
        query.select.limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX)),
    );
    Ok(())
}

impl Plan {
    fn new(query: &Query) -> SqlResult<Self> {
        let mut plan = Self {
            fields: Vec::new(),
            outputs: Vec::new(),
            aggregates: Vec::new(),
            keys: Vec::new(),
            window: window(query)?,
            edges_suffice: !query.filter.has_row_part(),
        };
        for key in &query.select.groups {
            let (_, source) = project::one(&query.scope, key)?;
            if !matches!(source, Source::TableName | Source::Tag { .. }) {
                return Err(SqlError::unsupported(query.scope.flavor, "grouping by a column"));
            }
            plan.keys.push(source);
        }
        let old = query.scope.flavor == Flavor::V26;
        if plan.window.is_some() && old {
            plan.push(Field::fixed("ts", DataType::Timestamp), Output::WindowStart);
        }
        for item in &query.select.items {
            plan.item(query, &item.expr, item.alias.as_deref())?;
        }
        if old && query.select.group_by {
            for key in &query.select.groups {
                plan.key(query, key, None)?;
            }
        }
        Ok(plan)
    }

    fn item(&mut self, query: &Query, expr: &Expr, alias: Option<&str>) -> SqlResult<()> {
        match expr {
            Expr::Call { name, args } => {
                let unknown =
                    || SqlError::invalid(query.scope.flavor, 0x2603, format!("invalid function {name}"));
                let kind = Kind::named(name).ok_or_else(unknown)?;
                match (kind, args.as_slice()) {
                    (Kind::Count, [Expr::Star]) => {
                        let field = Field::fixed(alias.unwrap_or("count(*)"), DataType::BigInt);
                        self.aggregate(field, Kind::CountRows, Source::Ts);
                        Ok(())
                    }
                    (Kind::First | Kind::Last | Kind::LastRow, [Expr::Star]) => {
                        self.every_column(query, kind, name);
                        Ok(())
                    }
                    (_, [argument]) => {
                        let (of, source) = project::one(&query.scope, argument)?;
                        let field = kind.field(alias.map_or_else(|| expr.label(), str::to_owned), &of);
                        self.aggregate(field, kind, source);
                        Ok(())
                    }
                    _ => Err(unknown()),
                }
            }
            Expr::Column(name) if name == "_wstart" => {
                let field = Field::fixed(alias.unwrap_or(name), DataType::Timestamp);
                self.push(field, Output::WindowStart);
                Ok(())
            }
            other => self.key(query, other, alias),
        }
    }

    fn key(&mut self, query: &Query, expr: &Expr, alias: Option<&str>) -> SqlResult<()> {
        let (mut field, source) = project::one(&query.scope, expr)?;
        let shared = self.keys.contains(&source) || matches!(source, Source::Const { .. });
        let of_table = matches!(source, Source::TableName | Source::Tag { .. });
        // the name and the tags of a single table are the same for all its rows
        let fixed = of_table && !query.resolved.is_stable();
        if !shared && !fixed {
            return Err(SqlError::invalid(query.scope.flavor, 0x2643, "Not a GROUP BY expression"));
        }
        if let Some(alias) = alias {
            alias.clone_into(&mut field.name);
        }
        if !self.keys.contains(&source) && !matches!(source, Source::Const { .. }) {
            self.keys.push(source.clone());
        }
        self.push(field, Output::Key(source));
        Ok(())
    }

    fn every_column(&mut self, query: &Query, kind: Kind, name: &str) {
        let Some(schema) = query.scope.schema() else { return };
        for (at, def) in schema.columns.iter().enumerate() {
            let source = if at == 0 { Source::Ts } else { Source::Cell { id: def.id, ty: def.ty } };
            self.aggregate(Field::new(format!("{name}({})", def.name), def.ty, def.bytes), kind, source);
        }
    }

    fn aggregate(&mut self, field: Field, kind: Kind, source: Source) {
        self.edges_suffice &= source == Source::Ts && kind.needs_edges_only();
        let state = self.aggregates.len();
        self.aggregates.push((kind, source));
        self.push(field, Output::Aggregate { kind, state });
    }

    fn push(&mut self, field: Field, output: Output) {
        self.fields.push(field);
        self.outputs.push(output);
    }

    fn add_table(
        &self,
        engine: &Engine,
        query: &Query,
        table: &TableRef,
        group: &mut Group,
    ) -> SqlResult<()> {
        if self.edges_suffice {
            self.add_edges(query, table, group);
            return Ok(());
        }
        if !table.keeps_rows() {
            return Err(digest_only(engine.flavor()));
        }
        self.add_rows(query, table, group);
        Ok(())
    }

    fn add_edges(&self, query: &Query, table: &TableRef, group: &mut Group) {
        let (mut from, to) = (query.filter.from, query.filter.to);
        while let Some(first) = table.first(from, to) {
            let end = self.window.map_or(to, |width| {
                let end = first.div_euclid(width).saturating_add(1).saturating_mul(width);
                to.min(end.saturating_sub(1))
            });
            let last = table.last(first, end).unwrap_or(first);
            let rows = table.count(first, end);
            for state in self.states(group, first) {
                state.add_edges(rows, first, last);
            }
            if end >= to {
                return;
            }
            from = end.saturating_add(1);
        }
    }

    fn add_rows(&self, query: &Query, table: &TableRef, group: &mut Group) {
        let mut sources: Vec<Source> = vec![Source::Ts];
        sources.extend(self.aggregates.iter().map(|(_, source)| source.clone()));
        sources.extend(query.filter.row_sources());
        let wants: Vec<Wanted> = sources.iter().map(wanted).collect();
        let mut asked =
            ReadRange { from: query.filter.from, to: query.filter.to, limit: BLOCK_ROWS, latest: false };
        loop {
            let columns = sources.iter().map(|source| Column::new(source.ty())).collect();
            let mut batch = Batch { rows: 0, columns };
            let Some((_, last)) = table.read(asked, &wants, &mut batch) else { return };
            let value = |source: &Source, row: usize| {
                let at = sources.iter().position(|known| known == source).unwrap_or(0);
                table_value(table, source).unwrap_or_else(|| batch.columns[at].value(row))
            };
            for row in 0..batch.rows {
                if !query.filter.takes_row(&|source| value(source, row)) {
                    continue;
                }
                let ts = batch.columns[0].value(row).as_int().unwrap_or(0);
                for (state, (kind, source)) in self.states(group, ts).iter_mut().zip(&self.aggregates) {
                    state.add(*kind, ts, &value(source, row));
                }
            }
            if last == i64::MAX {
                return;
            }
            asked.from = last + 1;
        }
    }

    /// The states of the window a moment falls into.
    fn states<'a>(&self, group: &'a mut Group, ts: i64) -> &'a mut Vec<State> {
        let window = self.window.map_or(0, |width| ts.div_euclid(width) * width);
        group.windows.entry(window).or_insert_with(|| vec![State::default(); self.aggregates.len()])
    }

    fn rows(&self, query: &Query, group: &Group) -> Vec<Vec<Value>> {
        // 3.x answers a count over nothing with 0, and nothing but counts as 2.x does: with no row at all
        let counts = self.aggregates.iter().any(|(kind, _)| matches!(kind, Kind::CountRows | Kind::Count));
        let told = counts && query.scope.flavor == Flavor::V3;
        if group.windows.is_empty() && self.window.is_none() && told {
            return vec![self.row(group, 0, &vec![State::default(); self.aggregates.len()])];
        }
        group.windows.iter().map(|(start, states)| self.row(group, *start, states)).collect()
    }

    fn row(&self, group: &Group, start: i64, states: &[State]) -> Vec<Value> {
        let value = |output: &Output| match output {
            Output::WindowStart => Value::Int(start),
            Output::Aggregate { kind, state } => states[*state].result(*kind),
            Output::Key(Source::Const { value, .. }) => value.clone(),
            Output::Key(source) => {
                let at = self.keys.iter().position(|key| key == source);
                at.and_then(|at| group.keys.get(at)).cloned().unwrap_or_default()
            }
        };
        self.outputs.iter().map(value).collect()
    }
}

fn window(query: &Query) -> SqlResult<Option<i64>> {
    let Some(text) = &query.select.interval else { return Ok(None) };
    let width = duration_ticks(text, query.scope.precision).filter(|width| *width > 0);
    let width = width.ok_or_else(|| SqlError::invalid(query.scope.flavor, 0x2600, "invalid interval"))?;
    Ok(Some(width))
}
