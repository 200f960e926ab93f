//! Which keys a request means: etcd's `key` and `range_end` pair.

use std::ops::Bound;

/// The smallest key; as a `range_end` it means "to the end of the keyspace".
const OPEN_END: &[u8] = &[0];

/// Start and end, as ordered maps take them.
type Bounds<'a> = (Bound<&'a [u8]>, Bound<&'a [u8]>);

/// The keys that a `key`, `range_end` pair names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KeyRange {
    from: Vec<u8>,
    to: End,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum End {
    OneKey,
    Before(Vec<u8>),
    Open,
}

impl KeyRange {
    /// An empty `range_end` names one key, a single zero byte everything from `key` on.
    pub(crate) fn new(key: &[u8], range_end: &[u8]) -> Self {
        let to = match range_end {
            [] => End::OneKey,
            OPEN_END => End::Open,
            end => End::Before(end.to_vec()),
        };
        Self { from: key.to_vec(), to }
    }

    pub(crate) fn everything() -> Self {
        Self { from: Vec::new(), to: End::Open }
    }

    /// True if no key can be inside, because the end does not lie after the start.
    pub(crate) fn is_inverted(&self) -> bool {
        matches!(&self.to, End::Before(end) if *end <= self.from)
    }

    pub(crate) fn contains(&self, key: &[u8]) -> bool {
        match &self.to {
            End::OneKey => key == self.from,
            End::Before(end) => key >= self.from.as_slice() && key < end.as_slice(),
            End::Open => key >= self.from.as_slice(),
        }
    }

    /// Bounds for an ordered map; `None` where the range is inverted, which such a map refuses.
    pub(crate) fn bounds(&self) -> Option<Bounds<'_>> {
        let from = self.from.as_slice();
        match &self.to {
            _ if self.is_inverted() => None,
            End::OneKey => Some((Bound::Included(from), Bound::Included(from))),
            End::Before(end) => Some((Bound::Included(from), Bound::Excluded(end))),
            End::Open => Some((Bound::Included(from), Bound::Unbounded)),
        }
    }
}
