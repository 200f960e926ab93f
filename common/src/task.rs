//! A task: one submitted migration, the phases it goes through, and what may follow what.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::id::PlanId;
use crate::shard::Differing;
use crate::time::Precision;

/// Which shards of a task may be claimed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// What does the source hold?
    Survey,
    /// Database, stables, tables.
    Schema,
    /// Rows.
    Copy,
    /// Both sides compared, after so many repairs.
    Verify(u32),
    /// What differed made alike, for the so manieth time.
    Repair(u32),
    /// The source is followed.
    Live,
}

/// What an operator wants of a task. Compared by claims only: a lease in flight drains, it does not die.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Control {
    /// Go on.
    Run,
    /// Claim nothing more, commit and release; to be resumed.
    Pause,
    /// The same, meant for good; can still be resumed.
    Stop,
}

/// Where history ends, fixed once at the survey.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cutoff {
    /// In units of the source's precision.
    pub units: i64,
    /// The source's precision.
    pub precision: Precision,
    /// Whether the source's own clock gave it, else the worker's did.
    pub from_source: bool,
}

/// What the survey found, summed up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Found {
    /// Stables.
    pub stables: u64,
    /// Subtables of stables.
    pub subtables: u64,
    /// Tables without a stable.
    pub normal_tables: u64,
    /// Rows, estimated.
    pub rows: u64,
    /// Bytes, estimated.
    pub bytes: u64,
    /// Shards planned.
    pub shards: u64,
}

/// A plan that counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Planned {
    /// Its id: shards under any other are swept.
    pub plan: PlanId,
    /// Where history ends.
    pub cutoff: Cutoff,
    /// A hash of every stable's and normal table's columns as planned.
    pub fingerprint: u64,
    /// What it covers.
    pub found: Found,
    /// Rejects that the last retry found, which the task's budget passes over.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub excused: u64,
    /// Where following ends, in units of the source: the task is being cut over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mark: Option<i64>,
}

const fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// What a task is.
///
/// ```text
///  created ─▶ Surveying ──Planned──▶ Active(Schema) ──PhaseDone──▶ Active(Copy) ──PhaseDone──▶ Completed
///                                                                        │                         ▲
///                                                               PhaseDone└─▶ Active(Verify) ───────┤
///                                                                               ▲  └──Differed──▶ Differs
///                                                                      PhaseDone└─ Active(Repair) ◀─┘ Repairing
///
///                 ▲ │                     ▲ │                        ▲ │
///         Retried │ └─ShardsFailed──┐     │ └────ShardsFailed────┐   │ └─ShardsFailed─┐
///                 └───────────────  Failed { phase } ◀───────────┴───┴────────────────┘
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "state")]
pub enum TaskState {
    /// Looking at the source; there is no plan yet.
    Surveying,
    /// Working through the shards of a phase.
    Active {
        /// Which.
        phase: Phase,
        /// Under which plan.
        planned: Planned,
    },
    /// Every shard is done.
    Completed {
        /// The plan that was carried out.
        planned: Planned,
        /// Rows the sink refused, kept apart.
        rejected: u64,
        /// Wall time in milliseconds since 1970, for display.
        at_millis: i64,
    },
    /// Every shard is through, and the target was found to differ.
    Differs {
        /// The plan that was carried out.
        planned: Planned,
        /// How often was repaired before.
        round: u32,
        /// Shards of the last round that found something.
        shards: u64,
        /// What they found.
        differing: Differing,
        /// Rows the sink refused, kept apart.
        rejected: u64,
        /// Wall time in milliseconds since 1970, for display.
        at_millis: i64,
    },
    /// Every shard is terminal and some failed.
    Failed {
        /// In which phase.
        phase: Phase,
        /// The plan, if it came to one.
        planned: Option<Planned>,
        /// The first failed shard's words, and how many there are.
        reason: String,
        /// Wall time in milliseconds since 1970, for display.
        at_millis: i64,
    },
}

