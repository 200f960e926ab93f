//! An open store: the connection, the store's id, and the mirror that its answers feed.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use etcd_client::{Compare, CompareOp, Txn, TxnOp, TxnOpResponse};
use tdferry_common::timing::Timing;

use super::error::StoreError;
use super::list::Groups;
use super::wire::{Found, Wire};
use crate::keys;
use crate::record::{Format, StoreId};
use crate::view::View;

/// A handle on the store; clones share everything.
#[derive(Clone)]
pub(crate) struct Store(Arc<Inner>);

struct Inner {
    wire: Wire,
    /// The record at `keys::FORMAT` as every transaction guards it, and what it says.
    format: Mutex<(Vec<u8>, Format)>,
    view: View,
    groups: Groups,
    #[cfg(test)]
    mutant: super::tests::faults::Mutant,
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("id", &self.id()).finish_non_exhaustive()
    }
}

impl Store {
    /// Opens the store, or makes a new one of an empty etcd. Each coordinator gives a seed of its own: session ids
    /// are drawn from it.
    pub(crate) async fn open(
        client: etcd_client::Client,
        timing: Timing,
        seed: u64,
    ) -> Result<Self, StoreError> {
        let wire = Wire::new(&client, timing, seed);
        let bytes = read_or_make_format(&wire).await?;
        let format = check_format(&bytes)?;
        Ok(Self(Arc::new(Inner {
            wire,
            format: Mutex::new((bytes, format)),
            view: View::new(),
            groups: Groups::default(),
            #[cfg(test)]
            mutant: super::tests::faults::Mutant::None,
        })))
    }

    /// Which store this is.
    pub(crate) fn id(&self) -> StoreId {
        self.0.format.lock().unwrap_or_else(PoisonError::into_inner).1.store
    }

    /// The mirror that this store's answers feed. It picks candidates; it is never a reason to believe.
    pub(crate) fn view(&self) -> &View {
        &self.0.view
    }

    pub(crate) fn timing(&self) -> &Timing {
        &self.0.wire.timing
    }

    pub(super) fn wire(&self) -> &Wire {
        &self.0.wire
    }

    pub(super) fn groups(&self) -> &Groups {
        &self.0.groups
    }

    pub(super) fn format_bytes(&self) -> Vec<u8> {
        self.0.format.lock().unwrap_or_else(PoisonError::into_inner).0.clone()
    }

    /// Whether the format still is as guarded. A changed one of the same store is taken over, and the answer is no;
    /// that of another store is an error.
    pub(super) fn same_format(&self, guarded: &[u8], found: Option<Found>) -> Result<bool, StoreError> {
        let Some(found) = found else { return Err(replaced("its format record is gone")) };
        if found.value == guarded {
            return Ok(true);
        }
        let format = check_format(&found.value)?;
        let mut held = self.0.format.lock().unwrap_or_else(PoisonError::into_inner);
        if held.1.store != format.store {
            return Err(replaced("it has another id"));
        }
        *held = (found.value, format);
        Ok(false)
    }

    /// Whether transactions under a lease guard its epoch. Always, but for a planted fault in tests.
    pub(super) fn guards_epoch(&self) -> bool {
        #[cfg(test)]
        return self.0.mutant != super::tests::faults::Mutant::NoEpochGuard;
        #[cfg(not(test))]
        true
    }

    /// Whether a commit that is found stored counts as done. Always, but for a planted fault in tests.
    pub(super) fn resolves_lost_answers(&self) -> bool {
        #[cfg(test)]
        return self.0.mutant != super::tests::faults::Mutant::LostAnswerIsFailure;
        #[cfg(not(test))]
        true
    }

    #[cfg(test)]
    pub(crate) async fn open_mutant(
        client: etcd_client::Client,
        timing: Timing,
        seed: u64,
        mutant: super::tests::faults::Mutant,
    ) -> Result<Self, StoreError> {
        let mut store = Self::open(client, timing, seed).await?;
        if let Some(inner) = Arc::get_mut(&mut store.0) {
            inner.mutant = mutant;
        }
        Ok(store)
    }
}

async fn read_or_make_format(wire: &Wire) -> Result<Vec<u8>, StoreError> {
    let fresh = Format::new(StoreId(wire.random())).encode();
    let make = Txn::new()
        .when([Compare::create_revision(keys::FORMAT, CompareOp::Equal, 0)])
        .and_then([TxnOp::put(keys::FORMAT, fresh.clone(), None)])
        .or_else([TxnOp::get(keys::FORMAT, None)]);
    let (answer, _) = wire.txn("open", &make).await?;
    let found = answer.op_responses().into_iter().find_map(|response| match response {
        TxnOpResponse::Get(mut get) => get.take_kvs().pop().map(Found::from),
        _ => None,
    });
    Ok(found.map_or(fresh, |found| found.value))
}

/// Gates this version knows; none yet.
const KNOWN_GATES: [&str; 0] = [];

fn check_format(bytes: &[u8]) -> Result<Format, StoreError> {
    let format = Format::decode(bytes)
        .map_err(|damage| StoreError::Damaged { key: keys::FORMAT.to_owned(), damage })?;
    if format.layout != Format::LAYOUT {
        return Err(StoreError::Foreign(format!(
            "the store has layout {} and this tdferry knows {}; use the version that made it",
            format.layout,
            Format::LAYOUT
        )));
    }
    match format.gates.iter().find(|gate| !KNOWN_GATES.contains(&gate.as_str())) {
        Some(gate) => Err(StoreError::Foreign(format!(
            "the store uses {gate:?}, which this version does not know; upgrade this coordinator"
        ))),
        None => Ok(format),
    }
}

fn replaced(how: &str) -> StoreError {
    StoreError::Foreign(format!(
        "this is no longer the store this coordinator was opened on: {how}; start coordinators and workers again"
    ))
}
