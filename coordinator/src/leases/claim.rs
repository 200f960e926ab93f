//! Claims for a worker: never more than it asked for, each with all that is needed to work on it.

use std::collections::BTreeSet;
use std::sync::Arc;

use tdferry_common::id::{ClaimId, SessionId, WorkerId};
use tdferry_common::lease::{HeldLease, LeaseKey};
use tdferry_common::spec::TaskName;
use tdferry_common::task::Planned;
use tokio::time::Instant;

use super::candidates::{Candidate, Slot, candidates};
use super::news::{self, Openings};
use crate::queue::{self, SPREAD};
use crate::record::Group;
use crate::shared::Core;
use crate::store::{Claim, Claimed, StoreError};

/// Leases in one answer, whatever is asked for.
const MAX_SLOTS: usize = 256;
/// Bytes of specs and names after which an answer is closed: with one more lease of the largest kind (a spec of 1 MiB)
/// it stays below the 4 MiB that a gRPC message may have.
const ENOUGH_BYTES: usize = 2 * 1024 * 1024;
/// Races a claim may lose before it answers with what it has; the worker asks again soon.
const MAX_LOST: usize = 16;

/// Who claims.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Claimant {
    pub(crate) worker: WorkerId,
    pub(crate) session: SessionId,
    /// Free slots.
    pub(crate) slots: usize,
    /// Free slots for tails.
    pub(crate) tail_slots: usize,
}

/// A lease with all that is needed to work on it.
#[derive(Debug, Clone)]
pub(crate) struct Granted {
    pub(crate) lease: HeldLease,
    /// The task's stored spec, in its envelope.
    pub(crate) spec: Arc<str>,
    pub(crate) group: Option<Arc<Group>>,
    pub(crate) planned: Option<Planned>,
    /// Slots of all workers that take work.
    pub(crate) fleet_slots: u32,
}

/// What a worker gets.
#[derive(Debug)]
pub(crate) enum Grants {
    Leases(Vec<Granted>),
    /// Its session is over: nothing it holds is its own any more.
    SessionGone,
}

/// Takes leases for a worker; where there are none, waits a moment for some. A worker that is full but for tails is
/// answered at once: a slot of its own may be free at any moment, and no claim is asked beside another.
pub(crate) async fn claim(core: &Core, claimant: Claimant) -> Result<Grants, StoreError> {
    let known = core.view().read(Openings::seen);
    match claim_now(core, claimant).await? {
        Grants::Leases(none) if none.is_empty() && claimant.slots > 0 && news::wait(core, &known).await => {
            claim_now(core, claimant).await
        }
        grants => Ok(grants),
    }
}

async fn claim_now(core: &Core, claimant: Claimant) -> Result<Grants, StoreError> {
    if core.view().read(|mirror| mirror.is_drained(claimant.worker)) {
        return Ok(Grants::Leases(Vec::new()));
    }
    let until = core.clock.monotonic() + core.timing().store_request;
    let mut claiming =
        Claiming { core, claimant, granted: Vec::new(), bytes: 0, lost: 0, until, closed: BTreeSet::new() };
    let tails = claiming.candidates(Slot::Tail);
    for candidate in tails.into_iter().chain(claiming.candidates(Slot::Other)) {
        if claiming.is_over() {
            break;
        }
        if claiming.is_enough(Slot::of(candidate.shard.shard.kind)) {
            continue;
        }
        match claiming.attempt(&candidate).await {
            Ok(true) => {}
            Ok(false) => return Ok(Grants::SessionGone),
            // what was claimed before is the worker's all the same
            Err(err) if !claiming.granted.is_empty() => {
                tracing::warn!(worker = %claimant.worker, error = %err, "claims cut short");
                break;
            }
            Err(err) => return Err(err),
        }
    }
    Ok(Grants::Leases(claiming.granted))
}

