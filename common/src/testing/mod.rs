//! The ports in memory, for tests and simulation: a small database, seeded data, faults on demand, a comparer.
//!
//! Everything is ordered and seeded and uses tokio's clock only, so that one seed replays one history. Nothing
//! here is used by a shipped binary.

mod call;
mod compare;
pub mod conformance;
mod connector;
mod database;
mod fault;
mod generate;
mod narrow;
mod query;
mod rows;
mod server;
mod sink;
mod source;
mod write;

#[cfg(test)]
mod tests;

pub use call::{Call, Counters, Event, Written};
pub use compare::{assert_same, differences};
pub use connector::{MemConnector, sink_of};
pub use database::{MemDatabase, MemTable};
pub use fault::{Fault, FaultPlan};
pub use generate::{Recipe, all_types, column};
pub use server::{Limits, MemServer, OnEvent};
pub use sink::MemSink;
pub use source::MemSource;
