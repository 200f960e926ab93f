//! What operators are shown, as messages.

use tdferry_common::shard::ShardState;
use tdferry_proto::v1;

use crate::progress::Progress;
use crate::record::WorkerRecord;
use crate::tasks::{Item, Lag, ShardShown, TaskShown};
use crate::view::Mirror;

pub(super) fn task(shown: TaskShown) -> v1::TaskView {
    v1::TaskView {
        terminal: shown.is_terminal(),
        progress: Some(progress(&shown.progress, shown.leased, shown.tables)),
        name: shown.name.into(),
        r#type: shown.kind,
        from: shown.from,
        to: shown.to,
        state: shown.state.to_owned(),
        phase: shown.phase.map(|phase| phase.name().to_owned()).unwrap_or_default(),
        control: v1::Control::from(shown.control).into(),
        reason: shown.reason,
        created_unix_millis: shown.created_unix_millis,
        ended_unix_millis: shown.ended_unix_millis,
        cutoff: shown.cutoff.map(Into::into),
        found: shown.found.map(Into::into),
        waiting: shown.waiting,
        troubles: shown.troubles,
        rejects: shown.rejects,
        health: shown.health.name().to_owned(),
        tails: shown.lags.tails,
        tails_live: shown.lags.live,
        lag_alarm_seconds: shown.lags.alarm.as_secs_f64(),
        rows_behind: shown.lags.rows_behind,
        live_in_seconds: shown.lags.live_in_seconds,
        lags: shown.lags.worst.into_iter().map(lag).collect(),
    }
}

pub(super) fn item(item: Item) -> v1::CutoverItem {
    v1::CutoverItem { what: item.what.to_owned(), holds: item.holds, words: item.words }
}

fn lag(lag: Lag) -> v1::TailLag {
    v1::TailLag {
        shard: lag.shard.into(),
        stable: lag.stable,
        watermark_unix_millis: lag.watermark_millis,
        newest_unix_millis: lag.newest_millis,
        behind_seconds: lag.behind_seconds,
        late: lag.late,
        rows_behind: lag.pace.rows_behind,
        source_seconds_per_second: lag.pace.source_seconds,
        rows_per_second: lag.pace.rows_per_second,
        live_in_seconds: lag.pace.live_in_seconds,
    }
}

fn progress(progress: &Progress, leased: u64, tables: u64) -> v1::Progress {
    let tally = &progress.tally;
    v1::Progress {
        shards: tally.shards,
        shards_done: tally.done,
        shards_failed: tally.failed,
        shards_leased: leased,
        subtables: tables,
        subtables_done: tally.tables_done,
        rows_estimated: tally.rows_estimated,
        totals: Some(tally.totals.into()),
        rows_per_second: progress.rows_per_second,
        bytes_per_second: progress.bytes_per_second,
        eta_seconds: progress.eta_seconds,
        rows_verified: tally.verified,
    }
}

pub(super) fn shard(shown: ShardShown) -> v1::ShardView {
    v1::ShardView {
        shard: Some(shown.shard.into()),
        stable: shown.stable,
        worker: shown.lease.as_ref().map(|lease| lease.worker.0),
        epoch: shown.lease.map(|lease| lease.key.epoch.0),
    }
}

/// The state that a listing is narrowed to; its reason is of no interest.
pub(super) fn state(state: v1::ShardState) -> Option<ShardState> {
    match state {
        v1::ShardState::Unspecified => None,
        v1::ShardState::Open => Some(ShardState::Open),
        v1::ShardState::Done => Some(ShardState::Done),
        v1::ShardState::Failed => Some(ShardState::Failed { reason: String::new() }),
        v1::ShardState::Differs => Some(ShardState::Differs { finding: String::new() }),
    }
}

pub(super) fn workers(mirror: &Mirror) -> Vec<v1::WorkerView> {
    mirror.workers().map(|record| worker(mirror, record)).collect()
}

pub(super) fn drained_labels(mirror: &Mirror) -> Vec<String> {
    mirror.drains().labels.iter().map(|(key, value)| format!("{key}={value}")).collect()
}

fn worker(mirror: &Mirror, record: &WorkerRecord) -> v1::WorkerView {
    let leases = mirror.tasks().flat_map(|(_, task)| task.leases());
    v1::WorkerView {
        id: record.worker.0,
        host: record.host.clone(),
        version: record.version.clone(),
        slots: record.slots,
        labels: record.labels.clone(),
        leases: leases
            .filter(|lease| lease.worker == record.worker)
            .map(|lease| lease.key.clone().into())
            .collect(),
        draining: record.draining,
        drained: mirror.drains().concern(record),
    }
}
