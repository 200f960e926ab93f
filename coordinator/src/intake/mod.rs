//! A survey's stream on its way into a plan: one page in memory at a time, written under a plan id of its own, and made
//! to count by one last transaction. A survey that breaks off leaves pages that nobody reads and that are swept.

#[cfg(test)]
mod tests;

use std::time::Duration;

use futures_util::{Stream, StreamExt};
use tdferry_common::digest::NameSum;
use tdferry_common::id::{GroupId, PlanId, ShardId};
use tdferry_common::lease::LeaseKey;
use tdferry_common::options::{Mode, Options};
use tdferry_common::shard::{Checkpoint, Outcome, Shard};
use tdferry_common::spec::Spec;
use tdferry_common::task::{Cutoff, Found, Planned};
use tdferry_common::time::Period;
use tdferry_proto::status::ApiError;
use tokio::time::timeout;

use crate::leases;
use crate::planner::{Asked, PlannedGroup, Planner, StableSeen, TableSeen, Totals, compare};
use crate::record::Group;
use crate::shared::Core;
use crate::store::{Committed, Flip, PAGE_BYTES, PAGE_OPS, PlanPaged};
use crate::tasks::Kept;

/// A part of a survey's stream.
#[derive(Debug)]
pub(crate) enum Part {
    Start(Box<Start>),
    /// Its tables follow.
    Stable(StableSeen),
    Tables(Vec<TableSeen>),
    End(Counted),
}

/// How a survey begins.
#[derive(Debug)]
pub(crate) struct Start {
    pub(crate) key: LeaseKey,
    pub(crate) fence: u64,
    pub(crate) cutoff: Cutoff,
    pub(crate) period: Period,
    pub(crate) stables: u64,
    pub(crate) subtables: u64,
    pub(crate) rows: u64,
    pub(crate) fingerprint: u64,
}

/// What the source listed when it was asked again at the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Counted {
    pub(crate) subtables: u64,
    pub(crate) normal_tables: u64,
    /// The sum of all names, as [`NameSum`] makes it. Earlier workers do not tell it.
    pub(crate) names: Option<u64>,
}

/// What became of a survey.
#[derive(Debug)]
pub(crate) enum Surveyed {
    /// The plan counts.
    Planned(Found),
    /// The lease is not the worker's.
    Fenced,
    /// It cannot be planned by; the attempt has ended and another may do better.
    Refused(String),
}

/// Takes a survey's stream to its end.
pub(crate) async fn intake<S>(core: &Core, parts: S) -> Result<Surveyed, ApiError>
where
    S: Stream<Item = Result<Part, ApiError>> + Unpin,
{
    let mut parts = Parts { parts, silence: core.timing().stall_floor };
    let Some(Part::Start(start)) = parts.first().await? else {
        return Err(ApiError::Invalid("field `part`: a survey starts with `start`".into()));
    };
    let Some(record) = core.store.read_task(&start.key.task).await? else { return Ok(Surveyed::Fenced) };
    let spec = Kept::open(&record.spec)?.spec()?;
    let mut intake = Intake::new(core, *start, &spec);
    // before anything is streamed: a survey whose lease is lost ends here
    if intake.write().await? == PlanPaged::Fenced {
        return Ok(Surveyed::Fenced);
    }
    while let Some(part) = parts.next().await? {
        match part {
            Part::Start(_) => return Err(ApiError::Invalid("field `part`: a second `start`".into())),
            Part::Stable(stable) => intake.stable(stable),
            Part::Tables(tables) => intake.tables(tables),
            Part::End(counted) => return intake.end(counted).await,
        }
        if intake.is_page_full() && intake.write().await? == PlanPaged::Fenced {
            return Ok(Surveyed::Fenced);
        }
    }
    Err(ApiError::Invalid("field `part`: the survey broke off before its `end`".into()))
}

struct Parts<S> {
    parts: S,
    /// A worker that has started and says nothing for so long is stuck; its survey starts anew elsewhere.
    silence: Duration,
}

