//! What must hold over everything that was ever stored: each promise has an id and one definition here.
//!
//! Pure: it reads a log of every revision, in order, as a watch from the first revision gives it. Table tests,
//! simulation and chaos runs feed it the same way; no sampling, nothing is believed that the log does not show.

mod cuts;
mod growth;
mod rows;

use std::collections::BTreeMap;
use std::fmt;

use tdferry_common::id::{Epoch, GroupId, PlanId, ShardId};
use tdferry_common::lease::LeaseKey;
use tdferry_common::shard::{Checkpoint, Outcome, Shard, ShardEvent, ShardKind, ShardState};
use tdferry_common::spec::TaskName;
use tdferry_common::task::TaskState;

use crate::keys::Key;
use crate::record::{Damage, Group, LeaseRecord, decode_fence, decode_shard, decode_state, encode_shard};

pub use rows::{Followed, Ground, Said, planned, rows};

/// A promise that the log can show broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Promise {
    /// At any revision at most one epoch of a shard can commit, and none whose fence was raised.
    S1,
    /// An offset never moves back; the same commit twice counts once.
    S2,
    /// Done implies that the offset stands at the end and that the counts agree.
    S4,
    /// Shards tile the plan: no gap, no overlap, whatever was cut again.
    S5,
    /// A task is completed only if every shard is done.
    S6,
    /// The plan holds exactly the tables that the source has.
    S9,
    /// Every record follows from the one before by one event of [`Shard::next`], so that what is stored is what some
    /// order of honest requests leaves; and a shard that is through leaves no lease behind.
    Honest,
    /// Every record can be read.
    Readable,
}

/// A promise that does not hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{promise:?} is broken at revision {revision} by {key}: {what}")]
pub struct Broken {
    /// Which.
    pub promise: Promise,
    /// Where in the log.
    pub revision: i64,
    /// By which key.
    pub key: String,
    /// How.
    pub what: String,
}

/// One key that was put or deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// At which revision.
    pub revision: i64,
    /// Which key.
    pub key: Vec<u8>,
    /// Its value; `None`: deleted.
    pub value: Option<Vec<u8>>,
}

/// What a log that holds shows.
#[derive(Debug, Clone, Default)]
pub struct History {
    /// Every commit that was stored, by lease and number.
    pub commits: BTreeMap<(LeaseKey, u64), Checkpoint>,
    /// How many leases were taken.
    pub leases: usize,
    /// How often a shard was cut while it was worked on.
    pub cuts: usize,
}

/// Holds a log, whole and in order, against every promise.
pub fn check(log: &[Written]) -> Result<History, Broken> {
    let mut replay = Replay::default();
    for together in log.chunk_by(|a, b| a.revision == b.revision) {
        replay.revision(together)?;
    }
    Ok(replay.history)
}

type ShardAt = (TaskName, PlanId, ShardId);
type GroupAt = (TaskName, PlanId, GroupId);

/// The store at one revision, rebuilt from the log.
#[derive(Default)]
struct Replay {
    states: BTreeMap<TaskName, TaskState>,
    fences: BTreeMap<TaskName, u64>,
    shards: BTreeMap<ShardAt, Shard>,
    leases: BTreeMap<(TaskName, ShardId), Lease>,
    /// The stable of each group.
    stables: BTreeMap<GroupAt, String>,
    history: History,
}

#[derive(Clone, Copy)]
struct Lease {
    epoch: Epoch,
    /// The task's fence when it was claimed.
    fence: Option<u64>,
}

/// Where in the log a check stands.
#[derive(Clone, Copy)]
struct At<'a>(&'a Written);

impl At<'_> {
    fn broken(self, promise: Promise, what: impl fmt::Display) -> Broken {
        let key = String::from_utf8_lossy(&self.0.key).into_owned();
        Broken { promise, revision: self.0.revision, key, what: what.to_string() }
    }

    fn read<T>(self, read: Result<T, Damage>) -> Result<T, Broken> {
        read.map_err(|damage| self.broken(Promise::Readable, damage))
    }
}

