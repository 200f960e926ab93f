//! Production: what goes on being written into a source while it is copied and followed. Steadily and in bursts, out of
//! order, late by a second to a day, into new subtables, stables and normal tables, with columns and tags that are added.
//!
//! It writes in this process, past all faults: whatever it was told is stored must come to the target.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::fmt::{self, Write as _};
use std::ops::RangeInclusive;
use std::time::Duration;

use anyhow::{Context, Result};
use rand::Rng;
use rand::rngs::SmallRng;
use tdferry_common::clock::wall_now;
use tdferry_standin::{Outcome, Server};
use tokio::time::sleep;

/// How long the longest statement is, in bytes.
const STATEMENT: usize = 60_000;
/// Between two statements, in milliseconds.
const PACE: RangeInclusive<u64> = 40..=160;
/// Rows are no more out of order than this: less than the tasks' excursion.
const OUT_OF_ORDER: RangeInclusive<i64> = 0..=600;
/// How late rows are that come late, in milliseconds: from a second to a day.
const LATE: RangeInclusive<i64> = 1_000..=86_400_000;
/// How far back the rows go that are there when a task is created.
pub(crate) const HISTORY_MILLIS: i64 = 86_400_000;
const STEADY: RangeInclusive<usize> = 20..=60;
const BURST: RangeInclusive<usize> = 1_000..=3_000;
const LATE_ROWS: RangeInclusive<usize> = 1..=20;
const NEW_SUBTABLES: RangeInclusive<usize> = 1..=4;
/// Rows that a new subtable has from before.
const BACKFILL: RangeInclusive<usize> = 0..=10;
/// Each is a change of every row that is read: a few tell what many would.
const MOST_ADDED: usize = 4;

/// What was written, as the source acknowledged it.
#[derive(Debug, Default, Clone)]
pub(crate) struct Written {
    /// All rows, those of before the tasks among them.
    pub(crate) rows: u64,
    pub(crate) late: u64,
    pub(crate) subtables: u64,
    pub(crate) columns: u64,
    pub(crate) tags: u64,
    /// Stables and normal tables that came meanwhile.
    pub(crate) others: u64,
}

/// What it is told while it writes.
#[derive(Debug, Default)]
pub(crate) struct Orders {
    /// The source is followed: its structure may change. A copy of history needs a person then.
    pub(crate) is_live: Cell<bool>,
    pub(crate) stop: Cell<bool>,
}

/// One database of the source, and all that was ever put there.
pub(crate) struct Production<'a> {
    source: &'a Server,
    database: String,
    rng: SmallRng,
    stables: Vec<Stable>,
    tables: Vec<Table>,
    written: Written,
}

/// What was added to it.
struct Stable {
    columns: usize,
    tags: usize,
}

struct Table {
    name: String,
    /// None of a normal table.
    stable: Option<usize>,
    /// A row that is written again is a change, which polling does not see.
    times: BTreeSet<i64>,
}

impl<'a> Production<'a> {
    /// A database with two stables, so many subtables that hold some rows each, and a normal table.
    pub(crate) fn begin(
        source: &'a Server,
        database: &str,
        subtables: usize,
        rows: usize,
        rng: SmallRng,
    ) -> Result<Self> {
        let written = Written::default();
        let (stables, tables, database) = (Vec::new(), Vec::new(), database.to_owned());
        let mut production = Self { source, database, rng, stables, tables, written };
        let create = format!("create database {} precision 'ms' keep 36500 update 1", production.database);
        production.execute(&create)?;
        production.add_stable()?;
        production.add_stable()?;
        production.add_normal_table()?;
        // nine of ten of the first stable: one tail has much to do, and another little
        production.add_subtables(0, subtables * 9 / 10)?;
        production.add_subtables(1, subtables - subtables * 9 / 10)?;
        let all = production.tables.len();
        let held = (0..all).flat_map(|table| (0..rows).map(move |_| table)).collect::<Vec<_>>();
        production.put(held, 1..=HISTORY_MILLIS)?;
        production.written = Written { rows: production.written.rows, ..Written::default() };
        Ok(production)
    }

