//! Tasks as an operator sees them, from the mirror: every coordinator shows the same, a moment apart at most.

use std::time::Duration;

use tdferry_common::id::WorkerId;
use tdferry_common::spec::{Spec, TaskName};
use tdferry_common::task::{Control, Cutoff, Found, Phase, TaskState};
use tdferry_proto::status::ApiError;
use tokio::time::timeout;

use super::describe::{Seen, trouble_lines, waiting_lines, words};
use super::health::Health;
use super::lag::{Lags, alarms, lags, passed};
use super::{Kept, no_such};
use crate::progress::{Progress, Tally, progress, tally};
use crate::record::WaitingRecord;
use crate::shared::Core;
use crate::store::{Revision, TaskRecord};
use crate::view::{Mirror, TaskEntry};

/// How long a reader waits for the mirror to show what the store already holds.
const CATCH_UP: Duration = Duration::from_secs(1);

/// A task as shown.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct TaskShown {
    pub(crate) name: TaskName,
    pub(crate) kind: String,
    pub(crate) from: String,
    pub(crate) to: String,
    pub(crate) state: &'static str,
    pub(crate) health: Health,
    pub(crate) phase: Option<Phase>,
    pub(crate) control: Control,
    pub(crate) reason: String,
    pub(crate) created_unix_millis: i64,
    pub(crate) ended_unix_millis: Option<i64>,
    pub(crate) progress: Progress,
    pub(crate) leased: u64,
    /// Subtables and normal tables in all.
    pub(crate) tables: u64,
    pub(crate) cutoff: Option<Cutoff>,
    pub(crate) found: Option<Found>,
    pub(crate) waiting: Vec<String>,
    /// Where rejected rows are kept, in words.
    pub(crate) rejects: String,
    /// What went wrong and is tried again.
    pub(crate) troubles: Vec<String>,
    /// How far what is followed is behind.
    pub(crate) lags: Lags,
}

impl TaskShown {
    pub(crate) fn is_terminal(&self) -> bool {
        self.phase.is_none()
    }
}

/// All tasks by name.
pub(crate) fn list(core: &Core) -> Vec<TaskShown> {
    let names: Vec<TaskName> =
        core.view().read(|mirror| mirror.tasks().map(|(name, _)| name.clone()).collect());
    names.iter().filter_map(|name| show(core, name)).collect()
}

/// One task as the mirror has it; `None` where it shows none.
pub(crate) fn show(core: &Core, task: &TaskName) -> Option<TaskShown> {
    let mut shown = core.view().read(|mirror| look(mirror, task))?;
    let rates = core.rates.per_second(task).filter(|_| !shown.is_terminal());
    shown.progress = progress(shown.progress.tally, rates);
    shown.lags.add_paces(&core.paces.of(task));
    Some(shown)
}

/// One task, not older than the store at the time of the call.
pub(crate) async fn show_fresh(core: &Core, task: &TaskName) -> Result<TaskShown, ApiError> {
    let record = core.store.read_task(task).await?.ok_or_else(|| no_such(task))?;
    let mut changed = core.view().changed();
    let caught_up = async {
        while !core.view().read(|mirror| mirror.task(task).is_some_and(|seen| is_as_new(seen, &record))) {
            if changed.changed().await.is_err() {
                return;
            }
        }
    };
    // a mirror that stays behind is shown all the same: it is progress, not a promise
    let _ = timeout(CATCH_UP, caught_up).await;
    show(core, task)
        .ok_or_else(|| ApiError::Unavailable("this coordinator is still reading the store; try again".into()))
}

fn is_as_new(seen: &TaskEntry, record: &TaskRecord) -> bool {
    let reached = |seen: Option<Revision>, wanted: Revision| seen.is_some_and(|seen| seen >= wanted);
    seen.spec.is_some()
        && seen.fence.is_some()
        && reached(seen.state.as_ref().map(|state| state.changed), record.state.changed)
        && reached(seen.control.as_ref().map(|control| control.changed), record.control.changed)
}