impl<S: Stream<Item = Result<Part, ApiError>> + Unpin> Parts<S> {
    /// The catalog is listed and counted before the first part, which takes as long as it takes: the connection ends
    /// with the worker.
    async fn first(&mut self) -> Result<Option<Part>, ApiError> {
        self.parts.next().await.transpose()
    }

    async fn next(&mut self) -> Result<Option<Part>, ApiError> {
        let silent = |_| ApiError::Unavailable(format!("the survey said nothing for {:?}", self.silence));
        timeout(self.silence, self.parts.next()).await.map_err(silent)?.transpose()
    }
}

struct Intake<'a> {
    core: &'a Core,
    start: Start,
    plan: PlanId,
    planner: Planner,
    /// Nothing is created or copied.
    only_compares: bool,
    /// Tails come after the plan, and meet what it lacks.
    follows: bool,
    /// The stable whose tables come now.
    stable: String,
    /// All that came.
    names: NameSum,
    /// Planned and not yet written.
    groups: Vec<PlannedGroup>,
    shards: Vec<Shard>,
    bytes: usize,
}

impl<'a> Intake<'a> {
    fn new(core: &'a Core, start: Start, spec: &Spec) -> Self {
        let totals = Totals {
            period: closed_period(&start),
            stables: start.stables,
            subtables: start.subtables,
            rows: start.rows,
            cutoff: start.cutoff.units,
        };
        let mut planner = Planner::new(asked(core, &start, &spec.options), totals);
        let shards = planner.first_shards();
        // zero is the survey's own
        let plan = PlanId(core.random().max(1));
        let (stable, names) = (String::new(), NameSum::default());
        let only_compares = spec.options.mode == Mode::Verify;
        let follows = matches!(spec.options.mode, Mode::Both | Mode::Realtime);
        Self {
            core,
            start,
            plan,
            planner,
            only_compares,
            follows,
            stable,
            names,
            groups: Vec::new(),
            shards,
            bytes: 0,
        }
    }

    fn stable(&mut self, stable: StableSeen) {
        self.stable.clone_from(&stable.name);
        let groups = self.planner.stable(stable);
        self.take(groups);
    }

    fn tables(&mut self, tables: Vec<TableSeen>) {
        tables.iter().for_each(|table| self.names.add(&self.stable, &table.name));
        let groups = self.planner.tables(tables);
        self.take(groups);
    }

    fn take(&mut self, groups: impl IntoIterator<Item = PlannedGroup>) {
        for mut group in groups {
            let shards = std::mem::take(&mut group.shards);
            if self.only_compares {
                self.shards.extend(shards.into_iter().map(compare::in_place_of));
            } else {
                self.shards.extend(shards);
            }
            self.bytes += group.names.iter().map(String::len).sum::<usize>();
            self.groups.push(group);
        }
    }

    fn is_page_full(&self) -> bool {
        self.groups.len() + self.shards.len() >= PAGE_OPS || self.bytes >= PAGE_BYTES
    }

    /// Writes what is planned by now.
    async fn write(&mut self) -> Result<PlanPaged, ApiError> {
        let packed = std::mem::take(&mut self.groups).into_iter().map(pack).collect::<Result<Vec<_>, _>>()?;
        let shards = std::mem::take(&mut self.shards);
        self.bytes = 0;
        let Start { key, fence, .. } = &self.start;
        Ok(self.core.store.plan_page(key, *fence, self.plan, &packed, &shards).await?)
    }