impl Replay {
    /// One revision: every guard was evaluated on what stood before it.
    fn revision(&mut self, together: &[Written]) -> Result<(), Broken> {
        let mut shards = Vec::new();
        for written in together {
            if let Some(Key::Shard(task, plan, id)) = Key::parse(&written.key) {
                let at = At(written);
                let new =
                    written.value.as_deref().map(|value| at.read(decode_shard(&id, value))).transpose()?;
                let place = (task, plan, id);
                self.shard_changes(at, &place, new.as_ref())?;
                shards.push((place, new));
            }
        }
        let groups = self.new_groups(together)?;
        self.cuts(together, &shards, &groups)?;
        self.growth(together, &shards, &groups)?;
        self.stables.extend(groups.into_iter().map(|(place, group)| (place, group.stable)));
        let ended: Vec<ShardAt> = shards
            .iter()
            .filter(|(_, new)| new.as_ref().is_some_and(Shard::is_terminal))
            .map(|(place, _)| place.clone())
            .collect();
        for (place, new) in shards {
            match new {
                Some(new) => self.shards.insert(place, new),
                None => self.shards.remove(&place),
            };
        }
        together.iter().try_for_each(|written| self.other(At(written)))?;
        match ended.into_iter().find(|(task, _, id)| self.leases.contains_key(&(task.clone(), id.clone()))) {
            Some((_, _, id)) => {
                Err(At(&together[0])
                    .broken(Promise::Honest, format!("{id} is through, and its lease stands")))
            }
            None => Ok(()),
        }
    }

    /// Groups that were not there before.
    fn new_groups(&self, together: &[Written]) -> Result<BTreeMap<GroupAt, Group>, Broken> {
        let mut groups = BTreeMap::new();
        for written in together {
            let (Some(Key::Group(task, plan, id)), Some(value)) = (Key::parse(&written.key), &written.value)
            else {
                continue;
            };
            let place = (task, plan, id);
            if !self.stables.contains_key(&place) {
                groups.insert(place, At(written).read(Group::decode(value))?);
            }
        }
        Ok(groups)
    }

    fn counts(&self, task: &TaskName, plan: PlanId) -> bool {
        self.states.get(task).is_some_and(|state| state.plan() == plan)
    }

    /// Whatever a plan that counts grows by is found by a tail, copied and followed.
    fn growth(
        &self,
        together: &[Written],
        shards: &[(ShardAt, Option<Shard>)],
        groups: &BTreeMap<GroupAt, Group>,
    ) -> Result<(), Broken> {
        let mut plans = growth::ByPlan::new();
        for ((task, plan, id), group) in groups {
            plans.entry((task.clone(), *plan)).or_default().groups.insert(*id, group);
        }
        for (place, new) in shards {
            let Some(new) = new else { continue };
            let (task, plan) = (place.0.clone(), place.1);
            let old = self.shards.get(place);
            let is_of_new = new.group.is_some_and(|group| groups.contains_key(&(task.clone(), plan, group)));
            let committed = old.is_some_and(|old| old.checkpoint != new.checkpoint);
            if new.kind == ShardKind::Tail && committed {
                let stable = new.group.and_then(|group| self.stables.get(&(task.clone(), plan, group)));
                plans.entry((task, plan)).or_default().tails.push((new, stable.map(String::as_str)));
            } else if old.is_none() && (is_of_new || new.kind == ShardKind::Tail) {
                plans.entry((task, plan)).or_default().shards.push(new);
            }
        }
        for ((task, plan), growth) in plans.into_iter().filter(|((task, plan), _)| self.counts(task, *plan)) {
            if let Some(what) = growth.wrong(puts_state(together, &task)) {
                return Err(At(&together[0]).broken(Promise::S5, format!("plan {plan} of {task}: {what}")));
            }
        }
        Ok(())
    }

    /// Whatever is cut tiles what it was, in a plan that counts.
    fn cuts(
        &self,
        together: &[Written],
        shards: &[(ShardAt, Option<Shard>)],
        groups: &BTreeMap<GroupAt, Group>,
    ) -> Result<(), Broken> {
        let mut plans = cuts::ByPlan::new();
        for (place, new) in shards {
            let Some(new) = new.as_ref().filter(|new| cuts::area(new) > 0 || self.shards.contains_key(place))
            else {
                continue; // shards that go are those of a plan or a task that is swept
            };
            if new.kind == ShardKind::Tail {
                continue; // where it ends moves without a cut
            }
            let changed = plans.entry((place.0.clone(), place.1)).or_default();
            let is_of = |group| groups.contains_key(&(place.0.clone(), place.1, group));
            match self.shards.get(place) {
                // of what the plan grows by
                None if new.group.is_some_and(is_of) => {}
                None => changed.new.push(new),
                Some(old) if (old.range, old.period) != (new.range, new.period) => {
                    changed.moved.push((old, new))
                }
                Some(_) => {}
            }
        }
        for ((task, plan), changed) in plans.into_iter().filter(|((task, plan), _)| self.counts(task, *plan))
        {
            if let Some(what) = changed.wrong(puts_state(together, &task)) {
                return Err(At(&together[0]).broken(Promise::S5, format!("plan {plan} of {task}: {what}")));
            }
        }
        Ok(())
    }

