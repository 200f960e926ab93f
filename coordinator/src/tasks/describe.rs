//! The one word an operator reads for a task, and why. Pure.

use std::collections::BTreeSet;

use tdferry_common::id::WorkerId;
use tdferry_common::shard::Shard;
use tdferry_common::task::{Control, TaskState};

use super::health::Health;
use crate::record::{WaitingFor, WaitingRecord};

/// Troubles shown: more would not be read.
const TROUBLES: usize = 5;

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
    /// Whether an open shard's last attempt erred or stalled.
    pub(crate) troubled: bool,
}

/// What an operator reads.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Words {
    pub(crate) state: &'static str,
    pub(crate) health: Health,
    /// Of a failure, or what is waited for; else empty.
    pub(crate) reason: String,
}

/// The task in words.
pub(crate) fn words(seen: &Seen<'_>) -> Words {
    let held = !seen.holders.is_empty();
    // what is left runs out under whoever holds it
    let ending = if held { Health::Busy } else { Health::Ready };
    let (state, health, reason) = match (seen.state, seen.control) {
        (TaskState::Failed { reason, .. }, _) => (seen.state.name(), Health::Fatal, reason.clone()),
        (TaskState::Completed { rejected: 0, .. }, _) => (seen.state.name(), Health::Idle, String::new()),
        (TaskState::Completed { rejected, .. }, _) => (
            seen.state.name(),
            Health::Idle,
            format!("the target refused {rejected} rows; they are kept: `tdferry rejects list`"),
        ),
        (TaskState::Differs { differing, .. }, _) => (
            seen.state.name(),
            Health::Fatal,
            format!(
                "{differing}; `tdferry shard list --state differs` shows where, `tdferry repair` makes it alike"
            ),
        ),
        (_, Control::Pause) => (if held { "pausing" } else { "paused" }, ending, String::new()),
        (_, Control::Stop) => (if held { "stopping" } else { "stopped" }, ending, String::new()),
        (_, Control::Run) => return running(seen),
    };
    Words { state, health, reason }
}

fn running(seen: &Seen<'_>) -> Words {
    if seen.workers == 0 && seen.holders.is_empty() {
        let reason = "no worker takes leases; start one with `tdferry worker --coordinator URL`, or let drained ones work \
                      again with `tdferry worker undrain`";
        return Words { state: "no workers", health: Health::Ready, reason: reason.to_owned() };
    }
    // as long as one worker of several gets through, the task goes on
    let waits = |worker: &WorkerId| seen.waiting.iter().any(|(waiting, _)| waiting == worker);
    let stuck = !seen.waiting.is_empty() && seen.holders.iter().all(waits);
    let hindered = seen.troubled || !seen.waiting.is_empty();
    match seen.waiting.first() {
        Some((_, waiting)) if stuck => {
            Words { state: word(waiting.what), health: health(waiting.what), reason: waiting.message.clone() }
        }
        _ => {
            let health = if hindered { Health::Bounce } else { Health::Busy };
            Words { state: seen.state.name(), health, reason: String::new() }
        }
    }
}

