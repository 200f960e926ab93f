//! Which leases are to be cut: those on shards far denser than planned, and at the tail end of a task those with most
//! work left, so that idle workers get part of it.
//!
//! Each coordinator looks by itself, at the mirror alone, and tells the workers that beat here. A cut too many costs a
//! transaction, one too few some time.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tdferry_common::id::WorkerId;
use tdferry_common::lease::LeaseKey;
use tdferry_common::shard::{Range, ShardKind};
use tdferry_common::spec::TaskName;
use tdferry_common::task::Control;
use tdferry_common::time::Period;
use tdferry_common::timing::Timing;
use tokio::time::Instant;

use super::candidates::{Slot, candidates};
use crate::planner::{Left, MOST_CHILDREN, Wanted, is_denser, recut};
use crate::store::StoredShard;
use crate::view::Mirror;

/// A child is worth as many heartbeats of work at the rate its parent went so far: below it, claiming and counting it
/// costs more than sharing it saves.
const LEAST_WORK_BEATS: u32 = 2;
/// The same in commit intervals, where an operator asked for it.
const LEAST_WORK_ASKED_COMMITS: u32 = 2;
/// A denser shard is left whole if it is through within so many heartbeats: that is as long as a shard is planned to take.
const SOON_BEATS: u32 = 12;

/// What was seen of each lease, and which are to be cut.
#[derive(Debug, Default)]
pub(crate) struct Cuts(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    /// When each lease was first seen, and how many rows had been read by then.
    paces: BTreeMap<LeaseKey, Pace>,
    orders: BTreeMap<LeaseKey, Order>,
}

#[derive(Debug, Clone, Copy)]
struct Pace {
    since: Instant,
    read: u64,
}

/// Into what a lease's shard is to be cut, if it still is as it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Order {
    wanted: Wanted,
    range: Range,
    period: Period,
}

/// What the mirror shows of work and of those who could share it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Seen {
    held: Vec<Held>,
    /// Free slots of workers that take leases, where no open shard is left for them.
    idle: u32,
}

#[derive(Debug, Clone)]
struct Held {
    key: LeaseKey,
    shard: Arc<StoredShard>,
    /// An operator asked that it be shared.
    asked: bool,
}

/// How many slots are idle, and how many leases are to be cut for them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) idle: u32,
    pub(crate) leases: u32,
}

impl Cuts {
    /// Looks at everything anew.
    pub(crate) fn look(&self, seen: &Seen, now: Instant, timing: &Timing) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let pace = |paces: &BTreeMap<LeaseKey, Pace>, held: &Held| {
            let new = Pace { since: now, read: held.shard.shard.checkpoint.totals.read };
            (held.key.clone(), paces.get(&held.key).copied().unwrap_or(new))
        };
        kept.paces = seen.held.iter().map(|held| pace(&kept.paces, held)).collect();
        kept.orders = orders(seen, &kept.paces, now, timing);
    }

    /// What the last look found for a task.
    pub(crate) fn found(&self, seen: &Seen, task: &TaskName) -> Found {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let leases = kept.orders.keys().filter(|key| key.task == *task).count();
        Found { idle: seen.idle, leases: u32::try_from(leases).unwrap_or(u32::MAX) }
    }

    /// Whether a lease is to be cut, its shard being this.
    pub(crate) fn wanted(&self, key: &LeaseKey, shard: &StoredShard) -> Option<Wanted> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let order = kept.orders.get(key)?;
        let is_as_it_was = order.range == shard.shard.range && order.period == shard.shard.period;
        is_as_it_was.then_some(order.wanted)
    }
}

