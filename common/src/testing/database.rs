//! What an in-memory database holds: plain data, ordered, so that a simulation replays from its seed.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::batch::Value;
use crate::schema::{Column, Database, Extent, Stable};
use crate::time::{Period, Precision};

/// A whole database.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MemDatabase {
    /// Name, precision and options.
    pub database: Database,
    /// Stables by name.
    pub stables: BTreeMap<String, Stable>,
    /// Subtables and normal tables by name.
    pub tables: BTreeMap<String, MemTable>,
}

/// A subtable or a normal table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemTable {
    /// Its stable; `None` for a normal table.
    pub stable: Option<String>,
    /// Its columns, the timestamp first.
    pub columns: Arc<[Column]>,
    /// One value a tag of its stable.
    pub tags: Vec<Value>,
    /// Its rows by time; each holds a value a column, the timestamp first.
    pub rows: BTreeMap<i64, Vec<Value>>,
}

impl MemDatabase {
    /// An empty database of this name.
    pub fn new(name: &str, precision: Precision) -> Self {
        let options = BTreeMap::new();
        Self { database: Database { name: name.into(), precision, options }, ..Self::default() }
    }

    /// Adds a stable without subtables.
    pub fn add_stable(&mut self, stable: Stable) {
        self.stables.insert(stable.name.clone(), stable);
    }

    /// Adds a subtable of a stable that is there already; of an unknown one it gets no columns.
    pub fn add_subtable(&mut self, stable: &str, name: &str, tags: Vec<Value>) {
        let columns = self.stables.get(stable).map(|stable| stable.columns.clone()).unwrap_or_default();
        let table =
            MemTable { stable: Some(stable.into()), columns: columns.into(), tags, rows: BTreeMap::new() };
        self.tables.insert(name.into(), table);
    }

    /// Adds a normal table.
    pub fn add_normal_table(&mut self, name: &str, columns: Vec<Column>) {
        let table =
            MemTable { stable: None, columns: columns.into(), tags: Vec::new(), rows: BTreeMap::new() };
        self.tables.insert(name.into(), table);
    }

    /// Puts a row; its first value is the timestamp. A row without one, or of an unknown table, is left out.
    pub fn put_row(&mut self, table: &str, row: Vec<Value>) {
        if let (Some(table), Some(Value::Timestamp(ts))) = (self.tables.get_mut(table), row.first()) {
            table.rows.insert(*ts, row);
        }
    }

    /// Adds a column to a stable and its subtables, or to a normal table: rows that are there have NULL in it.
    pub fn add_column(&mut self, name: &str, column: Column) {
        if let Some(stable) = self.stables.get_mut(name) {
            stable.columns.push(column.clone());
        }
        for (own, table) in &mut self.tables {
            if own == name || table.stable.as_deref() == Some(name) {
                table.columns = table.columns.iter().chain([&column]).cloned().collect();
                table.rows.values_mut().for_each(|row| row.push(Value::Null));
            }
        }
    }

    /// Adds a tag to a stable: its subtables have NULL in it.
    pub fn add_tag(&mut self, name: &str, tag: Column) {
        let Some(stable) = self.stables.get_mut(name) else { return };
        stable.tags.push(tag);
        let tables = self.tables.values_mut().filter(|table| table.stable.as_deref() == Some(name));
        tables.for_each(|table| table.tags.push(Value::Null));
    }

    /// Gives a subtable another value of a tag, which its stable must have.
    pub fn set_tag(&mut self, table: &str, tag: &str, value: Value) {
        let Some(table) = self.tables.get_mut(table) else { return };
        let stable = table.stable.as_ref().and_then(|stable| self.stables.get(stable));
        let at = stable.and_then(|stable| stable.tags.iter().position(|one| one.name == tag));
        if let Some(own) = at.and_then(|at| table.tags.get_mut(at)) {
            *own = value;
        }
    }

    /// The subtables of a stable, by name.
    pub fn subtables_of(&self, stable: &str) -> impl Iterator<Item = (&String, &MemTable)> {
        self.tables.iter().filter(move |(_, table)| table.stable.as_deref() == Some(stable))
    }

    /// How many rows there are in all.
    pub fn row_count(&self) -> usize {
        self.tables.values().map(|table| table.rows.len()).sum()
    }
}

impl MemTable {
    /// Its rows in a period.
    pub fn rows_in(&self, period: Period) -> impl DoubleEndedIterator<Item = (&i64, &Vec<Value>)> {
        // An inverted range would panic; an empty period has no rows.
        let to = period.to.max(period.from);
        self.rows.range(period.from..to)
    }

    /// How much it holds, counted.
    pub fn extent(&self) -> Extent {
        sum_extents([self])
    }
}

/// How much tables hold together, counted.
pub(super) fn sum_extents<'a>(tables: impl IntoIterator<Item = &'a MemTable>) -> Extent {
    tables.into_iter().filter(|table| !table.rows.is_empty()).fold(Extent::EMPTY, |sum, table| {
        let first = table.rows.keys().next().copied().unwrap_or_default();
        let past = table.rows.keys().next_back().copied().unwrap_or_default().saturating_add(1);
        let period = sum.period.map_or(Period { from: first, to: past }, |period| Period {
            from: period.from.min(first),
            to: period.to.max(past),
        });
        let rows = u64::try_from(table.rows.len()).unwrap_or(u64::MAX);
        Extent { rows: sum.rows.saturating_add(rows), period: Some(period), exact: true }
    })
}
