//! The one kind of condition on rows that servers in memory understand: a column above a number, `v > 5`.

use super::database::MemTable;
use crate::batch::Value;
use crate::options::RowFilter;

/// A condition, read.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Above {
    column: String,
    number: f64,
}

impl Above {
    /// The condition for a table; nothing where there is none. What it cannot read is told in words.
    pub(super) fn of(filter: &RowFilter, table: &str) -> Result<Option<Self>, String> {
        let Some(sql) = filter.of(table) else { return Ok(None) };
        let read = || {
            let (column, number) = sql.split_once('>')?;
            let column = column.trim().trim_matches('`').to_owned();
            Some(Self { column, number: number.trim().parse().ok()? })
        };
        read().map(Some).ok_or_else(|| format!("a server in memory reads `v > 5` and not {sql:?}"))
    }

    /// Whether it holds for a row; for NULL it does not.
    pub(super) fn holds(&self, table: &MemTable, row: &[Value]) -> bool {
        let place = table.columns.iter().position(|column| column.name == self.column);
        match place.and_then(|place| row.get(place)) {
            Some(Value::Float(value)) => f64::from(*value) > self.number,
            Some(Value::Double(value)) => *value > self.number,
            #[expect(clippy::cast_precision_loss, reason = "small numbers in tests")]
            Some(Value::Int(value)) => *value as f64 > self.number,
            _ => false,
        }
    }
}
