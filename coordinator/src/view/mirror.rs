//! What the mirror holds, and how one change goes in. Pure: it asks nobody.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tdferry_common::id::{Epoch, PlanId, ShardId, WorkerId};
use tdferry_common::lease::{LeaseKey, SeenLease};
use tdferry_common::shard::ShardKind;
use tdferry_common::spec::TaskName;
use tdferry_common::task::{Control, TaskState};

use super::Change;
use super::plan::Plan;
use crate::keys::Key;
use crate::record::{
    Damage, Drains, LeaseRecord, Rebalance, WorkerRecord, decode_control, decode_fence, decode_shard,
    decode_spec, decode_state,
};
use crate::store::{Revision, StoredShard, Versioned};

/// Everything of ours in the store but the names of subtables.
#[derive(Debug, Default)]
pub(crate) struct Mirror {
    /// Up to which revision the listing and the watch have brought everything.
    revision: i64,
    tasks: BTreeMap<TaskName, TaskEntry>,
    workers: BTreeMap<WorkerId, Versioned<WorkerRecord>>,
    drains: Drains,
    /// Tasks of which idle workers are to get part of what others hold.
    rebalances: BTreeSet<TaskName>,
    /// Keys whose records cannot be read, and why.
    damaged: BTreeMap<Vec<u8>, Damage>,
    /// What our own answers brought before the watch did, by key: an older event must not undo it.
    own: BTreeMap<Vec<u8>, Change>,
}

/// A task as last seen; a part is missing where it was not seen yet or is gone.
#[derive(Debug, Clone, Default)]
pub(crate) struct TaskEntry {
    /// What was asked, as JSON.
    pub(crate) spec: Option<Versioned<Arc<str>>>,
    /// What it is; `None` though there is a fence: deleted, to be swept.
    pub(crate) state: Option<Versioned<TaskState>>,
    /// What the operator wants.
    pub(crate) control: Option<Versioned<Control>>,
    /// What commits must carry.
    pub(crate) fence: Option<Versioned<u64>>,
    /// Shards by plan: the survey's, the one that counts, and while surveying those being written.
    plans: BTreeMap<PlanId, Plan>,
    leases: BTreeMap<ShardId, SeenAt>,
}

/// A lease as last seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SeenAt {
    /// Whose, of what, under which epoch.
    pub(crate) lease: SeenLease,
    changed: i64,
}

impl Mirror {
    /// Up to which revision everything is in; zero before the first listing.
    pub(crate) fn revision(&self) -> i64 {
        self.revision
    }

    /// All tasks, deleted ones that are not yet swept included.
    pub(crate) fn tasks(&self) -> impl Iterator<Item = (&TaskName, &TaskEntry)> {
        self.tasks.iter()
    }

    pub(crate) fn task(&self, task: &TaskName) -> Option<&TaskEntry> {
        self.tasks.get(task)
    }

    pub(crate) fn shard(&self, task: &TaskName, plan: PlanId, shard: &ShardId) -> Option<&Arc<StoredShard>> {
        self.tasks.get(task)?.plans.get(&plan)?.get(shard)
    }

    pub(crate) fn workers(&self) -> impl Iterator<Item = &WorkerRecord> {
        self.workers.values().map(|worker| &worker.value)
    }

    pub(crate) fn worker(&self, worker: WorkerId) -> Option<&WorkerRecord> {
        self.workers.get(&worker).map(|worker| &worker.value)
    }

    /// What an operator wants to hold nothing.
    pub(crate) fn drains(&self) -> &Drains {
        &self.drains
    }

    /// Whether an operator wants a worker to hold nothing.
    pub(crate) fn is_drained(&self, worker: WorkerId) -> bool {
        self.worker(worker).is_some_and(|worker| self.drains.concern(worker))
    }

    /// Workers that take leases.
    pub(crate) fn taking(&self) -> impl Iterator<Item = &WorkerRecord> {
        self.workers().filter(|worker| !worker.draining && !self.drains.concern(worker))
    }

    /// Whether an operator asked that idle workers get part of what others hold of a task.
    pub(crate) fn is_to_be_rebalanced(&self, task: &TaskName) -> bool {
        self.rebalances.contains(task)
    }

