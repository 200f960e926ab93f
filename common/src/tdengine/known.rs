//! Which tables of the target are known to have the columns of the rows that go to them.
//!
//! A raw block that names a column the table lacks is accepted with that column's data gone, or ends the process
//! inside the native client. So no block goes to a table before its columns were held against the block's.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::catalog::Described;
use crate::batch::Block;
use crate::port::{PortError, PortResult, Side};
use crate::schema::Column;

/// Tables remembered; asking again costs a query, remembering a million tables costs more memory than a worker has.
const MOST_TABLES: usize = 50_000;

/// Tables, each with the columns of blocks that it took.
#[derive(Default)]
pub(super) struct Known {
    tables: Mutex<BTreeMap<String, Arc<[Column]>>>,
}

impl Known {
    /// Whether blocks of these columns are known to fit the table.
    pub(super) fn fits(&self, table: &str, columns: &Arc<[Column]>) -> bool {
        let tables = self.tables.lock().unwrap_or_else(PoisonError::into_inner);
        tables.get(table).is_some_and(|known| Arc::ptr_eq(known, columns) || known == columns)
    }

    /// Holds a block against the table as the server describes it, and remembers that it fits.
    pub(super) fn check(&self, table: &str, block: &Block, described: &Described) -> PortResult<()> {
        compare(table, block.columns(), &described.columns)?;
        let mut tables = self.tables.lock().unwrap_or_else(PoisonError::into_inner);
        if tables.len() >= MOST_TABLES {
            tables.clear();
        }
        tables.insert(table.to_owned(), Arc::clone(block.columns()));
        Ok(())
    }

    /// Forgets a table whose columns may have changed.
    pub(super) fn forget(&self, table: &str) {
        self.tables.lock().unwrap_or_else(PoisonError::into_inner).remove(table);
    }
}

/// The block's columns are among the table's, by name and type, and start with its timestamp.
fn compare(table: &str, block: &[Column], target: &[Column]) -> PortResult<()> {
    let side = Side::Sink;
    let invalid = |message| PortError::Invalid { side, message };
    for column in block {
        let Some(own) = target.iter().find(|own| own.name == column.name) else {
            let message = format!("table `{table}` has no column `{}`; add it to the target", column.name);
            return Err(PortError::Missing { side, message });
        };
        if own.data_type != column.data_type {
            let (has, wants) = (own.data_type.sql(), column.data_type.sql());
            return Err(invalid(format!(
                "column `{}` of table `{table}` is {has}, the rows hold {wants}",
                own.name
            )));
        }
    }
    if block.first().map(|column| &column.name) != target.first().map(|column| &column.name) {
        return Err(invalid(format!("rows for table `{table}` do not start with its timestamp")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::DataType;

    fn column(name: &str, data_type: DataType) -> Column {
        Column { name: name.into(), data_type, length: 8 }
    }

    #[test]
    fn a_block_fits_only_a_table_that_has_its_columns() {
        let (ts, a) = (column("ts", DataType::Timestamp), column("a", DataType::Int));
        let target = [ts.clone(), column("other", DataType::Double), a.clone()];
        assert_eq!(compare("t", &[ts.clone(), a.clone()], &target), Ok(()));
        let missing = compare("t", &[ts.clone(), column("A", DataType::Int)], &target).unwrap_err();
        assert!(
            matches!(&missing, PortError::Missing { message, .. } if message.contains("`t` has no column `A`"))
        );
        let typed = compare("t", &[ts, column("a", DataType::BigInt)], &target).unwrap_err();
        assert!(matches!(&typed, PortError::Invalid { message, .. } if message.contains("is INT")));
        assert!(matches!(compare("t", &[a], &target), Err(PortError::Invalid { .. })));
    }
}
