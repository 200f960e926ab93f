//! What a log says about rows: which ones each commit says are in the sink, which ones each lease may still write,
//! and which tables a plan holds. Pure, as its parent; whoever also has the sink's own log holds the two together.

use std::collections::{BTreeMap, BTreeSet};

use tdferry_common::id::{Epoch, GroupId, PlanId, ShardId};
use tdferry_common::lease::LeaseKey;
use tdferry_common::offset::Offset;
use tdferry_common::shard::{Shard, ShardKind, ShardState};
use tdferry_common::spec::TaskName;
use tdferry_common::time::Period;

use super::{At, Broken, Written};
use crate::keys::Key;
use crate::record::{Group, decode_shard, decode_state};

/// Rows of one table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ground {
    /// The table.
    pub table: String,
    /// Which rows of it.
    pub period: Period,
}

/// What a tail passed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Followed {
    /// All subtables of this stable; empty: these normal tables.
    pub stable: String,
    /// The normal tables.
    pub tables: Vec<String>,
    /// From the watermark before to the one that is committed.
    pub period: Period,
}

/// What the log says of the rows of a shard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// A lease was taken; these rows are before it.
    Leased(LeaseKey, Vec<Ground>),
    /// A lease was taken; these rows an earlier one passed.
    Behind(LeaseKey, Vec<Ground>),
    /// A commit passed these rows: they are in the sink.
    Passed(LeaseKey, Vec<Ground>),
    /// The shard is done; these are all its rows.
    Done(LeaseKey, Vec<Ground>),
    /// A tail's watermark passed this time: what came in time of whatever the tail follows is in the sink.
    Followed(LeaseKey, Followed),
}

/// What each revision says, in order.
pub fn rows(log: &[Written]) -> Result<Vec<(i64, Said)>, Broken> {
    let mut reader = Reader::default();
    for written in log {
        reader.read(At(written))?;
    }
    Ok(reader.said)
}

/// The tables that a task's plan holds. Broken if the plan that counts names one twice (promise S9).
pub fn planned(log: &[Written], task: &TaskName) -> Result<BTreeSet<String>, Broken> {
    let mut reader = Reader::default();
    let mut plan = None;
    for written in log {
        let at = At(written);
        reader.read(at)?;
        if let (Some(Key::State(of)), Some(value)) = (Key::parse(&written.key), &written.value)
            && of == *task
        {
            plan = Some((at.read(decode_state(value))?.plan(), at));
        }
    }
    let Some((plan, at)) = plan else { return Ok(BTreeSet::new()) };
    let mut tables = BTreeSet::new();
    let groups = reader.groups.iter().filter(|((of, id, _), _)| of == task && *id == plan);
    for name in groups.flat_map(|(_, group)| &group.names) {
        if !tables.insert(name.clone()) {
            return Err(at.broken(super::Promise::S9, format!("table {name:?} is planned twice")));
        }
    }
    Ok(tables)
}

#[derive(Default)]
struct Reader {
    groups: BTreeMap<(TaskName, PlanId, GroupId), Group>,
    shards: BTreeMap<(TaskName, PlanId, ShardId), Shard>,
    /// The plan in which a shard was last written: a lease names no plan.
    plans: BTreeMap<(TaskName, ShardId), PlanId>,
    said: Vec<(i64, Said)>,
}

impl Reader {
    fn read(&mut self, at: At<'_>) -> Result<(), Broken> {
        let Some(value) = at.0.value.as_deref() else { return Ok(()) };
        match Key::parse(&at.0.key) {
            Some(Key::Group(task, plan, id)) => {
                self.groups.insert((task, plan, id), at.read(Group::decode(value))?);
            }
            Some(Key::Shard(task, plan, id)) => {
                let shard = at.read(decode_shard(&id, value))?;
                self.shard(at.0.revision, (task, plan, id), shard);
            }
            Some(Key::Lease(task, id)) => self.lease(at.0.revision, task, id),
            _ => {}
        }
        Ok(())
    }

    fn shard(&mut self, revision: i64, place: (TaskName, PlanId, ShardId), shard: Shard) {
        let before = self.shards.get(&place).map(|before| before.checkpoint);
        if let Some(before) = before.filter(|before| *before != shard.checkpoint) {
            let key =
                LeaseKey { task: place.0.clone(), shard: place.2.clone(), epoch: shard.checkpoint.epoch };
            let passed = self.between(&place, &shard, before.offset, shard.checkpoint.offset);
            self.said.push((revision, Said::Passed(key.clone(), passed)));
            let period = Period { from: before.offset.next, to: shard.checkpoint.offset.next };
            let followed = self.followed(&place, &shard, period);
            self.said.extend(followed.map(|followed| (revision, Said::Followed(key.clone(), followed))));
            if shard.state == ShardState::Done {
                let start = Offset { index: shard.range.from, next: shard.period.from };
                let all = self.between(&place, &shard, start, shard.end());
                self.said.push((revision, Said::Done(key, all)));
            }
        }
        self.plans.insert((place.0.clone(), place.2.clone()), place.1);
        self.shards.insert(place, shard);
    }

    fn lease(&mut self, revision: i64, task: TaskName, id: ShardId) {
        let Some(plan) = self.plans.get(&(task.clone(), id.clone())) else { return };
        let place = (task.clone(), *plan, id.clone());
        let Some(shard) = self.shards.get(&place) else { return };
        let start = Offset { index: shard.range.from, next: shard.period.from };
        let behind = self.between(&place, shard, start, shard.checkpoint.offset);
        let rest = self.between(&place, shard, shard.checkpoint.offset, shard.end());
        let key = LeaseKey { task, shard: id, epoch: Epoch(revision) };
        self.said.push((revision, Said::Behind(key.clone(), behind)));
        self.said.push((revision, Said::Leased(key, rest)));
    }

    /// What a tail passed; `None` for any other shard, and for the tail of a database, which follows no rows.
    fn followed(
        &self,
        place: &(TaskName, PlanId, ShardId),
        shard: &Shard,
        period: Period,
    ) -> Option<Followed> {
        let group = self.groups.get(&(place.0.clone(), place.1, shard.group?))?;
        let (stable, tables) = (group.stable.clone(), group.names.clone());
        (shard.kind == ShardKind::Tail).then_some(Followed { stable, tables, period })
    }

    /// The rows of a copy shard from one offset to another.
    fn between(
        &self,
        place: &(TaskName, PlanId, ShardId),
        shard: &Shard,
        from: Offset,
        to: Offset,
    ) -> Vec<Ground> {
        let group = shard.group.and_then(|group| self.groups.get(&(place.0.clone(), place.1, group)));
        let (ShardKind::Copy(_), Some(group)) = (shard.kind, group) else { return Vec::new() };
        let last = to.index.min(shard.range.to.saturating_sub(1));
        (from.index..=last)
            .filter_map(|index| {
                let table = group.names.get(usize::try_from(index).ok()?)?.clone();
                let start = if index == from.index { from.next } else { shard.period.from };
                let end = if index == to.index { to.next } else { shard.period.to };
                let period = Period { from: start, to: end };
                (!period.is_empty()).then_some(Ground { table, period })
            })
            .collect()
    }
}