impl Seen {
    /// As the mirror shows it.
    pub(crate) fn of(mirror: &Mirror) -> Self {
        let mut held = Vec::new();
        let mut used: BTreeMap<WorkerId, u32> = BTreeMap::new();
        for (name, task) in mirror.tasks() {
            let runs = task.control.as_ref().is_some_and(|control| control.value == Control::Run);
            let plan = task.state.as_ref().map(|state| state.value.plan());
            for lease in task.leases() {
                *used.entry(lease.worker).or_default() += 1;
                let shard = plan.and_then(|plan| mirror.shard(name, plan, &lease.key.shard));
                if let Some(shard) = shard.filter(|one| runs && matches!(one.shard.kind, ShardKind::Copy(_)))
                {
                    let asked = mirror.is_to_be_rebalanced(name);
                    held.push(Held { key: lease.key.clone(), shard: Arc::clone(shard), asked });
                }
            }
        }
        // most of the time no lease is on a shard that can be cut, or every slot is used: then nothing is searched
        let free =
            |worker: WorkerId, slots: u32| slots.saturating_sub(used.get(&worker).copied().unwrap_or(0));
        let idle =
            mirror.taking().map(|worker| free(worker.worker, worker.slots)).fold(0, u32::saturating_add);
        let search = !held.is_empty() && idle > 0;
        let open_shards_left =
            search && candidates(mirror, Slot::Other, 1, |_| true).iter().any(|task| !task.is_empty());
        Self { held, idle: if open_shards_left { 0 } else { idle } }
    }

    /// The same, were a task to be shared.
    pub(crate) fn asked_for(mut self, task: &TaskName) -> Self {
        self.held.iter_mut().for_each(|held| held.asked |= held.key.task == *task);
        self
    }
}

/// The leases to cut, those with most time left first, until every idle slot has something to come.
fn orders(
    seen: &Seen,
    paces: &BTreeMap<LeaseKey, Pace>,
    now: Instant,
    timing: &Timing,
) -> BTreeMap<LeaseKey, Order> {
    let mut works: Vec<Work<'_>> =
        seen.held.iter().filter_map(|held| Work::of(held, paces, now, timing)).collect();
    works.sort_by(|a, b| b.left.cmp(&a.left).then_with(|| a.held.key.cmp(&b.held.key)));
    let mut idle = seen.idle;
    let mut orders = BTreeMap::new();
    for work in works {
        let children = if work.is_dense { MOST_CHILDREN } else { idle.min(MOST_CHILDREN) };
        let wanted = Wanted { children, least_rows: work.least_rows };
        let shard = &work.held.shard.shard;
        let Some(cut) = recut(shard, &shard.checkpoint, wanted) else { continue };
        idle = idle.saturating_sub(u32::try_from(cut.children.len()).unwrap_or(u32::MAX));
        orders.insert(work.held.key.clone(), Order { wanted, range: shard.range, period: shard.period });
    }
    orders
}

/// What a lease still has to do, as it went so far.
struct Work<'a> {
    held: &'a Held,
    left: Duration,
    least_rows: u64,
    is_dense: bool,
}

impl<'a> Work<'a> {
    /// `None` while nothing can be said.
    fn of(held: &'a Held, paces: &BTreeMap<LeaseKey, Pace>, now: Instant, timing: &Timing) -> Option<Self> {
        let shard = &held.shard.shard;
        let pace = paces.get(&held.key)?;
        let took = now.checked_duration_since(pace.since).filter(|took| *took >= timing.heartbeat)?;
        let read = shard.checkpoint.totals.read.saturating_sub(pace.read);
        if read == 0 {
            return None;
        }
        let rows_in = |time: Duration| {
            let rows = u128::from(read) * time.as_micros() / took.as_micros().max(1);
            u64::try_from(rows).unwrap_or(u64::MAX)
        };
        let least = match held.asked {
            true => timing.commit_interval * LEAST_WORK_ASKED_COMMITS,
            false => timing.heartbeat * LEAST_WORK_BEATS,
        };
        let rows = Left::of(shard, &shard.checkpoint).rows();
        let micros = took.as_micros() * u128::from(rows) / u128::from(read);
        let left = Duration::from_micros(u64::try_from(micros).unwrap_or(u64::MAX));
        let is_dense = is_denser(shard) && left > timing.heartbeat * SOON_BEATS;
        Some(Self { held, left, least_rows: rows_in(least).max(1), is_dense })
    }
}

#[cfg(test)]
mod tests {
    use tdferry_common::id::{Epoch, GroupId, PlanId, ShardId};
    use tdferry_common::offset::Offset;
    use tdferry_common::shard::{Density, Estimate, Shard};

    use super::*;
    use crate::store::Revision;

