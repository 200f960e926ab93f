//! The worker: claims leases, copies batches, commits offsets. Workers call, coordinators answer.
//!
//! Read in this order: [`runner`] opens a session and fills its slots; [`heartbeat`] keeps it; [`lease`] takes one
//! lease from claim to end; [`survey`], [`schema`], [`create`], [`copy`] and [`verify`] are the kinds of work; [`structure`],
//! [`target`] and [`rules`] hold the target's structure against the source's. [`check`] tells beforehand what they and
//! the databases would object to; [`catalog`] reads what a survey would, for a plan without a task.
//!
//! Nothing here knows etcd, or any database but through `tdferry_common::port`. No thread of our own, no clock but
//! tokio's, no randomness but the seed's.

pub mod catalog;
pub mod check;
mod client;
mod copy;
mod counts;
mod create;
mod created;
mod edges;
mod extents;
mod filter;
mod fingerprint;
mod heartbeat;
mod held;
mod lease;
mod limits;
mod mapping;
mod notices;
mod period;
pub mod reject;
mod rejects;
mod rules;
mod runner;
mod schema;
mod selection;
mod session;
pub mod sides;
mod sizing;
mod structure;
mod survey;
mod tags;
mod tail;
mod target;
mod verify;
mod waiting;

pub use client::endpoint;
pub use runner::{Deps, Worker, WorkerError};
pub use verify::diff;