    /// Promise S9: what was streamed is what the source lists once more; where it is followed that may be more, since a
    /// source that gets subtables all the while would never be planned.
    async fn end(mut self, counted: Counted) -> Result<Surveyed, ApiError> {
        let last = self.planner.close();
        self.take(last);
        let found = self.planner.found();
        let names = counted.names.map(|_| self.names.value());
        let streamed = Counted { subtables: found.subtables, normal_tables: found.normal_tables, names };
        if streamed != counted && !(self.follows && only_grew(streamed, counted)) {
            return self.refuse(differs(streamed, counted)).await;
        }
        if self.write().await? == PlanPaged::Fenced {
            return Ok(Surveyed::Fenced);
        }
        let Start { key, fence, cutoff, fingerprint, .. } = &self.start;
        let planned = Planned {
            plan: self.plan,
            cutoff: *cutoff,
            fingerprint: *fingerprint,
            found,
            excused: 0,
            mark: None,
        };
        let Some(checkpoint) = self.next_checkpoint().await? else { return Ok(Surveyed::Fenced) };
        match self.core.store.plan_flip(key, *fence, planned, checkpoint).await? {
            Flip::Was(Committed::Done | Committed::Already) => {
                tracing::info!(task = %key.task, plan = %self.plan, shards = found.shards, rows = found.rows, "planned");
                Ok(Surveyed::Planned(found))
            }
            Flip::Was(Committed::Fenced) | Flip::NotSurveying(_) => Ok(Surveyed::Fenced),
            Flip::Was(Committed::Refused(why)) => Ok(Surveyed::Refused(why.to_string())),
        }
    }

    async fn refuse(&self, reason: String) -> Result<Surveyed, ApiError> {
        let Some(checkpoint) = self.next_checkpoint().await? else { return Ok(Surveyed::Fenced) };
        let outcome = Some(Outcome::Erred { reason: reason.clone() });
        let (key, fence) = (self.start.key.clone(), self.start.fence);
        match leases::commit(self.core, leases::Asked { key, fence, checkpoint, outcome }).await? {
            Committed::Fenced => Ok(Surveyed::Fenced),
            Committed::Done | Committed::Already | Committed::Refused(_) => Ok(Surveyed::Refused(reason)),
        }
    }

    /// The survey shard's next checkpoint: it has no offset to move.
    async fn next_checkpoint(&self) -> Result<Option<Checkpoint>, ApiError> {
        let page = self
            .core
            .store
            .list_shards(&self.start.key.task, PlanId::SURVEY, Some(&ShardId::survey()))
            .await?;
        let stored = page.shards.into_iter().next().map(|stored| stored.shard.checkpoint);
        let epoch = self.start.key.epoch;
        Ok(stored.map(|stored| Checkpoint { epoch, seq: stored.seq + 1, ..stored }))
    }
}

fn only_grew(streamed: Counted, counted: Counted) -> bool {
    let (before, now) =
        ((streamed.subtables, streamed.normal_tables), (counted.subtables, counted.normal_tables));
    before != now && before.0 <= now.0 && before.1 <= now.1
}

fn differs(streamed: Counted, counted: Counted) -> String {
    let as_many = (streamed.subtables, streamed.normal_tables) == (counted.subtables, counted.normal_tables);
    let others = if as_many { ", but others" } else { "" };
    format!(
        "the survey streamed {} subtables and {} normal tables, but at its end the source lists {} and {}{others}: tables \
         came or went meanwhile; the survey is tried again",
        streamed.subtables, streamed.normal_tables, counted.subtables, counted.normal_tables
    )
}

fn pack(group: PlannedGroup) -> Result<(GroupId, Vec<u8>), ApiError> {
    let PlannedGroup { id, stable, names, .. } = group;
    let packed = Group { stable, names }.encode().map_err(|err| ApiError::Internal(err.to_string()))?;
    Ok((id, packed))
}

fn asked(core: &Core, start: &Start, options: &Options) -> Asked {
    let slots = core
        .view()
        .read(|mirror| mirror.workers().filter(|worker| !worker.draining).map(|worker| worker.slots).sum());
    Asked::new(options, start.cutoff.precision, slots)
}

/// No period reaches beyond the cutoff: what comes later is not history.
fn closed_period(start: &Start) -> Period {
    let to = start.period.to.min(start.cutoff.units);
    Period { from: start.period.from.min(to), to }
}
