//! Phases and completion: a task goes on when every shard of its phase is terminal, and not before (promise S6).

use std::collections::BTreeSet;
use std::time::Duration;

use tdferry_common::id::ShardId;
use tdferry_common::options::{MOST_REPAIRS, Verify};
use tdferry_common::shard::{Differing, Extra, Shard, ShardKind, ShardState};
use tdferry_common::spec::TaskName;
use tdferry_common::task::{Phase, TaskEvent, TaskState};

use super::told;
use crate::planner::compare;
use crate::shared::Core;
use crate::store::{StatePut, StoreError};
use crate::tasks::Kept;
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
        let state = task.state.as_ref().map(|state| &state.value);
        let spends = || {
            let spec = task.spec.as_ref().filter(|spec| spec.value.contains(BUDGET));
            let asked = spec.and_then(|spec| Asked::of(&spec.value)).unwrap_or_default();
            state.is_some_and(|state| overspent(state, asked, rejected(shards())).is_some())
        };
        state.and_then(TaskState::phase).is_some_and(|phase| is_over(phase, shards) || spends())
    });
    ready.map(|(name, _)| name.clone()).collect()
}

/// Looks at the store itself: state first, then the shards, then the state is put if it did not change meanwhile.
async fn advance(core: &Core, task: &TaskName) -> Result<(), StoreError> {
    let Some(record) = core.store.read_task(task).await? else { return Ok(()) };
    let shards = core.store.all_shards(task, record.state.value.plan()).await?;
    let shards: Vec<_> = shards.into_iter().map(|stored| stored.shard).collect();
    let Some(asked) = Asked::of(&record.spec) else {
        tracing::error!(%task, "the task's options cannot be read here; it goes on where they can");
        return Ok(());
    };
    let Some(Next { event, adds }) = next(&record.state.value, &shards, asked, core.clock.wall_millis())
    else {
        return Ok(());
    };
    let Ok(next) = record.state.value.clone().next(event) else { return Ok(()) };
    if let StatePut::Done(_) = core.store.add_shards(task, &record.state, &adds, &next).await? {
        log(task, &next);
    }
    Ok(())
}

/// The option that bounds rejects. A task that does not name it need not be counted again and again.
const BUDGET: &str = "reject-budget";

/// What of a task's options decides how it goes on.
#[derive(Debug, Clone, Copy, Default)]
struct Asked {
    verify: Verify,
    repair: bool,
    budget: Option<u64>,
}

impl Asked {
    /// `None` where a spec cannot be read, such as one with options of a newer version.
    fn of(stored: &str) -> Option<Self> {
        let spec = Kept::open(stored).and_then(|kept| kept.spec()).ok()?;
        let budget = spec.options.reject_budget;
        Some(Self { verify: spec.options.verify, repair: spec.options.repair, budget })
    }
}

/// How a task goes on, and with which new shards.
#[derive(Debug, PartialEq, Eq)]
struct Next {
    event: TaskEvent,
    adds: Vec<Shard>,
}

fn log(task: &TaskName, next: &TaskState) {
    match next {
        TaskState::Failed { reason, .. } => tracing::error!(%task, error = %reason, "task failed"),
        TaskState::Differs { differing, .. } => tracing::error!(%task, found = %differing, "task differs"),
        _ => tracing::info!(%task, state = next.name(), "task goes on"),
    }
}

/// Whether every shard of a phase is terminal, or nothing is worth waiting for.
fn is_over<'a, I>(phase: Phase, shards: impl Fn() -> I) -> bool
where
    I: Iterator<Item = &'a Shard>,
{
    let of_phase = || shards().filter(|shard| phase_of(shard) == phase);
    // without the structure no subtable can be created: its shards wait for nothing
    let hopeless =
        phase == Phase::Schema && of_phase().any(|shard| is_failed(shard) && shard.id == ShardId::schema());
    // subtables that came late are still copied
    let copied = || {
        phase != Phase::Live || shards().filter(|one| phase_of(one) == Phase::Copy).all(Shard::is_terminal)
    };
    hopeless || (of_phase().all(Shard::is_terminal) && copied())
}

