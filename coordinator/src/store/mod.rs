//! The store: every line of the protocol as one guarded transaction, each in a file of its own.
//!
//! This folder alone knows etcd's client. Nobody here believes in ownership: each transaction carries guards that
//! etcd evaluates, and an answer that got lost is resolved by sending the same transaction again and reading why it
//! does not pass. Callers get values for lost races and [`StoreError`] for the rest.

mod add;
mod bound;
mod claim;
mod commit;
pub mod connect;
mod control;
mod create;
mod cut;
mod delete;
mod drain;
mod error;
mod grow;
mod guarded;
mod held;
mod lease;
mod list;
mod opened;
mod plan;
mod rebalance;
mod retry;
mod session;
mod state;
#[cfg(test)]
pub(crate) mod tests;
mod upkeep;
mod watch;
mod wire;

pub(crate) use bound::Bounded;
pub(crate) use claim::{Claim, Claimed};
pub(crate) use commit::{Commit, Committed};
pub(crate) use control::ControlSet;
pub(crate) use create::Created;
pub(crate) use cut::Cut;
pub(crate) use delete::{Deleted, Swept};
pub(crate) use error::StoreError;
pub(crate) use grow::Grow;
pub(crate) use guarded::{PAGE_BYTES, PAGE_OPS, Revision, Versioned};
pub(crate) use lease::LeaseEnded;
pub(crate) use list::{StoredShard, TaskRecord};
pub(crate) use opened::Store;
pub(crate) use plan::{Flip, PlanPaged};
pub(crate) use retry::Retried;
pub(crate) use session::Beat;
pub(crate) use state::StatePut;
pub(crate) use upkeep::Alarm;
pub(crate) use watch::Watched;
pub(crate) use wire::{Ask, Found};