struct Claiming<'a> {
    core: &'a Core,
    claimant: Claimant,
    granted: Vec<Granted>,
    bytes: usize,
    lost: usize,
    /// What is granted later is not heard of: the worker has given the answer up.
    until: Instant,
    /// Tasks that turned out not to run.
    closed: BTreeSet<TaskName>,
}

impl Claiming<'_> {
    fn candidates(&self, slot: Slot) -> Vec<Candidate> {
        let core = self.core;
        let slots = self.slots(slot);
        if slots == 0 {
            return Vec::new();
        }
        let now = core.clock.monotonic();
        let may = |shard: &_| core.cooling.may_be_tried(shard, now, core.timing().heartbeat);
        let (tasks, workers) = core
            .view()
            .read(|mirror| (candidates(mirror, slot, SPREAD + slots, may), mirror.workers().count()));
        queue::order(tasks, self.claimant.worker, workers)
    }

    fn slots(&self, slot: Slot) -> usize {
        let free = match slot {
            Slot::Tail => self.claimant.tail_slots,
            Slot::Other => self.claimant.slots,
        };
        free.min(MAX_SLOTS)
    }

    /// Whether nothing more can be granted, whatever it is.
    fn is_over(&self) -> bool {
        let late = self.core.clock.monotonic() >= self.until;
        self.bytes >= ENOUGH_BYTES || self.lost >= MAX_LOST || late
    }

    fn is_enough(&self, slot: Slot) -> bool {
        let granted = self.granted.iter().filter(|one| Slot::of(one.lease.shard.kind) == slot);
        granted.count() >= self.slots(slot)
    }

    /// Tries for one shard; `false` where the session is over.
    async fn attempt(&mut self, candidate: &Candidate) -> Result<bool, StoreError> {
        let shard = &candidate.shard;
        if self.closed.contains(&shard.task) {
            return Ok(true);
        }
        let Some(_trial) = self.core.trying.begin(&shard.task, &shard.shard.id) else { return Ok(true) };
        let claim = Claim {
            shard,
            fence: candidate.fence,
            claim: ClaimId(self.core.random()),
            worker: self.claimant.worker,
            session: self.claimant.session,
        };
        match self.core.store.claim(claim).await? {
            Claimed::Ours(lease) => self.grant(lease, candidate).await?,
            Claimed::Taken | Claimed::Stale => self.lost += 1,
            Claimed::NotRunning | Claimed::Fenced => drop(self.closed.insert(shard.task.clone())),
            Claimed::SessionGone => return Ok(false),
            Claimed::Poisoned => {
                let (task, shard) = (&shard.task, &shard.shard.id);
                tracing::error!(%task, %shard, "shard failed: claimed too often without a commit");
            }
        }
        Ok(true)
    }

    async fn grant(&mut self, lease: HeldLease, candidate: &Candidate) -> Result<(), StoreError> {
        let group = match self.group(candidate).await {
            Ok(group) => group,
            Err(err) => {
                self.core.store.release(&lease.key, None).await?;
                return Err(err);
            }
        };
        let LeaseKey { task, shard, epoch } = &lease.key;
        tracing::info!(%task, %shard, %epoch, worker = %self.claimant.worker, "lease claimed");
        let names = group.as_ref().map_or(0, |group| group.names.iter().map(String::len).sum());
        self.bytes += candidate.spec.len() + names;
        let (spec, planned) = (Arc::clone(&candidate.spec), candidate.planned);
        let fleet_slots = self
            .core
            .view()
            .read(|mirror| mirror.taking().map(|worker| worker.slots).fold(0, u32::saturating_add));
        self.granted.push(Granted { lease, spec, group, planned, fleet_slots });
        Ok(())
    }

    async fn group(&self, candidate: &Candidate) -> Result<Option<Arc<Group>>, StoreError> {
        let shard = &candidate.shard;
        let Some(id) = shard.shard.group else { return Ok(None) };
        match self.core.store.group(&shard.task, shard.plan, id).await? {
            Some(group) => Ok(Some(group)),
            None => Err(StoreError::Invalid(format!("group {id} of task {} is missing", shard.task))),
        }
    }
}
