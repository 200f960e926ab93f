//! A stand-in TDengine server for demos and tests: in memory, 2.6 and 3.x flavours, over WebSocket.
//!
//! Read in this order: `config` (what can be asked for), `server` (start, stop, look inside), `wire` (the
//! protocol of taosAdapter), `sql` (text to statements), `exec` (statements to answers), `store` (tables and
//! their rows), `block` (the two block layouts, coded by hand), `seed` (ready-made databases), `fault`.
//! It depends on none of the project's other crates, so that one bug cannot hide at both ends.

mod block;
mod config;
mod data;
mod error;
mod exec;
mod fault;
mod run;
mod seed;
mod server;
mod sql;
mod stats;
mod store;
mod sync;
mod wire;

pub use config::{Config, Flavor, SinkMode, User};
pub use data::{DataType, Field, Precision, Value};
pub use error::SqlError;
pub use exec::{Outcome, ResultTable};
pub use fault::{Action, Armed, Fault, Faults, Moment, When};
pub use run::{RunError, RunOptions, run_until};
pub use seed::{MetersSeed, SeedError, TortureSeed};
pub use server::{Server, ServerError};
pub use stats::Stats;
