//! The place of one change in the order of all changes.

/// `main` counts transactions, `sub` the changes inside one of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Revision {
    pub(crate) main: i64,
    pub(crate) sub: i64,
}

impl Revision {
    pub(crate) fn new(main: i64, sub: i64) -> Self {
        Self { main, sub }
    }

    /// The first change a transaction numbered `main` can hold.
    pub(crate) fn first_of(main: i64) -> Self {
        Self { main, sub: 0 }
    }
}
