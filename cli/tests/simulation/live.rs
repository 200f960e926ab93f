//! Production: what goes on being written into the source while it is copied and followed. Steadily and in bursts, out
//! of order within the excursion, late by up to half a minute; it adds subtables, normal tables, a stable and columns.
//! It stops when the faults do, and the target must come to hold what the source holds.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use rand::rngs::SmallRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use tdferry_common::batch::Value;
use tdferry_common::schema::{DataType, Stable};
use tdferry_common::testing::{MemDatabase, column};
use tokio::time::sleep;

use crate::faults::QUIET_FROM;
use crate::hosts::{Failure, clock};
use crate::log::Entry;
use crate::world::World;

/// How many seeds have a source that goes on being written to.
const SHARE: f64 = 0.3;
/// As the task is told: rows that are no more out of order than this are read in time.
pub(crate) const EXCURSION_MILLIS: i64 = 500;
/// What comes later is found by counting this far back: further than the latest row is when the last faults are over.
pub(crate) const AUDIT_WINDOW: &str = "10m";
/// Rows that come late are dated so long ago.
const LATE_MILLIS: RangeInclusive<i64> = 1_000..=30_000;
const BEGINS: Duration = Duration::from_secs(1);
const PACE_MILLIS: RangeInclusive<u64> = 50..=700;
const BURST: RangeInclusive<usize> = 10..=40;
/// A new subtable holds so many rows from before.
const BACKFILL: RangeInclusive<i64> = 0..=20;

/// What a task of a seed follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    Both,
    Realtime,
}

impl Mode {
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Both => "both",
            Self::Realtime => "realtime",
        }
    }
}

/// Whether a seed's source goes on being written to; that of every seed where `always`. Drawn apart: the other seeds go
/// the way they went before.
pub(crate) fn draw(seed: u64, always: bool) -> Option<Mode> {
    let mut rng = generator(seed, "mode");
    let goes_on = rng.random_bool(SHARE);
    let mode = if rng.random_bool(0.75) { Mode::Both } else { Mode::Realtime };
    (goes_on || always).then_some(mode)
}

fn generator(seed: u64, what: &str) -> SmallRng {
    let mut hasher = DefaultHasher::new();
    (seed, "live", what).hash(&mut hasher);
    SmallRng::seed_from_u64(hasher.finish())
}

struct Production {
    world: Arc<World>,
    rng: SmallRng,
    /// Tables that were added.
    added: u32,
    columns: u32,
}

/// Writes until the faults are over, and then stands still.
pub(crate) async fn produce(world: Arc<World>) -> Result<(), Failure> {
    let rng = generator(world.seed, "rows");
    let mut production = Production { world, rng, added: 0, columns: 0 };
    sleep(BEGINS).await;
    while turmoil::sim_elapsed().unwrap_or_default() < QUIET_FROM {
        sleep(Duration::from_millis(production.rng.random_range(PACE_MILLIS))).await;
        production.act();
    }
    std::future::pending().await
}

impl Production {
    fn act(&mut self) {
        // what comes before the task is live must come in order: later it would be held to be a difference
        let is_live = self.world.is_live();
        match self.rng.random_range(0..100) {
            0..4 if is_live => self.burst(),
            4..14 if is_live => self.late(),
            14..19 if is_live => self.add_subtable(),
            19..21 if is_live => self.add_normal_table(),
            21..23 if is_live => self.add_column(),
            23 if is_live => self.add_stable(),
            _ => self.in_order(),
        }
    }

    fn in_order(&mut self) {
        let Some(table) = self.table() else { return };
        let age = self.rng.random_range(0..EXCURSION_MILLIS);
        self.put(&table, age);
    }

    fn burst(&mut self) {
        for _ in 0..self.rng.random_range(BURST) {
            self.in_order();
        }
        self.world.acted("burst written");
    }

    fn late(&mut self) {
        let Some(table) = self.table() else { return };
        let age = self.rng.random_range(LATE_MILLIS);
        self.put(&table, age);
        self.world.acted("late row written");
    }

