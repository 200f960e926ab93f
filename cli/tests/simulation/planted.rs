//! Bugs planted on purpose, outside of what is shipped: a simulation that does not find them proves nothing.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use etcd_client::proto::{PbTxnOpRequest, PbTxnRequest};
use tdferry_proto::v1;
use tonic::body::Body;
use tonic::codegen::http;

use crate::request::{Request, epoch_guard, made_up, without_parent};
use crate::steps::Step;

/// Which bug, if any.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Planted {
    /// None.
    Nothing,
    /// The sink answers a write before it applies it: an offset gets ahead of its data.
    AnswerBeforeWrite,
    /// The sink answers what a tail writes before it applies it.
    FollowedBeforeWrite,
    /// What a tail asks the plan to grow by gets lost on the way.
    ForgetsToGrow,
    /// Every write that is answered is sent once more.
    WriteTwice,
    /// Every write loses a cell of its first row, and is answered as if it had not.
    WriteOtherwise,
    /// Transactions travel without the guard that the lease is still of the same epoch.
    NoEpochGuard,
    /// That guard is left out while the coordinator's own clock says that the lease cannot have run out.
    LocalClock,
    /// A finish leaves its lease to be deleted by a transaction of its own.
    LeaseEndedApart,
    /// A cut gives rows away that its parent keeps.
    CutOverlaps,
    /// A commit whose answer got lost is taken for one that was refused.
    LostAnswerIsFailure,
}

/// When a coordinator last had a yes under each lease, by its own clock.
#[derive(Default)]
pub(crate) struct Beliefs(Mutex<BTreeMap<Vec<u8>, Duration>>);

impl Planted {
    /// Whether only following a source shows it.
    pub(crate) const fn needs_production(self) -> bool {
        matches!(self, Self::FollowedBeforeWrite | Self::ForgetsToGrow)
    }

    /// What a coordinator asks its store for instead.
    pub(crate) fn instead(self, asked: Request, beliefs: &Beliefs, lives: Duration) -> Request {
        let Some(mut txn) = asked.txn() else { return asked };
        let keeps = |txn: &PbTxnRequest| match self {
            Self::NoEpochGuard => false,
            Self::LocalClock => !beliefs.is_fresh(txn, lives),
            _ => true,
        };
        if !keeps(&txn) {
            // a guard with no epoch is that of a claim
            txn.compare.retain(|compare| epoch_guard(compare).is_none_or(|epoch| epoch == 0));
        }
        if self == Self::LeaseEndedApart && asked.step() == Some(Step::Finish) {
            txn.success.retain(|op| !matches!(op.request, Some(PbTxnOpRequest::RequestDeleteRange(_))));
        }
        if self == Self::CutOverlaps && asked.step() == Some(Step::Cut) {
            without_parent(&mut txn);
        }
        asked.with_txn(&txn)
    }

    /// What a worker asks a coordinator for instead.
    pub(crate) fn sent_instead(self, asked: Request) -> Request {
        match asked.growth().filter(|_| self == Self::ForgetsToGrow) {
            Some(growth) => asked.with(&v1::GrowRequest { names: Vec::new(), ..growth }),
            None => asked,
        }
    }

    /// What it asks for once that is done.
    pub(crate) fn afterwards(self, asked: &Request) -> Option<Request> {
        let finish = self == Self::LeaseEndedApart && asked.step() == Some(Step::Finish);
        let mut txn = finish.then(|| asked.txn()).flatten()?;
        txn.success.retain(|op| matches!(op.request, Some(PbTxnOpRequest::RequestDeleteRange(_))));
        Some(asked.with_txn(&PbTxnRequest { success: txn.success, ..PbTxnRequest::default() }))
    }

    /// What a worker hears when the answer to its commit got lost.
    pub(crate) fn heard_instead(self, asked: &Request) -> Option<http::Response<Body>> {
        (self == Self::LostAnswerIsFailure && asked.commit().is_some()).then(|| {
            let message = "planted: no answer".to_owned();
            made_up(&v1::CommitResponse { verdict: v1::Verdict::Fenced.into(), message })
        })
    }
}

impl Beliefs {
    /// To be told of each transaction that was answered.
    pub(crate) fn answered(&self, asked: &Request) {
        let Some(txn) = asked.txn() else { return };
        let now = turmoil::sim_elapsed().unwrap_or_default();
        let mut heard = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for compare in txn.compare.iter().filter(|compare| epoch_guard(compare).is_some()) {
            heard.insert(compare.key.clone(), now);
        }
    }

    fn is_fresh(&self, txn: &PbTxnRequest, lives: Duration) -> bool {
        let now = turmoil::sim_elapsed().unwrap_or_default();
        let heard = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let of = txn.compare.iter().filter(|compare| epoch_guard(compare).is_some());
        of.filter_map(|compare| heard.get(&compare.key)).any(|last| now < *last + lives)
    }
}
