//! The coordinator: plans tasks into shards, hands out leases, keeps every offset in the store.
//!
//! ```text
//! submit  api/admin ▶ tasks::create ▶ store
//! survey  api/worker ▶ leases::claim ▶ … ▶ intake ▶ planner (pure) ▶ store: pages, then the state flips
//! copy    api/worker ▶ leases::claim ▶ … ▶ leases::commit ▶ store: one guarded transaction
//! finish  phases: every shard of a phase is terminal ▶ the next phase, or the end
//! watch   api/admin ▶ tasks::show ▶ view ▶ progress (pure)
//! ```
//!
//! Read `planner` and `queue` (pure decisions), `outline` (what a plan would come to, without a store), `store` (the protocol), `view` (the mirror that picks and shows),
//! `leases`, `intake`, `tasks`, `phases`, then `api` and `serve`. There is no leader: any number of coordinators do the
//! same on one store, and the store's guards decide. It never dials a worker and knows no database.

mod api;
mod coordinator;
mod intake;
pub mod invariant;
pub(crate) mod keys;
mod leases;
pub mod outline;
mod phases;
mod planner;
mod progress;
mod queue;
mod record;
mod serve;
mod sessions;
mod shared;
mod store;
mod tasks;
mod versions;
mod view;

pub use coordinator::{Coordinator, CoordinatorError, Deps, StartError};
pub use serve::{ServeError, serve};
pub use store::connect;
