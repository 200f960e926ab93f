//! INSERT, read in one pass straight into columns: no tree, and no allocation per value.
//! Nothing is stored before the whole statement has been read and found good.

mod scan;

use std::borrow::Cow;
use std::sync::Arc;

use self::scan::Scan;
use super::cell::{Cell, Rules};
use super::write::{WriteRules, check_range};
use super::{Answer, Context, Engine};
use crate::config::Flavor;
use crate::data::{Column, Precision, Value};
use crate::error::{SqlError, SqlResult};
use crate::sql::ast::TableName;
use crate::store::{ColumnDef, NewTable, Schema, Shape, Table, WriteBatch};
use crate::sync::{read, write};

/// The rows of one table of the statement.
struct Section {
    target: Target,
    rules: WriteRules,
    batch: WriteBatch,
}

enum Target {
    Existing(Arc<Table>),
    New { database: String, table: NewTable },
}

/// A table of the statement, found or yet to be made.
struct Found {
    target: Target,
    schema: Arc<Schema>,
    rules: WriteRules,
    precision: Precision,
}

/// Room made for the rows of one table at once: sparse tables bring a handful each.
const USUAL_ROWS: usize = 32;

pub(super) fn insert(engine: &Arc<Engine>, context: &Context, sql: &str) -> SqlResult<Answer> {
    let mut scan = Scan::new(sql, engine.flavor());
    scan.expect_word("insert")?;
    scan.expect_word("into")?;
    let mut sections = Vec::new();
    while !scan.at_end() {
        sections.push(section(engine, context, &mut scan)?);
    }
    if sections.is_empty() {
        return Err(scan.error());
    }
    let mut rows = 0;
    for section in sections {
        rows += section.batch.ts.len() as u64;
        let table = match section.target {
            Target::Existing(table) => table,
            Target::New { database, table } => create(engine, &database, table)?,
        };
        engine.store(&table, &section.batch, section.rules)?;
    }
    engine.counters.rows_by_insert(rows);
    Ok(Answer::Affected(rows))
}

fn section(engine: &Arc<Engine>, context: &Context, scan: &mut Scan<'_>) -> SqlResult<Section> {
    let name = scan.table_name()?;
    let mut columns = if scan.is_byte(b'(') { Some(scan.names()?) } else { None };
    let found = if scan.accept_word("using") {
        using(engine, context, scan, name)?
    } else {
        existing(engine, context, &name)?
    };
    if columns.is_none() && scan.is_byte(b'(') {
        columns = Some(scan.names()?);
    }
    scan.expect_word("values")?;
    let defs = chosen(engine.flavor(), &found.schema, columns)?;
    let rules = Rules { flavor: engine.flavor(), precision: found.precision, now_ms: engine.now_ms() };
    let batch = values(scan, &defs, &rules)?;
    check_range(&batch.ts, found.rules)?;
    Ok(Section { target: found.target, rules: found.rules, batch })
}

fn existing(engine: &Engine, context: &Context, name: &TableName) -> SqlResult<Found> {
    let database = engine.database_of(context, name.database.as_deref())?;
    let catalog = read(&engine.catalog);
    let found = catalog.database(database).ok_or_else(|| no_database(engine.flavor()))?;
    let table = engine.writable(found, &name.table)?;
    Ok(Found {
        schema: table.shape.schema(),
        rules: engine.write_rules(found),
        precision: found.options.precision,
        target: Target::Existing(table),
    })
}

fn using(engine: &Engine, context: &Context, scan: &mut Scan<'_>, name: TableName) -> SqlResult<Found> {
    let stable_name = scan.table_name()?;
    let names = if scan.is_byte(b'(') { Some(scan.names()?) } else { None };
    scan.expect_word("tags")?;
    let literals = scan.literals()?;
    let database =
        engine.database_of(context, name.database.as_deref().or(stable_name.database.as_deref()))?;
    let catalog = read(&engine.catalog);
    let missing = || SqlError::no_table_to_write(engine.flavor());
    let found = catalog.database(database).ok_or_else(|| no_database(engine.flavor()))?;
    let rules = engine.write_rules(found);
    let precision = found.options.precision;
    if found.table(&name.table).is_some() {
        let table = engine.writable(found, &name.table)?;
        let (schema, target) = (table.shape.schema(), Target::Existing(table));
        return Ok(Found { schema, target, rules, precision });
    }
    let shape: Arc<Shape> = found.stables.get(&stable_name.table).ok_or_else(missing)?.shape.clone();
    let schema = shape.schema();
    let values = Rules { flavor: engine.flavor(), precision, now_ms: engine.now_ms() };
    let tags = tag_values(&schema, names.unwrap_or_default(), &literals, &values)?;
    let table = NewTable { name: name.table, shape, tags, sink: engine.config.sink };
    Ok(Found { schema, rules, precision, target: Target::New { database: database.to_owned(), table } })
}