/// What can happen to a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TaskEvent {
    /// The survey's plan was written whole.
    Planned(Planned),
    /// Every shard of the phase is done.
    PhaseDone {
        /// The phase to go on with; `None`: that was all.
        next: Option<Phase>,
        /// Rows the sink refused so far.
        rejected: u64,
        /// Wall time for display.
        at_millis: i64,
    },
    /// Every shard of the phase is terminal, and some failed.
    ShardsFailed {
        /// In words a person can act on.
        reason: String,
        /// Wall time for display.
        at_millis: i64,
    },
    /// Everything was compared, and something differs.
    Differed {
        /// Shards that found something.
        shards: u64,
        /// What they found.
        differing: Differing,
        /// Rows the sink refused so far.
        rejected: u64,
        /// Wall time for display.
        at_millis: i64,
    },
    /// What differs is to be repaired.
    Repairing,
    /// Following is to end at this moment, or goes on if none.
    Marked(Option<i64>),
    /// A person retries failed shards.
    Retried {
        /// Rejects so far: the budget counts from here.
        rejected: u64,
    },
}

/// A transition that a task does not know.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a task that is {state} does not take {event}")]
pub struct IllegalTaskTransition {
    state: &'static str,
    event: &'static str,
}

impl TaskState {
    /// The phase whose shards may be claimed; `None` once the task has ended.
    pub const fn phase(&self) -> Option<Phase> {
        match self {
            Self::Surveying => Some(Phase::Survey),
            Self::Active { phase, .. } => Some(*phase),
            Self::Completed { .. } | Self::Differs { .. } | Self::Failed { .. } => None,
        }
    }

    /// The plan that counts, if there is one.
    pub const fn planned(&self) -> Option<&Planned> {
        match self {
            Self::Surveying => None,
            Self::Active { planned, .. }
            | Self::Completed { planned, .. }
            | Self::Differs { planned, .. } => Some(planned),
            Self::Failed { planned, .. } => planned.as_ref(),
        }
    }

    /// The plan under which this phase's shards stand.
    pub fn plan(&self) -> PlanId {
        self.planned().map_or(PlanId::SURVEY, |planned| planned.plan)
    }

    /// Whether the task has ended.
    pub const fn is_terminal(&self) -> bool {
        self.phase().is_none()
    }

    /// One word for it.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Surveying => "surveying",
            Self::Active { phase: Phase::Schema, .. } => "creating",
            Self::Active { phase: Phase::Verify(_), .. } => "verifying",
            Self::Active { phase: Phase::Repair(_), .. } => "repairing",
            Self::Active { phase: Phase::Live, planned: Planned { mark: Some(_), .. } } => "cutting over",
            Self::Active { phase: Phase::Live, .. } => "live",
            Self::Active { .. } => "copying",
            Self::Differs { .. } => "differs",
            Self::Completed { rejected: 0, .. } => "completed",
            Self::Completed { .. } => "completed with rejects",
            Self::Failed { .. } => "failed",
        }
    }

    /// The state after an event: total, pure, the one place that knows what may follow what.
    pub fn next(self, event: TaskEvent) -> Result<Self, IllegalTaskTransition> {
        match (self, event) {
            (Self::Surveying, TaskEvent::Planned(planned)) => {
                Ok(Self::Active { phase: Phase::Schema, planned })
            }
            (Self::Active { planned, .. }, TaskEvent::PhaseDone { next: Some(phase), .. }) => {
                Ok(Self::Active { phase, planned })
            }
            (Self::Active { planned, .. }, TaskEvent::PhaseDone { next: None, rejected, at_millis }) => {
                Ok(Self::Completed { planned, rejected, at_millis })
            }
            (
                Self::Active { planned, phase: Phase::Verify(round) },
                TaskEvent::Differed { shards, differing, rejected, at_millis },
            ) => Ok(Self::Differs { planned, round, shards, differing, rejected, at_millis }),
            (Self::Differs { planned, round, .. }, TaskEvent::Repairing) => {
                Ok(Self::Active { planned, phase: Phase::Repair(round.saturating_add(1)) })
            }
            (Self::Active { phase: Phase::Live, planned }, TaskEvent::Marked(mark)) => {
                Ok(Self::Active { phase: Phase::Live, planned: Planned { mark, ..planned } })
            }
            // not before the very end: what follows may still go on
            (
                Self::Active { phase: Phase::Verify(_) | Phase::Repair(_), planned }
                | Self::Differs { planned, .. },
                TaskEvent::Marked(None),
            ) if planned.mark.is_some() => {
                Ok(Self::Active { phase: Phase::Live, planned: Planned { mark: None, ..planned } })
            }
            (Self::Surveying, TaskEvent::ShardsFailed { reason, at_millis }) => {
                Ok(Self::Failed { phase: Phase::Survey, planned: None, reason, at_millis })
            }
            (Self::Active { phase, planned }, TaskEvent::ShardsFailed { reason, at_millis }) => {
                Ok(Self::Failed { phase, planned: Some(planned), reason, at_millis })
            }
            (Self::Failed { phase, planned: Some(planned), .. }, TaskEvent::Retried { rejected }) => {
                Ok(Self::Active { phase, planned: Planned { excused: rejected, ..planned } })
            }
            (Self::Failed { planned: None, .. }, TaskEvent::Retried { .. }) => Ok(Self::Surveying),
            (state, event) => Err(IllegalTaskTransition { state: state.name(), event: event.name() }),
        }
    }
}

