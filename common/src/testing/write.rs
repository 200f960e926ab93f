//! Writing rows into an in-memory sink: everything checked first, everything applied after.
//!
//! Stricter than the real 3.3.1, which drops a column it does not know without a word.

use std::ops::Range;

use super::call::Event;
use super::database::MemTable;
use super::query::period_of;
use super::server::State;
use crate::batch::{Block, Cell, Value};
use crate::port::{PortError, PortResult, RefusedRow, Side};
use crate::schema::{Column, DataType};

/// Rows of a block that go to one table.
pub(super) type Share<'a> = (&'a str, Range<usize>);

/// Where a write goes: a table, and where the block's columns stand in it.
struct Aim<'a> {
    name: &'a str,
    table: &'a MemTable,
    places: Vec<usize>,
}

impl State {
    /// Checks all, then applies all: a write is never applied in part.
    pub(super) fn write(&mut self, block: &Block, shares: &[Share<'_>]) -> PortResult<()> {
        if block.byte_len() > self.limits.write_bytes {
            return Err(self.too_large(&format!("{} bytes", block.byte_len())));
        }
        let checked = self.check(block, shares);
        if matches!(checked, Err(PortError::Refused { .. })) {
            self.counters.refused += 1;
        }
        for ((table, rows), places) in shares.iter().zip(checked?) {
            self.apply(table, block, rows.clone(), &places)?;
        }
        Ok(())
    }

    /// Adds the columns that are not there: to a stable and its subtables, or to a normal table.
    pub(super) fn add_columns(&mut self, name: &str, columns: &[Column]) -> PortResult<()> {
        let lacking = |own: &[Column]| -> Vec<Column> {
            let known = |column: &&Column| own.iter().any(|one| one.name == column.name);
            columns.iter().filter(|column| !known(column)).cloned().collect()
        };
        let database = self.database_mut()?;
        if let Some(stable) = database.stables.get_mut(name) {
            stable.columns.extend(lacking(&stable.columns));
        }
        let concerned = |(own, table): &(&String, &mut MemTable)| {
            own.as_str() == name || table.stable.as_deref() == Some(name)
        };
        for (_, table) in database.tables.iter_mut().filter(concerned) {
            let more = lacking(&table.columns);
            table.rows.values_mut().for_each(|row| row.extend(more.iter().map(|_| Value::Null)));
            table.columns = table.columns.iter().cloned().chain(more).collect();
        }
        Ok(())
    }

    /// Gives a stable the tags that it lacks, which its subtables have as NULL.
    pub(super) fn add_tags(&mut self, name: &str, tags: &[Column]) -> PortResult<()> {
        let database = self.database_mut()?;
        let Some(stable) = database.stables.get_mut(name) else { return Ok(()) };
        let lacks = |tag: &&Column| !stable.tags.iter().any(|own| own.name == tag.name);
        let more: Vec<_> = tags.iter().filter(lacks).cloned().collect();
        for table in database.tables.values_mut().filter(|table| table.stable.as_deref() == Some(name)) {
            table.tags.extend(more.iter().map(|_| Value::Null));
        }
        stable.tags.extend(more);
        Ok(())
    }

    /// Makes a column longer: of a stable and its subtables, or of a normal table.
    pub(super) fn widen_column(&mut self, name: &str, column: &Column) -> PortResult<()> {
        let longer = |columns: &[Column]| -> Vec<Column> {
            let length = |own: &Column| match own.name == column.name {
                true => own.length.max(column.length),
                false => own.length,
            };
            columns.iter().map(|own| Column { length: length(own), ..own.clone() }).collect()
        };
        let database = self.database_mut()?;
        if let Some(stable) = database.stables.get_mut(name) {
            stable.columns = longer(&stable.columns);
            stable.tags = longer(&stable.tags);
        }
        let concerned = |(own, table): &(&String, &mut MemTable)| {
            own.as_str() == name || table.stable.as_deref() == Some(name)
        };
        for (_, table) in database.tables.iter_mut().filter(concerned) {
            table.columns = longer(&table.columns).into();
        }
        Ok(())
    }

    /// Where the block's columns stand in each table.
    fn check(&self, block: &Block, shares: &[Share<'_>]) -> PortResult<Vec<Vec<usize>>> {
        if block.precision() != self.database()?.database.precision {
            return Err(
                self.invalid(format!("rows in {} for a database of another precision", block.precision()))
            );
        }
        let each = |(name, rows): &Share<'_>| {
            let table = self.table(name)?;
            let aim = Aim { name, table, places: self.places(name, table, block)? };
            rows.clone().try_for_each(|row| self.check_row(&aim, block, row))?;
            Ok(aim.places)
        };
        shares.iter().map(each).collect()
    }

    fn places(&self, name: &str, table: &MemTable, block: &Block) -> PortResult<Vec<usize>> {
        let place = |column: &Column| {
            let found = table.columns.iter().position(|own| own.name == column.name);
            let place =
                found.ok_or_else(|| self.missing(format!("column {:?} of table {name:?}", column.name)))?;
            let same = table.columns.get(place).is_some_and(|own| own.data_type == column.data_type);
            same.then_some(place).ok_or_else(|| {
                self.invalid(format!("column {:?} of table {name:?} has another type", column.name))
            })
        };
        let places: Vec<usize> = block.columns().iter().map(place).collect::<PortResult<_>>()?;
        if places.first() != Some(&0) {
            return Err(self.invalid(format!("rows for table {name:?} do not start with its timestamp")));
        }
        Ok(places)
    }

    fn check_row(&self, aim: &Aim<'_>, block: &Block, row: usize) -> PortResult<()> {
        let name = aim.name;
        let Some(ts) = block.timestamp(row) else {
            return Err(self.invalid(format!("row {row} for table {name:?} has no timestamp")));
        };
        if !self.limits.keep.contains(ts) {
            return Err(refused(RefusedRow::Keep, format!("row {row} for table {name:?} at {ts}")));
        }
        for (col, place) in aim.places.iter().enumerate() {
            let column = aim.table.columns.get(*place);
            if column.is_some_and(|column| is_too_long(column, block.cell(row, col))) {
                return Err(refused(
                    RefusedRow::TooLong,
                    format!("row {row} for table {name:?}, column {col}"),
                ));
            }
        }
        Ok(())
    }

    fn apply(&mut self, name: &str, block: &Block, rows: Range<usize>, places: &[usize]) -> PortResult<()> {
        let missing = self.missing(format!("table {name:?}"));
        let table = self.database_mut()?.tables.get_mut(name).ok_or(missing)?;
        let mut again = 0;
        for row in rows.clone() {
            let Some(ts) = block.timestamp(row) else { continue };
            again += u64::from(table.rows.contains_key(&ts));
            let width = table.columns.len();
            let held = table.rows.entry(ts).or_insert_with(|| vec![Value::Null; width]);
            for (col, place) in places.iter().enumerate() {
                if let Some(value) = held.get_mut(*place) {
                    *value = block.cell(row, col).to_value();
                }
            }
        }
        let written = self.counters.written.entry(name.to_owned()).or_default();
        written.rows += u64::try_from(rows.len()).unwrap_or(u64::MAX);
        written.again += again;
        let period = period_of(block, rows.clone());
        self.tell(&Event::Wrote { table: name.to_owned(), rows: rows.len(), period });
        Ok(())
    }
}

fn refused(reason: RefusedRow, message: String) -> PortError {
    let code = match reason {
        RefusedRow::Keep => 0x060B,
        RefusedRow::TooLong => 0x2653,
        RefusedRow::BadName => 0x2617,
    };
    PortError::Refused { side: Side::Sink, reason, code, message }
}

fn is_too_long(column: &Column, cell: Cell<'_>) -> bool {
    let length = usize::try_from(column.length).unwrap_or(usize::MAX);
    match (column.data_type, cell) {
        (DataType::Binary, Cell::Binary(bytes)) => bytes.len() > length,
        (DataType::Nchar, Cell::Nchar(text)) => text.codes().count() > length,
        _ => false,
    }
}