    /// Writes until it is told to stop.
    pub(crate) async fn write(mut self, orders: &Orders) -> Result<Written> {
        while !orders.stop.get() {
            sleep(Duration::from_millis(self.rng.random_range(PACE))).await;
            self.act(orders.is_live.get())?;
        }
        Ok(self.written)
    }

    fn act(&mut self, is_live: bool) -> Result<()> {
        let stable = self.rng.random_range(0..self.stables.len());
        // each at least once, however short the time is
        match self.written {
            Written { columns: 0, .. } if is_live => return self.add_column(stable),
            Written { tags: 0, .. } if is_live => return self.add_tag(stable),
            Written { others: 0, .. } if is_live => return self.add_normal_table(),
            _ => {}
        }
        match self.rng.random_range(0..100) {
            0..60 => self.some(STEADY, OUT_OF_ORDER),
            60..70 => self.some(BURST, OUT_OF_ORDER),
            70..85 => self.late(),
            85..94 => {
                let first = self.tables.len();
                let subtables = self.rng.random_range(NEW_SUBTABLES);
                self.add_subtables(stable, subtables)?;
                self.backfill(first)
            }
            94..96 if is_live && self.stables[stable].columns < MOST_ADDED => self.add_column(stable),
            96..98 if is_live && self.stables[stable].tags < MOST_ADDED => self.add_tag(stable),
            98 if is_live && self.written.others < MOST_ADDED as u64 => {
                let first = self.tables.len();
                self.add_normal_table()?;
                self.backfill(first)
            }
            99 if is_live && self.written.others < MOST_ADDED as u64 => {
                let first = self.tables.len();
                self.add_stable()?;
                self.add_subtables(self.stables.len() - 1, 2)?;
                self.backfill(first)
            }
            _ => self.some(STEADY, OUT_OF_ORDER),
        }
    }

    fn some(&mut self, rows: RangeInclusive<usize>, ages: RangeInclusive<i64>) -> Result<()> {
        let rows = self.rng.random_range(rows);
        let tables = (0..rows).map(|_| self.rng.random_range(0..self.tables.len())).collect();
        self.put(tables, ages)
    }

    /// As many by seconds as by minutes as by hours.
    fn late(&mut self) -> Result<()> {
        let before = self.written.rows;
        let (least, most) = (LATE.start().ilog2(), LATE.end().ilog2());
        let age = 1_i64 << self.rng.random_range(least..=most);
        self.some(LATE_ROWS, age..=(2 * age).min(*LATE.end()))?;
        self.written.late += self.written.rows - before;
        Ok(())
    }

    /// Gives the tables from this one on rows from before, and one of now.
    fn backfill(&mut self, first: usize) -> Result<()> {
        let new = first..self.tables.len();
        let rows = self.rng.random_range(BACKFILL);
        self.put(new.clone().flat_map(|table| (0..rows).map(move |_| table)).collect(), LATE)?;
        self.put(new.collect(), OUT_OF_ORDER)
    }

    fn add_stable(&mut self) -> Result<()> {
        let name = format!("{}.stable{}", self.database, self.stables.len());
        self.execute(&format!(
            "create table {name} (ts timestamp, current float, voltage int, note binary(16)) \
             tags (groupid int, location nchar(24))"
        ))?;
        self.stables.push(Stable { columns: 0, tags: 0 });
        self.written.others += 1;
        Ok(())
    }

    fn add_normal_table(&mut self) -> Result<()> {
        let name = format!("normal{}", self.tables.len());
        let columns = "(ts timestamp, current float, voltage int, note binary(16))";
        self.execute(&format!("create table {}.{name} {columns}", self.database))?;
        self.tables.push(Table { name, stable: None, times: BTreeSet::new() });
        self.written.others += 1;
        Ok(())
    }

