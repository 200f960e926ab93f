//! What a run says at its end, to people and to scripts.

use std::collections::BTreeMap;

use serde::Serialize;
use tdferry_proto::v1;

use crate::certificate::Written;
use crate::exit::Exit;
use crate::output::{count, duration};
use crate::run::phases::Phases;

/// Findings that people are shown: more would push the summary out of sight. JSON holds all of them.
const FINDINGS_SHOWN: usize = 100;

/// The summary: one JSON object with `--json`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Summary {
    /// The task's name.
    pub task: String,
    /// What it is now, such as `completed`.
    pub state: String,
    /// Subtables and normal tables that are through.
    pub subtables: u64,
    /// Rows written.
    pub rows: u64,
    /// Bytes of the rows read.
    pub bytes: u64,
    /// Rows the target refused.
    pub rejected: u64,
    /// Where those are kept, if there are any.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub rejects: String,
    /// Rows that were not written since the target had them already.
    pub rows_kept: u64,
    /// Rows that stood on the target beforehand.
    pub rows_before: u64,
    /// Rows the source's KEEP took while they were copied.
    pub rows_expired: u64,
    /// Rows that fell on the target's moment of a later one, which was copied in their place.
    pub rows_merged: u64,
    /// How long this process worked.
    pub seconds: f64,
    /// How long it saw the task in each phase: `survey`, `schema`, `copy`.
    pub phases: BTreeMap<String, f64>,
    /// Rows this process wrote in each second.
    pub rows_per_second: f64,
    /// Rows of the target that were read back and compared, cell by cell.
    pub rows_verified: u64,
    /// Whether the counts of source and target agree in every shard.
    pub verified: bool,
    /// What the shards that found the target to differ have to tell, a line each.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<String>,
    /// Where its certificate is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificate: Option<String>,
    /// The hash that stands for the whole certificate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificate_head: Option<String>,
    /// Why it failed, or what it waits for.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub reason: String,
}

impl Summary {
    /// The summary of a task of which this process wrote all but `rows_at_start` rows within `seconds`.
    pub fn new(task: &v1::TaskView, rows_at_start: u64, seconds: f64, phases: &Phases) -> Self {
        let progress = task.progress.unwrap_or_default();
        let totals = progress.totals.unwrap_or_default();
        let completed = matches!(task.state.as_str(), "completed" | "completed with rejects");
        let rows_here = totals.written.saturating_sub(rows_at_start);
        Self {
            task: task.name.clone(),
            state: task.state.clone(),
            subtables: progress.subtables_done,
            rows: totals.written,
            bytes: totals.bytes,
            rejected: totals.rejected,
            rejects: if totals.rejected > 0 { task.rejects.clone() } else { String::new() },
            rows_kept: totals.kept,
            rows_before: totals.before.unwrap_or(0),
            rows_expired: totals.expired,
            rows_merged: totals.merged,
            seconds: millis(seconds),
            phases: phases.seconds().into_iter().map(|(phase, seconds)| (phase, millis(seconds))).collect(),
            rows_per_second: rate(rows_here, seconds),
            rows_verified: progress.rows_verified,
            verified: completed,
            findings: Vec::new(),
            certificate: None,
            certificate_head: None,
            reason: task.reason.clone(),
        }
    }

    /// The same with the certificate that was written.
    #[must_use]
    pub(crate) fn with_certificate(self, written: Option<Written>) -> Self {
        let (file, head) = written.map(|written| (written.file.display().to_string(), written.head)).unzip();
        Self { certificate: file, certificate_head: head, ..self }
    }

    /// How the process ends by it.
    pub fn exit(&self) -> Exit {
        match self.state.as_str() {
            "completed" => Exit::Complete,
            "completed with rejects" => Exit::Rejects,
            "failed" => Exit::Failed,
            "differs" => Exit::Differs,
            _ => Exit::Interrupted,
        }
    }

