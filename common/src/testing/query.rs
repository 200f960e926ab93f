//! What both sides answer alike: tables looked up, rows counted, rows laid out as blocks.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::call::Event;
use super::database::MemTable;
use super::narrow::Above;
use super::server::State;
use crate::batch::{Block, BlockBuilder, Run, TableRuns, Value};
use crate::options::RowFilter;
use crate::port::{PortResult, Tables};
use crate::schema::{Census, Column, NormalTable, Stable};
use crate::time::Period;

impl State {
    pub(super) fn stable(&self, name: &str) -> PortResult<&Stable> {
        self.database()?.stables.get(name).ok_or_else(|| self.missing(format!("stable {name:?}")))
    }

    pub(super) fn table(&self, name: &str) -> PortResult<&MemTable> {
        self.database()?.tables.get(name).ok_or_else(|| self.missing(format!("table {name:?}")))
    }

    pub(super) fn stables(&self) -> PortResult<Vec<Stable>> {
        Ok(self.database()?.stables.values().cloned().collect())
    }

    pub(super) fn normal_tables(&self) -> PortResult<Vec<NormalTable>> {
        let normal = self.database()?.tables.iter().filter(|(_, table)| table.stable.is_none());
        Ok(normal
            .map(|(name, table)| NormalTable { name: name.clone(), columns: table.columns.to_vec() })
            .collect())
    }

    /// Those of `names` that are subtables of the stable, each once, by name.
    pub(super) fn subtables(&self, stable: &str, names: &[String]) -> PortResult<Vec<(&String, &MemTable)>> {
        self.stable(stable)?;
        let wanted: BTreeSet<&String> = names.iter().collect();
        Ok(self.database()?.subtables_of(stable).filter(|(name, _)| wanted.contains(name)).collect())
    }

    /// The tables that are meant, by name.
    pub(super) fn selected(&self, tables: Tables<'_>) -> PortResult<Vec<(&String, &MemTable)>> {
        match tables {
            Tables::All { stable } => {
                self.stable(stable)?;
                Ok(self.database()?.subtables_of(stable).collect())
            }
            Tables::Of { stable, names } => self.subtables(stable, names),
            Tables::One { name } => {
                self.table(name)?;
                Ok(self.database()?.tables.get_key_value(name).into_iter().collect())
            }
        }
    }

    pub(super) fn count_each(
        &self,
        tables: Tables<'_>,
        period: Period,
        filter: &RowFilter,
    ) -> PortResult<BTreeMap<String, u64>> {
        let above = self.above(tables, filter)?;
        let count = |table: &MemTable| {
            let rows = table.rows_in(self.seen(period)).filter(|(_, row)| holds(above.as_ref(), table, row));
            u64::try_from(rows.count()).unwrap_or(u64::MAX)
        };
        let mut counts: BTreeMap<String, u64> = match tables {
            // as on the real ones, a stable has its subtables' rows
            Tables::One { name } if self.database()?.stables.contains_key(name) => {
                let rows = self.database()?.subtables_of(name).map(|(_, table)| count(table)).sum();
                BTreeMap::from([(name.to_owned(), rows)])
            }
            _ => {
                self.selected(tables)?.into_iter().map(|(name, table)| (name.clone(), count(table))).collect()
            }
        };
        counts.retain(|_, rows| *rows > 0);
        Ok(counts)
    }

    fn above(&self, tables: Tables<'_>, filter: &RowFilter) -> PortResult<Option<Above>> {
        let of = match tables {
            Tables::One { name } => name,
            Tables::Of { stable, .. } | Tables::All { stable } => stable,
        };
        Above::of(filter, of).map_err(|words| self.invalid(words))
    }

    pub(super) fn count_buckets(
        &self,
        tables: Tables<'_>,
        period: Period,
        bucket: i64,
        filter: &RowFilter,
    ) -> PortResult<BTreeMap<i64, u64>> {
        let above = self.above(tables, filter)?;
        let precision = self.database()?.database.precision;
        if precision.whole_seconds(bucket).is_none() {
            return Err(self.invalid(format!("a bucket of {bucket} {precision} is no whole seconds")));
        }
        let mut counts = BTreeMap::new();
        for (_, table) in self.selected(tables)? {
            let rows = table.rows_in(self.seen(period));
            for (ts, _) in rows.filter(|(_, row)| holds(above.as_ref(), table, row)) {
                *counts.entry(Period::bucket(bucket, *ts)).or_default() += 1;
            }
        }
        Ok(counts)
    }

    pub(super) fn newest(&self, tables: Tables<'_>) -> PortResult<Option<i64>> {
        let last = |(_, table): (_, &MemTable)| Some(*table.rows_in(self.limits.keep).next_back()?.0);
        Ok(self.selected(tables)?.into_iter().filter_map(last).max())
    }

    pub(super) fn census(&self) -> PortResult<Census> {
        let database = self.database()?;
        let stables = database.stables.keys().map(|name| (name.clone(), 0)).collect();
        let mut census = Census { stables, normal: 0 };
        for table in database.tables.values() {
            match &table.stable {
                Some(stable) => *census.stables.entry(stable.clone()).or_default() += 1,
                None => census.normal += 1,
            }
        }
        Ok(census)
    }

