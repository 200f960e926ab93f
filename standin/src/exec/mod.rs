//! Statements to answers: the engine that the wire and in-process callers share.

mod answer;
mod cell;
mod ddl;
mod delete;
mod insert;
mod json;
mod names;
mod predicate;
mod select;
mod show;
mod write;

use std::sync::{Arc, RwLock};

pub(crate) use answer::{Answer, BLOCK_ROWS, ResultStream};
pub use answer::{Outcome, ResultTable};
pub(crate) use write::BlockWrite;

use crate::config::{Config, Flavor};
use crate::error::{SqlError, SqlResult};
use crate::sql::ast::Statement;
use crate::stats::Counters;
use crate::store::Catalog;
use crate::sync::read;

/// Everything a server holds, whoever is connected.
#[derive(Debug)]
pub(crate) struct Engine {
    pub(crate) config: Config,
    pub(crate) catalog: RwLock<Catalog>,
    pub(crate) counters: Counters,
}

/// What belongs to one connection.
#[derive(Clone, Debug, Default)]
pub(crate) struct Context {
    pub(crate) user: String,
    pub(crate) read_only: bool,
    pub(crate) database: Option<String>,
}

/// The longest statement both generations take (1 MiB).
const MAX_SQL_BYTES: usize = 1_048_576;

impl Engine {
    pub(crate) fn new(config: Config) -> Arc<Self> {
        Arc::new(Self { config, catalog: RwLock::default(), counters: Counters::default() })
    }

    pub(crate) fn flavor(&self) -> Flavor {
        self.config.flavor
    }

    pub(crate) fn now_ms(&self) -> i64 {
        (self.config.now_ms)()
    }

    pub(crate) fn execute(self: &Arc<Self>, context: &mut Context, sql: &str) -> SqlResult<Answer> {
        self.counters.statement(kind(sql));
        if sql.len() > MAX_SQL_BYTES {
            return Err(SqlError::new(0x0219, "SQL statement too long"));
        }
        let answer = if kind(sql) == "insert" {
            self.refuse_read_only(context, true).and_then(|()| insert::insert(self, context, sql))
        } else {
            crate::sql::parse(sql, self.flavor()).and_then(|statement| self.run(context, statement))
        };
        if answer.is_err() {
            self.counters.refused();
        }
        answer
    }

    /// Switches a connection to a database.
    pub(crate) fn enter(&self, context: &mut Context, database: &str) -> SqlResult<()> {
        let known =
            read(&self.catalog).database(database).is_some() || show::is_virtual(self.flavor(), database);
        if !known {
            return Err(SqlError::no_database(self.flavor()));
        }
        context.database = Some(database.to_owned());
        Ok(())
    }

    fn run(self: &Arc<Self>, context: &mut Context, statement: Statement) -> SqlResult<Answer> {
        let reads = matches!(
            statement,
            Statement::Select(_) | Statement::Show(_) | Statement::Describe(_) | Statement::Use(_)
        );
        if !reads {
            self.refuse_read_only(context, matches!(statement, Statement::Delete { .. }))?;
        }
        match statement {
            Statement::Use(name) => self.enter(context, &name).map(|()| Answer::Affected(0)),
            Statement::CreateDatabase { name, if_not_exists, options } => {
                ddl::create_database(self, name, if_not_exists, &options)
            }
            Statement::AlterDatabase { name, options } => ddl::alter_database(self, &name, &options),
            Statement::DropDatabase { name, if_exists } => ddl::drop_database(self, &name, if_exists),
            Statement::CreateTable(create) => ddl::create_table(self, context, create),
            Statement::CreateSubtables(all) => ddl::create_subtables(self, context, all),
            Statement::DropTables { names, stable } => ddl::drop_tables(self, context, &names, stable),
            Statement::AlterTable { table, change } => ddl::alter_table(self, context, &table, change),
            Statement::Delete { table, filter } => delete::delete(self, context, &table, filter.as_ref()),
            Statement::Select(select) => select::select(self, context, *select),
            Statement::Describe(name) => show::describe(self, context, &name),
            Statement::Show(what) => show::show(self, context, what),
            Statement::Housekeeping => Ok(Answer::Affected(0)),
        }
    }

    pub(crate) fn refuse_read_only(&self, context: &Context, writing_rows: bool) -> SqlResult<()> {
        if context.read_only { Err(SqlError::no_rights(self.flavor(), writing_rows)) } else { Ok(()) }
    }
}

/// The first word of a statement, as the counters know it.
pub(crate) fn kind(sql: &str) -> &'static str {
    const KINDS: [&str; 9] =
        ["select", "insert", "create", "show", "describe", "use", "alter", "drop", "delete"];
    let word = sql.trim_start().split(|char: char| !char.is_ascii_alphabetic()).next().unwrap_or("");
    KINDS.into_iter().find(|kind| kind.eq_ignore_ascii_case(word)).unwrap_or("other")
}
