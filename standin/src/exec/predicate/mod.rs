//! WHERE, taken apart: a range of time, a test on the table (its name and tags), a test on each row.

mod bound;

pub(crate) use bound::{Bound, Source, matches_like};

use super::Engine;
use super::names::Resolved;
use crate::config::Flavor;
use crate::data::{DataType, Precision, Value};
use crate::error::{SqlError, SqlResult};
use crate::sql::ast::{Expr, Literal, Op};
use crate::sql::timestamp_text;
use crate::store::{Schema, TableRef};

/// What the columns of a statement's tables are, and how its literals are to be read.
#[derive(Clone, Debug)]
pub(crate) struct Scope {
    pub(crate) flavor: Flavor,
    pub(crate) precision: Precision,
    pub(crate) now_ms: i64,
    columns: Columns,
}

#[derive(Clone, Debug)]
enum Columns {
    Table(std::sync::Arc<Schema>),
    /// A virtual table: columns by position.
    Listed(Vec<crate::data::Field>),
}

#[derive(Clone, Debug)]
pub(crate) struct Filter {
    /// Timestamps in `from..=to`.
    pub(crate) from: i64,
    pub(crate) to: i64,
    /// The only tables that can match, where the statement names them.
    pub(crate) names: Option<Vec<String>>,
    tables: Vec<Bound>,
    rows: Vec<Bound>,
}

impl Scope {
    pub(crate) fn new(engine: &Engine, resolved: &Resolved) -> Self {
        Self {
            flavor: engine.flavor(),
            precision: resolved.precision,
            now_ms: engine.now_ms(),
            columns: Columns::Table(resolved.schema()),
        }
    }

    pub(crate) fn listed(engine: &Engine, fields: &[crate::data::Field]) -> Self {
        Self {
            flavor: engine.flavor(),
            precision: Precision::Milli,
            now_ms: engine.now_ms(),
            columns: Columns::Listed(fields.to_vec()),
        }
    }

    /// The columns of the table, if it is not a virtual one.
    pub(crate) fn schema(&self) -> Option<&Schema> {
        match &self.columns {
            Columns::Table(schema) => Some(schema),
            Columns::Listed(_) => None,
        }
    }

    pub(crate) fn source(&self, name: &str) -> SqlResult<Source> {
        let missing = || SqlError::no_column(self.flavor, name);
        let schema = match &self.columns {
            Columns::Listed(fields) => {
                let at = fields.iter().position(|field| field.name == name).ok_or_else(missing)?;
                let id = u32::try_from(at).unwrap_or(u32::MAX);
                return Ok(Source::Cell { id, ty: fields[at].ty });
            }
            Columns::Table(schema) => schema,
        };
        match name {
            "tbname" => return Ok(Source::TableName),
            "_c0" | "_rowts" => return Ok(Source::Ts),
            _ => {}
        }
        if let Some(at) = schema.column(name) {
            let def = &schema.columns[at];
            return Ok(if at == 0 { Source::Ts } else { Source::Cell { id: def.id, ty: def.ty } });
        }
        let tag = schema.tag(name).map(|at| &schema.tags[at]).ok_or_else(missing)?;
        Ok(Source::Tag { id: tag.id, ty: tag.ty })
    }

    pub(crate) fn now_ticks(&self, offset_ms: i64) -> i64 {
        self.now_ms.saturating_add(offset_ms).saturating_mul(self.precision.per_milli())
    }

    /// A literal that is compared with a timestamp.
    fn moment(&self, literal: &Literal) -> SqlResult<i64> {
        let found = match literal {
            Literal::Number(text) => text.parse().ok(),
            Literal::Text(text) => timestamp_text(text, self.precision).or_else(|| text.parse().ok()),
            Literal::Now(offset) => Some(self.now_ticks(*offset)),
            Literal::Null | Literal::Bool(_) => None,
        };
        let refused =
            || SqlError::invalid(self.flavor, 0x2600, "invalid timestamp or operator for timestamp");
        found.ok_or_else(refused)
    }
}

impl Filter {
    pub(crate) fn new(engine: &Engine, resolved: &Resolved, filter: Option<&Expr>) -> SqlResult<Self> {
        Self::in_scope(&Scope::new(engine, resolved), filter)
    }