fn look(mirror: &Mirror, name: &TaskName) -> Option<TaskShown> {
    let task = mirror.task(name)?;
    let state = &task.state.as_ref()?.value;
    let (control, stored) = (task.control.as_ref()?.value, &task.spec.as_ref()?.value);
    let waiting = waiting_for(mirror, name);
    let holders = task.leases().map(|lease| lease.worker).collect();
    let workers = mirror.taking().count();
    let shards = || task.current().map(|shard| &shard.shard);
    let kept = opened(stored);
    let lags = state.planned().map(|planned| lags(shards(), planned.cutoff.precision)).unwrap_or_default();
    let lags = Lags { alarm: alarm(&kept), ..lags };
    let passed = state.planned().and_then(|planned| passed(shards(), planned));
    let troubles = trouble_lines(shards()).into_iter().chain(notices(mirror, name));
    let troubles: Vec<_> = troubles.chain(alarms(&lags)).chain(passed).collect();
    let troubled = !troubles.is_empty();
    let words = words(&Seen { state, control, holders, waiting: waiting.clone(), workers, troubled });
    let tally = tally(task.current().map(|shard| &shard.shard));
    let mut shown = TaskShown {
        name: name.clone(),
        kind: String::new(),
        from: String::new(),
        to: String::new(),
        state: words.state,
        health: words.health,
        phase: state.phase(),
        control,
        reason: words.reason,
        created_unix_millis: 0,
        ended_unix_millis: ended(state),
        progress: Progress { tally, ..Progress::default() },
        leased: u64::try_from(task.leases().count()).unwrap_or(u64::MAX),
        tables: tables(state, &tally),
        cutoff: state.planned().map(|planned| planned.cutoff),
        found: state.planned().map(|planned| planned.found),
        waiting: waiting_lines(&waiting),
        rejects: String::new(),
        troubles,
        lags,
    };
    add_spec(&mut shown, kept);
    Some(shown)
}

/// When a task was created, and its spec.
type Opened = Result<(i64, Spec), ApiError>;

fn opened(stored: &str) -> Opened {
    Kept::open(stored).and_then(|kept| Ok((kept.created_unix_millis, kept.spec()?)))
}

/// Of a spec that cannot be read nothing is known but that it is in trouble.
fn alarm(kept: &Opened) -> Duration {
    kept.as_ref().map_or(Duration::ZERO, |(_, spec)| spec.options.lag_alarm)
}

/// From which lag on a task is in trouble.
pub(crate) fn lag_alarm(mirror: &Mirror, task: &TaskName) -> Duration {
    let stored = mirror.task(task).and_then(|task| Some(&task.spec.as_ref()?.value));
    stored.map_or(Duration::ZERO, |stored| alarm(&opened(stored)))
}

fn add_spec(shown: &mut TaskShown, kept: Opened) {
    match kept {
        Ok((created, spec)) => {
            shown.kind = spec.kind.to_string();
            shown.from = spec.from.to_string();
            shown.to = spec.to.to_string();
            shown.rejects = spec.rejects_place();
            shown.created_unix_millis = created;
        }
        Err(err) => shown.reason = err.to_string(),
    }
}

fn waiting_for<'a>(mirror: &'a Mirror, task: &TaskName) -> Vec<(WorkerId, &'a WaitingRecord)> {
    let waiting = mirror.workers().flat_map(|worker| worker.waiting.iter().map(|one| (worker.worker, one)));
    waiting.filter(|(_, one)| one.task == task.as_str()).collect()
}

/// What its tails tell a person to see to, a line each.
pub(super) fn notices(mirror: &Mirror, task: &TaskName) -> Vec<String> {
    let all = mirror.workers().flat_map(|worker| &worker.notices);
    let of = all.filter(|one| one.task == task.as_str());
    of.map(|one| format!("shard {}: {}", one.shard, one.message)).collect()
}

fn tables(state: &TaskState, tally: &Tally) -> u64 {
    state.planned().map_or(tally.tables_done, |planned| planned.found.subtables + planned.found.normal_tables)
}

fn ended(state: &TaskState) -> Option<i64> {
    match state {
        TaskState::Completed { at_millis, .. }
        | TaskState::Differs { at_millis, .. }
        | TaskState::Failed { at_millis, .. } => Some(*at_millis),
        TaskState::Surveying | TaskState::Active { .. } => None,
    }
}
