//! Faults at the boundary between the store and etcd, and faults planted into the store itself.

use std::collections::VecDeque;
use std::sync::Mutex;

use etcd_client::{Error, KvClient, Txn, TxnResponse};
use tonic::Status;

/// What happens to one transaction on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Nothing: for a request before the one that is meant.
    Passes,
    /// It never arrives.
    RequestLost,
    /// It is done, and nobody hears of it.
    AnswerLost,
    /// It arrives only when [`Faults::deliver_late`] is called.
    Late,
    /// It arrives twice; the second answer is heard.
    Twice,
}

/// A fault planted into the store, which the tests must find.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mutant {
    None,
    NoEpochGuard,
    LostAnswerIsFailure,
    /// The children of a cut reach into what the parent keeps.
    CutOverlaps,
}

/// Faults that wait to happen, in order, and requests that are under way.
#[derive(Default)]
pub(crate) struct Faults(Mutex<State>);

#[derive(Default)]
struct State {
    next: VecDeque<Fault>,
    late: VecDeque<Txn>,
    cut_off: bool,
    lose_answer: bool,
}

impl Faults {
    /// The next transaction suffers this.
    pub(crate) fn plant(&self, fault: Fault) {
        self.0.lock().unwrap().next.push_back(fault);
    }

    /// The next answer gets lost, of whatever request.
    pub(crate) fn lose_answer(&self) {
        self.0.lock().unwrap().lose_answer = true;
    }

    pub(in crate::store) fn loses_answer(&self) -> bool {
        std::mem::take(&mut self.0.lock().unwrap().lose_answer)
    }

    /// After the planted faults nothing arrives any more.
    pub(crate) fn cut_off(&self, cut_off: bool) {
        self.0.lock().unwrap().cut_off = cut_off;
    }

    /// Everything arrives again; requests that are under way stay so.
    pub(crate) fn heal(&self) {
        let mut state = self.0.lock().unwrap();
        state.next.clear();
        state.cut_off = false;
    }

    /// Lets the oldest request that is under way arrive.
    pub(crate) async fn deliver_late(&self, mut kv: KvClient) {
        let late = self.0.lock().unwrap().late.pop_front();
        if let Some(txn) = late {
            // nobody hears the answer
            let _ = kv.txn(txn).await;
        }
    }

    pub(in crate::store) async fn send(&self, mut kv: KvClient, txn: Txn) -> Result<TxnResponse, Error> {
        let fault = {
            let mut state = self.0.lock().unwrap();
            let cut_off = state.cut_off.then_some(Fault::RequestLost);
            state.next.pop_front().or(cut_off)
        };
        let lost = || Error::GRpcStatus(Status::unavailable("planted fault"));
        match fault {
            None | Some(Fault::Passes) => kv.txn(txn).await,
            Some(Fault::RequestLost) => Err(lost()),
            Some(Fault::AnswerLost) => {
                let _ = kv.txn(txn).await;
                Err(lost())
            }
            Some(Fault::Late) => {
                self.0.lock().unwrap().late.push_back(txn);
                Err(lost())
            }
            Some(Fault::Twice) => {
                let _ = kv.txn(txn.clone()).await;
                kv.txn(txn).await
            }
        }
    }
}
