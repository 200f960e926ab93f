//! The table of transactions, line by line, and what any interleaving of faults must leave.

pub(crate) mod faults;
