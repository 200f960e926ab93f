//! A heartbeat: keeps the session, shows how the worker does, and says what to do about each lease it holds.

use tdferry_common::id::{SessionId, WorkerId};
use tdferry_common::lease::{LeaseKey, SeenLease};
use tdferry_common::shard::ShardKind;
use tdferry_common::task::{Control, TaskState};

use super::place::shard_of;
use crate::planner::Wanted;
use crate::record::{NoticeRecord, WaitingRecord};
use crate::sessions;
use crate::shared::Core;
use crate::store::{Beat, LeaseEnded, StoreError};
use crate::view::{Mirror, TaskEntry};

/// Orphans ended by one heartbeat, which has little time: the rest is ended by the next ones.
const ORPHANS_AT_ONCE: usize = 16;

/// What a worker tells.
#[derive(Debug, Clone)]
pub(crate) struct Beating {
    pub(crate) worker: WorkerId,
    pub(crate) session: SessionId,
    pub(crate) held: Vec<LeaseKey>,
    pub(crate) draining: bool,
    pub(crate) waiting: Vec<WaitingRecord>,
    pub(crate) notices: Vec<NoticeRecord>,
}

/// What to do about a lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Directive {
    Continue,
    /// Commit and release.
    Drain,
    /// Stop at a good place and cut there.
    Cut(Wanted),
    /// It is gone: drop everything.
    Abandon,
}

/// What a worker hears.
#[derive(Debug)]
pub(crate) enum Beaten {
    /// What to do about each lease, and where a tail ends.
    Directives(Vec<(LeaseKey, Directive, Option<i64>)>),
    /// Register again and claim everything anew.
    SessionGone,
}

/// Takes one heartbeat.
pub(crate) async fn heartbeat(core: &Core, beating: Beating) -> Result<Beaten, StoreError> {
    if beat(core, &beating).await? == Beat::Gone {
        return Ok(Beaten::SessionGone);
    }
    end_orphans(core, &beating).await?;
    let directives = core.view().read(|mirror| {
        let drained = mirror.is_drained(beating.worker);
        let told = |key: &LeaseKey| match directive(mirror, key) {
            Directive::Continue if drained => Directive::Drain,
            Directive::Continue => cut_or_go_on(core, mirror, key),
            told => told,
        };
        let ends_at = |key: &LeaseKey| {
            let tail = shard_of(mirror, key).filter(|one| one.shard.kind == ShardKind::Tail)?;
            Some(tail.shard.period.to)
        };
        beating.held.iter().map(|key| (key.clone(), told(key), ends_at(key))).collect()
    });
    Ok(Beaten::Directives(directives))
}

/// Keeps the session, and with it the worker's record where that is known here by now.
async fn beat(core: &Core, beating: &Beating) -> Result<Beat, StoreError> {
    let shown = core.view().read(|mirror| mirror.worker(beating.worker).cloned());
    match shown.filter(|shown| shown.session == beating.session) {
        Some(mut record) => {
            record.draining = beating.draining;
            record.waiting.clone_from(&beating.waiting);
            record.notices.clone_from(&beating.notices);
            sessions::beat(&core.store, &record).await
        }
        None => core.store.keep_alive(beating.session).await,
    }
}

/// A lease is gone only if the mirror is as new as the lease itself.
fn directive(mirror: &Mirror, key: &LeaseKey) -> Directive {
    let task = mirror.task(&key.task);
    let held = task.and_then(|task| task.lease(&key.shard)).is_some_and(|seen| seen.key.epoch == key.epoch);
    match task {
        Some(task) if held && task.state.is_some() => wanted(task),
        _ if mirror.revision() >= key.epoch.0 => Directive::Abandon,
        _ => Directive::Continue,
    }
}

fn cut_or_go_on(core: &Core, mirror: &Mirror, key: &LeaseKey) -> Directive {
    let wanted = shard_of(mirror, key).and_then(|shard| core.cuts.wanted(key, &shard));
    wanted.map_or(Directive::Continue, Directive::Cut)
}

fn wanted(task: &TaskEntry) -> Directive {
    // a task that failed as a whole still has leases in flight
    if task.state.as_ref().is_some_and(|state| matches!(state.value, TaskState::Failed { .. })) {
        return Directive::Drain;
    }
    match task.control.as_ref().map(|control| control.value) {
        Some(Control::Pause | Control::Stop) => Directive::Drain,
        Some(Control::Run) | None => Directive::Continue,
    }
}

/// Ends leases of this session that the worker does not know of: their claims' answers were lost.
async fn end_orphans(core: &Core, beating: &Beating) -> Result<(), StoreError> {
    let of_session = |mirror: &Mirror| -> Vec<SeenLease> {
        let leases = mirror.tasks().flat_map(|(_, task)| task.leases());
        leases.filter(|lease| lease.session == beating.session).cloned().collect()
    };
    let seen = core.view().read(of_session);
    let now = core.clock.monotonic();
    let orphans = core.strays.observe(beating.session, &beating.held, seen, (now, core.timing().heartbeat));
    for orphan in orphans.into_iter().take(ORPHANS_AT_ONCE) {
        let LeaseKey { task, shard, epoch } = &orphan.key;
        let Some(stored) = core.view().read(|mirror| shard_of(mirror, &orphan.key)) else { continue };
        if core.store.delete_lease(&orphan, &stored).await? == LeaseEnded::Ended {
            tracing::warn!(%task, %shard, %epoch, worker = %beating.worker, "orphan lease ended");
        }
    }
    Ok(())
}
