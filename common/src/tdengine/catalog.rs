//! Reading what a database is made of: `describe`, `show databases`, and the words in which each line answers.

use std::sync::Arc;

use super::pool::Pool;
use super::rows::{Record, table};
use super::sql::Names;
use crate::port::{PortError, PortResult, Side};
use crate::schema::{Column, DataType, Database};
use crate::time::Precision;

/// Columns and tags of a table, as `describe` tells them.
pub(super) struct Described {
    pub(super) columns: Vec<Column>,
    pub(super) tags: Vec<Column>,
}

/// Asks for the columns of a table.
pub(super) async fn describe(
    pool: &Arc<Pool>,
    names: Names,
    database: &str,
    name: &str,
) -> PortResult<Described> {
    let side = pool.side();
    let answer = table(pool.query(&format!("describe {}", names.path(database, name))).await?).await?;
    let mut described = Described { columns: Vec::new(), tags: Vec::new() };
    for record in answer.records() {
        let (column, is_tag) = column(side, name, &record)?;
        if is_tag { described.tags.push(column) } else { described.columns.push(column) }
    }
    Ok(described)
}

fn column(side: Side, table: &str, record: &Record) -> PortResult<(Column, bool)> {
    let odd = |what: &str| PortError::Invalid { side, message: format!("describing `{table}`: {what}") };
    let name = record.text(&["field"]).ok_or_else(|| odd("a column without a name"))?;
    let word = record.text(&["type"]).ok_or_else(|| odd("a column without a type"))?;
    let data_type = DataType::from_sql(&word)
        .ok_or_else(|| odd(&format!("`{name}` has the type {word}, which no 2.x database has")))?;
    let length = record.number(&["length"]).and_then(|length| u32::try_from(length).ok());
    let length = length.ok_or_else(|| odd(&format!("`{name}` has no length")))?;
    let is_tag = record.text(&["note"]).is_some_and(|note| note.eq_ignore_ascii_case("TAG"));
    Ok((Column { name, data_type, length }, is_tag))
}

/// A database from a row of `show databases` (2.x) or `ins_databases` (3.x).
pub(super) fn database(side: Side, record: &Record) -> PortResult<Database> {
    let name = record.text(&["name"]).unwrap_or_default();
    let word = record.text(&["precision"]).unwrap_or_else(|| "ms".into());
    let precision = Precision::from_word(&word).ok_or_else(|| PortError::Invalid {
        side,
        message: format!("database `{name}` has the precision {word:?}, which is none of ms, us and ns"),
    })?;
    Ok(Database { name, precision, options: record.texts() })
}