    /// In lines for people.
    pub fn text(&self) -> String {
        let mut text = format!(
            "{}: {}. {} tables, {} rows in {} ({:.0} rows/s)",
            self.task,
            self.state,
            count(self.subtables),
            count(self.rows),
            duration(whole(self.seconds)),
            self.rows_per_second,
        );
        if self.verified {
            text.push_str("; every shard's rows counted alike on both sides");
        }
        if self.rows_verified > 0 {
            let alike = if self.verified { ", every cell alike" } else { "" };
            text.push_str(&format!("; {} rows of the target read back{alike}", count(self.rows_verified)));
        }
        for (rows, what) in [
            (self.rejected, "rejected by the target"),
            (self.rows_kept, "left as the target had them"),
            (self.rows_before, "stood on the target beforehand"),
            (self.rows_expired, "taken by the source's KEEP meanwhile"),
            (self.rows_merged, "fell on the target's moment of a later one, which was copied"),
        ] {
            if rows > 0 {
                text.push_str(&format!("; {} rows {what}", count(rows)));
            }
        }
        if let Some((file, head)) = self.certificate.as_ref().zip(self.certificate_head.as_ref()) {
            text.push_str(&format!("\ncertificate {file}, head {head}"));
        }
        if !self.rejects.is_empty() {
            text.push_str(&format!("\nrejected rows are kept in the {}; look at them with", self.rejects));
            text.push_str(&format!(" `tdferry rejects list {} --to DSN`", self.task));
        }
        if !self.reason.is_empty() {
            text.push_str(&format!("\n{}", self.reason));
        }
        for finding in self.findings.iter().take(FINDINGS_SHOWN) {
            text.push_str(&format!("\n{finding}"));
        }
        if let Some(more) = self.findings.len().checked_sub(FINDINGS_SHOWN).filter(|more| *more > 0) {
            let list = format!("`tdferry shard list {} --state differs`", self.task);
            text.push_str(&format!("\nand {more} shards more that differ; --json and {list} tell of all"));
        }
        text
    }
}

fn millis(seconds: f64) -> f64 {
    (seconds * 1000.0).round() / 1000.0
}

#[expect(clippy::cast_precision_loss, reason = "shown rounded to whole rows")]
fn rate(rows: u64, seconds: f64) -> f64 {
    if seconds > 0.0 { (rows as f64 / seconds).round() } else { 0.0 }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a short, positive time")]
fn whole(seconds: f64) -> u64 {
    seconds.max(0.0) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_counts_only_the_rows_of_this_process_in_its_rate() {
        let totals = v1::Totals { written: 300, ..v1::Totals::default() };
        let progress =
            v1::Progress { shards: 2, shards_done: 2, totals: Some(totals), ..v1::Progress::default() };
        let task =
            v1::TaskView { state: "completed".into(), progress: Some(progress), ..v1::TaskView::default() };
        let summary = Summary::new(&task, 100, 2.0, &Phases::default());
        assert_eq!((summary.rows, summary.rows_per_second, summary.verified), (300, 100.0, true));
        assert_eq!(summary.exit(), Exit::Complete);
    }

    #[test]
    fn findings_are_all_there_and_what_people_are_not_shown_is_counted() {
        let mut summary = Summary::new(&v1::TaskView::default(), 0, 0.0, &Phases::default());
        summary.findings = (0..FINDINGS_SHOWN).map(|n| format!("shard-{n}: differs")).collect();
        assert!(!summary.text().contains("shards more"));
        summary.findings.extend(["shard-a: differs".to_owned(), "shard-b: differs".to_owned()]);
        let text = summary.text();
        assert!(text.contains("and 2 shards more that differ") && !text.contains("shard-a:"), "{text}");
        let json = serde_json::to_value(&summary).unwrap();
        assert_eq!(json["findings"].as_array().unwrap().len(), FINDINGS_SHOWN + 2);
    }

    #[test]
    fn only_a_completed_task_is_verified() {
        let task = v1::TaskView { state: "failed".into(), ..v1::TaskView::default() };
        let summary = Summary::new(&task, 0, 0.0, &Phases::default());
        assert!(!summary.verified);
        assert_eq!((summary.exit(), summary.rows_per_second), (Exit::Failed, 0.0));
    }
}
