//! One file for each group of lines of the table; each case gets a store and a name of its own.

pub(super) mod claim;
pub(super) mod commit;
pub(super) mod cut;
pub(super) mod drain;
pub(super) mod grow;
pub(super) mod lease;
pub(super) mod plan;
pub(super) mod task;
pub(super) mod upkeep;