    /// Any that takes rows of meters.
    fn table(&mut self) -> Option<String> {
        let held = self.world.source.held();
        let takes =
            |name: &&String| held.tables[*name].columns.get(1).is_some_and(|column| column.name == "current");
        let names: Vec<&String> = held.tables.keys().filter(takes).collect();
        names.choose(&mut self.rng).map(|name| (*name).clone())
    }

    /// A row that is dated so long ago, unless there is one.
    fn put(&mut self, table: &str, age_millis: i64) {
        let ts = clock().wall_millis() - age_millis;
        let reading =
            [Value::Float(self.rng.random_range(0.0..10.0)), Value::Int(ts % 1_000), Value::Double(0.5)];
        let more = Value::Int(self.rng.random_range(0..100));
        let is_new = self.world.source.change(|source| {
            let Some(held) = source.tables.get(table).filter(|held| !held.rows.contains_key(&ts)) else {
                return false;
            };
            let more = std::iter::repeat_n(more, held.columns.len().saturating_sub(1 + reading.len()));
            let row = std::iter::once(Value::Timestamp(ts)).chain(reading).chain(more);
            let row: Vec<Value> = row.collect();
            source.put_row(table, row);
            true
        });
        if is_new {
            let late = age_millis >= EXCURSION_MILLIS;
            self.world.log.push(Entry::Produced { table: table.to_owned(), ts, late });
        }
    }

    fn backfill(&mut self, table: &str) {
        for _ in 0..self.rng.random_range(BACKFILL) {
            let age = self.rng.random_range(LATE_MILLIS);
            self.put(table, age);
        }
    }

    fn add_subtable(&mut self) {
        let stables: Vec<String> =
            self.world.source.held().stables.into_keys().filter(|name| name != "types").collect();
        let Some(stable) = stables.choose(&mut self.rng) else { return };
        let name = self.new_name("sub");
        self.world.source.change(|source| source.add_subtable(stable, &name, tags(&name)));
        self.backfill(&name);
        self.world.acted("subtable added");
    }

    fn add_normal_table(&mut self) {
        let name = self.new_name("normal");
        self.world.source.change(|source| source.add_normal_table(&name, meters()));
        self.backfill(&name);
        self.world.acted("normal table added");
    }

    fn add_stable(&mut self) {
        let (stable, name) = (self.new_name("stable"), self.new_name("sub"));
        self.world.source.change(|source| {
            let named = vec![column("group_id", DataType::Int), column("location", DataType::Binary)];
            source.add_stable(Stable { name: stable.clone(), columns: meters(), tags: named });
            source.add_subtable(&stable, &name, tags(&name));
        });
        self.backfill(&name);
        self.world.acted("stable added");
    }

    /// The meters get one more column, which old rows have as NULL.
    fn add_column(&mut self) {
        self.columns += 1;
        let more = column(&format!("more{}", self.columns), DataType::Int);
        self.world.source.change(|source| alter(source, "meters", &more));
        self.world.log.note("production adds a column");
        self.world.acted("column added");
    }

    fn new_name(&mut self, of: &str) -> String {
        self.added += 1;
        let name = format!("{of}_{}", self.added);
        self.world.log.note(format!("production adds {name}"));
        name
    }
}

fn alter(source: &mut MemDatabase, stable: &str, more: &tdferry_common::schema::Column) {
    let Some(altered) = source.stables.get_mut(stable) else { return };
    altered.columns.push(more.clone());
    let columns = altered.columns.clone();
    for table in source.tables.values_mut().filter(|table| table.stable.as_deref() == Some(stable)) {
        table.columns = columns.clone().into();
        table.rows.values_mut().for_each(|row| row.push(Value::Null));
    }
}

fn tags(name: &str) -> Vec<Value> {
    vec![Value::Int(i64::try_from(name.len()).unwrap_or_default()), Value::Binary(name.as_bytes().to_vec())]
}

fn meters() -> Vec<tdferry_common::schema::Column> {
    vec![
        column("ts", DataType::Timestamp),
        column("current", DataType::Float),
        column("voltage", DataType::Int),
        column("phase", DataType::Double),
    ]
}