    fn add_subtables(&mut self, stable: usize, subtables: usize) -> Result<()> {
        let mut sql = String::new();
        for number in 0..subtables {
            let name = format!("d{}", self.tables.len());
            if sql.is_empty() {
                sql.push_str("create table");
            }
            write!(
                sql,
                " {0}.{name} using {0}.stable{stable} tags ({number}, '厂区 {number}'",
                self.database
            )?;
            for _ in 0..self.stables[stable].tags {
                write!(sql, ", {}", self.rng.random_range(0..1_000))?;
            }
            sql.push(')');
            self.tables.push(Table { name, stable: Some(stable), times: BTreeSet::new() });
            if sql.len() > STATEMENT || number + 1 == subtables {
                self.execute(&std::mem::take(&mut sql))?;
            }
        }
        self.written.subtables += subtables as u64;
        Ok(())
    }

    fn add_column(&mut self, stable: usize) -> Result<()> {
        let number = self.stables[stable].columns;
        self.execute(&format!("alter table {}.stable{stable} add column more{number} int", self.database))?;
        self.stables[stable].columns += 1;
        self.written.columns += 1;
        Ok(())
    }

    fn add_tag(&mut self, stable: usize) -> Result<()> {
        let number = self.stables[stable].tags;
        self.execute(&format!("alter table {}.stable{stable} add tag tag{number} int", self.database))?;
        self.stables[stable].tags += 1;
        self.written.tags += 1;
        Ok(())
    }

    /// A row for each, in few statements, dated so long ago. None for a time that the table has a row of.
    fn put(&mut self, tables: Vec<usize>, ages: RangeInclusive<i64>) -> Result<()> {
        let mut sql = String::new();
        for index in tables {
            let ts = wall_now() - self.rng.random_range(ages.clone());
            if !self.tables[index].times.insert(ts) {
                continue;
            }
            if sql.is_empty() {
                sql.push_str("insert into");
            }
            let row = self.row(index, ts);
            write!(sql, " {}.{} values {row}", self.database, self.tables[index].name)?;
            if sql.len() > STATEMENT {
                self.insert(&std::mem::take(&mut sql))?;
            }
        }
        if sql.is_empty() { Ok(()) } else { self.insert(&sql) }
    }

    fn row(&mut self, index: usize, ts: i64) -> String {
        let (current, voltage) = (self.rng.random_range(0.0..50.0_f32), self.rng.random_range(180..250));
        let mut row = format!("({ts}, {current:?}, {voltage}, 'n{}'", ts % 1_000);
        let more = self.tables[index].stable.map_or(0, |stable| self.stables[stable].columns);
        for _ in 0..more {
            let _ = write!(row, ", {}", self.rng.random_range(0..1_000));
        }
        row + ")"
    }

    fn insert(&mut self, sql: &str) -> Result<()> {
        if let Outcome::Affected(rows) = self.execute(sql)? {
            self.written.rows += rows;
        }
        Ok(())
    }

    fn execute(&self, sql: &str) -> Result<Outcome> {
        let told = self.source.execute(sql);
        told.with_context(|| format!("the source refused {}", &sql.chars().take(200).collect::<String>()))
    }
}

impl Written {
    pub(crate) fn add(&mut self, other: &Self) {
        self.rows += other.rows;
        self.late += other.late;
        self.subtables += other.subtables;
        self.columns += other.columns;
        self.tags += other.tags;
        self.others += other.others;
    }

    /// Whether all that may come meanwhile came.
    pub(crate) const fn is_of_each(&self) -> bool {
        let Self { rows, late, subtables, columns, tags, others } = *self;
        rows > 0 && late > 0 && subtables > 0 && columns > 0 && tags > 0 && others > 0
    }
}

impl fmt::Display for Written {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rows, late, subtables, columns, tags, others } = self;
        write!(
            f,
            "{rows} rows, {late} of them late, into {subtables} new subtables, {others} new stables and normal tables, \
             {columns} new columns, {tags} new tags"
        )
    }
}
