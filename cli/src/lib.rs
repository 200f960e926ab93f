//! The `tdferry` command: one binary with every role and every verb.
//!
//! [`cli`] reads the command line; [`run`] is the whole system in one process; [`coordinator`] and [`worker`] are
//! its roles as processes of their own; [`check`] tells beforehand what would go wrong, [`plan`] what it comes to and how long it takes; [`task`] and [`shard`] ask a coordinator; [`certificate`] tells what a task did; [`diff`] tells what differs now, row by row; [`demo`] shows it
//! all on two stand-ins; [`compare`] trusts nobody. [`output`] alone prints, [`exit`] says how a process ends.
//!
//! With the benches and the tests this is the only crate that sees both coordinator and worker.

mod asked;
mod certificate;
mod check;
pub mod cli;
pub mod compare;
pub mod coordinator;
pub mod demo;
mod diff;
mod entropy;
pub mod exit;
pub mod output;
mod page;
mod plan;
mod rejects;
mod remote;
pub mod run;
mod shard;
mod standin;
mod task;
mod worker;
