//! The one word an operator reads for a task, and why. Pure.

use std::collections::BTreeSet;

use tdferry_common::id::WorkerId;
use tdferry_common::task::{Control, TaskState};

use crate::record::{WaitingFor, WaitingRecord};

/// What is known of a task at this moment.
pub(crate) struct Seen<'a> {
    pub(crate) state: &'a TaskState,
    pub(crate) control: Control,
    /// Who holds its leases.
    pub(crate) holders: BTreeSet<WorkerId>,
    /// Who waits for one of its databases.
    pub(crate) waiting: Vec<(WorkerId, &'a WaitingRecord)>,
    /// Workers that take leases, of whatever task.
    pub(crate) workers: usize,
}

/// What an operator reads.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Words {
    pub(crate) state: &'static str,
    /// Of a failure, or what is waited for; else empty.
    pub(crate) reason: String,
}

/// The task in words.
pub(crate) fn words(seen: &Seen<'_>) -> Words {
    let plain = |state| Words { state, reason: String::new() };
    let busy = !seen.holders.is_empty();
    match (seen.state, seen.control) {
        (TaskState::Failed { reason, .. }, _) => Words { state: seen.state.name(), reason: reason.clone() },
        (TaskState::Completed { rejected: 0, .. }, _) => plain(seen.state.name()),
        (TaskState::Completed { rejected, .. }, _) => {
            Words { state: seen.state.name(), reason: format!("the target refused {rejected} rows") }
        }
        (_, Control::Pause) => plain(if busy { "pausing" } else { "paused" }),
        (_, Control::Stop) => plain(if busy { "stopping" } else { "stopped" }),
        (state, Control::Run) => running(seen, state.name()),
    }
}

fn running(seen: &Seen<'_>, state: &'static str) -> Words {
    if seen.workers == 0 && seen.holders.is_empty() {
        let reason = "no worker is connected; start one with `tdferry worker --coordinator URL`";
        return Words { state: "no workers", reason: reason.to_owned() };
    }
    // as long as one worker of several gets through, the task goes on
    let waits = |worker: &WorkerId| seen.waiting.iter().any(|(waiting, _)| waiting == worker);
    let stuck = !seen.waiting.is_empty() && seen.holders.iter().all(waits);
    match seen.waiting.first() {
        Some((_, waiting)) if stuck => Words { state: word(waiting.what), reason: waiting.message.clone() },
        _ => Words { state, reason: String::new() },
    }
}

fn word(what: WaitingFor) -> &'static str {
    match what {
        WaitingFor::Source => "waiting for source",
        WaitingFor::Sink => "waiting for sink",
    }
}

/// One line for each worker that waits.
pub(crate) fn waiting_lines(waiting: &[(WorkerId, &WaitingRecord)]) -> Vec<String> {
    waiting
        .iter()
        .map(|(worker, one)| format!("worker {worker} is {}: {}", word(one.what), one.message))
        .collect()
}

#[cfg(test)]
mod tests {
    use tdferry_common::task::Phase;

    use super::*;

    const A: WorkerId = WorkerId(1);
    const B: WorkerId = WorkerId(2);

    fn waits(what: WaitingFor) -> WaitingRecord {
        WaitingRecord { task: "t".into(), what, message: "refused".into(), since_millis: 1 }
    }

    fn word_for(
        control: Control,
        holders: &[WorkerId],
        waiting: &[(WorkerId, &WaitingRecord)],
        workers: usize,
    ) -> &'static str {
        let holders = holders.iter().copied().collect();
        words(&Seen { state: &TaskState::Surveying, control, holders, waiting: waiting.to_vec(), workers })
            .state
    }

    #[test]
    fn a_drain_is_told_apart_from_its_end() {
        assert_eq!(word_for(Control::Pause, &[A], &[], 1), "pausing");
        assert_eq!(word_for(Control::Pause, &[], &[], 1), "paused");
        assert_eq!(word_for(Control::Stop, &[A], &[], 1), "stopping");
        assert_eq!(word_for(Control::Stop, &[], &[], 0), "stopped");
    }

    #[test]
    fn a_task_waits_only_when_all_its_workers_do() {
        let source = waits(WaitingFor::Source);
        let sink = waits(WaitingFor::Sink);
        assert_eq!(word_for(Control::Run, &[A, B], &[(A, &source)], 2), "surveying");
        assert_eq!(word_for(Control::Run, &[A, B], &[(A, &source), (B, &sink)], 2), "waiting for source");
        assert_eq!(word_for(Control::Run, &[A], &[(A, &sink)], 2), "waiting for sink");
        assert_eq!(word_for(Control::Run, &[], &[], 0), "no workers");
        assert_eq!(word_for(Control::Run, &[A], &[], 0), "surveying", "its worker drains");
    }

    #[test]
    fn a_failed_task_says_why_whatever_is_asked_of_it() {
        let state =
            TaskState::Failed { phase: Phase::Copy, planned: None, reason: "why".into(), at_millis: 1 };
        let seen = Seen {
            state: &state,
            control: Control::Pause,
            holders: BTreeSet::new(),
            waiting: vec![],
            workers: 0,
        };
        assert_eq!(words(&seen), Words { state: "failed", reason: "why".into() });
    }
}