/// 2.x speaks of the table even where the database is missing.
fn no_database(flavor: Flavor) -> SqlError {
    match flavor {
        Flavor::V26 => SqlError::no_table_to_write(flavor),
        Flavor::V3 => SqlError::no_database(flavor),
    }
}

/// Tags by id, from the names given (all of them in order if none are) and their literals.
pub(crate) fn tag_values(
    schema: &Schema,
    names: Vec<String>,
    literals: &[crate::sql::ast::Literal],
    rules: &Rules,
) -> SqlResult<Vec<(u32, Value)>> {
    let defs: Vec<&ColumnDef> = if names.is_empty() {
        schema.tags.iter().collect()
    } else {
        let find = |name: &String| schema.tag(name).map(|at| &schema.tags[at]);
        let all: Option<Vec<_>> = names.iter().map(find).collect();
        all.ok_or_else(|| SqlError::invalid(rules.flavor, 0x2602, "Invalid tag name"))?
    };
    if defs.len() != literals.len() {
        return Err(SqlError::invalid(rules.flavor, 0x260D, "Tags number not matched"));
    }
    let pairs = defs.into_iter().zip(literals);
    pairs.map(|(def, literal)| Ok((def.id, rules.tag(def, literal)?))).collect()
}

fn create(engine: &Engine, database: &str, new: NewTable) -> SqlResult<Arc<Table>> {
    let mut catalog = write(&engine.catalog);
    let found = catalog.database_mut(database).ok_or_else(|| SqlError::no_database(engine.flavor()))?;
    if found.table(&new.name).is_some() {
        return engine.writable(found, &new.name);
    }
    engine.counters.tables_created(1);
    Ok(found.add_table(new, engine.now_ms(), engine.flavor()))
}

/// The columns the rows give, in their order; the timestamp must be among them.
fn chosen(flavor: Flavor, schema: &Schema, names: Option<Vec<String>>) -> SqlResult<Cow<'_, [ColumnDef]>> {
    let Some(names) = names else { return Ok(Cow::Borrowed(&schema.columns)) };
    let mut defs: Vec<ColumnDef> = Vec::with_capacity(names.len());
    for name in &names {
        let at = schema.column(name).ok_or_else(|| SqlError::no_column(flavor, name))?;
        if defs.iter().any(|def| def.id == schema.columns[at].id) {
            return Err(SqlError::invalid(flavor, 0x263C, "Duplicated column names"));
        }
        defs.push(schema.columns[at].clone());
    }
    if !defs.iter().any(|def| def.id == schema.columns[0].id) {
        return Err(SqlError::invalid(flavor, 0x263D, "Primary timestamp column should not be null"));
    }
    Ok(Cow::Owned(defs))
}

fn values(scan: &mut Scan<'_>, defs: &[ColumnDef], rules: &Rules) -> SqlResult<WriteBatch> {
    let primary = defs.iter().map(|def| def.id).min();
    let mut ts = Vec::with_capacity(USUAL_ROWS);
    let mut columns: Vec<Column> = defs.iter().map(|def| Column::new(def.ty)).collect();
    for column in &mut columns {
        column.reserve(USUAL_ROWS, USUAL_ROWS * column.ty().fixed_width().unwrap_or(size_of::<u64>()));
    }
    while scan.is_byte(b'(') || scan.accept_byte(b',') {
        scan.expect_byte(b'(')?;
        for (at, (def, column)) in defs.iter().zip(&mut columns).enumerate() {
            if at > 0 {
                scan.expect_byte(b',')?;
            }
            match rules.cell(def, scan.value()?)? {
                Cell::Bits(bits) if Some(def.id) == primary => ts.push(bits.cast_signed()),
                Cell::Bits(bits) => {
                    column.push_cell(&bits.to_le_bytes()[..def.ty.fixed_width().unwrap_or(8)]);
                }
                Cell::Text(text) => push_text(column, text.as_bytes(), rules.flavor),
                Cell::Null if Some(def.id) == primary => return Err(scan.error()),
                Cell::Null => column.push_null(),
            }
        }
        scan.expect_byte(b')')?;
    }
    if ts.is_empty() {
        return Err(scan.error());
    }
    let named = defs.iter().map(|def| def.id).zip(columns);
    let columns = named.filter(|(id, _)| Some(*id) != primary).collect();
    Ok(WriteBatch { ts, columns })
}

/// On 2.x the bytes that mean NULL cannot be stored as anything else.
fn push_text(column: &mut Column, text: &[u8], flavor: Flavor) {
    if flavor == Flavor::V26 && text == crate::data::null_bytes(column.ty()) {
        column.push_null();
    } else {
        column.push_cell(text);
    }
}
