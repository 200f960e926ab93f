//! SHOW and DESCRIBE, and the virtual tables of 3.x's `information_schema`.

mod cluster;
mod databases;
mod ddl_text;
mod describe;
mod schema_tables;
mod tables;

use std::sync::Arc;

use super::{Answer, Context, Engine, ResultStream, select};
use crate::config::Flavor;
use crate::data::{DataType, Field, Precision, Value};
use crate::error::SqlResult;
use crate::sql::ast::Show;

pub(super) use describe::describe;
pub(super) use schema_tables::{is_virtual, virtual_table};

/// A listing whose rows are known.
type Listing = (Vec<Field>, Vec<Vec<Value>>);

pub(super) fn show(engine: &Arc<Engine>, context: &Context, what: Show) -> SqlResult<Answer> {
    let listing = match what {
        Show::Databases => databases::databases(engine),
        Show::CreateDatabase(name) => ddl_text::create_database(engine, &name)?,
        Show::CreateTable(name) => ddl_text::create_table(engine, context, &name)?,
        Show::Stables { database, like } => {
            tables::stables(engine, engine.database_of(context, database.as_deref())?, like.as_deref())?
        }
        Show::Tables { database, like, kind } => {
            let database = engine.database_of(context, database.as_deref())?;
            return tables::tables(engine, database, like, kind).map(Answer::Rows);
        }
        Show::Vgroups { database } => {
            cluster::vgroups(engine, engine.database_of(context, database.as_deref())?)?
        }
        Show::Distributed(name) => {
            let resolved = engine.resolve(context, &name)?;
            let vgroups = engine.with_database(&resolved.database, |database| Ok(database.vgroups))?;
            return Ok(Answer::Rows(select::distribution(engine, &resolved, vgroups)));
        }
        Show::Dnodes => cluster::dnodes(engine),
        Show::Mnodes => cluster::mnodes(engine),
        Show::Users => cluster::users(engine),
        Show::Cluster => cluster::cluster(engine),
    };
    let (fields, rows) = listing;
    Ok(Answer::Rows(ResultStream::of_rows(fields, Precision::Milli, &rows)))
}

/// Fields from a table of (name, type, bytes).
fn fields(all: &[(&str, DataType, u32)]) -> Vec<Field> {
    all.iter().map(|(name, ty, bytes)| Field::new(*name, *ty, *bytes)).collect()
}

fn count(number: usize) -> Value {
    Value::Int(i64::try_from(number).unwrap_or(i64::MAX))
}

fn int(number: impl Into<i64>) -> Value {
    Value::Int(number.into())
}

fn keep_text(minutes: [i64; 3], flavor: Flavor) -> String {
    match flavor {
        Flavor::V26 => {
            let days = minutes.map(|minutes| minutes / 1_440);
            if days[0] == days[2] {
                days[0].to_string()
            } else {
                format!("{},{},{}", days[0], days[1], days[2])
            }
        }
        Flavor::V3 => format!("{}m,{}m,{}m", minutes[0], minutes[1], minutes[2]),
    }
}