    /// As on the real ones, rows outside KEEP are not seen.
    fn seen(&self, period: Period) -> Period {
        period.intersect(self.limits.keep)
    }

    pub(super) fn count(&self, tables: Tables<'_>, period: Period, filter: &RowFilter) -> PortResult<u64> {
        Ok(self.count_each(tables, period, filter)?.values().sum())
    }

    /// The next block of one table's rows; without rows at the end of the period.
    pub(super) fn rows_block(
        &mut self,
        name: &str,
        columns: &Arc<[Column]>,
        period: Period,
        filter: &RowFilter,
    ) -> PortResult<Block> {
        let mut page = Page::new(self, columns, filter)?;
        page.take(self, name, period)?;
        let runs = page.finish(self)?;
        self.note(&runs);
        Ok(runs.block)
    }

    /// The next block of rows of many tables, and where the block after it starts.
    pub(super) fn runs_block(
        &mut self,
        columns: &Arc<[Column]>,
        names: &[String],
        (from, period): (Cursor, Period),
        filter: &RowFilter,
    ) -> PortResult<(TableRuns, Cursor)> {
        let mut page = Page::new(self, columns, filter)?;
        let mut at = from;
        while let Some(name) = names.get(at.table) {
            // one that was dropped since the names were listed has no rows any more
            let is_there = self.database()?.tables.contains_key(name);
            let rest = if is_there { page.take(self, name, period.starting_at(at.next))? } else { None };
            at = match rest {
                Some(next) => Cursor { table: at.table, next },
                None => Cursor { table: at.table + 1, next: period.from },
            };
            if page.is_full() {
                break;
            }
        }
        let runs = page.finish(self)?;
        self.note(&runs);
        Ok((runs, at))
    }

    fn note(&mut self, rows: &TableRuns) {
        if rows.rows() == 0 {
            return;
        }
        self.counters.blocks += 1;
        self.counters.rows_read += u64::try_from(rows.rows()).unwrap_or(u64::MAX);
        for run in &rows.runs {
            let period = period_of(&rows.block, run.rows.clone());
            self.tell(&Event::Read { table: run.table.clone(), rows: run.rows.len(), period });
        }
    }
}

/// Where the next block of a grouped read starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cursor {
    pub(super) table: usize,
    pub(super) next: i64,
}

/// From the least timestamp of these rows to just past the greatest.
pub(super) fn period_of(block: &Block, rows: std::ops::Range<usize>) -> Period {
    let times = || rows.clone().filter_map(|row| block.timestamp(row));
    let from = times().min().unwrap_or_default();
    Period { from, to: times().max().unwrap_or(from).saturating_add(1) }
}

/// A block in the making.
struct Page<'a> {
    filter: &'a RowFilter,
    builder: BlockBuilder,
    columns: Arc<[Column]>,
    runs: Vec<Run>,
    room: usize,
}

fn holds(above: Option<&Above>, table: &MemTable, row: &[Value]) -> bool {
    above.is_none_or(|above| above.holds(table, row))
}

impl<'a> Page<'a> {
    fn new(state: &State, columns: &Arc<[Column]>, filter: &'a RowFilter) -> PortResult<Self> {
        let precision = state.database()?.database.precision;
        let builder = BlockBuilder::new(Arc::clone(columns), precision);
        Ok(Self {
            filter,
            builder,
            columns: Arc::clone(columns),
            runs: Vec::new(),
            room: state.limits.block_rows.max(1),
        })
    }

    fn is_full(&self) -> bool {
        self.builder.rows() >= self.room
    }

    /// Takes rows of a table while there is room. Answers where the rest starts, `None` at the table's end.
    fn take(&mut self, state: &State, name: &str, period: Period) -> PortResult<Option<i64>> {
        let table = state.table(name)?;
        let places = places(state, name, table, &self.columns)?;
        let of = table.stable.as_deref().unwrap_or(name);
        let above = Above::of(self.filter, of).map_err(|words| state.invalid(words))?;
        let first = self.builder.rows();
        let mut rest = None;
        for (ts, row) in table.rows_in(state.seen(period)) {
            if self.is_full() {
                rest = Some(*ts);
                break;
            }
            if above.as_ref().is_some_and(|above| !above.holds(table, row)) {
                continue;
            }
            let cells: Vec<Value> = places.iter().filter_map(|place| row.get(*place).cloned()).collect();
            self.builder.push_row(&cells).map_err(|bad| state.invalid(format!("table {name:?}: {bad}")))?;
        }
        if self.builder.rows() > first {
            self.runs.push(Run { table: name.to_owned(), rows: first..self.builder.rows() });
        }
        Ok(rest)
    }

    fn finish(self, state: &State) -> PortResult<TableRuns> {
        let block = self.builder.finish().map_err(|bad| state.invalid(bad.to_string()))?;
        Ok(TableRuns { block, runs: self.runs })
    }
}

/// Where the wanted columns stand in a table; they are looked up by name.
fn places(state: &State, name: &str, table: &MemTable, wanted: &[Column]) -> PortResult<Vec<usize>> {
    let place = |column: &Column| {
        let found = table.columns.iter().position(|own| own.name == column.name);
        found.ok_or_else(|| state.missing(format!("column {:?} of table {name:?}", column.name)))
    };
    wanted.iter().map(place).collect()
}
