//! Listings of stables and of tables; the latter is produced page by page.

use std::collections::VecDeque;
use std::sync::Arc;

use super::{Listing, fields, int};
use crate::config::Flavor;
use crate::data::DataType::{BigInt, Binary, Int, SmallInt, Timestamp};
use crate::data::{Batch, Column, Precision, Value};
use crate::error::SqlResult;
use crate::exec::answer::Stream;
use crate::exec::predicate::matches_like;
use crate::exec::{Engine, ResultStream};
use crate::sql::ast::TableKind;
use crate::store::{Database, TableRef};
use crate::sync::read;

/// Tables looked up under one lock.
const PAGE: usize = 1_000;

/// Goes through the tables of a database: stable by stable, then the normal ones.
pub(super) struct AllTables {
    database: String,
    /// Stables still to come; `None` stands for the normal tables.
    parts: VecDeque<Option<String>>,
    at: u64,
    page: VecDeque<TableRef>,
}

struct ShowTables {
    tables: AllTables,
    like: Option<String>,
    flavor: Flavor,
}

pub(super) fn stables(engine: &Engine, name: &str, like: Option<&str>) -> SqlResult<Listing> {
    let fields = match engine.flavor() {
        Flavor::V3 => fields(&[("stable_name", Binary, 192)]),
        Flavor::V26 => fields(&[
            ("name", Binary, 193),
            ("created_time", Timestamp, 8),
            ("columns", SmallInt, 2),
            ("tags", SmallInt, 2),
            ("tables", Int, 4),
        ]),
    };
    let rows = engine.with_database(name, |database| {
        let wanted = |name: &str| like.is_none_or(|like| matches_like(name, like));
        let all = database.stables.iter().filter(|(name, _)| wanted(name));
        Ok(all.map(|(name, stable)| stable_row(engine.flavor(), database, name, stable)).collect())
    })?;
    Ok((fields, rows))
}

pub(super) fn tables(
    engine: &Engine,
    name: &str,
    like: Option<String>,
    kind: TableKind,
) -> SqlResult<ResultStream> {
    let fields = match engine.flavor() {
        Flavor::V3 => fields(&[("table_name", Binary, 192)]),
        Flavor::V26 => fields(&[
            ("table_name", Binary, 193),
            ("created_time", Timestamp, 8),
            ("columns", SmallInt, 2),
            ("stable_name", Binary, 195),
            ("uid", BigInt, 8),
            ("tid", Int, 4),
            ("vgId", Int, 4),
        ]),
    };
    let tables = engine.with_database(name, |database| Ok(AllTables::new(database, kind)))?;
    let stream = ShowTables { tables, like, flavor: engine.flavor() };
    Ok(ResultStream::new(fields, Precision::Milli, stream))
}

impl AllTables {
    pub(super) fn new(database: &Database, kind: TableKind) -> Self {
        let mut parts = VecDeque::new();
        if kind != TableKind::Normal {
            parts.extend(database.stables.keys().cloned().map(Some));
        }
        if kind != TableKind::Child {
            parts.push_back(None);
        }
        Self { database: database.name.clone(), parts, at: 0, page: VecDeque::new() }
    }

    pub(super) fn next(&mut self, engine: &Engine) -> Option<TableRef> {
        while self.page.is_empty() {
            let part = self.parts.front()?;
            let catalog = read(&engine.catalog);
            let database = catalog.database(&self.database)?;
            let (page, next) = match part {
                Some(stable) => database.subtables(stable, self.at, PAGE),
                None => database.normal_tables(self.at, PAGE),
            };
            self.page = page.into();
            self.at = next.unwrap_or(0);
            if next.is_none() {
                self.parts.pop_front();
            }
        }
        self.page.pop_front()
    }
}

impl Stream for ShowTables {
    fn next(&mut self, engine: &Arc<Engine>, limit: usize) -> SqlResult<Option<Batch>> {
        let types: &[_] = match self.flavor {
            Flavor::V26 => &[Binary, Timestamp, SmallInt, Binary, BigInt, Int, Int],
            Flavor::V3 => &[Binary],
        };
        let mut out = Batch { rows: 0, columns: types.iter().map(|ty| Column::new(*ty)).collect() };
        let first_vgroup =
            engine.with_database(&self.tables.database, |database| Ok(database.first_vgroup))?;
        while out.rows < limit {
            let Some(table) = self.tables.next(engine) else { break };
            if self.like.as_ref().is_some_and(|like| !matches_like(&table.name(), like)) {
                continue;
            }
            let row = table_row(self.flavor, &table, first_vgroup);
            out.columns.iter_mut().zip(&row).for_each(|(column, value)| column.push_value(value));
            out.rows += 1;
        }
        Ok((out.rows > 0).then_some(out))
    }
}

fn stable_row(flavor: Flavor, database: &Database, name: &str, stable: &crate::store::Stable) -> Vec<Value> {
    let schema = stable.shape.schema();
    let mut row = vec![Value::from(name)];
    if flavor == Flavor::V26 {
        let tables = i64::try_from(stable.table_count(database)).unwrap_or(i64::MAX);
        let [columns, tags] = [&schema.columns, &schema.tags].map(|defs| super::count(defs.len()));
        row.extend([int(stable.shape.created_ms), columns, tags, int(tables)]);
    }
    row
}

fn table_row(flavor: Flavor, table: &TableRef, first_vgroup: u32) -> Vec<Value> {
    let mut row = vec![Value::text(table.name().as_bytes())];
    if flavor == Flavor::V26 {
        let (created, uid, tid) = table.identity();
        let columns = super::count(table.schema().columns.len());
        let stable = Value::from(table.shape().stable.as_str());
        row.extend([int(created), columns, stable, int(uid), int(tid), int(first_vgroup + table.vgroup())]);
    }
    row
}
