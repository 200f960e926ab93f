//! What the store makes of a request: the guards and writes of `coordinator/src/store`, each in one step, and what is
//! broken by it. A planted bug changes one of them.

use tdferry_common::shard::{Outcome, ShardEvent};

use crate::state::{Ask, Lease, Record, Request, Stands, State};

/// Claims in a row without a commit after which a shard has failed; fewer than shipped, to be reached.
const MAX_CLAIMS: u8 = 3;

/// A bug, planted into the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Planted {
    Nothing,
    /// A commit does not compare the lease's epoch.
    NoEpochGuard,
    /// A worker commits what it is about to write.
    OffsetBeforeData,
    /// A finish leaves its lease to a transaction of its own.
    LeaseEndedApart,
    /// The child gets a row that the parent keeps.
    CutOverlaps,
    /// Whoever claims may hold a lease for expired that the store still has.
    LocalClock,
    /// A commit that is found stored is called fenced.
    LostAnswerIsFailure,
    /// A claim takes the shard as it was seen, whatever became of it.
    ClaimOfThePast,
}

/// What the sender hears.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    /// The lease is the sender's.
    Ours {
        epoch: u8,
        record: Record,
    },
    /// Try something else.
    NotClaimed,
    SessionGone,
    Committed,
    /// Fenced or refused.
    NotCommitted,
    Released,
}

/// A promise, and how it is broken.
pub(crate) type Broken = &'static str;

/// A write under a lease.
struct Moves {
    stands: Stands,
    cut: Option<u8>,
    ends: bool,
}

pub(crate) struct Store {
    pub(crate) planted: Planted,
}

impl Store {
    /// Does what is asked for, if its guards hold.
    pub(crate) fn apply(&self, state: &mut State, request: Request) -> Result<Answer, Broken> {
        let at = usize::from(request.shard);
        let Some(stored) = state.shards[at] else { return Ok(Answer::NotCommitted) };
        match request.what {
            Ask::Claim { .. } => self.claim(state, at, stored, request.what),
            Ask::Commit { stands } => self.commit(state, at, Moves { stands, cut: None, ends: false }),
            Ask::Finish { stands } => self.commit(state, at, Moves { stands, cut: None, ends: true }),
            Ask::Cut { stands, at: cut } => {
                self.commit(state, at, Moves { stands, cut: Some(cut), ends: false })
            }
            Ask::Release { epoch } => {
                if state.leases[at].is_some_and(|lease| lease.epoch == epoch) {
                    state.leases[at] = None;
                }
                Ok(Answer::Released)
            }
            Ask::Unlease => {
                state.leases[at] = None;
                Ok(Answer::Released)
            }
        }
    }

    fn claim(&self, state: &mut State, at: usize, stored: Record, ask: Ask) -> Result<Answer, Broken> {
        let Ask::Claim { session, claim, seen } = ask else { return Ok(Answer::NotClaimed) };
        if state.alive[usize::from(claim.worker)] != Some(session) {
            return Ok(Answer::SessionGone);
        }
        if let Some(lease) = state.leases[at]
            && self.planted != Planted::LocalClock
        {
            let ours = lease.claim == claim && lease.session == session;
            return Ok(if ours {
                Answer::Ours { epoch: lease.epoch, record: stored }
            } else {
                Answer::NotClaimed
            });
        }
        if stored != seen && self.planted != Planted::ClaimOfThePast {
            return Ok(Answer::NotClaimed);
        }
        let poisoned = seen.claims >= MAX_CLAIMS;
        let event = if poisoned { ShardEvent::Poisoned } else { ShardEvent::Claimed { claim: claim.id() } };
        let Ok(next) = seen.next(event) else { return Ok(Answer::NotClaimed) };
        state.shards[at] = Some(next);
        if poisoned {
            return Ok(Answer::NotClaimed);
        }
        if state.leases[at].is_some() {
            return Err("S1: a lease was taken while another held it");
        }
        state.epochs[at] += 1;
        let epoch = state.epochs[at];
        state.leases[at] = Some(Lease { epoch, session, claim });
        never_back(stored, next)?;
        Ok(Answer::Ours { epoch, record: next })
    }

    fn commit(&self, state: &mut State, at: usize, moves: Moves) -> Result<Answer, Broken> {
        let Moves { stands, cut, ends } = moves;
        let Some(stored) = state.shards[at] else { return Ok(Answer::NotCommitted) };
        if stored.stands == stands {
            return if self.planted == Planted::LostAnswerIsFailure {
                Err("S2: a commit stands, and its worker was told that it does not")
            } else {
                Ok(Answer::Committed)
            };
        }
        let holds = state.leases[at].is_some_and(|lease| lease.epoch == stands.epoch);
        if !holds && self.planted != Planted::NoEpochGuard {
            return Ok(Answer::NotCommitted);
        }
        let checkpoint = stored.checkpoint(stands);
        let event = if ends {
            ShardEvent::Ended { checkpoint, outcome: Outcome::Done }
        } else {
            ShardEvent::Committed { checkpoint }
        };
        let Ok(mut next) = stored.next(event) else { return Ok(Answer::NotCommitted) };
        if !holds {
            return Err("S1: an epoch committed that does not hold the lease");
        }
        if let Some(cut) = cut {
            next.to = cut;
            put_child(state, stored, cut - u8::from(self.planted == Planted::CutOverlaps))?;
        }
        state.shards[at] = Some(next);
        never_back(stored, next)?;
        if ends && self.planted == Planted::LeaseEndedApart {
            let shard = u8::try_from(at).unwrap();
            state.late[0].get_or_insert(Request { shard, what: Ask::Unlease });
        } else if ends {
            state.leases[at] = None;
        }
        Ok(Answer::Committed)
    }
}

fn put_child(state: &mut State, parent: Record, from: u8) -> Result<(), Broken> {
    let stands = Stands { epoch: 0, seq: 0, next: from };
    let child = Record { from, claims: 0, stands, ..parent };
    let free =
        state.shards.iter_mut().find(|shard| shard.is_none()).ok_or("the model has no room for a child")?;
    *free = Some(child);
    Ok(())
}

fn never_back(before: Record, after: Record) -> Result<(), Broken> {
    let (before, after) = (before.stands, after.stands);
    if after.next < before.next || after.seq < before.seq || after.epoch < before.epoch {
        return Err("S2: a shard went back");
    }
    Ok(())
}