/// What follows from the shards of a task's plan; `None` while its phase goes on.
fn next(state: &TaskState, shards: &[Shard], asked: Asked, at_millis: i64) -> Option<Next> {
    if let Some(reason) = overspent(state, asked, rejected(shards.iter())) {
        return Some(Next { event: TaskEvent::ShardsFailed { reason, at_millis }, adds: Vec::new() });
    }
    let phase = state.phase().filter(|phase| is_over(*phase, || shards.iter()))?;
    let of_phase = || shards.iter().filter(|shard| belongs(shard, phase));
    let failed = || of_phase().filter(|shard| is_failed(shard));
    if let Some(first) = failed().next() {
        let reason = reason(first, failed().count(), of_phase().count());
        return Some(Next { event: TaskEvent::ShardsFailed { reason, at_millis }, adds: Vec::new() });
    }
    // a plan holds its schema shard at the least; a listing without it is none to decide by
    of_phase().next()?;
    let rejected = rejected(shards.iter());
    let (next, adds) = match phase {
        // the survey's own last transaction makes the plan count
        Phase::Survey => return None,
        // all tails came to the mark: what they followed is compared
        Phase::Live => match compare::followed(shards) {
            none if none.is_empty() => (None, none),
            verifies => (Some(Phase::Verify(compare::next_round(shards))), verifies),
        },
        Phase::Schema if has(shards, Phase::Copy) => (Some(Phase::Copy), Vec::new()),
        Phase::Schema | Phase::Copy => {
            let verifies = compare::verifies(shards, asked.verify);
            match verifies.is_empty() && !has(shards, Phase::Verify(0)) {
                true => (live(shards), verifies),
                false => {
                    (Some(Phase::Verify(0)), verifies.into_iter().chain(compare::tables(shards)).collect())
                }
            }
        }
        Phase::Repair(round) => (Some(Phase::Verify(round)), compare::verifies_again(shards, round)),
        Phase::Verify(round) => match differing(of_phase()) {
            (0, _) => (live(shards), Vec::new()),
            _ if asked.repair && round < MOST_REPAIRS && !is_only_extra(of_phase()) => {
                (Some(Phase::Repair(round + 1)), compare::repairs(shards, round, Extra::Kept))
            }
            (found, differing) => {
                let event = TaskEvent::Differed { shards: found, differing, rejected, at_millis };
                return Some(Next { event, adds: Vec::new() });
            }
        },
    };
    let there: BTreeSet<_> = shards.iter().map(|shard| &shard.id).collect();
    let adds = adds.into_iter().filter(|add| !there.contains(&add.id)).collect();
    Some(Next { event: TaskEvent::PhaseDone { next, rejected, at_millis }, adds })
}

/// What is copied is followed, where there is anything to follow it.
fn live(shards: &[Shard]) -> Option<Phase> {
    let open = shards.iter().any(|one| one.kind == ShardKind::Tail && one.state != ShardState::Done);
    open.then_some(Phase::Live)
}

fn has(shards: &[Shard], phase: Phase) -> bool {
    shards.iter().any(|shard| phase_of(shard) == phase)
}

/// Rows that copying could not put into the target. Repairs meet the same ones again.
fn rejected<'a>(shards: impl Iterator<Item = &'a Shard>) -> u64 {
    let copies = shards.filter(|shard| matches!(shard.kind, ShardKind::Copy(_)));
    copies.map(|shard| shard.checkpoint.totals.rejected).sum()
}

/// Why a task must stop that rejected more than it may; `None` within its budget. What a retry found does not count.
fn overspent(state: &TaskState, asked: Asked, rejected: u64) -> Option<String> {
    let (TaskState::Active { phase: Phase::Copy, planned }, Some(budget)) = (state, asked.budget) else {
        return None;
    };
    let spent = rejected.saturating_sub(planned.excused);
    (spent > budget).then(|| {
        format!(
            "the target refused {spent} rows and `reject-budget` allows {budget}; all are kept: `tdferry rejects list` \
             tells which and why; mend the cause, then `tdferry task retry` goes on with the budget anew, and \
             `tdferry rejects redrive` writes what was refused"
        )
    })
}

