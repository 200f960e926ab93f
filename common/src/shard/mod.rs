//! A shard: the unit of work, its record, and the only transitions it knows.
//!
//! Whether a shard is leased is not written here: the lease is a key of its own that vanishes with its session.

mod totals;

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::id::{ClaimId, Epoch, GroupId, ShardId};
use crate::offset::{Offset, OffsetBack};
use crate::time::Period;

pub use totals::{Differing, Totals};

/// What kind of work a shard is, and so in which phase it is claimed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum ShardKind {
    /// Reads what the source holds and streams it to the coordinator.
    Survey,
    /// Creates, or with `schema=none` only checks, database, stables and normal tables.
    Schema,
    /// Creates, or only checks, the subtables of a group.
    Create,
    /// Copies rows.
    Copy(Density),
    /// Compares the subtables of a group and their tags.
    VerifyTags,
    /// Looks for subtables that only the target has: once for a whole task.
    VerifyTables,
    /// Compares rows.
    Verify(Density),
    /// Makes the target's subtables, tags and rows those of the source.
    Repair(Density, Extra),
    /// Follows a stable, whatever subtables it gets, or a pack of normal tables, from a moment on.
    Tail,
}

/// How a copy shard reads: the difference is a factor of five where tables hold few rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Density {
    /// One subtable after the other, whole blocks.
    Dense,
    /// Many subtables with one query, many with one statement.
    Sparse,
}

/// What a repair does about rows that only the target has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Extra {
    /// Leaves them.
    Kept,
    /// Deletes them: a person asked for it.
    Deleted,
}

/// The subtables `[from, to)` of a group, by index.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Range {
    /// The first index inside.
    pub from: u32,
    /// The first index outside.
    pub to: u32,
}

impl Range {
    /// No subtables.
    pub const NONE: Self = Self { from: 0, to: 0 };

    /// How many subtables.
    pub const fn len(self) -> u32 {
        self.to.saturating_sub(self.from)
    }

    /// Whether there are none.
    pub const fn is_empty(self) -> bool {
        self.len() == 0
    }
}

/// What the planner expects of a shard. Never compared with what was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Estimate {
    /// Rows.
    pub rows: u64,
    /// Bytes as the databases hold them in memory.
    pub bytes: u64,
}

/// Where a shard stands: everything before the offset is in the sink, and the totals count it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// The epoch that committed it; zero before the first commit.
    pub epoch: Epoch,
    /// Counts the commits of the shard, whoever made them.
    pub seq: u64,
    /// Everything before it is in the sink.
    pub offset: Offset,
    /// What was done so far.
    pub totals: Totals,
    /// The order-free sum over the rows before the offset; `None` where it was not made.
    pub sum: Option<u128>,
}

/// What a shard is, besides where it stands.
///
/// ```text
///   Claimed, Committed, Erred, Stalled
///             ┌──┐
///             │  ▼
///  planned ─▶ Open ──Done──▶ Done
///              ▲ │ └─Differs──▶ Differs
///      Retried │ └──Failed, Poisoned──▶ Failed
///              └─────────────────────────┘
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ShardState {
    /// To be worked on; claimable when no lease stands.
    Open,
    /// The offset stands at the end, and all counts agreed.
    Done,
    /// Compared to the end, and the target differs. Another round looks again, by shards of its own.
    Differs {
        /// What was found, in words.
        finding: String,
    },
    /// Given up, alone; the task goes on. `shard retry` opens it again.
    Failed {
        /// What happened, in words a person can act on.
        reason: String,
    },
}

/// A shard: its place in the plan and its record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shard {
    /// Its name inside the task.
    pub id: ShardId,
    /// What kind of work.
    pub kind: ShardKind,
    /// Which subtables: a group; `None` for survey and schema.
    pub group: Option<GroupId>,
    /// Which of the group.
    pub range: Range,
    /// Which rows of them, in units of the source.
    pub period: Period,
    /// What the planner expects.
    pub estimate: Estimate,
    /// Of a verify shard: the sum of the rows that were written there; `None` where both sides must be read.
    pub expected: Option<u128>,
    /// Of a verify or repair shard: how often was repaired before. Zero for all others.
    pub round: u32,
    /// What it is.
    pub state: ShardState,
    /// Where it stands.
    pub checkpoint: Checkpoint,
    /// Claims since the last commit; too many in a row and the shard is poison.
    pub claims: u32,
    /// The last claim, so that one whose answer was lost is recognised.
    pub claim: Option<ClaimId>,
    /// Why the last attempt ended early, if it said so.
    pub last_error: Option<String>,
}

/// How a lease ends its shard's attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// All done, counts agree.
    Done,
    /// All compared, and the target differs.
    Differs {
        /// What was found, in words.
        finding: String,
    },
    /// This attempt ended; another may do better.
    Erred {
        /// What happened.
        reason: String,
    },
    /// No attempt can do better until a person changes something.
    Failed {
        /// What happened and what to change.
        reason: String,
    },
}

