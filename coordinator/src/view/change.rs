//! One key that changed, as a listing, a watch or an answer of our own tells it.

use crate::store::Found;

/// A key's new value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) key: Vec<u8>,
    /// `None`: the key is gone.
    pub(crate) value: Option<Vec<u8>>,
    /// The revision that created the key: the epoch of a lease.
    pub(crate) created: i64,
    /// The revision of this change.
    pub(crate) changed: i64,
}

impl Change {
    /// The key is gone since a revision.
    pub(crate) fn gone(key: Vec<u8>, since: i64) -> Self {
        Self { key, value: None, created: 0, changed: since }
    }
}

impl From<Found> for Change {
    fn from(found: Found) -> Self {
        let Found { key, value, created, changed } = found;
        Self { key, value: Some(value), created, changed }
    }
}