impl TaskEvent {
    const fn name(&self) -> &'static str {
        match self {
            Self::Planned(_) => "a plan",
            Self::PhaseDone { .. } => "the end of a phase",
            Self::ShardsFailed { .. } => "failed shards",
            Self::Differed { .. } => "differences",
            Self::Repairing => "a repair",
            Self::Marked(_) => "a mark",
            Self::Retried { .. } => "a retry",
        }
    }
}

impl Phase {
    /// One word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Survey => "survey",
            Self::Schema => "schema",
            Self::Copy => "copy",
            Self::Verify(_) => "verify",
            Self::Repair(_) => "repair",
            Self::Live => "live",
        }
    }
}

impl Control {
    /// One word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Run => "run",
            Self::Pause => "pause",
            Self::Stop => "stop",
        }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Display for Control {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn planned() -> Planned {
        let cutoff = Cutoff { units: 5, precision: Precision::Milli, from_source: true };
        Planned { plan: PlanId(3), cutoff, fingerprint: 1, found: Found::default(), excused: 0, mark: None }
    }

    fn done(next: Option<Phase>) -> TaskEvent {
        TaskEvent::PhaseDone { next, rejected: 0, at_millis: 9 }
    }

    #[test]
    fn a_task_goes_from_survey_over_schema_and_copy_to_completed() {
        let task = TaskState::Surveying.next(TaskEvent::Planned(planned())).unwrap();
        assert_eq!((task.phase(), task.plan()), (Some(Phase::Schema), PlanId(3)));
        let task = task.next(done(Some(Phase::Copy))).unwrap();
        assert_eq!(task.phase(), Some(Phase::Copy));
        let task = task.next(done(None)).unwrap();
        assert!(task.is_terminal());
        assert_eq!(task.name(), "completed");
    }

    #[test]
    fn a_failed_task_is_retried_in_the_phase_where_it_failed() {
        let failed = || TaskEvent::ShardsFailed { reason: "no".into(), at_millis: 1 };
        let early = TaskState::Surveying.next(failed()).unwrap();
        assert!(early.is_terminal());
        assert_eq!(early.next(TaskEvent::Retried { rejected: 0 }), Ok(TaskState::Surveying));
        let active = TaskState::Active { phase: Phase::Copy, planned: planned() };
        assert_eq!(
            active.clone().next(failed()).unwrap().next(TaskEvent::Retried { rejected: 0 }),
            Ok(active)
        );
    }

    #[test]
    fn what_differs_can_be_repaired_and_is_compared_once_more() {
        let verifying = |round| TaskState::Active { phase: Phase::Verify(round), planned: planned() };
        let differing = Differing { tables: 1, missing: 2, ..Differing::default() };
        let differed = TaskEvent::Differed { shards: 1, differing, rejected: 0, at_millis: 5 };
        let differs = verifying(0).next(differed.clone()).unwrap();
        assert_eq!((differs.name(), differs.is_terminal()), ("differs", true));
        let repairing = differs.next(TaskEvent::Repairing).unwrap();
        assert_eq!(repairing.phase(), Some(Phase::Repair(1)));
        assert_eq!(repairing.clone().next(done(Some(Phase::Verify(1)))), Ok(verifying(1)));
        assert!(repairing.next(differed).is_err(), "only comparing finds differences");
    }

    #[test]
    fn an_ended_task_takes_nothing_but_a_retry_of_a_failed_one() {
        let completed = TaskState::Completed { planned: planned(), rejected: 1, at_millis: 1 };
        for event in [TaskEvent::Planned(planned()), done(None), TaskEvent::Retried { rejected: 0 }] {
            assert!(completed.clone().next(event).is_err());
        }
        assert!(TaskState::Surveying.next(done(None)).is_err());
    }
}
