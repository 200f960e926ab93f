//! Compares what rows hang on: stables, columns, tags and their values, subtables, normal tables.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value as Json;
use tdferry_common::batch::Value;
use tdferry_common::port::PortError;
use tdferry_common::schema::Column;

use super::{Comparison, Place};

/// Both sides' tables: those that both have are compared row by row.
pub(super) async fn compare(
    source: &Place,
    target: &Place,
    found: &mut Comparison,
) -> Result<Vec<String>, PortError> {
    let stables = names(source, "show {}.stables", &["name", "stable_name"]).await?;
    let on_target = names(target, "show {}.stables", &["name", "stable_name"]).await?;
    same_names("stable", &stables, &on_target, found);
    let mut tables = BTreeSet::new();
    for stable in stables.intersection(&on_target) {
        same_columns(source, target, stable, found).await?;
        tables.extend(same_subtables(source, target, stable, found).await?);
    }
    let normal = normal_tables_2(source).await?;
    let normal_on_target = normal_tables_3(target).await?;
    same_names("normal table", &normal, &normal_on_target, found);
    for table in normal.intersection(&normal_on_target) {
        same_columns(source, target, table, found).await?;
        tables.insert(table.clone());
    }
    Ok(tables.into_iter().collect())
}

fn same_names(what: &str, source: &BTreeSet<String>, target: &BTreeSet<String>, found: &mut Comparison) {
    for name in source.difference(target) {
        found.differs(format!("{what} `{name}` is missing on the target"));
    }
    for name in target.difference(source) {
        found.differs(format!("{what} `{name}` is only on the target"));
    }
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::Binary(bytes) => Some(String::from_utf8_lossy(bytes).into_owned()),
        Value::Nchar(text) | Value::Json(text) => Some(text.clone()),
        _ => None,
    }
}

/// 2.x takes no backticks after `show`.
async fn names(place: &Place, show: &str, columns: &[&str]) -> Result<BTreeSet<String>, PortError> {
    let answer = place.ask(&show.replace("{}", &place.database)).await?;
    let at = answer.columns.iter().position(|column| columns.contains(&column.name.as_str()));
    let name = |row: &Vec<Value>| at.and_then(|at| row.get(at)).and_then(text);
    Ok(answer.rows.iter().filter_map(name).collect())
}

/// A 2.x server lists normal tables with an empty stable name.
async fn normal_tables_2(place: &Place) -> Result<BTreeSet<String>, PortError> {
    let answer = place.ask(&format!("show {}.tables", place.database)).await?;
    let at = |name: &str| answer.columns.iter().position(|column| column.name == name);
    let (Some(table), Some(stable)) = (at("table_name"), at("stable_name")) else {
        return Ok(BTreeSet::new());
    };
    let is_normal = |row: &&Vec<Value>| row.get(stable).and_then(text).is_none_or(|name| name.is_empty());
    let normal = answer.rows.iter().filter(is_normal);
    Ok(normal.filter_map(|row| row.get(table).and_then(text)).collect())
}

async fn normal_tables_3(place: &Place) -> Result<BTreeSet<String>, PortError> {
    let sql = format!(
        "select table_name, type from information_schema.ins_tables where db_name = '{}'",
        place.database
    );
    let answer = place.ask(&sql).await?;
    let is_normal = |row: &&Vec<Value>| row.get(1).and_then(text).as_deref() == Some("NORMAL_TABLE");
    Ok(answer.rows.iter().filter(is_normal).filter_map(|row| row.first().and_then(text)).collect())
}

/// What `describe` says: name, type (VARCHAR is BINARY), length, and whether it is a tag.
async fn described(place: &Place, table: &str) -> Result<Vec<String>, PortError> {
    let answer = place.ask(&format!("describe {}", place.path(table))).await?;
    let line = |row: &Vec<Value>| {
        let of = |index: usize| row.get(index).and_then(text).unwrap_or_default();
        let length = match row.get(2) {
            Some(Value::Int(length)) => *length,
            _ => -1,
        };
        let data_type = of(1).to_uppercase().replace("VARCHAR", "BINARY");
        // a JSON tag has no length of its own: the lines print different limits
        let length = if data_type == "JSON" { 0 } else { length };
        format!("{} {data_type} {length} {}", of(0), of(3).to_uppercase())
    };
    Ok(answer.rows.iter().map(line).collect())
}

async fn same_columns(
    source: &Place,
    target: &Place,
    table: &str,
    found: &mut Comparison,
) -> Result<(), PortError> {
    let (left, right) = (described(source, table).await?, described(target, table).await?);
    if left != right {
        found
            .differs(format!("`{table}` has the columns {left:?} on the source and {right:?} on the target"));
    }
    Ok(())
}

async fn tags(place: &Place, stable: &str, select: &str) -> Result<BTreeMap<String, Vec<Value>>, PortError> {
    let described = place.ask(&format!("describe {}", place.path(stable))).await?;
    let is_tag = |row: &&Vec<Value>| row.get(3).and_then(text).as_deref() == Some("TAG");
    let names: Vec<_> =
        described.rows.iter().filter(is_tag).filter_map(|row| row.first().and_then(text)).collect();
    let list = names.iter().map(|name| format!(", `{name}`")).collect::<String>();
    let answer = place.ask(&format!("{select} tbname{list} from {}", place.path(stable))).await?;
    let json = answer.columns.iter().map(is_json).collect::<Vec<_>>();
    let row = |mut row: Vec<Value>| {
        let values = row.split_off(1);
        let values = values.into_iter().zip(json.iter().skip(1));
        let values = values.map(|(value, json)| if *json { canonical(value) } else { value }).collect();
        Some((text(row.first()?)?, values))
    };
    Ok(answer.rows.into_iter().filter_map(row).collect())
}

fn is_json(column: &Column) -> bool {
    column.data_type == tdferry_common::schema::DataType::Json
}

/// JSON is compared as what it means: the lines print keys in different orders.
fn canonical(value: Value) -> Value {
    match text(&value).and_then(|text| serde_json::from_str::<Json>(&text).ok()) {
        Some(json) => Value::Json(json.to_string()),
        None => value,
    }
}

async fn same_subtables(
    source: &Place,
    target: &Place,
    stable: &str,
    found: &mut Comparison,
) -> Result<BTreeSet<String>, PortError> {
    let left = tags(source, stable, "select").await?;
    let right = tags(target, stable, "select tags").await?;
    let (left_names, right_names) = (left.keys().cloned().collect(), right.keys().cloned().collect());
    same_names(&format!("subtable of `{stable}`"), &left_names, &right_names, found);
    for (name, values) in &left {
        if let Some(others) = right.get(name)
            && values != others
        {
            found.differs(format!(
                "subtable `{name}` has the tags {values:?} on the source, {others:?} on the target"
            ));
        }
    }
    Ok(left_names.intersection(&right_names).cloned().collect())
}