    /// Checks one change of a shard.
    fn shard_changes(&mut self, at: At<'_>, place: &ShardAt, new: Option<&Shard>) -> Result<(), Broken> {
        let old = self.shards.get(place);
        if let (Some(old), Some(new)) = (old, new) {
            let commits = old.checkpoint != new.checkpoint;
            if commits {
                self.may_commit(at, place, new)?;
                follows(at, old, new)?;
            }
            if new.state == ShardState::Done && !is_done(new) {
                return Err(at.broken(Promise::S4, format!("done at {:?}", new.checkpoint)));
            }
            if old != new && !is_honest(old, new) {
                return Err(at.broken(Promise::Honest, format!("{old:?} became {new:?}")));
            }
            if commits {
                let key =
                    LeaseKey { task: place.0.clone(), shard: place.2.clone(), epoch: new.checkpoint.epoch };
                self.history.commits.insert((key, new.checkpoint.seq), new.checkpoint);
                self.history.cuts += usize::from(cuts::area(new) < cuts::area(old));
            }
        }
        Ok(())
    }

    fn may_commit(&self, at: At<'_>, place: &ShardAt, new: &Shard) -> Result<(), Broken> {
        let committed = new.checkpoint.epoch;
        match self.leases.get(&(place.0.clone(), place.2.clone())) {
            Some(lease) if lease.epoch != committed => Err(at.broken(
                Promise::S1,
                format!("epoch {committed} committed while epoch {} held the lease", lease.epoch),
            )),
            None => Err(at.broken(Promise::S1, format!("epoch {committed} committed without a lease"))),
            Some(lease) if lease.fence != self.fences.get(&place.0).copied() => {
                Err(at
                    .broken(Promise::S1, format!("epoch {committed} committed though the fence was raised")))
            }
            Some(_) => Ok(()),
        }
    }

    fn other(&mut self, at: At<'_>) -> Result<(), Broken> {
        let value = at.0.value.as_deref();
        match (Key::parse(&at.0.key), value) {
            (Some(Key::Lease(task, shard)), Some(value)) => self.lease_taken(at, (task, shard), value)?,
            (Some(Key::Lease(task, shard)), None) => drop(self.leases.remove(&(task, shard))),
            (Some(Key::Fence(task)), Some(value)) => {
                let fence = at.read(decode_fence(value))?;
                if self.fences.get(&task).is_some_and(|before| fence < *before) {
                    return Err(at.broken(Promise::S1, "a fence went back"));
                }
                self.fences.insert(task, fence);
            }
            (Some(Key::Fence(task)), None) => drop(self.fences.remove(&task)),
            (Some(Key::State(task)), Some(value)) => {
                let state = at.read(decode_state(value))?;
                self.state_put(at, &task, &state)?;
                self.states.insert(task, state);
            }
            (Some(Key::State(task)), None) => drop(self.states.remove(&task)),
            _ => {}
        }
        Ok(())
    }

    fn lease_taken(&mut self, at: At<'_>, place: (TaskName, ShardId), value: &[u8]) -> Result<(), Broken> {
        at.read(LeaseRecord::decode(value))?;
        if let Some(held) = self.leases.get(&place) {
            return Err(
                at.broken(Promise::S1, format!("a lease was taken while epoch {} held it", held.epoch))
            );
        }
        let lease = Lease { epoch: Epoch(at.0.revision), fence: self.fences.get(&place.0).copied() };
        self.leases.insert(place, lease);
        self.history.leases += 1;
        Ok(())
    }

    fn state_put(&self, at: At<'_>, task: &TaskName, state: &TaskState) -> Result<(), Broken> {
        let Some(planned) = state.planned() else { return Ok(()) };
        let shards = || self.shards.iter().filter(|((of, plan, _), _)| of == task && *plan == planned.plan);
        let started_to_count = self.states.get(task).is_none_or(|before| before.plan() != planned.plan);
        if started_to_count && let Some((one, other)) = overlap(shards().map(|(_, shard)| shard)) {
            return Err(at.broken(Promise::S5, format!("{one} and {other} overlap")));
        }
        if matches!(state, TaskState::Completed { .. })
            && let Some((_, open)) = shards().find(|(_, shard)| {
                shard.state != ShardState::Done
                    && !repaired(shard, |id| self.shards.get(&(task.clone(), planned.plan, id)))
            })
        {
            return Err(at.broken(
                Promise::S6,
                format!("completed though shard {} is {}", open.id, open.state.name()),
            ));
        }
        Ok(())
    }
}

