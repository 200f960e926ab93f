//! The listing of databases, and `ins_databases`.

use super::{Listing, fields, int, keep_text};
use crate::config::Flavor;
use crate::data::DataType::{BigInt, Binary, Bool, Int, SmallInt, Timestamp, TinyInt};
use crate::data::Value;
use crate::exec::Engine;
use crate::store::Database;
use crate::sync::read;

pub(super) fn databases(engine: &Engine) -> Listing {
    let catalog = read(&engine.catalog);
    match engine.flavor() {
        Flavor::V26 => {
            let rows = catalog.databases().map(v26_row).collect();
            (v26_fields(), rows)
        }
        Flavor::V3 => {
            let own = ["information_schema", "performance_schema"].into_iter();
            let all = own.chain(catalog.databases().map(|database| database.name.as_str()));
            (fields(&[("name", Binary, 64)]), all.map(|name| vec![Value::from(name)]).collect())
        }
    }
}

/// `information_schema.ins_databases`.
pub(super) fn ins_databases(engine: &Engine) -> Listing {
    let catalog = read(&engine.catalog);
    let mut rows: Vec<Vec<Value>> = ["information_schema", "performance_schema"].map(own_row).to_vec();
    rows.extend(catalog.databases().map(v3_row));
    (v3_fields(), rows)
}

fn v26_fields() -> Vec<crate::data::Field> {
    fields(&[
        ("name", Binary, 32),
        ("created_time", Timestamp, 8),
        ("ntables", Int, 4),
        ("vgroups", Int, 4),
        ("replica", SmallInt, 2),
        ("quorum", SmallInt, 2),
        ("days", SmallInt, 2),
        ("keep", Binary, 24),
        ("cache(MB)", Int, 4),
        ("blocks", Int, 4),
        ("minrows", Int, 4),
        ("maxrows", Int, 4),
        ("wallevel", TinyInt, 1),
        ("fsync", Int, 4),
        ("comp", TinyInt, 1),
        ("cachelast", TinyInt, 1),
        ("precision", Binary, 3),
        ("update", TinyInt, 1),
        ("status", Binary, 10),
    ])
}

fn v26_row(database: &Database) -> Vec<Value> {
    let options = &database.options;
    let tables = i64::try_from(database.table_count()).unwrap_or(i64::MAX);
    // a database has no vgroup before its first table
    let vgroups = if tables == 0 { 0 } else { database.vgroups };
    let number = |word| int(options.number(word));
    vec![
        Value::from(database.name.as_str()),
        int(database.created_ms),
        int(tables),
        int(vgroups),
        number("replica"),
        number("quorum"),
        int(options.duration_minutes / 1_440),
        Value::text(keep_text(options.keep_minutes, Flavor::V26)),
        number("cache"),
        number("blocks"),
        number("minrows"),
        number("maxrows"),
        number("wal"),
        number("fsync"),
        number("comp"),
        number("cachelast"),
        Value::from(options.precision.word()),
        number("update"),
        Value::from("ready"),
    ]
}

fn v3_fields() -> Vec<crate::data::Field> {
    fields(&[
        ("name", Binary, 64),
        ("create_time", Timestamp, 8),
        ("vgroups", Int, 4),
        ("ntables", BigInt, 8),
        ("replica", TinyInt, 1),
        ("strict", Binary, 4),
        ("duration", Binary, 10),
        ("keep", Binary, 32),
        ("buffer", Int, 4),
        ("pagesize", Int, 4),
        ("pages", Int, 4),
        ("minrows", Int, 4),
        ("maxrows", Int, 4),
        ("comp", TinyInt, 1),
        ("precision", Binary, 2),
        ("status", Binary, 10),
        ("retentions", Binary, 60),
        ("single_stable", Bool, 1),
        ("cachemodel", Binary, 11),
        ("cachesize", Int, 4),
        ("wal_level", TinyInt, 1),
        ("wal_fsync_period", Int, 4),
        ("wal_retention_period", Int, 4),
        ("wal_retention_size", BigInt, 8),
        ("stt_trigger", SmallInt, 2),
        ("table_prefix", SmallInt, 2),
        ("table_suffix", SmallInt, 2),
        ("tsdb_pagesize", Int, 4),
        ("keep_time_offset", Int, 4),
        ("s3_chunksize", Int, 4),
        ("s3_keeplocal", Binary, 10),
        ("s3_compact", TinyInt, 1),
        ("with_arbitrator", TinyInt, 1),
        ("encrypt_algorithm", Binary, 16),
    ])
}

fn v3_row(database: &Database) -> Vec<Value> {
    let options = &database.options;
    let number = |word| int(options.number(word));
    let tables = i64::try_from(database.table_count()).unwrap_or(i64::MAX);
    vec![
        Value::from(database.name.as_str()),
        int(database.created_ms),
        int(database.vgroups),
        int(tables),
        number("replica"),
        Value::from("on"),
        Value::text(format!("{}m", options.duration_minutes)),
        Value::text(keep_text(options.keep_minutes, Flavor::V3)),
        number("buffer"),
        number("pagesize"),
        number("pages"),
        number("minrows"),
        number("maxrows"),
        number("comp"),
        Value::from(options.precision.word()),
        Value::from("ready"),
        Value::Null,
        Value::Bool(options.number("single_stable") == 1),
        Value::from(options.cachemodel.as_str()),
        number("cachesize"),
        number("wal_level"),
        number("wal_fsync_period"),
        number("wal_retention_period"),
        number("wal_retention_size"),
        number("stt_trigger"),
        number("table_prefix"),
        number("table_suffix"),
        number("tsdb_pagesize"),
        number("keep_time_offset"),
        int(262_144),
        Value::from("5256000m"),
        int(0),
        int(0),
        Value::from("none"),
    ]
}

/// The databases a 3.x server keeps for itself show little but their names.
fn own_row(name: &str) -> Vec<Value> {
    let mut row = vec![Value::Null; v3_fields().len()];
    row[0] = Value::from(name);
    row[15] = Value::from("ready");
    row
}
