//! Statements that change structure.

mod alter;
mod database;
mod options;
mod table;

pub(super) use alter::alter_table;
pub(super) use database::{alter_database, create_database, drop_database};
pub(super) use table::{create_subtables, create_table, drop_tables};
