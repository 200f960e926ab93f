//! What the model is in at one moment: the store, the workers, and the requests between them. Small enough to be
//! copied, compared and hashed millions of times; a shard's record is turned into the shipped one to be moved on.

use tdferry_common::id::{ClaimId, Epoch, GroupId, ShardId};
use tdferry_common::offset::Offset;
use tdferry_common::shard::{
    Checkpoint, Density, IllegalTransition, Range, Shard, ShardEvent, ShardKind, ShardState, Totals,
};
use tdferry_common::time::Period;

pub(crate) const WORKERS: usize = 3;
pub(crate) const PLANNED: usize = 2;
/// Rows of a planned shard, one committed at a time: so many commits.
pub(crate) const ROWS: u8 = 3;
/// What was planned, and what one cut adds.
pub(crate) const SHARDS: usize = PLANNED + 1;
/// Requests that may be under way while nobody waits for them.
pub(crate) const LATE: usize = 1;

/// A record without what never differs here; nor is the last claim in it, since the count of claims and the commits
/// tell any two records of a shard apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Record {
    pub(crate) group: u8,
    /// Which rows of the group.
    pub(crate) from: u8,
    pub(crate) to: u8,
    pub(crate) done: bool,
    pub(crate) poisoned: bool,
    pub(crate) claims: u8,
    pub(crate) stands: Stands,
}

/// A checkpoint without the totals, which follow from it here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Stands {
    pub(crate) epoch: u8,
    pub(crate) seq: u8,
    /// The next row.
    pub(crate) next: u8,
}

/// One attempt of a worker to claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Claim {
    pub(crate) worker: u8,
    /// Counts the claims that the worker gave up.
    pub(crate) nonce: u8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Lease {
    pub(crate) epoch: u8,
    pub(crate) session: u8,
    pub(crate) claim: Claim,
}

/// A request on its way to the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Request {
    pub(crate) shard: u8,
    pub(crate) what: Ask,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Ask {
    Claim {
        session: u8,
        claim: Claim,
        seen: Record,
    },
    Commit {
        stands: Stands,
    },
    Finish {
        stands: Stands,
    },
    /// Gives the rows from `at` on to a child.
    Cut {
        stands: Stands,
        at: u8,
    },
    Release {
        epoch: u8,
    },
    /// What a planted bug leaves for later.
    Unlease,
}

/// What a worker believes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(crate) struct Worker {
    pub(crate) session: u8,
    pub(crate) nonce: u8,
    pub(crate) holds: Option<Holding>,
    /// What it asked and has no answer to.
    pub(crate) asked: Option<Request>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Holding {
    pub(crate) shard: u8,
    pub(crate) epoch: u8,
    pub(crate) group: u8,
    pub(crate) seq: u8,
    /// Rows before it are written and committed, as far as the worker knows.
    pub(crate) next: u8,
    pub(crate) to: u8,
}

/// How often each thing may still go wrong: what makes the model finite.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Left {
    /// Sessions that end, leases taken away as stalled.
    pub(crate) losses: u8,
    /// Requests during which something else happens; all others are answered at once.
    pub(crate) slow: u8,
    /// Answers that nobody hears.
    pub(crate) unheard: u8,
    /// Requests repeated while the first is under way.
    pub(crate) repeats: u8,
    pub(crate) cuts: u8,
    pub(crate) releases: u8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct State {
    pub(crate) shards: [Option<Record>; SHARDS],
    pub(crate) leases: [Option<Lease>; SHARDS],
    /// Leases taken so far, from which the next epoch follows.
    pub(crate) epochs: [u8; SHARDS],
    /// The session of each worker that the store knows.
    pub(crate) alive: [Option<u8>; WORKERS],
    pub(crate) workers: [Worker; WORKERS],
    pub(crate) late: [Option<Request>; LATE],
    /// Rows in the sink, a bit each.
    pub(crate) rows: [u8; PLANNED],
    pub(crate) left: Left,
}

impl State {
    pub(crate) fn first(left: Left) -> Self {
        let planned = |group| {
            let stands = Stands { epoch: 0, seq: 0, next: 0 };
            let (done, poisoned, claims) = (false, false, 0);
            Some(Record { group, from: 0, to: ROWS, done, poisoned, claims, stands })
        };
        Self {
            shards: [planned(0), planned(1), None],
            leases: [None; SHARDS],
            epochs: [0; SHARDS],
            alive: [Some(0); WORKERS],
            workers: [Worker::default(); WORKERS],
            late: [None; LATE],
            rows: [0; PLANNED],
            left,
        }
    }
}

impl Record {
    /// What the shipped shard becomes by an event.
    pub(crate) fn next(self, event: ShardEvent) -> Result<Self, IllegalTransition> {
        let next = self.shipped().next(event)?;
        let stands = Stands {
            epoch: u8::try_from(next.checkpoint.epoch.0).unwrap(),
            seq: u8::try_from(next.checkpoint.seq).unwrap(),
            next: if next.checkpoint.offset == next.end() {
                self.to
            } else {
                u8::try_from(next.checkpoint.offset.next).unwrap()
            },
        };
        Ok(Self {
            done: next.state == ShardState::Done,
            poisoned: matches!(next.state, ShardState::Failed { .. }),
            claims: u8::try_from(next.claims).unwrap(),
            stands,
            ..self
        })
    }

    pub(crate) const fn is_open(self) -> bool {
        !self.done && !self.poisoned
    }

    /// A checkpoint of this shard as it is shipped.
    pub(crate) fn checkpoint(self, stands: Stands) -> Checkpoint {
        let Stands { epoch, seq, next } = stands;
        let offset = if next == self.to {
            Offset { index: 1, next: i64::from(self.from) }
        } else {
            Offset { index: 0, next: i64::from(next) }
        };
        let rows = u64::from(next - self.from);
        let totals = Totals {
            read: rows,
            written: rows,
            source_counted: rows,
            target_counted: rows,
            ..Totals::default()
        };
        Checkpoint { epoch: Epoch(i64::from(epoch)), seq: u64::from(seq), offset, totals, sum: None }
    }

    fn shipped(self) -> Shard {
        let group = GroupId(u32::from(self.group));
        let period = Period { from: i64::from(self.from), to: i64::from(self.to) };
        let (id, kind) = (ShardId::copy(group, 0), ShardKind::Copy(Density::Dense));
        let state = match (self.done, self.poisoned) {
            (true, _) => ShardState::Done,
            (_, true) => ShardState::Failed { reason: String::new() },
            _ => ShardState::Open,
        };
        Shard {
            state,
            checkpoint: self.checkpoint(self.stands),
            claims: u32::from(self.claims),
            ..Shard::planned(id, kind, Some(group), Range { from: 0, to: 1 }, period)
        }
    }
}

impl Claim {
    pub(crate) fn id(self) -> ClaimId {
        ClaimId(u64::from(self.worker) << 8 | u64::from(self.nonce))
    }
}
