//! What a plan would come to: the planner itself, its groups counted and let go of. And how long that takes. Pure.
//!
//! For who asks before there is a task. It knows no store, no clock and no database.

mod band;
mod forecast;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use tdferry_common::shard::{Density, Shard, ShardKind};
use tdferry_common::time::Period;

pub use self::band::{Band, DEFAULTS, MEASURED_SPREAD, Pace, Rates};
pub use self::forecast::{Fleet, Forecast, MOST_WORKERS, Needed, Work};
pub use crate::planner::{Asked, StableSeen, TableSeen, Totals};
use crate::planner::{PlannedGroup, Planner};

/// What a plan would come to.
#[derive(Debug, Clone, Default)]
pub struct Outline {
    /// Each stable that was told, the normal tables under an empty name.
    pub stables: Vec<StableOutline>,
    /// What there would be to do.
    pub work: Work,
}

/// What a plan would come to for one stable.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StableOutline {
    /// Empty for normal tables.
    pub name: String,
    /// Tables to copy.
    pub tables: u64,
    /// Rows in the task's period, estimated.
    pub rows: u64,
    /// Bytes of these rows as they are read, about.
    pub bytes: u64,
    /// Where the rows are thought to lie, inside of the task's period.
    pub data: Option<Period>,
    /// Groups of its tables.
    pub groups: u64,
    /// Shards that create tables.
    pub create_shards: u64,
    /// Copy shards that read one table after the other.
    pub dense_shards: u64,
    /// Copy shards that read many tables together.
    pub sparse_shards: u64,
    /// Stretches of time that its copy shards are cut into.
    pub periods: u64,
}

/// A plan whose groups are counted as they come.
pub struct Outliner {
    planner: Planner,
    asked: Period,
    outline: Outline,
    periods: BTreeSet<Period>,
    row_bytes: u64,
}

impl Outliner {
    /// For what is asked of a plan, before anything is listed.
    pub fn new(asked: Asked, totals: Totals) -> Self {
        let mut planner = Planner::new(asked, totals);
        let mut outline = Outline::default();
        planner.first_shards().iter().for_each(|shard| outline.work.add(shard));
        outline.work.planned_slots = asked.slots;
        outline.work.read_back_percent = asked.read_back_percent;
        outline.work.statements = totals.stables;
        Self { planner, asked: totals.period, outline, periods: BTreeSet::new(), row_bytes: 0 }
    }

    /// The tables that follow are this stable's.
    pub fn stable(&mut self, stable: StableSeen) {
        self.close();
        self.row_bytes = u64::from(stable.row_bytes);
        let data = stable.period.map(|period| period.intersect(self.asked));
        self.outline.stables.push(StableOutline {
            name: stable.name.clone(),
            data: data.filter(|period| !period.is_empty()),
            ..StableOutline::default()
        });
        let groups = self.planner.stable(stable);
        groups.iter().for_each(|group| self.group(group));
    }

    /// A page of its tables.
    pub fn tables(&mut self, page: impl IntoIterator<Item = TableSeen>) {
        let filled = self.planner.tables(page);
        filled.into_iter().for_each(|group| self.group(&group));
    }

    /// What it came to.
    pub fn end(mut self) -> Outline {
        self.close();
        self.outline
    }

    fn close(&mut self) {
        if let Some(group) = self.planner.close() {
            self.group(&group);
        }
        if let Some(stable) = self.outline.stables.last_mut() {
            stable.periods = u64::try_from(std::mem::take(&mut self.periods).len()).unwrap_or(u64::MAX);
        }
    }

    fn group(&mut self, group: &PlannedGroup) {
        let Some(stable) = self.outline.stables.last_mut() else { return };
        stable.tables += u64::try_from(group.names.len()).unwrap_or(u64::MAX);
        stable.groups += 1;
        if stable.name.is_empty() {
            self.outline.work.statements += u64::try_from(group.names.len()).unwrap_or(u64::MAX);
        }
        for shard in &group.shards {
            self.outline.work.add(shard);
            stable.add(shard, self.row_bytes);
            if matches!(shard.kind, ShardKind::Copy(_)) {
                self.periods.insert(shard.period);
            }
        }
    }
}

impl StableOutline {
    fn add(&mut self, shard: &Shard, row_bytes: u64) {
        match shard.kind {
            ShardKind::Create => self.create_shards += 1,
            ShardKind::Copy(density) => {
                let shards = match density {
                    Density::Dense => &mut self.dense_shards,
                    Density::Sparse => &mut self.sparse_shards,
                };
                *shards += 1;
                self.rows += shard.estimate.rows;
                self.bytes += shard.estimate.rows.saturating_mul(row_bytes);
            }
            _ => {}
        }
    }
}
