//! An etcd v3 server in the same process, durable in one file, reached without a socket.
//!
//! ```no_run
//! # async fn tour() -> Result<(), Box<dyn std::error::Error>> {
//! use tdferry_embedded::Embedded;
//!
//! let store = Embedded::open("state/store.redb").await?;
//! let mut client = store.client().await?; // an ordinary etcd_client::Client
//! client.put("greeting", "hello", None).await?;
//! store.close().await;
//! # Ok(())
//! # }
//! ```
//!
//! It answers as etcd 3.4 does: revisions, ranges, guarded and nested transactions, leases, watches,
//! limits, error codes and words. One suite of tests runs on it and on a real etcd. What it leaves out
//! (users, members, snapshots, locks, elections) it says so with `Unimplemented`.
//!
//! # What it promises
//! - What was answered is stored: a group of operations is synced in one batch before any of them is
//!   answered and before a watcher sees it. A lease's end is an operation like any other.
//! - After a restart every lease has its full time again. After a silence (the process was stopped, or
//!   its disk was) leases are extended before any of them ends.
//! - Ten minutes of history stay readable; older history goes by itself.
//! - In a simulation it is deterministic: tokio's clock, no thread, no randomness but the seed.
//!
//! # The modules, in reading order
//! `kv` the history of every key · `lease` how long leases live · `state` both, and the only way to
//! change them · `txn` checks, guards and branches · `engine` one thing after the other, in groups ·
//! `durable` where it is stored · `watch` who is told · `serve` the gRPC services.
//!
//! It knows nothing of tdferry.

mod durable;
mod embedded;
mod engine;
mod error;
mod header;
mod kv;
mod lease;
mod options;
mod refusal;
mod serve;
mod state;
#[cfg(feature = "testing")]
pub mod testing;
mod txn;
mod watch;

pub use durable::{Batch, MemoryStorage, Record, RedbStorage, Storage, Table};
pub use embedded::Embedded;
pub use error::Error;
pub use options::Options;
