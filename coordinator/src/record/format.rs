//! The record of the store itself: which layout it has, and which store it is.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::frame::{Damage, open, seal};

const VERSION: u8 = 1;

/// Which store this is: random, made once. Revisions, and so epochs, repeat in a restored store; its id must not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct StoreId(pub(crate) u64);

impl fmt::Display for StoreId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// What the store is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Format {
    /// The layout of keys; records have versions of their own.
    pub(crate) layout: u32,
    /// Which store.
    pub(crate) store: StoreId,
    /// Features in use that an older coordinator must not ignore: it refuses a gate it does not know.
    pub(crate) gates: BTreeSet<String>,
}

impl Format {
    /// The layout of keys this version writes.
    pub(crate) const LAYOUT: u32 = 1;

    /// A fresh store.
    pub(crate) fn new(store: StoreId) -> Self {
        Self { layout: Self::LAYOUT, store, gates: BTreeSet::new() }
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        // plain fields always have a JSON form; an empty payload would be refused when read
        seal(VERSION, &serde_json::to_vec(self).unwrap_or_default())
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, Damage> {
        serde_json::from_slice(open(VERSION, bytes)?).map_err(|_| Damage::Field("json"))
    }
}
