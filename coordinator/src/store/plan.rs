//! plan page and plan flip: a survey writes its plan under an id of its own, then one transaction makes it count.

use tdferry_common::id::{GroupId, PlanId};
use tdferry_common::lease::LeaseKey;
use tdferry_common::shard::{Checkpoint, IllegalTransition, Outcome, Shard, ShardEvent};
use tdferry_common::task::{IllegalTaskTransition, Planned, TaskEvent, TaskState};

use super::Store;
use super::commit::Committed;
use super::control::MAX_ROUNDS;
use super::error::StoreError;
use super::guarded::{Answer, Guarded, PAGE_BYTES, PAGE_OPS, Revision, Versioned};
use super::held::{Holder, UnderLease};
use crate::keys;
use crate::record::{decode_state, encode_fence, encode_shard, encode_state};

/// What became of a page of a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PlanPaged {
    /// It is written; it counts once the plan does.
    Written,
    /// The survey's lease is gone or fenced: stop.
    Fenced,
}

/// What became of making a plan count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Flip {
    /// As a commit of the survey shard.
    Was(Committed),
    /// The task does not wait for a plan.
    NotSurveying(IllegalTaskTransition),
}

impl Store {
    #[expect(
        clippy::too_many_arguments,
        reason = "lease, fence and plan say where; groups and shards say what"
    )]
    /// Writes groups (packed, see [`crate::record::Group::encode`]) and shards of a plan that does not count yet, in
    /// as many requests as they need. May be repeated.
    pub(crate) async fn plan_page(
        &self,
        survey: &LeaseKey,
        fence: u64,
        plan: PlanId,
        groups: &[(GroupId, Vec<u8>)],
        shards: &[Shard],
    ) -> Result<PlanPaged, StoreError> {
        let task = &survey.task;
        let groups = groups.iter().map(|(id, packed)| (keys::group(task, plan, *id), packed.clone()));
        let shards = shards.iter().map(|shard| (keys::shard(task, plan, &shard.id), encode_shard(shard)));
        let mut page = Vec::new();
        let mut bytes = 0;
        for (key, value) in groups.chain(shards) {
            let more = key.len() + value.len();
            if page.len() >= PAGE_OPS || bytes + more > PAGE_BYTES {
                if self.write_page(survey, fence, std::mem::take(&mut page)).await? == PlanPaged::Fenced {
                    return Ok(PlanPaged::Fenced);
                }
                bytes = 0;
            }
            bytes += more;
            page.push((key, value));
        }
        self.write_page(survey, fence, page).await
    }

    async fn write_page(
        &self,
        survey: &LeaseKey,
        fence: u64,
        records: Vec<(String, Vec<u8>)>,
    ) -> Result<PlanPaged, StoreError> {
        let guarded = Guarded::new("plan page")
            .epoch(&keys::lease(&survey.task, &survey.shard), survey.epoch)
            .holds(&keys::fence(&survey.task), encode_fence(fence));
        let txn = records.into_iter().fold(guarded, |txn, (key, value)| txn.put(key, value));
        // what is written is the same however often: a repeat needs no telling apart
        match self.run(txn).await? {
            Answer::Done(_) => Ok(PlanPaged::Written),
            Answer::Lost { .. } => Ok(PlanPaged::Fenced),
        }
    }

    /// Makes a plan count: state and survey shard change and the survey's lease ends in one transaction. May be repeated.
    pub(crate) async fn plan_flip(
        &self,
        survey: &LeaseKey,
        fence: u64,
        planned: Planned,
        checkpoint: Checkpoint,
    ) -> Result<Flip, StoreError> {
        let checkpoint = Checkpoint { epoch: survey.epoch, ..checkpoint };
        let holder = Holder { key: survey, plan: PlanId::SURVEY, fence, checkpoint: &checkpoint };
        for _ in 0..MAX_ROUNDS {
            let Some(state) = self.read_state(survey).await? else { return Ok(Flip::Was(Committed::Fenced)) };
            let next = match state.value.clone().next(TaskEvent::Planned(planned)) {
                Ok(next) => next,
                // it may count already, by this very flip
                Err(_) if state.value.planned() == Some(&planned) => {
                    return Ok(Flip::Was(Committed::Already));
                }
                Err(illegal) => return Ok(Flip::NotSurveying(illegal)),
            };
            let write = Flipping { survey, checkpoint, read: state.changed, next };
            if let Some(flipped) = self.under_lease(holder, &write).await? {
                return Ok(Flip::Was(flipped));
            }
        }
        Err(StoreError::Contended("plan flip"))
    }

    /// The state of the task a lease belongs to.
    pub(super) async fn read_state(
        &self,
        key: &LeaseKey,
    ) -> Result<Option<Versioned<TaskState>>, StoreError> {
        let found = self.read(&[keys::state(&key.task)]).await?.pop().flatten();
        found
            .map(|found| {
                Ok(Versioned { value: found.decode(decode_state)?, changed: Revision(found.changed) })
            })
            .transpose()
    }
}

struct Flipping<'a> {
    survey: &'a LeaseKey,
    checkpoint: Checkpoint,
    read: Revision,
    next: TaskState,
}

impl UnderLease for Flipping<'_> {
    fn next(&self, shard: Shard) -> Result<Shard, IllegalTransition> {
        shard.next(ShardEvent::Ended { checkpoint: self.checkpoint, outcome: Outcome::Done })
    }

    fn beside(&self, txn: Guarded, _next: &Shard) -> Guarded {
        let state = keys::state(&self.survey.task);
        txn.unchanged(&state, self.read)
            .put(state, encode_state(&self.next))
            .delete(keys::lease(&self.survey.task, &self.survey.shard))
    }
}
