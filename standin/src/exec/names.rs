//! From a written name to the tables it stands for.

use super::{Context, Engine};
use crate::data::Precision;
use crate::error::{SqlError, SqlResult};
use crate::sql::ast::TableName;
use crate::store::{Database, TableRef, TableSet};
use crate::sync::read;

/// The tables a statement reads, and what their database says about them.
#[derive(Clone, Debug)]
pub(crate) struct Resolved {
    pub(crate) database: String,
    pub(crate) precision: Precision,
    pub(crate) set: TableSet,
}

impl Engine {
    pub(crate) fn database_of<'a>(&self, context: &'a Context, name: Option<&'a str>) -> SqlResult<&'a str> {
        name.or(context.database.as_deref()).ok_or_else(|| SqlError::database_unset(self.flavor()))
    }

    /// Runs something on a database that must exist.
    pub(crate) fn with_database<T>(
        &self,
        name: &str,
        work: impl FnOnce(&Database) -> SqlResult<T>,
    ) -> SqlResult<T> {
        let catalog = read(&self.catalog);
        let database = catalog.database(name).ok_or_else(|| SqlError::no_database(self.flavor()))?;
        work(database)
    }

    pub(crate) fn resolve(&self, context: &Context, name: &TableName) -> SqlResult<Resolved> {
        let database = self.database_of(context, name.database.as_deref())?;
        let missing = |reason| SqlError::no_table_to_read(self.flavor(), reason);
        let catalog = read(&self.catalog);
        let found = catalog.database(database).ok_or_else(|| missing("Database not exist"))?;
        let set = match found.stables.get(&name.table) {
            Some(stable) => TableSet::Stable(stable.shape.clone()),
            None => {
                let table = found.table(&name.table).ok_or_else(|| missing("Table does not exist"))?;
                TableSet::One(table)
            }
        };
        Ok(Resolved { database: database.to_owned(), precision: found.options.precision, set })
    }
}

impl Resolved {
    pub(crate) fn schema(&self) -> std::sync::Arc<crate::store::Schema> {
        match &self.set {
            TableSet::One(table) => table.schema(),
            TableSet::Stable(shape) => shape.schema(),
        }
    }

    pub(crate) fn is_stable(&self) -> bool {
        matches!(self.set, TableSet::Stable(_))
    }

    /// Up to `count` tables from a position on, and where the next page starts.
    pub(crate) fn page(&self, engine: &Engine, from: u64, count: usize) -> (Vec<TableRef>, Option<u64>) {
        match &self.set {
            TableSet::One(table) => (vec![table.clone()], None),
            TableSet::Stable(shape) => {
                let catalog = read(&engine.catalog);
                match catalog.database(&self.database) {
                    Some(database) => database.subtables(&shape.stable, from, count),
                    None => (Vec::new(), None),
                }
            }
        }
    }

    /// The table of this name, if it is among them.
    pub(crate) fn member(&self, engine: &Engine, name: &str) -> Option<TableRef> {
        match &self.set {
            TableSet::One(table) => (table.name() == name).then(|| table.clone()),
            TableSet::Stable(shape) => {
                let catalog = read(&engine.catalog);
                let table = catalog.database(&self.database)?.table(name)?;
                std::sync::Arc::ptr_eq(table.shape(), shape).then_some(table)
            }
        }
    }
}
