//! Faults at the boundary between the store and etcd, and faults planted into the store itself.

use std::sync::Mutex;

use etcd_client::{Error, KvClient, Txn, TxnResponse};
use tonic::Status;

/// What happens to one transaction on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
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
}

/// Faults that wait to happen, in order, and requests that are under way.
#[derive(Default)]
pub(crate) struct Faults(Mutex<State>);

#[derive(Default)]
struct State {
    next: Vec<Fault>,
    late: Vec<Txn>,
}

impl Faults {
    /// The next transaction suffers this.
    pub(crate) fn plant(&self, fault: Fault) {
        self.0.lock().unwrap().next.push(fault);
    }

    /// Forgets faults that did not happen; whether there were any.
    pub(crate) fn clear(&self) -> bool {
        !std::mem::take(&mut self.0.lock().unwrap().next).is_empty()
    }

    /// How many requests are under way.
    pub(crate) fn late(&self) -> usize {
        self.0.lock().unwrap().late.len()
    }

    /// Lets the oldest request that is under way arrive.
    pub(crate) async fn deliver_late(&self, mut kv: KvClient) {
        let late = {
            let mut state = self.0.lock().unwrap();
            if state.late.is_empty() { None } else { Some(state.late.remove(0)) }
        };
        if let Some(txn) = late {
            // nobody hears the answer
            let _ = kv.txn(txn).await;
        }
    }

    pub(in crate::store) async fn send(&self, mut kv: KvClient, txn: Txn) -> Result<TxnResponse, Error> {
        let fault = {
            let mut state = self.0.lock().unwrap();
            if state.next.is_empty() { None } else { Some(state.next.remove(0)) }
        };
        let lost = || Error::GRpcStatus(Status::unavailable("planted fault"));
        match fault {
            None => kv.txn(txn).await,
            Some(Fault::RequestLost) => Err(lost()),
            Some(Fault::AnswerLost) => {
                let _ = kv.txn(txn).await;
                Err(lost())
            }
            Some(Fault::Late) => {
                self.0.lock().unwrap().late.push(txn);
                Err(lost())
            }
            Some(Fault::Twice) => {
                let _ = kv.txn(txn.clone()).await;
                kv.txn(txn).await
            }
        }
    }
}