fn health(what: WaitingFor) -> Health {
    match what {
        WaitingFor::Source => Health::SourceError,
        WaitingFor::Sink => Health::SinkError,
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

/// One line for each of a few open shards whose last attempt stalled or erred, and how many more there are.
pub(crate) fn trouble_lines<'a>(shards: impl Iterator<Item = &'a Shard>) -> Vec<String> {
    let open = shards.filter(|shard| !shard.is_terminal());
    let troubled: Vec<_> = open.filter_map(|shard| Some((shard, shard.last_error.as_deref()?))).collect();
    let line = |(shard, why): &(&Shard, &str)| {
        format!("shard {} (claimed {} times without a commit): {why}", shard.id, shard.claims)
    };
    let more = troubled.len().saturating_sub(TROUBLES);
    let more = (more > 0).then(|| format!("{more} more; `tdferry shard list --state open` shows all"));
    troubled.iter().take(TROUBLES).map(line).chain(more).collect()
}

#[cfg(test)]
mod tests {
    use tdferry_common::id::{GroupId, PlanId, ShardId};
    use tdferry_common::shard::{Density, Range, ShardKind, ShardState};
    use tdferry_common::task::{Cutoff, Found, Phase, Planned};
    use tdferry_common::time::Precision;

    use super::*;

    const A: WorkerId = WorkerId(1);
    const B: WorkerId = WorkerId(2);

    fn waits(what: WaitingFor) -> WaitingRecord {
        WaitingRecord { task: "t".into(), what, message: "refused".into(), since_millis: 1 }
    }

    fn told(
        control: Control,
        holders: &[WorkerId],
        waiting: &[(WorkerId, &WaitingRecord)],
        workers: usize,
        troubled: bool,
    ) -> (&'static str, &'static str) {
        let (state, holders) = (&TaskState::Surveying, holders.iter().copied().collect());
        let words = words(&Seen { state, control, holders, waiting: waiting.to_vec(), workers, troubled });
        (words.state, words.health.name())
    }

    fn word_for(
        control: Control,
        holders: &[WorkerId],
        waiting: &[(WorkerId, &WaitingRecord)],
        workers: usize,
    ) -> &'static str {
        told(control, holders, waiting, workers, false).0
    }

    #[test]
    fn health_is_one_of_seven_words_whatever_the_state() {
        let (source, sink) = (waits(WaitingFor::Source), waits(WaitingFor::Sink));
        let (run, pause, stop) = (Control::Run, Control::Pause, Control::Stop);
        let cases: [(&str, (&str, &str)); 8] = [
            ("ready", told(run, &[], &[], 0, false)),
            ("ready", told(pause, &[], &[], 1, true)),
            ("busy", told(stop, &[A], &[], 1, false)),
            ("busy", told(run, &[A], &[], 1, false)),
            ("bounce", told(run, &[A], &[], 1, true)),
            ("bounce", told(run, &[A, B], &[(A, &sink)], 2, false)),
            ("source error", told(run, &[A], &[(A, &source)], 1, false)),
            ("sink error", told(run, &[A], &[(A, &sink)], 1, true)),
        ];
        for (wanted, (state, health)) in cases {
            assert_eq!(health, wanted, "{state}");
        }
        let cutoff = Cutoff { units: 1, precision: Precision::Milli, from_source: true };
        let planned = Planned {
            plan: PlanId(1),
            cutoff,
            fingerprint: 0,
            found: Found::default(),
            excused: 0,
            mark: None,
        };
        assert_eq!(ended(TaskState::Completed { planned, rejected: 0, at_millis: 1 }), "idle");
        let failed =
            TaskState::Failed { phase: Phase::Copy, planned: None, reason: "why".into(), at_millis: 1 };
        assert_eq!(ended(failed), "fatal");
    }

    fn ended(state: TaskState) -> &'static str {
        let (holders, waiting) = (BTreeSet::new(), vec![]);
        let seen =
            Seen { state: &state, control: Control::Run, holders, waiting, workers: 0, troubled: false };
        words(&seen).health.name()
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
    fn open_shards_that_erred_are_told_a_few_of_them_and_the_number_of_the_rest() {
        let period = tdferry_common::time::Period { from: 0, to: 1 };
        let shard = |n: u32, error: Option<&str>| {
            let (id, kind) = (ShardId::copy(GroupId(0), n), ShardKind::Copy(Density::Dense));
            let planned = Shard::planned(id, kind, None, Range::NONE, period);
            Shard { last_error: error.map(str::to_owned), claims: 2, ..planned }
        };
        let mut shards: Vec<Shard> = (0..7).map(|n| shard(n, Some("stalled: why"))).collect();
        shards.push(shard(8, None));
        shards[0].state = ShardState::Done;
        let lines = trouble_lines(shards.iter());
        assert_eq!(lines.len(), 6, "{lines:?}");
        assert!(
            lines[0].contains("copy-00000000-0001 (claimed 2 times") && lines[0].contains("stalled: why")
        );
        assert!(lines[5].starts_with("1 more"), "{lines:?}");
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
            troubled: false,
        };
        let told = Words { state: "failed", health: Health::Fatal, reason: "why".into() };
        assert_eq!(words(&seen), told);
    }
}
