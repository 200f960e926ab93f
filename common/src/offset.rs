//! Where a shard stands: everything before it is in the sink. An offset refuses to go back.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A place inside a shard: a subtable, and the first timestamp of it that is not yet in the sink.
///
/// Ordered: subtables before `index` are copied whole, of the one at `index` everything before `next`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Offset {
    /// Index of a subtable in the shard's group.
    pub index: u32,
    /// The first timestamp not yet copied, in units of the database.
    pub next: i64,
}

/// An offset that would move back, which would count rows twice and forget where the sink stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the offset stands at {stored} and may not go back to {asked}")]
pub struct OffsetBack {
    stored: Offset,
    asked: Offset,
}

impl Offset {
    /// The offset moved on to `to`, or a refusal where `to` lies before it.
    pub fn advance(self, to: Self) -> Result<Self, OffsetBack> {
        if to < self { Err(OffsetBack { stored: self, asked: to }) } else { Ok(to) }
    }
}

impl fmt::Display for Offset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.index, self.next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_offset_moves_on_or_stays_and_never_goes_back() {
        let at = |index, next| Offset { index, next };
        for to in [at(1, 5), at(1, 6), at(2, 0)] {
            assert_eq!(at(1, 5).advance(to), Ok(to));
        }
        for to in [at(1, 4), at(0, 9)] {
            assert!(at(1, 5).advance(to).is_err(), "{to}");
        }
    }
}