/// What can happen to a shard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ShardEvent {
    /// A lease on it was taken.
    Claimed {
        /// Which claim.
        claim: ClaimId,
    },
    /// The holder of `checkpoint.epoch` moved on.
    Committed {
        /// Where it stands now.
        checkpoint: Checkpoint,
    },
    /// The holder of `checkpoint.epoch` is through with it.
    Ended {
        /// Where it stands now.
        checkpoint: Checkpoint,
        /// How.
        outcome: Outcome,
    },
    /// Nothing was committed under its lease for too long; the lease is taken away.
    Stalled {
        /// Who held it, since when.
        reason: String,
    },
    /// Its holder gave it back in good order.
    Released,
    /// It was claimed too often without a commit.
    Poisoned,
    /// A person asks for another try.
    Retried,
    /// Of a tail: it is to end at this moment, or never.
    Bounded {
        /// The first moment outside.
        to: i64,
    },
}

/// A transition that a shard does not know. Losing a race is not one: the store tells those apart first.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IllegalTransition {
    /// The shard's state does not take the event.
    #[error("shard {shard} is {state} and does not take {event}")]
    Event {
        /// Which shard.
        shard: ShardId,
        /// Its state.
        state: &'static str,
        /// The event.
        event: &'static str,
    },
    /// A commit that does not follow the stored one.
    #[error("shard {shard} stands at commit {stored} and does not take commit {asked}")]
    Seq {
        /// Which shard.
        shard: ShardId,
        /// The stored commit number.
        stored: u64,
        /// The one asked for.
        asked: u64,
    },
    /// A commit by an epoch older than the stored one (promise S1).
    #[error("shard {shard} was committed by epoch {stored} and does not take epoch {asked}")]
    Epoch {
        /// Which shard.
        shard: ShardId,
        /// The stored epoch.
        stored: Epoch,
        /// The one asked for.
        asked: Epoch,
    },
    /// An offset that goes back (promise S2).
    #[error("shard {shard}: {source}")]
    Offset {
        /// Which shard.
        shard: ShardId,
        /// Both offsets.
        source: OffsetBack,
    },
    /// Done, but not at the end or with counts that differ (promise S4).
    #[error("shard {shard} cannot be done at {offset} with {totals:?}")]
    NotDone {
        /// Which shard.
        shard: ShardId,
        /// Where it stands.
        offset: Offset,
        /// What was counted.
        totals: Box<Totals>,
    },
}

impl Shard {
    /// A shard as the planner makes it.
    pub fn planned(
        id: ShardId,
        kind: ShardKind,
        group: Option<GroupId>,
        range: Range,
        period: Period,
    ) -> Self {
        let offset = Offset { index: range.from, next: period.from };
        Self {
            id,
            kind,
            group,
            range,
            period,
            estimate: Estimate::default(),
            expected: None,
            round: 0,
            state: ShardState::Open,
            checkpoint: Checkpoint {
                epoch: Epoch(0),
                seq: 0,
                offset,
                totals: Totals::default(),
                sum: Some(0),
            },
            claims: 0,
            claim: None,
            last_error: None,
        }
    }

    /// The offset of a shard that is through: past its last subtable, or for a tail at the end of its time.
    pub const fn end(&self) -> Offset {
        match self.kind {
            ShardKind::Tail => Offset { index: self.range.from, next: self.period.to },
            _ => Offset { index: self.range.to, next: self.period.from },
        }
    }

    /// Whether nothing more will happen to it by itself.
    pub const fn is_terminal(&self) -> bool {
        !matches!(self.state, ShardState::Open)
    }

    /// The shard after an event: total, pure, the one place that knows what may follow what.
    pub fn next(self, event: ShardEvent) -> Result<Self, IllegalTransition> {
        match (&self.state, event) {
            (ShardState::Open, ShardEvent::Claimed { claim }) => {
                Ok(Self { claims: self.claims.saturating_add(1), claim: Some(claim), ..self })
            }
            (ShardState::Open, ShardEvent::Committed { checkpoint }) => self.committed(checkpoint),
            (ShardState::Open, ShardEvent::Ended { checkpoint, outcome }) => self.ended(checkpoint, outcome),
            (ShardState::Open, ShardEvent::Stalled { reason }) => {
                Ok(Self { last_error: Some(reason), ..self })
            }
            // whoever gives it back did not die of it
            (ShardState::Open, ShardEvent::Released) => {
                Ok(Self { claims: self.claims.saturating_sub(1), ..self })
            }
            (ShardState::Open, ShardEvent::Poisoned) => {
                let reason = self.poison_reason();
                Ok(Self { state: ShardState::Failed { reason }, ..self })
            }
            (ShardState::Open | ShardState::Done, ShardEvent::Bounded { to }) if self.may_end(to) => {
                // one that is through goes on to the new end
                let state = if self.period.to == to { self.state } else { ShardState::Open };
                Ok(Self { period: Period { to, ..self.period }, state, ..self })
            }
            (ShardState::Failed { .. }, ShardEvent::Retried) => {
                Ok(Self { state: ShardState::Open, claims: 0, claim: None, ..self })
            }
            (state, event) => Err(IllegalTransition::Event {
                shard: self.id.clone(),
                state: state.name(),
                event: event.name(),
            }),
        }
    }

