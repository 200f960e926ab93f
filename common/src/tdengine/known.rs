//! Which tables of the target are known to have the columns of the rows that go to them.
//!
//! A raw block that names a column the table lacks is accepted with that column's data gone, or ends the process
//! inside the native client. So no block goes to a table before its columns were held against the block's.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::catalog::Described;
use crate::batch::Block;
use crate::port::{PortError, PortResult, Side};
use crate::schema::Column;

/// Tables remembered; asking again costs a query, remembering a million tables costs more memory than a worker has.
const MOST_TABLES: usize = 50_000;

/// What the target is known to hold.
#[derive(Default)]
pub(super) struct Known(Mutex<Seen>);

#[derive(Default)]
struct Seen {
    /// Stables and tables, each with the columns of blocks that it took.
    columns: BTreeMap<String, Arc<[Column]>>,
    /// Subtables, each with its stable, which has its columns.
    stables: BTreeMap<String, Arc<str>>,
}

impl Known {
    /// Whether blocks of these columns are known to fit the table.
    pub(super) fn fits(&self, table: &str, columns: &Arc<[Column]>) -> bool {
        let seen = self.seen();
        let known = seen.columns.get(seen.described(table));
        known.is_some_and(|known| Arc::ptr_eq(known, columns) || known == columns)
    }

    /// What to describe to know the columns of a table: its stable where that is known, which spares a query a table.
    pub(super) fn described(&self, table: &str) -> String {
        self.seen().described(table).to_owned()
    }

    /// Holds a block against what the server describes, and remembers that it fits.
    pub(super) fn check(&self, described: &str, block: &Block, answer: &Described) -> PortResult<()> {
        compare(described, block.columns(), &answer.columns)?;
        let mut seen = self.seen();
        if seen.columns.len() >= MOST_TABLES {
            seen.columns.clear();
        }
        seen.columns.insert(described.to_owned(), Arc::clone(block.columns()));
        Ok(())
    }

    /// Remembers subtables that the server listed under a stable.
    pub(super) fn belong<'a>(&self, stable: &str, subtables: impl Iterator<Item = &'a String>) {
        let stable: Arc<str> = stable.into();
        let mut seen = self.seen();
        for subtable in subtables {
            if seen.stables.len() >= MOST_TABLES {
                seen.stables.clear();
            }
            seen.stables.insert(subtable.clone(), Arc::clone(&stable));
        }
    }

    /// Forgets a table whose columns may have changed.
    pub(super) fn forget(&self, table: &str) {
        let mut seen = self.seen();
        let described = seen.described(table).to_owned();
        seen.columns.remove(&described);
        seen.stables.remove(table);
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seen {
    fn described<'a>(&'a self, table: &'a str) -> &'a str {
        self.stables.get(table).map_or(table, |stable| stable)
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
    use crate::time::Precision;

    fn column(name: &str, data_type: DataType) -> Column {
        Column { name: name.into(), data_type, length: 8 }
    }

    #[test]
    fn a_subtable_is_described_by_its_stable_until_it_is_forgotten() {
        let known = Known::default();
        assert_eq!(known.described("d1"), "d1");
        let names = ["d1".to_owned(), "d2".to_owned()];
        known.belong("meters", names.iter());
        assert_eq!(known.described("d1"), "meters");
        let columns: Arc<[Column]> = [column("ts", DataType::Timestamp)].into();
        let answer = Described { columns: columns.to_vec(), tags: Vec::new() };
        let block = Block::empty(Arc::clone(&columns), Precision::Milli);
        assert!(!known.fits("d1", &columns));
        known.check("meters", &block, &answer).unwrap();
        assert!(known.fits("d1", &columns) && known.fits("d2", &columns));
        known.forget("d1");
        assert_eq!(known.described("d1"), "d1");
        assert!(!known.fits("d1", &columns) && !known.fits("d2", &columns), "its stable may have changed");
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
