//! Catalog to shards: fed page by page while a survey streams, it holds one group at a time and no more.
//!
//! What is worked on may be cut again later (`recut`). Pure: it knows no store, no clock and no database, and the same catalog gives the same plan. Whatever the
//! estimates say, the shards of a group tile its subtables × the task's period without gap or overlap (promise S5).

mod bounds;
pub(crate) mod compare;
mod cut;
mod gather;
mod recut;
#[cfg(test)]
mod tests;

use tdferry_common::id::{GroupId, ShardId};
use tdferry_common::options::{Mode, Options, SchemaMode, TailBy, Verify};
use tdferry_common::shard::{Estimate, Range, Shard, ShardKind};
use tdferry_common::task::Found;
use tdferry_common::time::{Period, Precision};

use bounds::Bounds;
pub(crate) use bounds::MIN_SHARD_ROWS;
use gather::{Group, Member};
pub(crate) use recut::{Left, MOST_CHILDREN, Recut, Wanted, is_denser, recut};

/// What the task and the fleet ask of a plan.
#[derive(Debug, Clone, Copy)]
pub struct Asked {
    /// Which shards besides the schema shard.
    pub schema: SchemaMode,
    /// The longest period of a shard, in units of the source.
    pub unit: Option<i64>,
    /// Whether subtables are read together; by density if `None`.
    pub grouped: Option<bool>,
    /// Slots of all live workers.
    pub slots: u32,
    /// How many of a hundred copy shards are read back in the end. The plan does not depend on it.
    pub read_back_percent: u8,
    /// Which rows: those of the task's period, those that come from T0 on, or both.
    pub mode: Mode,
    /// How far before T0 tails begin, in units of the source.
    pub retro: i64,
    /// What one tail follows of a stable.
    pub tail_by: TailBy,
}

impl Asked {
    /// What these options ask, of a source that counts time so, with so many slots.
    pub fn new(options: &Options, precision: Precision, slots: u32) -> Self {
        Self {
            schema: options.schema,
            unit: options.unit.map(|unit| precision.units(unit).max(1)),
            grouped: options.select_from_stable,
            slots,
            read_back_percent: match options.verify {
                Verify::Count => 0,
                Verify::Digest => 100,
                Verify::Sample(percent) => percent,
            },
            mode: options.mode,
            retro: precision.units(options.retro),
            tail_by: options.tail_by,
        }
    }
}

/// What a survey knows before it lists anything.
#[derive(Debug, Clone, Copy)]
pub struct Totals {
    /// What the task's start and end leave of time. Its end is never open.
    pub period: Period,
    /// Stables to copy.
    pub stables: u64,
    /// Subtables to copy.
    pub subtables: u64,
    /// Rows of all time.
    pub rows: u64,
    /// T0, where history ends and tails begin.
    pub cutoff: i64,
}

/// A stable whose subtables follow, or the normal tables under an empty name.
#[derive(Debug, Clone, Default)]
pub struct StableSeen {
    /// Its name.
    pub name: String,
    /// Rows of all time.
    pub rows: u64,
    /// Tables that follow.
    pub tables: u64,
    /// From its first row to just past its last, where known.
    pub period: Option<Period>,
    /// Bytes that a row usually takes.
    pub row_bytes: u32,
}

/// A subtable or normal table as listed.
#[derive(Debug, Clone, Default)]
pub struct TableSeen {
    /// Its name.
    pub name: String,
    /// Where it was counted by itself.
    pub rows: Option<u64>,
    /// From its first row to just past its last, where known.
    pub period: Option<Period>,
}

/// A group and all shards that work on it.
#[derive(Debug, Clone)]
pub(crate) struct PlannedGroup {
    pub(crate) id: GroupId,
    /// Empty for normal tables.
    pub(crate) stable: String,
    pub(crate) names: Vec<String>,
    /// Oldest period first.
    pub(crate) shards: Vec<Shard>,
}

/// A plan in the making.
pub(crate) struct Planner {
    asked: Asked,
    period: Period,
    /// Where tails begin; `None` where nothing is followed.
    live: Option<i64>,
    bounds: Bounds,
    group: Group,
    next_group: u32,
    found: Found,
}

impl Planner {
    pub(crate) fn new(asked: Asked, totals: Totals) -> Self {
        let bounds = Bounds::new(&asked, &totals);
        Self {
            asked,
            period: totals.period,
            live: asked.live_from(totals.cutoff),
            bounds,
            group: Group::new(StableSeen::default()),
            next_group: 0,
            found: Found::default(),
        }
    }

    /// What stands before all groups: the schema shard, and where the source is followed the database's tail.
    pub(crate) fn first_shards(&mut self) -> Vec<Shard> {
        let schema = Shard::planned(ShardId::schema(), ShardKind::Schema, None, Range::NONE, NO_ROWS);
        let tail = self.live.map(|from| {
            let (id, period) = (ShardId::database_tail(), ever_since(from));
            Shard::planned(id, ShardKind::Tail, None, Range::NONE, period)
        });
        let shards: Vec<_> = std::iter::once(schema).chain(tail).collect();
        self.found.shards += u64::try_from(shards.len()).unwrap_or(u64::MAX);
        shards
    }

