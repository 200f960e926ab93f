//! Whether one database holds all that another holds and nothing else, cell by cell.

use super::database::{MemDatabase, MemTable};
use crate::time::Period;

/// The first differences between what the sink should hold and what it holds, in words; none if they are equal.
///
/// Names, columns, tags and rows are compared, a database's options are not. Rows outside `period` are not looked
/// at. At most `most` differences are told.
pub fn differences(source: &MemDatabase, sink: &MemDatabase, period: Period, most: usize) -> Vec<String> {
    let mut told = Told { differences: Vec::new(), most };
    if source.database.precision != sink.database.precision {
        told.tell(|| format!("precision: {} and {}", source.database.precision, sink.database.precision));
    }
    told.both("stable", &source.stables, &sink.stables, |told, name, wanted, found| {
        if wanted != found {
            told.tell(|| format!("stable {name:?}: {wanted:?} and {found:?}"));
        }
    });
    told.both("table", &source.tables, &sink.tables, |told, name, wanted, found| {
        told.table(name, wanted, found, period);
    });
    told.differences
}

/// Fails a test with the first differences if there are any.
///
/// # Panics
///
/// Where the two differ.
#[track_caller]
pub fn assert_same(source: &MemDatabase, sink: &MemDatabase) {
    let found = differences(source, sink, Period::ALL, 10);
    assert!(found.is_empty(), "the sink does not hold what the source holds:\n{}", found.join("\n"));
}

struct Told {
    differences: Vec<String>,
    most: usize,
}

impl Told {
    fn tell(&mut self, difference: impl FnOnce() -> String) {
        if self.differences.len() < self.most {
            self.differences.push(difference());
        }
    }

    /// What is missing, what is extra, and what `differ` says about the rest.
    fn both<K: Ord + std::fmt::Debug, T>(
        &mut self,
        what: &str,
        wanted: &std::collections::BTreeMap<K, T>,
        found: &std::collections::BTreeMap<K, T>,
        mut differ: impl FnMut(&mut Self, &K, &T, &T),
    ) {
        for (key, one) in wanted {
            match found.get(key) {
                Some(other) => differ(self, key, one, other),
                None => self.tell(|| format!("{what} {key:?} is missing")),
            }
        }
        for key in found.keys().filter(|key| !wanted.contains_key(key)) {
            self.tell(|| format!("{what} {key:?} should not be there"));
        }
    }

    fn table(&mut self, name: &str, wanted: &MemTable, found: &MemTable, period: Period) {
        if wanted.stable != found.stable {
            self.tell(|| format!("table {name:?}: stable {:?} and {:?}", wanted.stable, found.stable));
        }
        if wanted.columns != found.columns {
            self.tell(|| format!("table {name:?}: columns {:?} and {:?}", wanted.columns, found.columns));
        }
        if wanted.tags != found.tags {
            self.tell(|| format!("table {name:?}: tags {:?} and {:?}", wanted.tags, found.tags));
        }
        let within = |table: &MemTable| table.rows_in(period).map(|(ts, row)| (*ts, row.clone())).collect();
        self.both(
            &format!("table {name:?}: row"),
            &within(wanted),
            &within(found),
            |told, ts, one, other| {
                if one != other {
                    told.tell(|| format!("table {name:?}: row {ts}: {one:?} and {other:?}"));
                }
            },
        );
    }
}
