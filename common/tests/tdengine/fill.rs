//! Puts a database made in memory on a 2.x server, by plain SQL.

use tdferry_common::batch::Value;
use tdferry_common::batch::literal::push_value;
use tdferry_common::port::PortError;
use tdferry_common::schema::{Column, Stable};
use tdferry_common::testing::{MemDatabase, MemTable};

use super::place::Place;

/// Rows of one INSERT.
const ROWS: usize = 200;

/// Creates the place's database and all that `held` holds.
pub(crate) async fn fill(place: &Place, held: &MemDatabase) {
    let database = &place.database;
    let precision = held.database.precision;
    // for a source that is filled anew
    run(place, &[format!("drop database if exists {database}")]).await;
    run(place, &[format!("create database {database} precision '{precision}' keep 36500")]).await;
    let stables: Vec<_> = held.stables.values().map(|stable| create_stable(database, stable)).collect();
    run(place, &stables).await;
    let tables: Vec<_> =
        held.tables.iter().map(|(name, table)| create_table(database, name, table)).collect();
    run(place, &tables).await;
    let rows: Vec<_> = held.tables.iter().flat_map(|(name, table)| inserts(database, name, table)).collect();
    run(place, &rows).await;
}

async fn run(place: &Place, statements: &[String]) {
    let reader = place.reader();
    for sql in statements {
        let mut done = reader.exec(sql).await;
        // seen once on 2.7: an unknown host asked for by another test, told to this connection
        if done.as_ref().is_err_and(PortError::is_away) {
            done = reader.exec(sql).await;
        }
        done.unwrap_or_else(|error| panic!("{error} at {sql}"));
    }
}

fn declared(columns: &[Column]) -> String {
    let one = |column: &Column| format!("`{}` {}", column.name, column.sql_type());
    columns.iter().map(one).collect::<Vec<_>>().join(", ")
}

fn create_stable(database: &str, stable: &Stable) -> String {
    let (columns, tags) = (declared(&stable.columns), declared(&stable.tags));
    format!("create stable {database}.`{}` ({columns}) tags ({tags})", stable.name)
}

fn create_table(database: &str, name: &str, table: &MemTable) -> String {
    match &table.stable {
        Some(stable) => {
            format!(
                "create table {database}.`{name}` using {database}.`{stable}` tags ({})",
                values(&table.tags)
            )
        }
        None => format!("create table {database}.`{name}` ({})", declared(&table.columns)),
    }
}

fn inserts(database: &str, name: &str, table: &MemTable) -> Vec<String> {
    let rows: Vec<_> = table.rows.values().map(|row| format!("({})", values(row))).collect();
    rows.chunks(ROWS)
        .map(|rows| format!("insert into {database}.`{name}` values {}", rows.join(" ")))
        .collect()
}

fn values(values: &[Value]) -> String {
    let mut sql = String::new();
    for (index, value) in values.iter().enumerate() {
        if index > 0 {
            sql.push(',');
        }
        push_value(&mut sql, value).expect("a value that SQL can carry");
    }
    sql
}
