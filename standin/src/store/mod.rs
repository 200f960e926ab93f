//! Databases, stables, tables and their rows. Knows no SQL and no wire.

mod catalog;
mod computed;
mod database;
mod digest;
mod rows;
mod runs;
mod schema;
mod table;

pub(crate) use catalog::Catalog;
pub(crate) use computed::ComputedSpec;
pub(crate) use database::{Database, DatabaseOptions, Stable, TableSet};
pub(crate) use rows::{DuplicateRule, WriteBatch};
pub(crate) use schema::{ColumnDef, Schema};
pub(crate) use table::{NewTable, ReadRange, Shape, Table, TableRef, Wanted};
