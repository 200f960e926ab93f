//! Progress on stderr: bars at a terminal, a line now and then elsewhere.

use std::io::IsTerminal;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tdferry_proto::v1;
use tokio::time::Instant;

use crate::output::{self, bytes, count, duration};
use crate::task::lag;

/// Where nobody watches, a line this often says that it lives.
const LINE_EVERY: Duration = Duration::from_secs(10);

/// Shows how far a task is.
pub(crate) struct Bars {
    bar: Option<ProgressBar>,
    last_line: Option<Instant>,
    last_state: String,
    quiet: bool,
}

impl Bars {
    /// Bars, lines, or (`quiet`) nothing but changes of state.
    pub(crate) fn new(quiet: bool) -> Self {
        let bar = (!quiet && std::io::stderr().is_terminal()).then(|| {
            let bar = ProgressBar::with_draw_target(Some(1), ProgressDrawTarget::stderr());
            let template = "{spinner} {wide_bar} {percent:>3}%\n  {msg}";
            bar.set_style(
                ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()),
            );
            bar
        });
        Self { bar, last_line: None, last_state: String::new(), quiet }
    }

    /// Shows a task as it is now.
    pub(crate) fn show(&mut self, task: &v1::TaskView) {
        let line = line(task);
        if let Some(bar) = &self.bar {
            let progress = task.progress.unwrap_or_default();
            let written = progress.totals.unwrap_or_default().written;
            bar.set_length(progress.rows_estimated.max(written).max(1));
            bar.set_position(written);
            bar.set_message(line);
            return;
        }
        let due = self.last_line.is_none_or(|last| last.elapsed() >= LINE_EVERY);
        if task.state != self.last_state || (due && !self.quiet) {
            output::say(&line);
            self.last_state.clone_from(&task.state);
            self.last_line = Some(Instant::now());
        }
    }

    /// Leaves the terminal as it was.
    pub(crate) fn end(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn line(task: &v1::TaskView) -> String {
    let progress = task.progress.unwrap_or_default();
    let totals = progress.totals.unwrap_or_default();
    let mut parts = vec![task.state.clone()];
    if progress.rows_estimated > 0 || totals.written > 0 {
        parts.push(format!(
            "{} of ~{} rows",
            count(totals.written),
            count(progress.rows_estimated.max(totals.written))
        ));
        parts.push(format!("{:.0} rows/s", progress.rows_per_second));
        parts.push(format!("{}/s", bytes(progress.bytes_per_second)));
    }
    if task.tails > 0 && task.phase == "live" {
        parts.push(format!("lag {}", lag(task)));
    }
    if let Some(eta) = progress.eta_seconds.filter(|_| !task.terminal) {
        parts.push(format!("eta {}", duration(eta)));
    }
    parts.push(format!("{}/{} shards", progress.shards_done, progress.shards));
    parts.extend(task.waiting.first().cloned());
    parts.join(" · ")
}
