//! Phases and completion: a task goes on when every shard of its phase is terminal, and not before (promise S6).

use std::time::Duration;

use tdferry_common::id::ShardId;
use tdferry_common::shard::{Shard, ShardKind, ShardState};
use tdferry_common::spec::TaskName;
use tdferry_common::task::{Phase, TaskEvent, TaskState};

use super::told;
use crate::shared::Core;
use crate::store::{StatePut, StoreError};
use crate::view::Mirror;

/// Looks at the tasks this many times a second at most, in parts of a commit interval.
const LOOKS_PER_COMMIT: u32 = 20;
/// Looks again without any change, in heartbeats: a look whose transaction failed is not forgotten.
const IDLE_HEARTBEATS: u32 = 2;

pub(super) async fn run(core: &Core) {
    let mut changed = core.view().changed();
    let settle = core.timing().commit_interval / LOOKS_PER_COMMIT;
    loop {
        for task in core.view().read(ready) {
            told("phase", advance(core, &task).await);
        }
        let _ = tokio::time::timeout(core.timing().heartbeat * IDLE_HEARTBEATS, changed.changed()).await;
        tokio::time::sleep(core.jittered(settle.max(Duration::from_millis(1)))).await;
    }
}

/// Tasks that look ready to go on.
fn ready(mirror: &Mirror) -> Vec<TaskName> {
    let ready = mirror.tasks().filter(|(_, task)| {
        let shards = || task.current().map(|shard| &shard.shard);
        task.state.as_ref().is_some_and(|state| verdict(&state.value, shards, 0).is_some())
    });
    ready.map(|(name, _)| name.clone()).collect()
}

/// Looks at the store itself: state first, then the shards, then the state is put if it did not change meanwhile.
async fn advance(core: &Core, task: &TaskName) -> Result<(), StoreError> {
    let Some(record) = core.store.read_task(task).await? else { return Ok(()) };
    let shards = core.store.all_shards(task, record.state.value.plan()).await?;
    let shards = || shards.iter().map(|stored| &stored.shard);
    let Some(event) = verdict(&record.state.value, shards, core.clock.wall_millis()) else { return Ok(()) };
    let Ok(next) = record.state.value.clone().next(event) else { return Ok(()) };
    if let StatePut::Done(_) = core.store.put_state(task, &record.state, &next).await? {
        log(task, &next);
    }
    Ok(())
}

fn log(task: &TaskName, next: &TaskState) {
    match next {
        TaskState::Failed { reason, .. } => tracing::error!(%task, error = %reason, "task failed"),
        _ => tracing::info!(%task, state = next.name(), "task goes on"),
    }
}

/// What follows from the shards of a task's plan; `None` while its phase goes on.
fn verdict<'a, I>(state: &TaskState, shards: impl Fn() -> I, at_millis: i64) -> Option<TaskEvent>
where
    I: Iterator<Item = &'a Shard>,
{
    let phase = state.phase()?;
    let of_phase = || shards().filter(|shard| phase_of(shard.kind) == phase);
    let failed = || of_phase().filter(|shard| matches!(shard.state, ShardState::Failed { .. }));
    // without the structure no subtable can be created: its shards wait for nothing
    let hopeless = phase == Phase::Schema && failed().any(|shard| shard.id == ShardId::schema());
    if !hopeless && of_phase().any(|shard| !shard.is_terminal()) {
        return None;
    }
    if let Some(first) = failed().next() {
        let reason = reason(first, failed().count(), of_phase().count());
        return Some(TaskEvent::ShardsFailed { reason, at_millis });
    }
    let next = match phase {
        // the survey's own last transaction makes the plan count
        Phase::Survey => return None,
        Phase::Schema => shards().any(|shard| phase_of(shard.kind) == Phase::Copy).then_some(Phase::Copy),
        Phase::Copy => None,
    };
    // a plan holds its schema shard at the least; a listing without it is none to decide by
    let rejected = shards().map(|shard| shard.checkpoint.totals.rejected).sum();
    of_phase().next().map(|_| TaskEvent::PhaseDone { next, rejected, at_millis })
}

fn phase_of(kind: ShardKind) -> Phase {
    match kind {
        ShardKind::Survey => Phase::Survey,
        ShardKind::Schema | ShardKind::Create => Phase::Schema,
        ShardKind::Copy(_) => Phase::Copy,
    }
}