/// How many shards found the target to differ, and in what.
fn differing<'a>(shards: impl Iterator<Item = &'a Shard>) -> (u64, Differing) {
    let found = shards.filter(|shard| matches!(shard.state, ShardState::Differs { .. }));
    found.fold((0, Differing::default()), |(shards, all), one| {
        (shards + 1, all.and(one.checkpoint.totals.differing))
    })
}

/// Whether no repair could mend anything, since none deletes without being told to.
fn is_only_extra<'a>(mut shards: impl Iterator<Item = &'a Shard>) -> bool {
    shards.all(|one| {
        !matches!(one.state, ShardState::Differs { .. }) || one.checkpoint.totals.differing.is_only_extra()
    })
}

fn is_failed(shard: &Shard) -> bool {
    matches!(shard.state, ShardState::Failed { .. })
}

/// The live phase also has the copies of subtables that came meanwhile.
fn belongs(shard: &Shard, phase: Phase) -> bool {
    phase_of(shard) == phase || (phase == Phase::Live && phase_of(shard) == Phase::Copy)
}

fn phase_of(shard: &Shard) -> Phase {
    match shard.kind {
        ShardKind::Survey => Phase::Survey,
        ShardKind::Schema | ShardKind::Create => Phase::Schema,
        ShardKind::Copy(_) => Phase::Copy,
        ShardKind::VerifyTags | ShardKind::VerifyTables | ShardKind::Verify(_) => Phase::Verify(shard.round),
        ShardKind::Repair(..) => Phase::Repair(shard.round),
        ShardKind::Tail => Phase::Live,
    }
}

