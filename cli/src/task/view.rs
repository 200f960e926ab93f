//! A task as people and scripts see it.

use serde_json::{Value as Json, json};
use tdferry_common::time::show_millis;
use tdferry_proto::v1;

use crate::exit::Exit;
use crate::output::{bytes, count, duration};

/// The columns of `task list`.
pub(super) const COLUMNS: &[&str] = &["NAME", "STATE", "ROWS", "ROWS/S", "ETA", "SHARDS", "FROM", "TO"];

pub(super) fn row(task: &v1::TaskView) -> Vec<String> {
    let progress = task.progress.unwrap_or_default();
    vec![
        task.name.clone(),
        task.state.clone(),
        rows(&progress),
        format!("{:.0}", progress.rows_per_second),
        progress.eta_seconds.map_or_else(|| "-".into(), duration),
        format!("{}/{}", progress.shards_done, progress.shards),
        task.from.clone(),
        task.to.clone(),
    ]
}

fn rows(progress: &v1::Progress) -> String {
    let written = progress.totals.unwrap_or_default().written;
    format!("{} of ~{}", count(written), count(progress.rows_estimated.max(written)))
}

/// A task in lines for people.
pub(crate) fn describe(task: &v1::TaskView) -> String {
    let progress = task.progress.unwrap_or_default();
    let totals = progress.totals.unwrap_or_default();
    let mut lines = vec![
        format!("{} ({}): {}, {}", task.name, task.r#type, task.state, task.health),
        format!("  from       {}", task.from),
        format!("  to         {}", task.to),
    ];
    let mut line = |name: &str, text: String| lines.push(format!("  {name:<10} {text}"));
    if !task.reason.is_empty() {
        line("because", task.reason.clone());
    }
    for waiting in &task.waiting {
        line("waiting", waiting.clone());
    }
    for trouble in &task.troubles {
        line("trouble", trouble.clone());
    }
    if let Some(found) = task.found {
        let (subtables, normal) = (count(found.subtables), count(found.normal_tables));
        line(
            "found",
            format!("{} stables, {subtables} subtables, {normal} normal tables", count(found.stables)),
        );
    }
    line("rows", format!("{}, {} rejected", rows(&progress), count(totals.rejected)));
    if totals.rejected > 0 {
        line("rejects", task.rejects.clone());
    }
    if totals.kept > 0 {
        line("kept", format!("{} rows the target had already were left as they are", count(totals.kept)));
    }
    if progress.rows_verified > 0 {
        line("verified", format!("{} rows of the target read back", count(progress.rows_verified)));
    }
    for (name, text) in following(task, totals) {
        line(name, text);
    }
    line("bytes", bytes(precise(totals.bytes)));
    let (done, failed) = (progress.shards_done, progress.shards_failed);
    let leased = progress.shards_leased;
    line("shards", format!("{done} of {} done, {leased} leased, {failed} failed", progress.shards));
    if !task.terminal {
        let eta = progress.eta_seconds.map_or_else(|| "not known yet".into(), duration);
        line(
            "rate",
            format!("{:.0} rows/s, {}/s", progress.rows_per_second, bytes(progress.bytes_per_second)),
        );
        line("eta", eta);
    }
    if totals.before.unwrap_or(0) > 0 {
        line("before", format!("{} rows stood on the target beforehand", count(totals.before.unwrap_or(0))));
    }
    if totals.merged > 0 {
        let rows = count(totals.merged);
        line("merged", format!("{rows} rows fell on the target's moment of a later one, which was copied"));
    }
    if totals.expired > 0 {
        line("expired", format!("{} rows were taken by the source's KEEP meanwhile", count(totals.expired)));
    }
    lines.join("\n")
}

/// What there is to tell of a task that follows its source.
fn following(task: &v1::TaskView, totals: v1::Totals) -> Vec<(&'static str, String)> {
    let mut lines = Vec::new();
    if task.tails > 0 {
        let behind = task.lags.iter().filter(|tail| tail.behind_seconds > 0.0);
        lines.push(("lag", lag(task)));
        lines.push(("alarm", alarm(task)));
        lines.extend(behind.map(|tail| ("behind", tail_line(tail))));
    }
    if totals.late > 0 {
        lines.push(("late", format!("{} rows came late, were found and copied", count(totals.late))));
    }
    lines
}

/// How far a task that follows its source is behind it.
pub(crate) fn lag(task: &v1::TaskView) -> String {
    let worst = task.lags.first().map_or(0.0, |tail| tail.behind_seconds);
    let (live, tails) = (count(task.tails_live), count(task.tails));
    if worst == 0.0 {
        return format!("none, {live} of {tails} tails live");
    }
    let rows = rows_behind(task.rows_behind);
    let left = live_in(task.live_in_seconds);
    format!("{worst:.1} s behind{rows}, {live} of {tails} tails live{left}")
}

fn rows_behind(rows: Option<u64>) -> String {
    rows.map_or_else(String::new, |rows| format!(", about {} rows", count(rows)))
}

fn live_in(seconds: Option<u64>) -> String {
    seconds.map_or_else(String::new, |left| format!(", live in about {}", duration(left)))
}

fn alarm(task: &v1::TaskView) -> String {
    if task.lag_alarm_seconds == 0.0 {
        return "off".to_owned();
    }
    format!("from {} s on", task.lag_alarm_seconds)
}

fn tail_line(tail: &v1::TailLag) -> String {
    let of = if tail.stable.is_empty() { "normal tables".to_owned() } else { format!("`{}`", tail.stable) };
    let newest = tail.newest_unix_millis.map_or_else(|| "not known".to_owned(), show_millis);
    let watermark = show_millis(tail.watermark_unix_millis);
    let (rows, left) = (rows_behind(tail.rows_behind), live_in(tail.live_in_seconds));
    let rate = match (tail.source_seconds_per_second, tail.rows_per_second) {
        (Some(source), Some(rows)) => {
            format!(", {source:.1} s of the source a second, {rows:.0} rows/s{left}")
        }
        _ => String::new(),
    };
    format!(
        "{of}: {:.1} s{rows}, copied up to {watermark}, newest row {newest}{rate} ({})",
        tail.behind_seconds, tail.shard
    )
}

#[expect(clippy::cast_precision_loss, reason = "shown with one digit after the point")]
fn precise(number: u64) -> f64 {
    number as f64
}

/// A task as one JSON object.
pub(crate) fn view_json(task: &v1::TaskView) -> Json {
    let progress = task.progress.unwrap_or_default();
    let control = task.control().as_str_name().trim_start_matches("CONTROL_").to_lowercase();
    let lags: Vec<_> = task.lags.iter().map(lag_json).collect();
    json!({
        "name": task.name,
        "type": task.r#type,
        "from": task.from,
        "to": task.to,
        "state": task.state,
        "health": task.health,
        "phase": task.phase,
        "control": control,
        "reason": task.reason,
        "waiting": task.waiting,
        "troubles": task.troubles,
        "rejects": task.rejects,
        "terminal": task.terminal,
        "tails": task.tails,
        "tails_live": task.tails_live,
        "lag_alarm_seconds": task.lag_alarm_seconds,
        "rows_behind": task.rows_behind,
        "live_in_seconds": task.live_in_seconds,
        "lags": lags,
        "created_unix_millis": task.created_unix_millis,
        "ended_unix_millis": task.ended_unix_millis,
        "found": task.found.map(|found| json!({
            "stables": found.stables,
            "subtables": found.subtables,
            "normal_tables": found.normal_tables,
            "rows": found.rows,
            "bytes": found.bytes,
            "shards": found.shards,
        })),
        "progress": progress_json(progress),
    })
}

fn progress_json(progress: v1::Progress) -> Json {
    let totals = progress.totals.unwrap_or_default();
    json!({
        "shards": progress.shards,
        "shards_done": progress.shards_done,
        "shards_failed": progress.shards_failed,
        "shards_leased": progress.shards_leased,
        "subtables": progress.subtables,
        "subtables_done": progress.subtables_done,
        "rows_estimated": progress.rows_estimated,
        "rows_read": totals.read,
        "rows_written": totals.written,
        "rows_rejected": totals.rejected,
        "rows_kept": totals.kept,
        "rows_before": totals.before,
        "rows_expired": totals.expired,
        "rows_merged": totals.merged,
        "rows_late": totals.late,
        "rows_verified": progress.rows_verified,
        "differing": differing_json(totals.differing.unwrap_or_default()),
        "bytes": totals.bytes,
        "rows_per_second": progress.rows_per_second,
        "bytes_per_second": progress.bytes_per_second,
        "eta_seconds": progress.eta_seconds,
    })
}

fn lag_json(tail: &v1::TailLag) -> Json {
    json!({
        "shard": tail.shard,
        "stable": tail.stable,
        "watermark_unix_millis": tail.watermark_unix_millis,
        "newest_unix_millis": tail.newest_unix_millis,
        "behind_seconds": tail.behind_seconds,
        "late": tail.late,
        "rows_behind": tail.rows_behind,
        "source_seconds_per_second": tail.source_seconds_per_second,
        "rows_per_second": tail.rows_per_second,
        "live_in_seconds": tail.live_in_seconds,
    })
}

/// In what a target differs, as one JSON object.
pub(crate) fn differing_json(differing: v1::Differing) -> Json {
    let v1::Differing { tables, missing, extra, changed, unlike, extra_tables } = differing;
    json!({
        "tables": tables,
        "missing": missing,
        "extra": extra,
        "changed": changed,
        "tables_missing_or_tags": unlike,
        "extra_tables": extra_tables,
    })
}

/// How a command that waited for the task ends.
pub(super) fn exit(task: &v1::TaskView) -> Exit {
    match task.state.as_str() {
        "completed" => Exit::Complete,
        "completed with rejects" => Exit::Rejects,
        "differs" => Exit::Differs,
        _ if task.terminal => Exit::Failed,
        _ => Exit::Interrupted,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_that_is_behind_tells_seconds_rows_rate_and_time_left() {
        let tail = v1::TailLag {
            shard: "tail-00000003".into(),
            stable: "meters".into(),
            behind_seconds: 812.0,
            rows_behind: Some(1_624_000),
            source_seconds_per_second: Some(4.0),
            rows_per_second: Some(8_000.0),
            live_in_seconds: Some(271),
            ..Default::default()
        };
        let mut task = v1::TaskView {
            tails: 2,
            tails_live: 1,
            lag_alarm_seconds: 300.0,
            rows_behind: tail.rows_behind,
            live_in_seconds: tail.live_in_seconds,
            lags: vec![tail],
            ..Default::default()
        };
        let told = describe(&task);
        let lag = "lag        812.0 s behind, about 1,624,000 rows, 1 of 2 tails live, live in about 04:31";
        assert!(told.contains(lag), "{told}");
        assert!(told.contains("alarm      from 300 s on"), "{told}");
        assert!(told.contains("4.0 s of the source a second, 8000 rows/s, live in about 04:31"), "{told}");
        let json = view_json(&task);
        assert_eq!(
            (&json["rows_behind"], &json["lags"][0]["rows_per_second"]),
            (&json!(1_624_000), &json!(8e3))
        );
        task.lag_alarm_seconds = 0.0;
        task.lags.clear();
        assert!(describe(&task).contains("none, 1 of 2 tails live\n  alarm      off"));
    }
}