    pub(crate) fn in_scope(scope: &Scope, filter: Option<&Expr>) -> SqlResult<Self> {
        let mut all =
            Self { from: i64::MIN, to: i64::MAX, names: None, tables: Vec::new(), rows: Vec::new() };
        for part in filter.map(Expr::conjuncts).unwrap_or_default() {
            all.take(scope, part)?;
        }
        Ok(all)
    }

    pub(crate) fn has_row_part(&self) -> bool {
        !self.rows.is_empty()
    }

    pub(crate) fn takes_table(&self, table: &TableRef) -> bool {
        let named =
            |names: &Vec<String>| names.binary_search_by(|name| name.as_str().cmp(&table.name())).is_ok();
        if !self.names.as_ref().is_none_or(named) {
            return false;
        }
        let cell = |source: &Source| match source {
            Source::TableName => Value::text(table.name().as_bytes()),
            Source::Tag { id, .. } => table.tag(*id),
            Source::Const { value, .. } => value.clone(),
            Source::Ts | Source::Cell { .. } => Value::Null,
        };
        self.tables.iter().all(|test| test.holds(&cell))
    }

    pub(crate) fn takes_row(&self, cell: &dyn Fn(&Source) -> Value) -> bool {
        self.rows.iter().all(|test| test.holds(cell))
    }

    /// Everything the tests on rows look at.
    pub(crate) fn row_sources(&self) -> Vec<Source> {
        let mut sources = Vec::new();
        self.rows.iter().for_each(|test| test.sources(&mut sources));
        sources
    }

    fn take(&mut self, scope: &Scope, part: &Expr) -> SqlResult<()> {
        if let Some((op, moment)) = time_bound(scope, part)? {
            self.narrow(op, moment);
            return Ok(());
        }
        let bound = Bound::new(scope, part)?;
        let mut sources = Vec::new();
        bound.sources(&mut sources);
        let of_table = |source: &Source| matches!(source, Source::TableName | Source::Tag { .. });
        if !sources.is_empty() && sources.iter().all(of_table) {
            match bound.table_names() {
                Some(names) => self.keep_names(names),
                None => self.tables.push(bound),
            }
        } else {
            self.rows.push(bound);
        }
        Ok(())
    }

    fn narrow(&mut self, op: Op, moment: i64) {
        match op {
            Op::Ge | Op::Eq => self.from = self.from.max(moment),
            Op::Gt => self.from = self.from.max(moment.saturating_add(1)),
            _ => {}
        }
        match op {
            Op::Le | Op::Eq => self.to = self.to.min(moment),
            Op::Lt => self.to = self.to.min(moment.saturating_sub(1)),
            _ => {}
        }
    }

    fn keep_names(&mut self, mut names: Vec<String>) {
        names.sort_unstable();
        names.dedup();
        if let Some(old) = &self.names {
            names.retain(|name| old.binary_search(name).is_ok());
        }
        self.names = Some(names);
    }
}

/// `ts >= x` and its kin, either way round.
fn time_bound(scope: &Scope, part: &Expr) -> SqlResult<Option<(Op, i64)>> {
    let Expr::Binary { op, left, right } = part else { return Ok(None) };
    let flipped = match op {
        Op::Lt => Op::Gt,
        Op::Le => Op::Ge,
        Op::Gt => Op::Lt,
        Op::Ge => Op::Le,
        Op::Eq => Op::Eq,
        _ => return Ok(None),
    };
    let (name, literal, op) = match (left.as_ref(), right.as_ref()) {
        (Expr::Column(name), Expr::Literal(literal)) => (name, literal, *op),
        (Expr::Literal(literal), Expr::Column(name)) => (name, literal, flipped),
        _ => return Ok(None),
    };
    if !matches!(scope.columns, Columns::Table(_)) || scope.source(name)? != Source::Ts {
        return Ok(None);
    }
    Ok(Some((op, scope.moment(literal)?)))
}

impl Source {
    /// Whether a comparison with it reads text as a point in time.
    fn is_time(&self) -> bool {
        matches!(
            self,
            Self::Ts | Self::Cell { ty: DataType::Timestamp, .. } | Self::Tag { ty: DataType::Timestamp, .. }
        )
    }
}
