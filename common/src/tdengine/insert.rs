//! Rows of many tables as INSERT statements; what SQL cannot carry is handed back as blocks.

use crate::batch::literal::{push_cell, push_ident};
use crate::batch::{Block, Run, TableRuns};

use super::sql::Names;

/// One write.
pub(super) enum Insert {
    /// A statement for many tables.
    Sql(String),
    /// Rows of one table, with a value that SQL cannot carry.
    Block {
        /// Whose rows.
        table: String,
        /// The rows.
        rows: Block,
    },
}

/// The rows as writes: statements of about `limit` bytes (a single row may be longer), tables named with their
/// database, columns named so that the target's order does not matter.
pub(super) fn statements<'a>(
    database: &str,
    rows: &'a TableRuns,
    limit: usize,
) -> impl Iterator<Item = Insert> + use<'a> {
    let columns = format!(" ({}) values", Names::Quoted.list(rows.block.columns()));
    let database = format!(" {}.", Names::Quoted.database(database));
    let mut writer = Writer { database, columns, rows, limit, run: 0, row: 0 };
    std::iter::from_fn(move || writer.next())
}

struct Writer<'a> {
    /// What stands before a table's name, and what behind it.
    database: String,
    columns: String,
    rows: &'a TableRuns,
    limit: usize,
    /// Where the next write starts: a run, and a row of the block inside it.
    run: usize,
    row: usize,
}

const INSERT: &str = "insert into";

impl Writer<'_> {
    fn next(&mut self) -> Option<Insert> {
        let mut statement = String::with_capacity(self.limit + 4096);
        statement.push_str(INSERT);
        while let Some(run) = self.rows.runs.get(self.run) {
            let before = statement.len();
            if self.append(&mut statement, run).is_none() {
                statement.truncate(before);
                if before == INSERT.len() {
                    return Some(self.take_block(run));
                }
                // the block goes out with the next call
                return Some(Insert::Sql(statement));
            }
            if statement.len() >= self.limit {
                return Some(Insert::Sql(statement));
            }
        }
        (statement.len() > INSERT.len()).then_some(Insert::Sql(statement))
    }

    /// Appends rows of a run until it ends or the statement is full. `None`: SQL cannot carry one of them.
    fn append(&mut self, statement: &mut String, run: &Run) -> Option<()> {
        let start = self.row.max(run.rows.start);
        statement.push_str(&self.database);
        push_ident(statement, &run.table).ok()?;
        statement.push_str(&self.columns);
        let mut row = start;
        while row < run.rows.end && (row == start || statement.len() < self.limit) {
            self.append_row(statement, row)?;
            row += 1;
        }
        self.row = row;
        if row == run.rows.end {
            self.run += 1;
        }
        Some(())
    }

    fn append_row(&self, statement: &mut String, row: usize) -> Option<()> {
        let block = &self.rows.block;
        statement.push('(');
        for column in 0..block.columns().len() {
            if column > 0 {
                statement.push(',');
            }
            push_cell(statement, block.cell(row, column)).ok()?;
        }
        statement.push(')');
        Some(())
    }

    fn take_block(&mut self, run: &Run) -> Insert {
        let start = self.row.max(run.rows.start);
        let rows = self.rows.block.slice(start..run.rows.end);
        self.run += 1;
        self.row = run.rows.end;
        Insert::Block { table: run.table.clone(), rows }
    }
}
