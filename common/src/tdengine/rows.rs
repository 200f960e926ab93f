//! Whole small answers as values, by column name: for catalogs.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::conn::ResultRows;
use super::pool::Pool;
use crate::batch::Value;
use crate::dsn::{Dsn, Transport};
use crate::port::{PortError, PortResult, Side};
use crate::schema::Column;
use crate::secret::Secrets;

/// An answer held whole. Only for what is known to be small.
pub(super) struct Table {
    /// The columns as the server named them.
    pub(super) columns: Vec<Column>,
    /// The rows in the order in which they came.
    pub(super) rows: Vec<Vec<Value>>,
}

/// One row, its values by their column's name in lower case: servers of one line differ in order and in case.
pub(super) struct Record(BTreeMap<String, Value>);

/// A pool for a DSN.
pub(super) fn pool(side: Side, dsn: &Dsn, secrets: &Secrets) -> PortResult<Arc<Pool>> {
    let refused = |message: String| PortError::Denied { side, message };
    let text = dsn.to_client_string(secrets).map_err(|error| refused(error.to_string()))?;
    let address =
        dsn.database().map_or_else(|| dsn.address(), |database| format!("{}/{database}", dsn.address()));
    Ok(Pool::new(side, address, text, dsn.transport() == Transport::Native))
}

pub(super) async fn table(mut answer: ResultRows) -> PortResult<Table> {
    let columns = answer.columns().to_vec();
    let mut rows = Vec::new();
    while let Some(block) = answer.next().await? {
        for row in 0..block.rows() {
            rows.push((0..columns.len()).map(|column| block.cell(row, column).to_value()).collect());
        }
    }
    Ok(Table { columns, rows })
}

impl Table {
    /// The rows, each by column name.
    pub(super) fn records(self) -> impl Iterator<Item = Record> {
        let names: Vec<_> = self.columns.iter().map(|column| column.name.to_ascii_lowercase()).collect();
        self.rows.into_iter().map(move |row| Record(names.iter().cloned().zip(row).collect()))
    }

    /// The only value of an answer of one row and column; `None` where there is no row.
    pub(super) fn single(&self) -> Option<&Value> {
        self.rows.first().and_then(|row| row.first())
    }
}

impl Record {
    /// A text by the first of these names that the server knows.
    pub(super) fn text(&self, names: &[&str]) -> Option<String> {
        names.iter().find_map(|name| self.0.get(*name)).and_then(text)
    }

    /// A whole number, likewise.
    pub(super) fn number(&self, names: &[&str]) -> Option<i64> {
        names.iter().find_map(|name| self.0.get(*name)).and_then(number)
    }

    /// Everything as texts.
    pub(super) fn texts(&self) -> BTreeMap<String, String> {
        self.0.iter().filter_map(|(name, value)| Some((name.clone(), text(value)?))).collect()
    }
}

/// A value as text; `None` for NULL.
pub(super) fn text(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::Binary(bytes) => Some(String::from_utf8_lossy(bytes).into_owned()),
        Value::Nchar(text) | Value::Json(text) => Some(text.clone()),
        Value::Bool(value) => Some(value.to_string()),
        Value::Int(value) | Value::Timestamp(value) => Some(value.to_string()),
        Value::UInt(value) => Some(value.to_string()),
        Value::Float(value) => Some(value.to_string()),
        Value::Double(value) => Some(value.to_string()),
    }
}

/// A value as a whole number; `None` for NULL and for what is none.
pub(super) fn number(value: &Value) -> Option<i64> {
    match value {
        Value::Int(value) | Value::Timestamp(value) => Some(*value),
        Value::UInt(value) => i64::try_from(*value).ok(),
        _ => None,
    }
}
