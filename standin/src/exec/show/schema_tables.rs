//! `information_schema` of 3.x: the structure as tables.

use std::sync::Arc;

use super::tables::AllTables;
use super::{Listing, cluster, databases, fields, int};
use crate::config::Flavor;
use crate::data::DataType::{BigInt, Binary, Int, Timestamp};
use crate::data::Value;
use crate::error::{SqlError, SqlResult};
use crate::exec::Engine;
use crate::sql::ast::TableKind;
use crate::store::{ColumnDef, Database, TableRef};
use crate::sync::read;

const SCHEMA: &str = "information_schema";

pub(crate) fn is_virtual(flavor: Flavor, database: &str) -> bool {
    flavor == Flavor::V3 && database.eq_ignore_ascii_case(SCHEMA)
}

pub(crate) fn virtual_table(engine: &Arc<Engine>, name: &str) -> SqlResult<Listing> {
    Ok(match name {
        "ins_databases" => databases::ins_databases(engine),
        "ins_stables" => stables(engine),
        "ins_tables" => tables(engine),
        "ins_tags" => tags(engine),
        "ins_columns" => columns(engine),
        "ins_vgroups" => cluster::ins_vgroups(engine),
        "ins_dnodes" => cluster::dnodes(engine),
        "ins_mnodes" => cluster::mnodes(engine),
        "ins_cluster" => cluster::cluster(engine),
        _ => return Err(SqlError::no_table_to_read(Flavor::V3, "Table does not exist")),
    })
}

fn stables(engine: &Engine) -> Listing {
    let fields = fields(&[
        ("stable_name", Binary, 192),
        ("db_name", Binary, 64),
        ("create_time", Timestamp, 8),
        ("columns", Int, 4),
        ("tags", Int, 4),
        ("last_update", Timestamp, 8),
        ("table_comment", Binary, 1024),
        ("watermark", Binary, 64),
        ("max_delay", Binary, 64),
        ("rollup", Binary, 128),
    ]);
    let catalog = read(&engine.catalog);
    let rows = catalog.databases().flat_map(|database| {
        database.stables.iter().map(|(name, stable)| {
            let schema = stable.shape.schema();
            let [columns, tags] = [&schema.columns, &schema.tags].map(|defs| super::count(defs.len()));
            let created = int(stable.shape.created_ms);
            let mut row = vec![Value::from(name.as_str()), Value::from(database.name.as_str())];
            row.extend([created.clone(), columns, tags, created, Value::Null]);
            row.extend(["5000a,5000a", "-1a,-1a", ""].map(Value::from));
            row
        })
    });
    (fields, rows.collect())
}

fn tables(engine: &Engine) -> Listing {
    let fields = fields(&[
        ("table_name", Binary, 192),
        ("db_name", Binary, 64),
        ("create_time", Timestamp, 8),
        ("columns", Int, 4),
        ("stable_name", Binary, 192),
        ("uid", BigInt, 8),
        ("vgroup_id", Int, 4),
        ("ttl", Int, 4),
        ("table_comment", Binary, 1024),
        ("type", Binary, 21),
    ]);
    let rows = each_table(engine, |database, table| {
        let (created, uid, _) = table.identity();
        let stable = table.shape().stable.as_str();
        let child = !stable.is_empty();
        let row = vec![
            Value::text(table.name().as_bytes()),
            Value::from(database.name.as_str()),
            int(created),
            super::count(table.schema().columns.len()),
            if child { Value::from(stable) } else { Value::Null },
            int(uid),
            int(database.vgroup_id(table.vgroup())),
            int(0),
            Value::Null,
            Value::from(if child { "CHILD_TABLE" } else { "NORMAL_TABLE" }),
        ];
        vec![row]
    });
    (fields, rows)
}

fn tags(engine: &Engine) -> Listing {
    let fields = fields(&[
        ("table_name", Binary, 192),
        ("db_name", Binary, 64),
        ("stable_name", Binary, 192),
        ("tag_name", Binary, 64),
        ("tag_type", Binary, 32),
        ("tag_value", Binary, 16_384),
    ]);
    let rows = each_table(engine, |database, table| {
        let schema = table.schema();
        let row = |def: &ColumnDef| {
            vec![
                Value::text(table.name().as_bytes()),
                Value::from(database.name.as_str()),
                Value::from(table.shape().stable.as_str()),
                Value::from(def.name.as_str()),
                Value::text(def.sql_type(Flavor::V3)),
                table.tag(def.id).display(def.ty).map_or(Value::Null, Value::text),
            ]
        };
        schema.tags.iter().map(row).collect()
    });
    (fields, rows)
}

fn columns(engine: &Engine) -> Listing {
    let fields = fields(&[
        ("table_name", Binary, 192),
        ("db_name", Binary, 64),
        ("table_type", Binary, 21),
        ("col_name", Binary, 64),
        ("col_type", Binary, 32),
        ("col_length", Int, 4),
        ("col_precision", Int, 4),
        ("col_scale", Int, 4),
        ("col_nullable", Int, 4),
    ]);
    let row = |database: &str, table: &str, kind: &str, def: &ColumnDef| {
        let mut row = [table, database, kind, def.name.as_str()].map(Value::from).to_vec();
        row.push(Value::text(def.sql_type(Flavor::V3)));
        row.extend([int(def.bytes), Value::Null, Value::Null, Value::Null]);
        row
    };
    let mut rows = Vec::new();
    let catalog = read(&engine.catalog);
    for database in catalog.databases() {
        for (name, stable) in &database.stables {
            let schema = stable.shape.schema();
            rows.extend(schema.columns.iter().map(|def| row(&database.name, name, "SUPER_TABLE", def)));
        }
    }
    drop(catalog);
    rows.extend(each_table(engine, |database, table| {
        let kind = if table.shape().stable.is_empty() { "NORMAL_TABLE" } else { "CHILD_TABLE" };
        let name = table.name();
        table.schema().columns.iter().map(|def| row(&database.name, &name, kind, def)).collect()
    }));
    (fields, rows)
}

/// The databases are gone through under one lock each, so that a listing of millions does not stop writers.
fn each_table(engine: &Engine, rows: impl Fn(&Database, &TableRef) -> Vec<Vec<Value>>) -> Vec<Vec<Value>> {
    let starts: Vec<(String, AllTables)> = read(&engine.catalog)
        .databases()
        .map(|database| (database.name.clone(), AllTables::new(database, TableKind::Any)))
        .collect();
    let mut all = Vec::new();
    for (name, mut tables) in starts {
        while let Some(table) = tables.next(engine) {
            let catalog = read(&engine.catalog);
            if let Some(database) = catalog.database(&name) {
                all.extend(rows(database, &table));
            }
        }
    }
    all
}
