//! Everything that is awkward and still legal on 2.x, made from a seed: all types with NULLs, extremes and random bits,
//! odd names, tags of every type, widest and longest tables, empty ones. More than 300 tables.
//!
//! All of it but [`bits`] is SQL that a real 2.x takes as well, so the same database can be made there.

mod bits;
mod dice;
mod names;
mod plain;
mod types;
mod wide;

use std::fmt::Write as _;
use std::sync::Arc;

use super::{SeedError, run};
use crate::config::Flavor;
use crate::data::Precision;
use crate::exec::Engine;
use dice::Dice;

/// 2026-01-01: within any KEEP worth having.
const START_MS: i64 = 1_767_225_600_000;
/// Bytes of one statement: below the least limit of any 2.x, but where a single row is longer.
const STATEMENT_BYTES: usize = 60_000;

/// What to make.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TortureSeed {
    /// The database; it must not exist.
    pub database: String,
    /// Makes the same database each time.
    pub seed: u64,
    /// The unit of its timestamps.
    pub precision: Precision,
}

impl TortureSeed {
    /// In milliseconds, from a seed that never changes.
    #[must_use]
    pub fn new(database: impl Into<String>) -> Self {
        Self { database: database.into(), seed: 1, precision: Precision::Milli }
    }

    /// The statements that make it, for any 2.x.
    #[must_use]
    pub fn statements(&self) -> Vec<String> {
        let mut made = Made { seed: self, dice: Dice::new(self.seed), statements: Vec::new() };
        made.statements.push(format!(
            "create database {} keep 36500 precision '{}'",
            self.database,
            self.precision.word()
        ));
        types::make(&mut made);
        names::make(&mut made);
        wide::make(&mut made);
        plain::make(&mut made);
        made.statements
    }
}

pub(crate) fn torture(engine: &Arc<Engine>, seed: &TortureSeed) -> Result<(), SeedError> {
    run(engine, seed.statements())?;
    // 3.x reads what no SQL can say from blocks alone; the 2.x it came from had it from its own clients
    if engine.flavor() == Flavor::V26 { bits::torture(engine, seed) } else { Ok(()) }
}

/// The statements so far.
struct Made<'a> {
    seed: &'a TortureSeed,
    dice: Dice,
    statements: Vec<String>,
}

impl Made<'_> {
    fn say(&mut self, sql: String) {
        self.statements.push(sql);
    }

    /// A table with the database in front, in backticks.
    fn path(&self, table: &str) -> String {
        format!("{}.`{table}`", self.seed.database)
    }

    /// So many milliseconds behind the start, in the database's unit.
    fn at(&self, millis: i64) -> i64 {
        (START_MS + millis) * self.seed.precision.per_milli()
    }

    /// Subtables with their tags, many to a statement.
    fn subtables(&mut self, stable: &str, tables: impl IntoIterator<Item = (String, String)>) {
        let using = format!("using {} tags", self.path(stable));
        let mut sql = String::new();
        for (table, tags) in tables {
            if sql.len() > STATEMENT_BYTES / 2 {
                self.say(std::mem::take(&mut sql));
            }
            if sql.is_empty() {
                sql.push_str("create table");
            }
            let _ = write!(sql, " {} {using} ({tags})", self.path(&table));
        }
        self.statements.extend((!sql.is_empty()).then_some(sql));
    }

    /// Rows of one table, each written as its values without the parentheses.
    fn rows(&mut self, table: &str, rows: impl IntoIterator<Item = String>) {
        let head = format!("insert into {} values", self.path(table));
        let mut sql = head.clone();
        for row in rows {
            if sql.len() > head.len() && sql.len() + row.len() > STATEMENT_BYTES {
                self.say(std::mem::replace(&mut sql, head.clone()));
            }
            let _ = write!(sql, " ({row})");
        }
        if sql.len() > head.len() {
            self.say(sql);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_makes_the_same_database_and_another_another() {
        let made = |seed| TortureSeed { seed, ..TortureSeed::new("t") }.statements();
        assert_eq!(made(1), made(1));
        assert_ne!(made(1), made(2));
    }

    #[test]
    fn no_statement_is_longer_than_a_2_x_takes() {
        for sql in TortureSeed::new("t").statements() {
            assert!(sql.len() <= 65_480, "{} bytes: {}", sql.len(), &sql[..80]);
        }
    }
}