    /// The tables that follow are this stable's. Gives back what is left of the one before, and this one's tail.
    pub(crate) fn stable(&mut self, stable: StableSeen) -> Vec<PlannedGroup> {
        let group = self.close();
        self.found.stables += u64::from(!stable.name.is_empty());
        let tail = self.tail_of(&stable.name);
        self.group = Group::new(stable);
        group.into_iter().chain(tail).collect()
    }

    /// A stable's tail: a group without names, since whatever subtables it gets are the tail's; or have tails of their
    /// own that it adds.
    fn tail_of(&mut self, stable: &str) -> Option<PlannedGroup> {
        let from = self.live.filter(|_| !stable.is_empty())?;
        let id = self.next_id();
        let shards = vec![tail(id, Range::NONE, ever_since(from))];
        self.found.shards += 1;
        Some(PlannedGroup { id, stable: stable.to_owned(), names: Vec::new(), shards })
    }

    fn next_id(&mut self) -> GroupId {
        let id = GroupId(self.next_group);
        self.next_group += 1;
        id
    }

    /// Takes a page of tables and gives back the groups that it filled.
    pub(crate) fn tables(&mut self, page: impl IntoIterator<Item = TableSeen>) -> Vec<PlannedGroup> {
        let mut filled = Vec::new();
        for table in page {
            if !self.group.has_room_for(&table.name, self.bounds.names) {
                filled.extend(self.close());
            }
            let counter = if self.group.is_normal() {
                &mut self.found.normal_tables
            } else {
                &mut self.found.subtables
            };
            *counter += 1;
            self.group.push(table, self.period);
        }
        filled
    }

    /// What was planned so far.
    pub(crate) fn found(&self) -> Found {
        self.found
    }

    /// What is left of the last group.
    pub(crate) fn close(&mut self) -> Option<PlannedGroup> {
        let members = self.group.take_ordered(self.bounds.rows(self.group.stable.row_bytes));
        if members.is_empty() {
            return None;
        }
        let id = self.next_id();
        let shards = self.shards(id, &members);
        self.found.shards += u64::try_from(shards.len()).unwrap_or(u64::MAX);
        let rows = if self.asked.copies() { members.iter().map(|member| member.rows).sum() } else { 0 };
        self.found.rows += rows;
        self.found.bytes += rows.saturating_mul(u64::from(self.group.stable.row_bytes));
        if shards.is_empty() && self.live.is_some() {
            // nobody would find it again: its tail meets these subtables itself
            return None;
        }
        let names = members.into_iter().map(|member| member.name).collect();
        Some(PlannedGroup { id, stable: self.group.stable.name.clone(), names, shards })
    }

    fn shards(&self, id: GroupId, members: &[Member]) -> Vec<Shard> {
        let mut shards = Vec::new();
        let whole = Range { from: 0, to: u32::try_from(members.len()).unwrap_or(u32::MAX) };
        if self.asked.schema != SchemaMode::None && !self.group.is_normal() {
            shards.push(Shard::planned(ShardId::create(id), ShardKind::Create, Some(id), whole, NO_ROWS));
        }
        let by_names = self.group.is_normal() || self.asked.tail_by == TailBy::Names;
        if let Some(from) = self.live.filter(|_| by_names) {
            shards.push(tail(id, whole, ever_since(from)));
        }
        if !self.asked.copies() || self.period.is_empty() {
            return shards;
        }
        let places = cut::cut(&self.cut_asked(), members);
        shards.extend(places.into_iter().zip(0..).map(|(place, n)| {
            let kind = ShardKind::Copy(place.density);
            let bytes = place.rows.saturating_mul(u64::from(self.group.stable.row_bytes));
            Shard {
                estimate: Estimate { rows: place.rows, bytes },
                ..Shard::planned(ShardId::copy(id, n), kind, Some(id), place.range, place.period)
            }
        }));
        shards
    }

    fn cut_asked(&self) -> cut::Asked {
        let stable = &self.group.stable;
        cut::Asked {
            period: self.period,
            data: stable.period,
            target_rows: self.bounds.rows(stable.row_bytes),
            query_rows: Bounds::query_rows(stable.row_bytes),
            unit: self.asked.unit,
            max_unit_periods: self.bounds.unit_periods,
            grouped: if self.group.is_normal() { Some(false) } else { self.asked.grouped },
        }
    }
}

impl Asked {
    /// Whether rows from before T0 are copied.
    fn copies(&self) -> bool {
        self.mode != Mode::Realtime && self.schema != SchemaMode::Only
    }

    /// Where tails begin of a task whose history ends there.
    fn live_from(&self, cutoff: i64) -> Option<i64> {
        let follows = matches!(self.mode, Mode::Realtime | Mode::Both) && self.schema != SchemaMode::Only;
        follows.then(|| cutoff.saturating_sub(self.retro))
    }
}

/// The tail of a group, over this time.
pub(crate) fn tail(group: GroupId, range: Range, period: Period) -> Shard {
    Shard::planned(ShardId::tail(group), ShardKind::Tail, Some(group), range, period)
}

/// From a moment on, for ever.
const fn ever_since(from: i64) -> Period {
    Period { from, to: i64::MAX }
}

/// The period of a shard that moves no rows.
const NO_ROWS: Period = Period { from: 0, to: 0 };
