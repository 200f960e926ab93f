//! Writes: a single put or delete, a compaction, and guarded, nested transactions.

mod apply;
mod check;
mod compare;
mod duplicate;

pub(crate) use check::{check_delete, check_put, check_range, check_txn, writes};