    fn committed(self, to: Checkpoint) -> Result<Self, IllegalTransition> {
        let stored = self.checkpoint;
        let shard = || self.id.clone();
        if to.seq != stored.seq + 1 {
            return Err(IllegalTransition::Seq { shard: shard(), stored: stored.seq, asked: to.seq });
        }
        if to.epoch < stored.epoch {
            return Err(IllegalTransition::Epoch { shard: shard(), stored: stored.epoch, asked: to.epoch });
        }
        if let Err(source) = stored.offset.advance(to.offset) {
            return Err(IllegalTransition::Offset { shard: shard(), source });
        }
        // what only counts again has not moved: it may die of it for ever. What is read once is progress, too
        let moved = stored.offset < to.offset || stored.totals.before != to.totals.before;
        let (claims, last_error) = if moved { (0, None) } else { (self.claims, self.last_error) };
        Ok(Self { checkpoint: to, claims, last_error, ..self })
    }

    fn ended(self, to: Checkpoint, outcome: Outcome) -> Result<Self, IllegalTransition> {
        let claims = self.claims;
        let committed = self.committed(to)?;
        match outcome {
            Outcome::Done if committed.may_be_done() => {
                Ok(Self { state: ShardState::Done, last_error: None, ..committed })
            }
            Outcome::Done => Err(committed.not_done()),
            Outcome::Differs { finding } if committed.may_differ() => {
                Ok(Self { state: ShardState::Differs { finding }, last_error: None, ..committed })
            }
            Outcome::Differs { .. } => Err(committed.not_done()),
            // an attempt that erred is not progress: its claim still counts
            Outcome::Erred { reason } => Ok(Self { last_error: Some(reason), claims, ..committed }),
            Outcome::Failed { reason } => Ok(Self {
                state: ShardState::Failed { reason: reason.clone() },
                last_error: Some(reason),
                ..committed
            }),
        }
    }

    /// What a tail has passed cannot be taken back.
    fn may_end(&self, to: i64) -> bool {
        self.kind == ShardKind::Tail && self.checkpoint.offset.next <= to
    }

    /// Promise S4: the offset at the end, for a copy the four counts agreed, and nothing was found to differ.
    pub fn may_be_done(&self) -> bool {
        let totals = &self.checkpoint.totals;
        let counted = match self.kind {
            ShardKind::Copy(_) => totals.agree(),
            ShardKind::VerifyTags | ShardKind::VerifyTables | ShardKind::Verify(_) => {
                totals.differing.is_none()
            }
            ShardKind::Survey
            | ShardKind::Schema
            | ShardKind::Create
            | ShardKind::Repair(..)
            | ShardKind::Tail => true,
        };
        counted && self.is_at_its_end()
    }

    /// Whether nothing is left to do. A tail hears of its end while it goes on, and may have passed it by then.
    pub fn is_at_its_end(&self) -> bool {
        let (offset, end) = (self.checkpoint.offset, self.end());
        offset == end || (self.kind == ShardKind::Tail && offset > end)
    }

    /// Compared to the end, with something to tell.
    pub fn may_differ(&self) -> bool {
        let compares =
            matches!(self.kind, ShardKind::VerifyTags | ShardKind::VerifyTables | ShardKind::Verify(_));
        compares && self.checkpoint.offset == self.end() && !self.checkpoint.totals.differing.is_none()
    }

    fn not_done(self) -> IllegalTransition {
        IllegalTransition::NotDone {
            offset: self.checkpoint.offset,
            totals: Box::new(self.checkpoint.totals),
            shard: self.id,
        }
    }

    fn poison_reason(&self) -> String {
        let last = self.last_error.as_deref().unwrap_or("no worker lived to say why");
        format!("claimed {} times without a commit; the last error: {last}", self.claims)
    }
}

impl ShardState {
    /// One word for it.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Done => "done",
            Self::Differs { .. } => "differs",
            Self::Failed { .. } => "failed",
        }
    }
}

impl ShardEvent {
    const fn name(&self) -> &'static str {
        match self {
            Self::Claimed { .. } => "a claim",
            Self::Committed { .. } => "a commit",
            Self::Ended { .. } => "an end",
            Self::Stalled { .. } => "a stall",
            Self::Released => "a release",
            Self::Poisoned => "poison",
            Self::Retried => "a retry",
            Self::Bounded { .. } => "an end",
        }
    }
}

impl fmt::Display for ShardKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Survey => "survey",
            Self::Schema => "schema",
            Self::Create => "create",
            Self::Copy(Density::Dense) => "copy dense",
            Self::Copy(Density::Sparse) => "copy sparse",
            Self::VerifyTags => "verify tags",
            Self::VerifyTables => "verify tables",
            Self::Verify(Density::Dense) => "verify dense",
            Self::Verify(Density::Sparse) => "verify sparse",
            Self::Repair(_, Extra::Kept) => "repair",
            Self::Repair(_, Extra::Deleted) => "repair and delete",
            Self::Tail => "tail",
        })
    }
}

#[cfg(test)]
mod tests;