fn reason(first: &Shard, failed: usize, all: usize) -> String {
    let why = match &first.state {
        ShardState::Failed { reason } => reason.as_str(),
        ShardState::Open | ShardState::Done => "",
    };
    match failed {
        1 if all == 1 => why.to_owned(),
        1 => format!("shard {} failed, of {all}: {why}", first.id),
        _ => format!("{failed} shards of {all} failed; the first, {}: {why}", first.id),
    }
}

#[cfg(test)]
mod tests {
    use tdferry_common::id::{GroupId, PlanId};
    use tdferry_common::shard::{Density, Range};
    use tdferry_common::task::{Cutoff, Found, Planned};
    use tdferry_common::time::{Period, Precision};

    use super::*;

    fn shard(kind: ShardKind, state: ShardState) -> Shard {
        let group = GroupId(0);
        let id = match kind {
            ShardKind::Survey => ShardId::survey(),
            ShardKind::Schema => ShardId::schema(),
            ShardKind::Create => ShardId::create(group),
            ShardKind::Copy(_) => ShardId::copy(group, 0),
        };
        let planned = Shard::planned(id, kind, Some(group), Range::NONE, Period { from: 0, to: 0 });
        Shard { state, ..planned }
    }

    fn active(phase: Phase) -> TaskState {
        let cutoff = Cutoff { units: 0, precision: Precision::Milli, from_source: true };
        TaskState::Active {
            phase,
            planned: Planned { plan: PlanId(1), cutoff, fingerprint: 0, found: Found::default() },
        }
    }

    fn failed() -> ShardState {
        ShardState::Failed { reason: "no".into() }
    }

    const COPY: ShardKind = ShardKind::Copy(Density::Dense);

    fn next(phase: Phase, shards: &[Shard]) -> Option<TaskEvent> {
        verdict(&active(phase), || shards.iter(), 7)
    }

    #[test]
    fn the_phase_goes_on_until_all_its_shards_are_terminal() {
        let done = |kind| shard(kind, ShardState::Done);
        let open = |kind| shard(kind, ShardState::Open);
        let (schema, create) = (ShardKind::Schema, ShardKind::Create);
        let done_with = |next, rejected| Some(TaskEvent::PhaseDone { next, rejected, at_millis: 7 });
        assert_eq!(next(Phase::Schema, &[done(schema), open(create), open(COPY)]), None);
        assert_eq!(
            next(Phase::Schema, &[done(schema), done(create), open(COPY)]),
            done_with(Some(Phase::Copy), 0)
        );
        assert_eq!(next(Phase::Schema, &[done(schema), done(create)]), done_with(None, 0));
        let mut rejecting = done(COPY);
        rejecting.checkpoint.totals.rejected = 3;
        assert_eq!(next(Phase::Copy, &[done(schema), rejecting.clone(), open(COPY)]), None);
        assert_eq!(next(Phase::Copy, &[done(schema), rejecting]), done_with(None, 3));
        assert_eq!(next(Phase::Copy, &[]), None, "nothing was listed");
    }

    #[test]
    fn failed_shards_fail_the_task_when_the_others_are_through() {
        let copies = [shard(COPY, ShardState::Done), shard(COPY, failed()), shard(COPY, failed())];
        let Some(TaskEvent::ShardsFailed { reason, .. }) = next(Phase::Copy, &copies) else {
            panic!("not failed")
        };
        assert!(reason.starts_with("2 shards of 3 failed") && reason.ends_with(": no"), "{reason}");
        let waiting = [shard(COPY, failed()), shard(COPY, ShardState::Open)];
        assert_eq!(next(Phase::Copy, &waiting), None);
    }

    #[test]
    fn without_the_structure_the_task_does_not_wait_for_subtables() {
        let shards = [shard(ShardKind::Schema, failed()), shard(ShardKind::Create, ShardState::Open)];
        assert!(matches!(next(Phase::Schema, &shards), Some(TaskEvent::ShardsFailed { .. })));
    }

    #[test]
    fn a_survey_that_failed_fails_its_task() {
        let survey = shard(ShardKind::Survey, failed());
        let event = verdict(&TaskState::Surveying, || std::iter::once(&survey), 7);
        assert_eq!(event, Some(TaskEvent::ShardsFailed { reason: "no".into(), at_millis: 7 }));
        let survey = shard(ShardKind::Survey, ShardState::Done);
        assert_eq!(verdict(&TaskState::Surveying, || std::iter::once(&survey), 7), None);
    }
}
