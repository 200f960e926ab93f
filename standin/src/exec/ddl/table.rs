//! CREATE and DROP of stables, subtables and normal tables.

use std::sync::Arc;

use crate::config::Flavor;
use crate::data::DataType;
use crate::error::{SqlError, SqlResult};
use crate::exec::cell::Rules;
use crate::exec::insert::tag_values;
use crate::exec::{Answer, Context, Engine};
use crate::sql::ast::{CreateSubtable, CreateTable, TableName};
use crate::store::{Database, NewTable, Schema, Shape};
use crate::sync::write;

/// Columns, and tags, a table may have.
const MAX_COLUMNS: usize = 4_096;
const MAX_TAGS: usize = 128;

pub(crate) fn create_table(engine: &Engine, context: &Context, create: CreateTable) -> SqlResult<Answer> {
    let flavor = engine.flavor();
    check_columns(flavor, &create)?;
    check_name(flavor, &create.name.table)?;
    let name = engine.database_of(context, create.name.database.as_deref())?.to_owned();
    let mut catalog = write(&engine.catalog);
    let database = catalog.database_mut(&name).ok_or_else(|| SqlError::no_database(flavor))?;
    let taken =
        database.stables.contains_key(&create.name.table) || database.table(&create.name.table).is_some();
    if taken {
        return if create.if_not_exists { Ok(Answer::Affected(0)) } else { Err(exists(flavor, true)) };
    }
    make_table(engine, database, create);
    Ok(Answer::Affected(0))
}

/// Adds a stable, or a normal table where there are no tags.
fn make_table(engine: &Engine, database: &mut Database, create: CreateTable) {
    let (now, uid) = (engine.now_ms(), database.next_uid());
    let schema = |create: CreateTable| Schema::new(create.columns, create.tags);
    let name = create.name.table.clone();
    if create.tags.is_empty() {
        let shape = Arc::new(Shape::new("", schema(create), now, uid));
        let table = NewTable { name, shape, tags: Vec::new(), sink: engine.config.sink };
        database.add_table(table, now, engine.flavor());
        engine.counters.tables_created(1);
    } else {
        database.add_stable(Shape::new(name, schema(create), now, uid));
    }
}

/// One statement may create thousands: the lock is taken once.
pub(crate) fn create_subtables(
    engine: &Engine,
    context: &Context,
    all: Vec<CreateSubtable>,
) -> SqlResult<Answer> {
    let mut catalog = write(&engine.catalog);
    let mut created = 0;
    for create in all {
        let name = engine.database_of(context, create.name.database.as_deref())?.to_owned();
        let database = catalog.database_mut(&name).ok_or_else(|| SqlError::no_database(engine.flavor()))?;
        created += u64::from(create_subtable(engine, database, create)?);
    }
    engine.counters.tables_created(created);
    Ok(Answer::Affected(0))
}

fn create_subtable(engine: &Engine, database: &mut Database, create: CreateSubtable) -> SqlResult<bool> {
    let flavor = engine.flavor();
    check_name(flavor, &create.name.table)?;
    if database.table(&create.name.table).is_some() || database.stables.contains_key(&create.name.table) {
        return if create.if_not_exists { Ok(false) } else { Err(exists(flavor, false)) };
    }
    let stable = database.stables.get(&create.stable.table);
    let shape = stable.ok_or_else(|| SqlError::no_table_to_write(flavor))?.shape.clone();
    let precision = database.options.precision;
    let rules = Rules { flavor, precision, now_ms: engine.now_ms() };
    let tags = tag_values(&shape.schema(), create.tag_names, &create.tags, &rules)?;
    let table = NewTable { name: create.name.table, shape, tags, sink: engine.config.sink };
    database.add_table(table, engine.now_ms(), flavor);
    Ok(true)
}

pub(crate) fn drop_tables(
    engine: &Engine,
    context: &Context,
    names: &[(TableName, bool)],
    stable: bool,
) -> SqlResult<Answer> {
    for (name, if_exists) in names {
        let database = engine.database_of(context, name.database.as_deref())?.to_owned();
        let mut catalog = write(&engine.catalog);
        let found = catalog.database_mut(&database).ok_or_else(|| SqlError::no_database(engine.flavor()))?;
        let dropped = found.drop_stable(&name.table) || (!stable && found.drop_table(&name.table));
        if !dropped && !if_exists {
            return Err(SqlError::no_table_to_write(engine.flavor()));
        }
    }
    Ok(Answer::Affected(0))
}

fn exists(flavor: Flavor, in_catalog: bool) -> SqlError {
    let code = if flavor == Flavor::V26 || in_catalog { 0x0360 } else { 0x0603 };
    SqlError::new(code, "Table already exists")
}

/// 3.x takes no dot in a table's name.
fn check_name(flavor: Flavor, name: &str) -> SqlResult<()> {
    if flavor == Flavor::V3 && name.contains('.') {
        return Err(SqlError::new(0x2617, "The table name cannot contain '.'"));
    }
    Ok(())
}

fn check_columns(flavor: Flavor, create: &CreateTable) -> SqlResult<()> {
    let invalid = |code, why: &str| Err(SqlError::invalid(flavor, code, why));
    if create.columns.first().is_none_or(|first| first.ty != DataType::Timestamp) {
        return match flavor {
            Flavor::V26 => invalid(0, "first column must be timestamp"),
            Flavor::V3 => invalid(0x2641, "First column must be timestamp"),
        };
    }
    if create.columns.len() < 2 {
        return invalid(0x2642, "Invalid number of columns");
    }
    if create.columns.len() > MAX_COLUMNS || create.tags.len() > MAX_TAGS {
        return invalid(0x2645, "Too many columns");
    }
    let mut names: Vec<&str> =
        create.columns.iter().chain(&create.tags).map(|field| field.name.as_str()).collect();
    names.sort_unstable();
    if names.windows(2).any(|pair| pair[0] == pair[1]) {
        return invalid(0x263C, "Duplicated column names");
    }
    let json = create.tags.iter().any(|tag| tag.ty == DataType::Json);
    if create.columns.iter().any(|column| column.ty == DataType::Json) || (json && create.tags.len() > 1) {
        return invalid(0x2646, "Only one tag is allowed if there is a json tag");
    }
    Ok(())
}
