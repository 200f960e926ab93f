//! Cutover: what must hold before a source's writers are stopped for good, the mark at which following ends, and the way
//! back. What comes after the mark (the last rows, comparing, the end) is the task's own phases.

use tdferry_common::shard::{Shard, ShardKind, ShardState};
use tdferry_common::spec::TaskName;
use tdferry_common::task::{Phase, TaskEvent, TaskState};
use tdferry_proto::status::ApiError;

use super::lag::lags;
use super::no_such;
use super::show::notices;
use crate::shared::Core;
use crate::store::{Bounded, StatePut, StoredShard, TaskRecord};

/// Losing the race for a task's state this often means that something is wrong.
const TRIES: u32 = 5;

/// What a person asks for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CutoverAsked {
    /// Tails may be this far behind.
    pub(crate) max_lag_seconds: f64,
    /// Rows that were rejected are known of and seen to.
    pub(crate) accept_rejects: bool,
}

/// One thing that must hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Item {
    pub(crate) what: &'static str,
    pub(crate) holds: bool,
    /// What was found, and what to do where it does not hold.
    pub(crate) words: String,
}

/// Looks whether a task may be cut over. Changes nothing.
pub(crate) async fn checklist(
    core: &Core,
    task: &TaskName,
    asked: CutoverAsked,
) -> Result<Vec<Item>, ApiError> {
    let (record, shards) = read(core, task).await?;
    Ok(items(&record.state.value, &shards, &told(core, task), asked))
}

/// Sets the mark at which following ends: the wall time that is given, or now. It may be set again, to a later one.
pub(crate) async fn freeze(
    core: &Core,
    task: &TaskName,
    asked: CutoverAsked,
    mark_millis: Option<i64>,
) -> Result<Vec<Item>, ApiError> {
    let mark_millis = mark_millis.unwrap_or_else(|| core.clock.wall_millis());
    for _ in 0..TRIES {
        let (record, shards) = read(core, task).await?;
        let state = &record.state.value;
        let items = items(state, &shards, &told(core, task), asked);
        if items.iter().any(|item| !item.holds) {
            return Ok(items);
        }
        let Some(planned) = state.planned() else { return Ok(items) };
        let mark = planned.cutoff.precision.from_unix_millis(mark_millis);
        if bound_all(core, &record, &shards, mark).await? && put(core, task, &record, Some(mark)).await? {
            tracing::info!(%task, mark, "cutover begins");
            return Ok(items);
        }
    }
    Err(busy(task))
}

/// Goes on following as if nothing had been asked. Possible until the task has ended.
pub(crate) async fn thaw(core: &Core, task: &TaskName) -> Result<(), ApiError> {
    for _ in 0..TRIES {
        let (record, shards) = read(core, task).await?;
        let state = &record.state.value;
        if let Err(illegal) = state.clone().next(TaskEvent::Marked(None)) {
            return Err(ApiError::Conflict(format!("task {task} cannot go on following: {illegal}")));
        }
        if bound_all(core, &record, &shards, i64::MAX).await? && put(core, task, &record, None).await? {
            tracing::info!(%task, "cutover given up; following goes on");
            return Ok(());
        }
    }
    Err(busy(task))
}

fn busy(task: &TaskName) -> ApiError {
    ApiError::Conflict(format!("somebody else changes task {task} all the time; try again"))
}

async fn read(core: &Core, task: &TaskName) -> Result<(TaskRecord, Vec<StoredShard>), ApiError> {
    let record = core.store.read_task(task).await?.ok_or_else(|| no_such(task))?;
    let shards = core.store.all_shards(task, record.state.value.plan()).await?;
    Ok((record, shards))
}

