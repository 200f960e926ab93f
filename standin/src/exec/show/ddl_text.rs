//! SHOW CREATE: structure as the statement that makes it, with the roughness of the real servers (2.x rounds
//! floats and leaves quotes as they are).

use super::describe::encoding;
use super::{Listing, fields, keep_text};
use crate::config::Flavor;
use crate::data::DataType::Binary;
use crate::data::{DataType, Value};
use crate::error::{SqlResult, pick};
use crate::exec::{Context, Engine};
use crate::sql::ast::TableName;
use crate::store::{ColumnDef, Database, Schema, TableRef, TableSet};

pub(super) fn create_database(engine: &Engine, name: &str) -> SqlResult<Listing> {
    let flavor = engine.flavor();
    let text = engine.with_database(name, |database| {
        Ok(if flavor == Flavor::V26 { v26_database(database) } else { v3_database(database) })
    })?;
    let bytes = pick(flavor, u32::try_from(text.len()).unwrap_or(u32::MAX), 65_517);
    let fields = fields(&[("Database", Binary, pick(flavor, 32, 63)), ("Create Database", Binary, bytes)]);
    Ok((fields, vec![vec![Value::from(name), Value::text(text)]]))
}

pub(super) fn create_table(engine: &Engine, context: &Context, name: &TableName) -> SqlResult<Listing> {
    let resolved = engine.resolve(context, name)?;
    let (flavor, schema) = (engine.flavor(), resolved.schema());
    let text = match &resolved.set {
        TableSet::One(table) if !table.shape().stable.is_empty() => subtable(flavor, table, &schema),
        set => {
            let stable = matches!(set, TableSet::Stable(_));
            let head = pick(flavor, "CREATE TABLE", if stable { "CREATE STABLE" } else { "CREATE TABLE" });
            let tags =
                if stable { format!(" TAGS ({})", defs(flavor, &schema.tags, true)) } else { String::new() };
            format!("{head} `{}` ({}){tags}", name.table, defs(flavor, &schema.columns, false))
        }
    };
    let bytes = pick(flavor, u32::try_from(text.len()).unwrap_or(u32::MAX), 3_145_726);
    let fields = fields(&[("Table", Binary, pick(flavor, 192, 193)), ("Create Table", Binary, bytes)]);
    Ok((fields, vec![vec![Value::from(name.table.as_str()), Value::text(text)]]))
}

fn v26_database(database: &Database) -> String {
    let options = &database.options;
    let number = |word| options.number(word);
    format!(
        "CREATE DATABASE {} REPLICA {} QUORUM {} DAYS {} KEEP {} CACHE {} BLOCKS {} MINROWS {} MAXROWS {} \
         WAL {} FSYNC {} COMP {} CACHELAST {} PRECISION '{}' UPDATE {}",
        database.name,
        number("replica"),
        number("quorum"),
        options.duration_minutes / 1_440,
        keep_text(options.keep_minutes, Flavor::V26),
        number("cache"),
        number("blocks"),
        number("minrows"),
        number("maxrows"),
        number("wal"),
        number("fsync"),
        number("comp"),
        number("cachelast"),
        options.precision.word(),
        number("update"),
    )
}

fn v3_database(database: &Database) -> String {
    let options = &database.options;
    let word = |words: &[&str]| {
        let parts: Vec<String> =
            words.iter().map(|word| format!("{} {}", word.to_uppercase(), options.number(word))).collect();
        parts.join(" ")
    };
    format!(
        "CREATE DATABASE `{}` {} CACHEMODEL '{}' {} DURATION {}m {} KEEP {} {} PRECISION '{}' {} VGROUPS {} {} \
         ENCRYPT_ALGORITHM 'none' S3_CHUNKSIZE 262144 S3_KEEPLOCAL 5256000m S3_COMPACT 0",
        database.name,
        word(&["buffer", "cachesize"]),
        options.cachemodel,
        word(&["comp"]),
        options.duration_minutes,
        word(&["wal_fsync_period", "maxrows", "minrows", "stt_trigger"]),
        keep_text(options.keep_minutes, Flavor::V3),
        word(&["pages", "pagesize"]),
        options.precision.word(),
        word(&["replica", "wal_level"]),
        database.vgroups,
        word(&[
            "single_stable",
            "table_prefix",
            "table_suffix",
            "tsdb_pagesize",
            "wal_retention_period",
            "wal_retention_size",
            "keep_time_offset",
        ]),
    )
}

fn defs(flavor: Flavor, defs: &[ColumnDef], tags: bool) -> String {
    let one = |def: &ColumnDef| {
        let base = format!("`{}` {}", def.name, def.sql_type(flavor));
        if tags || flavor == Flavor::V26 {
            return base;
        }
        format!("{base} ENCODE '{}' COMPRESS 'lz4' LEVEL 'medium'", encoding(def.ty))
    };
    let all: Vec<String> = defs.iter().map(one).collect();
    all.join(pick(flavor, ",", ", "))
}

fn subtable(flavor: Flavor, table: &TableRef, schema: &Schema) -> String {
    let values: Vec<String> =
        schema.tags.iter().map(|def| literal(flavor, def, &table.tag(def.id))).collect();
    let names: Vec<String> = schema.tags.iter().map(|def| format!("`{}`", def.name)).collect();
    let (name, stable) = (table.name(), &table.shape().stable);
    match flavor {
        Flavor::V26 => format!("CREATE TABLE `{name}` USING `{stable}` TAGS ({})", values.join(",")),
        Flavor::V3 => format!(
            "CREATE TABLE `{name}` USING `{stable}` ({}) TAGS ({})",
            names.join(", "),
            values.join(", ")
        ),
    }
}

fn literal(flavor: Flavor, def: &ColumnDef, value: &Value) -> String {
    let Some(text) = value.display(def.ty) else { return "NULL".into() };
    match def.ty {
        DataType::Json if flavor == Flavor::V26 => format!("'{text}'"),
        DataType::Binary | DataType::NChar | DataType::Json => format!("\"{text}\""),
        DataType::Float | DataType::Double => value.as_f64().map_or(text, |number| format!("{number:.6}")),
        DataType::Timestamp if flavor == Flavor::V26 => format!("\"{text}\""),
        _ => text,
    }
}