fn puts_state(together: &[Written], task: &TaskName) -> bool {
    together.iter().any(|one| Key::parse(&one.key).is_some_and(|key| key == Key::State(task.clone())))
}

/// Promise S2 for one commit.
fn follows(at: At<'_>, old: &Shard, new: &Shard) -> Result<(), Broken> {
    let (before, now) = (old.checkpoint, new.checkpoint);
    if now.seq != before.seq + 1 {
        return Err(at.broken(Promise::S2, format!("commit {} follows {}", now.seq, before.seq)));
    }
    if now.offset < before.offset || now.epoch < before.epoch {
        return Err(at.broken(Promise::S2, format!("{now:?} goes back behind {before:?}")));
    }
    Ok(())
}

/// Whether what a shard found to differ was found equal by a later round.
fn repaired<'a>(shard: &Shard, get: impl Fn(ShardId) -> Option<&'a Shard>) -> bool {
    matches!(shard.state, ShardState::Differs { .. }) && {
        let later = get(shard.id.verify(shard.round + 1));
        later.is_some_and(|later| later.state == ShardState::Done || repaired(later, get))
    }
}

fn is_done(shard: &Shard) -> bool {
    let totals = &shard.checkpoint.totals;
    let counted = !matches!(shard.kind, ShardKind::Copy(_)) || totals.agree();
    let equal = matches!(shard.kind, ShardKind::Repair(..)) || totals.differing.is_none();
    counted && equal && shard.is_at_its_end()
}

/// Whether one event leads from one record to the next. Records cut long reasons, so their bytes are compared.
fn is_honest(old: &Shard, new: &Shard) -> bool {
    let checkpoint = new.checkpoint;
    let reason = || match &new.state {
        ShardState::Failed { reason } | ShardState::Differs { finding: reason } => reason.clone(),
        _ => new.last_error.clone().unwrap_or_default(),
    };
    let ended = |outcome| ShardEvent::Ended { checkpoint, outcome };
    let claimed = new.claim.map(|claim| ShardEvent::Claimed { claim });
    let others = [
        ShardEvent::Committed { checkpoint },
        ended(Outcome::Done),
        ended(Outcome::Differs { finding: reason() }),
        ended(Outcome::Erred { reason: reason() }),
        ended(Outcome::Failed { reason: reason() }),
        ShardEvent::Stalled { reason: reason() },
        ShardEvent::Released,
        ShardEvent::Poisoned,
        ShardEvent::Retried,
        ShardEvent::Bounded { to: new.period.to },
    ];
    others.into_iter().chain(claimed).any(|event| {
        old.clone().next(event.clone()).is_ok_and(|next| {
            let cut = Shard { range: new.range, period: new.period, estimate: new.estimate, ..next.clone() };
            let stored = encode_shard(new);
            let is_cut =
                matches!(event, ShardEvent::Committed { .. }) && cuts::area(&cut) < cuts::area(&next);
            encode_shard(&next) == stored || (is_cut && encode_shard(&cut) == stored)
        })
    })
}

/// Two copy shards that share a subtable and a moment.
fn overlap<'a>(shards: impl Iterator<Item = &'a Shard>) -> Option<(ShardId, ShardId)> {
    let mut by_group: BTreeMap<_, Vec<&Shard>> = BTreeMap::new();
    for shard in shards.filter(|shard| cuts::area(shard) > 0) {
        by_group.entry(shard.group).or_default().push(shard);
    }
    let meet = |a: &Shard, b: &Shard| {
        let tables = a.range.from < b.range.to && b.range.from < a.range.to;
        tables && !a.period.intersect(b.period).is_empty()
    };
    by_group.into_values().find_map(|mut shards| {
        shards.sort_by_key(|shard| shard.range.from);
        shards.iter().enumerate().find_map(|(n, one)| {
            let near = shards[n + 1..].iter().take_while(|other| other.range.from < one.range.to);
            near.into_iter().find(|other| meet(one, other)).map(|other| (one.id.clone(), other.id.clone()))
        })
    })
}

#[cfg(test)]
mod tests;