/// Bounds every tail; whether all are. Repeating it does no harm.
async fn bound_all(
    core: &Core,
    record: &TaskRecord,
    shards: &[StoredShard],
    to: i64,
) -> Result<bool, ApiError> {
    for tail in shards.iter().filter(|one| one.shard.kind == ShardKind::Tail) {
        match core.store.bound(&tail.task, &record.state, tail, to).await? {
            Bounded::Done => {}
            Bounded::Changed => return Ok(false),
            Bounded::Passed => {
                return Err(ApiError::Conflict(format!(
                    "tail {} has passed that moment; take a later mark, or none for now",
                    tail.shard.id
                )));
            }
        }
    }
    Ok(true)
}

async fn put(core: &Core, task: &TaskName, record: &TaskRecord, mark: Option<i64>) -> Result<bool, ApiError> {
    let next = record.state.value.clone().next(TaskEvent::Marked(mark));
    let next = next.map_err(|illegal| ApiError::Conflict(illegal.to_string()))?;
    Ok(matches!(core.store.put_state(task, &record.state, &next).await?, StatePut::Done(_)))
}

/// What tails tell a person to see to, as this coordinator heard it last.
fn told(core: &Core, task: &TaskName) -> Vec<String> {
    core.view().read(|mirror| notices(mirror, task))
}

fn items(state: &TaskState, shards: &[StoredShard], notices: &[String], asked: CutoverAsked) -> Vec<Item> {
    let item = |what, holds, words: String| Item { what, holds, words };
    let is_live = state.phase() == Some(Phase::Live);
    let live = item(
        "live",
        is_live,
        match is_live {
            true => "history is copied, the source is followed".to_owned(),
            false => {
                format!("the task is {}; only one that follows its source can be cut over", state.name())
            }
        },
    );
    let Some(planned) = state.planned().filter(|_| is_live) else { return vec![live] };
    let all = || shards.iter().map(|stored| &stored.shard);
    let lags = lags(all(), planned.cutoff.precision);
    let behind = lags.worst.first().map_or(0.0, |lag| lag.behind_seconds);
    let unasked = lags.worst.iter().any(|lag| lag.newest_millis.is_none() && lag.watermark_millis == 0);
    let lag = item(
        "lag",
        behind <= asked.max_lag_seconds && !unasked,
        format!(
            "{behind:.1} s behind, {} s allowed; {} of {} tails live",
            asked.max_lag_seconds, lags.live, lags.tails
        ),
    );
    vec![live, lag, copied(all()), complete(notices), failed(all()), rejects(all(), asked.accept_rejects)]
}

fn complete(notices: &[String]) -> Item {
    let words = match notices {
        [] => "the target lacks nothing that is followed".to_owned(),
        notices => notices.join("; "),
    };
    Item { what: "structure", holds: notices.is_empty(), words }
}

fn copied<'a>(shards: impl Iterator<Item = &'a Shard>) -> Item {
    let open = shards.filter(|one| matches!(one.kind, ShardKind::Copy(_)) && !one.is_terminal()).count();
    let words = match open {
        0 => "nothing is left to copy".to_owned(),
        open => format!("{open} shards of new subtables are still copied; wait for them"),
    };
    Item { what: "copied", holds: open == 0, words }
}

fn failed<'a>(shards: impl Iterator<Item = &'a Shard>) -> Item {
    let failed = shards.filter(|one| matches!(one.state, ShardState::Failed { .. })).count();
    let words = match failed {
        0 => "no shard failed".to_owned(),
        failed => format!(
            "{failed} shards failed; `tdferry shard list --state failed` tells why, `tdferry shard retry` opens them"
        ),
    };
    Item { what: "failures", holds: failed == 0, words }
}

fn rejects<'a>(shards: impl Iterator<Item = &'a Shard>, accepted: bool) -> Item {
    let rejected: u64 = shards.map(|one| one.checkpoint.totals.rejected).sum();
    let words = match (rejected, accepted) {
        (0, _) => "no row was refused".to_owned(),
        (rows, true) => format!("{rows} rows were refused, which was accepted"),
        (rows, false) => format!(
            "the target refused {rows} rows; see to them with `tdferry rejects`, then cut over with --accept-rejects"
        ),
    };
    Item { what: "rejects", holds: rejected == 0 || accepted, words }
}