    #[cfg(test)]
    /// Records that cannot be read, by key: a person must look at them.
    pub(crate) fn damaged(&self) -> impl Iterator<Item = (String, &Damage)> {
        self.damaged.iter().map(|(key, damage)| (String::from_utf8_lossy(key).into_owned(), damage))
    }

    /// Takes a change of the watch; changes come in order.
    pub(super) fn apply_watched(&mut self, change: &Change) {
        if self.own.get(&change.key).is_none_or(|own| own.changed <= change.changed) {
            self.put(change);
        }
    }

    /// Everything up to a revision has been taken.
    pub(super) fn complete_up_to(&mut self, revision: i64) {
        self.revision = self.revision.max(revision);
        self.own.retain(|_, own| own.changed > revision);
    }

    /// Takes a change that an answer of our own brought.
    pub(super) fn apply_own(&mut self, change: Change) {
        if change.changed <= self.revision {
            return; // the watch has brought it, or something newer
        }
        if self.own.get(&change.key).is_none_or(|own| own.changed < change.changed) {
            self.put(&change);
            self.own.insert(change.key.clone(), change);
        }
    }

    /// Takes a fresh listing in place of everything, but for what our own answers brought since.
    pub(super) fn replace(&mut self, mut listed: Self) {
        for own in std::mem::take(&mut self.own).into_values() {
            listed.apply_own(own);
        }
        *self = listed;
    }

    pub(super) fn forget_plan(&mut self, task: &TaskName, plan: PlanId) {
        if let Some(entry) = self.tasks.get_mut(task) {
            entry.plans.remove(&plan);
        }
    }

    fn put(&mut self, change: &Change) {
        let Some(key) = Key::parse(&change.key) else { return };
        let put = match &change.value {
            Some(value) => self.put_record(key, value, change),
            None => {
                self.remove(key);
                Ok(())
            }
        };
        match put {
            Ok(()) => self.damaged.remove(&change.key),
            Err(damage) => {
                tracing::error!(key = %String::from_utf8_lossy(&change.key), error = %damage, "damaged record is left as it is");
                self.damaged.insert(change.key.clone(), damage)
            }
        };
    }

    fn put_record(&mut self, key: Key, value: &[u8], change: &Change) -> Result<(), Damage> {
        let changed = Revision(change.changed);
        match key {
            Key::Format | Key::Coordinator(_) => {}
            Key::Drains => self.drains = Drains::decode(value)?,
            Key::Rebalance(task) => {
                Rebalance::decode(value)?;
                self.rebalances.insert(task);
            }
            Key::Worker(id) => {
                let value = WorkerRecord::decode(value)?;
                self.workers.insert(id, Versioned { value, changed });
            }
            Key::Spec(task) => {
                let value = decode_spec(value)?.into();
                self.entry(task).spec = Some(Versioned { value, changed });
            }
            Key::State(task) => {
                let value = decode_state(value)?;
                self.entry(task).set_state(Versioned { value, changed });
            }
            Key::Control(task) => {
                let value = decode_control(value)?;
                self.entry(task).control = Some(Versioned { value, changed });
            }
            Key::Fence(task) => {
                let value = decode_fence(value)?;
                self.entry(task).fence = Some(Versioned { value, changed });
            }
            Key::Group(task, plan, _) => {
                self.entry(task).plans.entry(plan).or_default();
            }
            Key::Shard(task, plan, id) => {
                let shard = decode_shard(&id, value)?;
                let stored = StoredShard { task: task.clone(), plan, shard, changed };
                self.entry(task).put_shard(stored);
            }
            Key::Lease(task, shard) => {
                let LeaseRecord { worker, session, .. } = LeaseRecord::decode(value)?;
                let key = LeaseKey { task: task.clone(), shard: shard.clone(), epoch: Epoch(change.created) };
                let lease = SeenLease { key, worker, session };
                self.entry(task).put_lease(shard, SeenAt { lease, changed: change.changed });
            }
        }
        Ok(())
    }