    /// A lease on ten subtables, one of them through.
    fn held(n: u32, planned: u64, read: u64) -> Held {
        let (range, period) = (Range { from: 0, to: 10 }, Period { from: 0, to: 1_000 });
        let kind = ShardKind::Copy(Density::Dense);
        let mut shard = Shard::planned(ShardId::copy(GroupId(0), n), kind, Some(GroupId(0)), range, period);
        shard.estimate = Estimate { rows: planned, bytes: 0 };
        shard.checkpoint.totals.read = read;
        shard.checkpoint.offset = Offset { index: 1, next: 0 };
        let task: tdferry_common::spec::TaskName = "t".parse().unwrap();
        let key = LeaseKey { task: task.clone(), shard: shard.id.clone(), epoch: Epoch(5) };
        let shard = Arc::new(StoredShard { task, plan: PlanId(1), shard, changed: Revision(9) });
        Held { key, shard, asked: false }
    }

    /// What is to be cut after ten seconds in which each lease read all that it has read.
    fn cut_after(held: &[Held], idle: u32) -> Vec<(String, u32)> {
        let (cuts, timing, start) = (Cuts::default(), Timing::default(), Instant::now());
        let blank = |one: &Held| {
            let mut shard = StoredShard::clone(&one.shard);
            shard.shard.checkpoint.totals.read = 0;
            Held { shard: Arc::new(shard), ..one.clone() }
        };
        cuts.look(&Seen { held: held.iter().map(blank).collect(), idle }, start, &timing);
        cuts.look(&Seen { held: held.to_vec(), idle }, start + Duration::from_secs(10), &timing);
        let wanted =
            |one: &Held| Some((one.key.shard.to_string(), cuts.wanted(&one.key, &one.shard)?.children));
        held.iter().filter_map(wanted).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn idle_slots_get_part_of_what_has_most_left_until_each_has_something_to_come() {
        let leases = [held(0, 3_000, 1_000), held(1, 30_000, 1_000), held(2, 20_000, 1_000)];
        assert_eq!(cut_after(&leases, 0), []);
        assert_eq!(cut_after(&leases, 2), [("copy-00000000-0001".to_owned(), 2)]);
        let four = [("copy-00000000-0001".to_owned(), 3), ("copy-00000000-0002".to_owned(), 1)];
        assert_eq!(cut_after(&leases, 4), four);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_through_soon_is_left_whole_unless_an_operator_asks() {
        // 1,000 rows in ten seconds: less than twice ten seconds are left
        let mut soon = held(0, 1_000, 1_000);
        soon.shard = Arc::new({
            let mut shard = StoredShard::clone(&soon.shard);
            shard.shard.checkpoint.offset.index = 5;
            shard
        });
        assert_eq!(cut_after(std::slice::from_ref(&soon), 3), []);
        soon.asked = true;
        assert_eq!(cut_after(&[soon], 1).len(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_shard_much_denser_than_planned_is_cut_though_nobody_is_idle() {
        assert_eq!(cut_after(&[held(0, 500, 1_000)], 0), [("copy-00000000-0000".to_owned(), 3)]);
        assert_eq!(cut_after(&[held(0, 600, 1_000)], 0), [], "not so much denser");
    }

    #[tokio::test(start_paused = true)]
    async fn an_order_holds_for_the_shard_as_it_was() {
        let one = held(0, 30_000, 1_000);
        let (cuts, timing, start) = (Cuts::default(), Timing::default(), Instant::now());
        let mut before = StoredShard::clone(&one.shard);
        before.shard.checkpoint.totals.read = 0;
        cuts.look(
            &Seen { held: vec![Held { shard: Arc::new(before), ..one.clone() }], idle: 1 },
            start,
            &timing,
        );
        assert_eq!(cuts.wanted(&one.key, &one.shard), None, "its rate is not known yet");
        cuts.look(&Seen { held: vec![one.clone()], idle: 1 }, start + timing.heartbeat, &timing);
        assert!(cuts.wanted(&one.key, &one.shard).is_some());
        let mut shrunk = StoredShard::clone(&one.shard);
        shrunk.shard.range.to = 5;
        assert_eq!(cuts.wanted(&one.key, &shrunk), None, "it was cut since");
    }
}