fn reason(first: &Shard, failed: usize, all: usize) -> String {
    let why = match &first.state {
        ShardState::Failed { reason } => reason.as_str(),
        ShardState::Open | ShardState::Done | ShardState::Differs { .. } => "",
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
            _ => ShardId::copy(group, 0),
        };
        let planned = Shard::planned(id, kind, Some(group), Range::NONE, Period { from: 0, to: 0 });
        Shard { state, ..planned }
    }

    fn active(phase: Phase) -> TaskState {
        let cutoff = Cutoff { units: 0, precision: Precision::Milli, from_source: true };
        TaskState::Active {
            phase,
            planned: Planned {
                plan: PlanId(1),
                cutoff,
                fingerprint: 0,
                found: Found::default(),
                excused: 0,
                mark: None,
            },
        }
    }

    fn failed() -> ShardState {
        ShardState::Failed { reason: "no".into() }
    }

    const COPY: ShardKind = ShardKind::Copy(Density::Dense);

    fn next(phase: Phase, shards: &[Shard]) -> Option<TaskEvent> {
        super::next(&active(phase), shards, Asked::default(), 7).map(|next| next.event)
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
        let next = |survey: &Shard| {
            let shards = std::slice::from_ref(survey);
            super::next(&TaskState::Surveying, shards, Asked::default(), 7).map(|next| next.event)
        };
        assert_eq!(next(&survey), Some(TaskEvent::ShardsFailed { reason: "no".into(), at_millis: 7 }));
        let survey = shard(ShardKind::Survey, ShardState::Done);
        assert_eq!(next(&survey), None);
    }

    #[test]
    fn what_was_copied_is_compared_where_that_is_asked_for_and_added_once() {
        let mut shards = vec![shard(ShardKind::Schema, ShardState::Done), shard(COPY, ShardState::Done)];
        let asked = Asked { verify: Verify::Digest, ..Asked::default() };
        let copying = active(Phase::Copy);
        let next = |shards: &[Shard]| super::next(&copying, shards, asked, 7).unwrap();
        let to_verify = TaskEvent::PhaseDone { next: Some(Phase::Verify(0)), rejected: 0, at_millis: 7 };
        let first = next(&shards);
        let ids: Vec<_> = first.adds.iter().map(|add| add.id.as_str()).collect();
        assert_eq!(
            (first.event, ids),
            (to_verify.clone(), vec!["tags-0-00000000", "verify-0-00000000-0000", "tables"])
        );
        shards.push(first.adds[0].clone());
        let again = next(&shards);
        assert_eq!((again.event, again.adds), (to_verify, first.adds[1..].to_vec()));
    }

    #[test]
    fn a_task_that_differs_says_so_or_is_repaired_at_most_three_times() {
        let found = |round| {
            let differing = Differing { tables: 1, missing: 2, ..Differing::default() };
            let mut found = shard(ShardKind::Verify(Density::Dense), ShardState::Open);
            found.id = found.id.verify(round);
            found.checkpoint.totals.differing = differing;
            Shard { round, state: ShardState::Differs { finding: String::new() }, ..found }
        };
        let next = |round, repair| {
            let asked = Asked { verify: Verify::Digest, repair, budget: None };
            super::next(&active(Phase::Verify(round)), &[found(round)], asked, 7).unwrap()
        };
        let differing = Differing { tables: 1, missing: 2, ..Differing::default() };
        let differed = TaskEvent::Differed { shards: 1, differing, rejected: 0, at_millis: 7 };
        assert_eq!(next(0, false).event, differed);
        for round in 0..MOST_REPAIRS {
            let repair = next(round, true);
            let next = Some(Phase::Repair(round + 1));
            assert_eq!(repair.event, TaskEvent::PhaseDone { next, rejected: 0, at_millis: 7 });
            assert_eq!(repair.adds[0].round, round + 1);
        }
        assert_eq!(next(MOST_REPAIRS, true).event, differed);
    }

    #[test]
    fn a_task_is_not_repaired_by_itself_where_all_that_is_left_is_what_only_the_target_has() {
        let found = |n, differing| {
            let mut found = shard(ShardKind::Verify(Density::Dense), ShardState::Open);
            found.id = ShardId::copy(GroupId(0), n).verify(0);
            found.checkpoint.totals.differing = differing;
            Shard { state: ShardState::Differs { finding: String::new() }, ..found }
        };
        let asked = Asked { verify: Verify::Digest, repair: true, budget: None };
        let next = |shards: &[Shard]| super::next(&active(Phase::Verify(0)), shards, asked, 7).unwrap().event;
        let rows = found(0, Differing { tables: 1, extra: 2, ..Differing::default() });
        let tables = found(1, Differing { extra_tables: 1, ..Differing::default() });
        let event = next(&[rows.clone(), tables.clone()]);
        assert!(matches!(event, TaskEvent::Differed { shards: 2, .. }), "{event:?}");
        // one of no rows that is missing, tags that are others: both can be made alike
        let unlike = found(2, Differing { tables: 1, unlike: 1, ..Differing::default() });
        let event = next(&[rows, tables, unlike]);
        assert!(matches!(event, TaskEvent::PhaseDone { next: Some(Phase::Repair(1)), .. }), "{event:?}");
    }

    #[test]
    fn a_task_that_rejects_more_than_its_budget_stops_and_a_retry_grants_it_anew() {
        let rejecting = |rows| {
            let mut shard = shard(COPY, ShardState::Open);
            shard.checkpoint.totals.rejected = rows;
            shard
        };
        let asked = |budget| Asked { budget, ..Asked::default() };
        let stops = |state: &TaskState, rows: [u64; 2], budget| {
            let next = super::next(state, &rows.map(rejecting), asked(budget), 7);
            next.map(|next| match next.event {
                TaskEvent::ShardsFailed { reason, .. } => reason,
                event => panic!("{event:?}"),
            })
        };
        let copying = active(Phase::Copy);
        assert_eq!(stops(&copying, [6, 4], None), None);
        assert_eq!(stops(&copying, [6, 4], Some(10)), None);
        let reason = stops(&copying, [6, 5], Some(10)).unwrap();
        assert!(reason.contains("refused 11 rows") && reason.contains("allows 10"), "{reason}");
        assert!(stops(&copying, [1, 0], Some(0)).is_some());
        let failed = copying.next(TaskEvent::ShardsFailed { reason, at_millis: 7 }).unwrap();
        let again = failed.next(TaskEvent::Retried { rejected: 11 }).unwrap();
        assert_eq!(stops(&again, [11, 10], Some(10)), None);
        assert!(stops(&again, [11, 11], Some(10)).is_some());
    }
}