    fn remove(&mut self, key: Key) {
        let task = match &key {
            Key::Format | Key::Coordinator(_) => return,
            Key::Worker(id) => return drop(self.workers.remove(id)),
            Key::Drains => return self.drains = Drains::default(),
            Key::Rebalance(task) => {
                self.rebalances.remove(task);
                return;
            }
            Key::Spec(task) | Key::State(task) | Key::Control(task) | Key::Fence(task) => task.clone(),
            Key::Group(task, ..) | Key::Shard(task, ..) | Key::Lease(task, ..) => task.clone(),
        };
        let Some(entry) = self.tasks.get_mut(&task) else { return };
        entry.remove(&key);
        if entry.is_gone() {
            self.tasks.remove(&task);
        }
    }

    fn entry(&mut self, task: TaskName) -> &mut TaskEntry {
        self.tasks.entry(task).or_default()
    }
}

impl TaskEntry {
    /// The shards of a plan.
    pub(crate) fn shards(&self, plan: PlanId) -> impl Iterator<Item = &Arc<StoredShard>> {
        self.plans.get(&plan).into_iter().flat_map(Plan::all)
    }

    /// The shards of the plan that counts; while surveying the survey's.
    pub(crate) fn current(&self) -> impl Iterator<Item = &Arc<StoredShard>> {
        let plan = self.state.as_ref().map(|state| state.value.plan());
        plan.into_iter().flat_map(|plan| self.shards(plan))
    }

    /// The shards of these kinds that nobody is seen to hold, in the order in which they are to be claimed.
    pub(crate) fn free(
        &self,
        due: impl Fn(ShardKind) -> bool + Copy,
    ) -> impl Iterator<Item = &Arc<StoredShard>> {
        let plan = self.state.as_ref().and_then(|state| self.plans.get(&state.value.plan()));
        plan.into_iter().flat_map(move |plan| plan.free(due))
    }

    /// The lease on a shard.
    pub(crate) fn lease(&self, shard: &ShardId) -> Option<&SeenLease> {
        self.leases.get(shard).map(|seen| &seen.lease)
    }

    /// All leases.
    pub(crate) fn leases(&self) -> impl Iterator<Item = &SeenLease> {
        self.leases.values().map(|seen| &seen.lease)
    }

    /// Plans that do not count any more and are to be swept; none while a survey may be writing one.
    pub(crate) fn dead_plans(&self) -> Vec<PlanId> {
        let Some(counts) = self.counting_plan() else { return Vec::new() };
        self.plans.keys().copied().filter(|plan| *plan != PlanId::SURVEY && *plan != counts).collect()
    }

    fn counting_plan(&self) -> Option<PlanId> {
        Some(self.state.as_ref()?.value.planned()?.plan)
    }

    /// Once a plan counts, the shards of others need not be kept: only that they are to be swept.
    fn set_state(&mut self, state: Versioned<TaskState>) {
        self.state = Some(state);
        for plan in self.dead_plans() {
            self.plans.entry(plan).or_default().clear();
        }
    }

    fn put_shard(&mut self, stored: StoredShard) {
        let plan = stored.plan;
        let dead = plan != PlanId::SURVEY && self.counting_plan().is_some_and(|counts| counts != plan);
        let leased = self.leases.contains_key(&stored.shard.id);
        let shards = self.plans.entry(plan).or_default();
        if !dead {
            shards.put(stored, leased);
        }
    }

    fn put_lease(&mut self, shard: ShardId, seen: SeenAt) {
        self.plans.values_mut().for_each(|plan| plan.set_leased(&shard, true));
        self.leases.insert(shard, seen);
    }

    fn remove(&mut self, key: &Key) {
        match key {
            Key::Spec(_) => self.spec = None,
            Key::State(_) => self.state = None,
            Key::Control(_) => self.control = None,
            Key::Fence(_) => self.fence = None,
            Key::Lease(_, shard) => {
                self.leases.remove(shard);
                self.plans.values_mut().for_each(|plan| plan.set_leased(shard, false));
            }
            Key::Shard(_, plan, shard) => {
                if let Some(shards) = self.plans.get_mut(plan) {
                    shards.remove(shard);
                }
            }
            Key::Group(..) | Key::Format | Key::Coordinator(_) | Key::Worker(_) => {}
            Key::Drains | Key::Rebalance(_) => {}
        }
    }

    /// The fence is the last key of a task to go.
    fn is_gone(&self) -> bool {
        self.spec.is_none() && self.state.is_none() && self.fence.is_none() && self.leases.is_empty()
    }
}
