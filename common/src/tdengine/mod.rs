//! The adapter to real databases: the ports over the `taos` crate, native and WebSocket.
//!
//! The only place that names the crate. What it answers is turned at once into [`Block`](crate::batch::Block)s
//! and [`PortError`](crate::port::PortError)s; nothing above knows which way a row travelled.

mod buckets;
mod catalog;
mod conn;
mod connector;
mod errors;
mod insert;
mod known;
mod nodelay;
mod pool;
mod reader;
mod reading;
mod rows;
mod server;
mod sink;
mod source;
mod sql;

pub use connector::TdConnector;
pub use errors::{Action, action};
pub use reader::{Answer, Reader};
