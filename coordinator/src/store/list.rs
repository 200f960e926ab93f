//! What is read by itself: a task, its shards in pages, a group's names. Reads are linearizable.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use tdferry_common::id::{Epoch, GroupId, PlanId, ShardId};
use tdferry_common::shard::Shard;
use tdferry_common::spec::TaskName;
use tdferry_common::task::{Control, TaskState};

use super::Store;
use super::error::StoreError;
use super::guarded::{Revision, Versioned};
use super::wire::{Ask, Found, Page};
use crate::keys::{self, Key};
use crate::record::{
    Damage, Group, LeaseRecord, decode_control, decode_fence, decode_shard, decode_spec, decode_state,
};

/// Groups kept at hand: those of the shards that are being claimed, at most 64 KiB packed and some 200 KB unfolded each.
const GROUPS_KEPT: usize = 64;

/// A shard as the store holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StoredShard {
    /// Whose.
    pub(crate) task: TaskName,
    /// Under which plan.
    pub(crate) plan: PlanId,
    /// The shard.
    pub(crate) shard: Shard,
    /// What a guard compares.
    pub(crate) changed: Revision,
}

/// A task as the store holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TaskRecord {
    /// What was asked, as JSON.
    pub(crate) spec: String,
    /// What it is.
    pub(crate) state: Versioned<TaskState>,
    /// What the operator wants.
    pub(crate) control: Versioned<Control>,
    /// What commits must carry.
    pub(crate) fence: u64,
}

/// Some shards of a plan, in the order of their ids.
#[derive(Debug, Clone)]
pub(crate) struct ShardPage {
    /// The shards.
    pub(crate) shards: Vec<StoredShard>,
    /// From which shard to ask on; `None`: that was all.
    pub(crate) next: Option<ShardId>,
}

/// Groups at hand; the least recently used goes first.
#[derive(Debug, Default)]
pub(super) struct Groups(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    /// Counts uses.
    uses: u64,
    /// Each with its last use.
    groups: BTreeMap<GroupKey, (u64, Arc<Group>)>,
}

type GroupKey = (TaskName, PlanId, GroupId);

impl Found {
    /// Reads the record; damage names the key.
    pub(crate) fn decode<T>(&self, decode: impl FnOnce(&[u8]) -> Result<T, Damage>) -> Result<T, StoreError> {
        decode(&self.value).map_err(|damage| self.damaged(damage))
    }

    fn damaged(&self, damage: Damage) -> StoreError {
        StoreError::Damaged { key: String::from_utf8_lossy(&self.key).into_owned(), damage }
    }
}

/// The shard at a key of a shard.
pub(crate) fn shard_in(found: &Found) -> Result<StoredShard, StoreError> {
    let Some(Key::Shard(task, plan, id)) = Key::parse(&found.key) else {
        return Err(found.damaged(Damage::Field("key")));
    };
    let shard = found.decode(|bytes| decode_shard(&id, bytes))?;
    Ok(StoredShard { task, plan, shard, changed: Revision(found.changed) })
}

/// The epoch and holder at a key of a lease.
pub(crate) fn lease_in(found: &Found) -> Result<(Epoch, LeaseRecord), StoreError> {
    Ok((Epoch(found.created), found.decode(LeaseRecord::decode)?))
}

impl Store {
    /// A task as it stands, all of one revision; `None` where there is none or it is deleted.
    pub(crate) async fn read_task(&self, task: &TaskName) -> Result<Option<TaskRecord>, StoreError> {
        let keys = [keys::spec(task), keys::state(task), keys::control(task), keys::fence(task)];
        let [spec, state, control, fence] = self.read(&keys).await?.try_into().unwrap_or_default();
        let (Some(spec), Some(state), Some(control), Some(fence)) = (spec, state, control, fence) else {
            return Ok(None);
        };
        Ok(Some(TaskRecord {
            spec: spec.decode(decode_spec)?,
            state: Versioned { value: state.decode(decode_state)?, changed: Revision(state.changed) },
            control: Versioned { value: control.decode(decode_control)?, changed: Revision(control.changed) },
            fence: fence.decode(decode_fence)?,
        }))
    }

    /// One shard as it stands.
    pub(crate) async fn read_shard(
        &self,
        task: &TaskName,
        plan: PlanId,
        shard: &ShardId,
    ) -> Result<Option<StoredShard>, StoreError> {
        let found = self.read(&[keys::shard(task, plan, shard)]).await?.pop().flatten();
        found.as_ref().map(shard_in).transpose()
    }

    /// A page of a plan's shards, from a shard on.
    pub(crate) async fn list_shards(
        &self,
        task: &TaskName,
        plan: PlanId,
        from: Option<&ShardId>,
    ) -> Result<ShardPage, StoreError> {
        let prefix = keys::shards(task, plan);
        let first = from.map_or_else(|| prefix.clone(), |shard| keys::shard(task, plan, shard));
        // one more than wanted tells where the next page starts
        let page = self.wire().page(first.as_bytes(), &keys::end_of(&prefix), Ask::PAGE).await?;
        let mut shards = page.found.iter().map(shard_in).collect::<Result<Vec<_>, _>>()?;
        let next =
            if page.more && shards.len() > 1 { shards.pop().map(|shard| shard.shard.id) } else { None };
        Ok(ShardPage { shards, next })
    }

    /// All shards of a plan. A hundred thousand take some tens of megabytes.
    pub(crate) async fn all_shards(
        &self,
        task: &TaskName,
        plan: PlanId,
    ) -> Result<Vec<StoredShard>, StoreError> {
        let mut all = Vec::new();
        let mut from = None;
        loop {
            let page = self.list_shards(task, plan, from.as_ref()).await?;
            all.extend(page.shards);
            match page.next {
                Some(next) => from = Some(next),
                None => return Ok(all),
            }
        }
    }

    /// The names of a group, from a small cache or the store. Groups never change once their plan counts.
    pub(crate) async fn group(
        &self,
        task: &TaskName,
        plan: PlanId,
        group: GroupId,
    ) -> Result<Option<Arc<Group>>, StoreError> {
        let at = (task.clone(), plan, group);
        if let Some(kept) = self.groups().get(&at) {
            return Ok(Some(kept));
        }
        let Some(found) = self.read(&[keys::group(task, plan, group)]).await?.pop().flatten() else {
            return Ok(None);
        };
        let group = Arc::new(found.decode(Group::decode)?);
        self.groups().keep(at, Arc::clone(&group));
        Ok(Some(group))
    }

    /// A page of raw records from a key on, for the mirror.
    pub(crate) async fn page_from(&self, from: &[u8], ask: Ask) -> Result<Page, StoreError> {
        self.wire().page(from, &keys::end_of(keys::ROOT), ask).await
    }
}

impl Groups {
    fn get(&self, at: &GroupKey) -> Option<Arc<Group>> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.uses += 1;
        let now = kept.uses;
        let (used, group) = kept.groups.get_mut(at)?;
        *used = now;
        Some(Arc::clone(group))
    }

    fn keep(&self, at: GroupKey, group: Arc<Group>) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.uses += 1;
        let now = kept.uses;
        kept.groups.insert(at, (now, group));
        if kept.groups.len() > GROUPS_KEPT {
            let oldest = kept.groups.iter().min_by_key(|(_, (used, _))| *used).map(|(at, _)| at.clone());
            oldest.and_then(|at| kept.groups.remove(&at));
        }
    }
}
