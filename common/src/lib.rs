//! The words of tdferry as types, and the ports through which it touches databases.
//!
//! Read in this order: [`id`] and [`time`] name things; [`task`], [`shard`], [`offset`] and [`lease`] are the
//! state of a migration and the only transitions it knows; [`schema`], [`batch`] and [`digest`] are what is
//! copied; [`port`] is how it is read and written; [`dsn`], [`options`] and [`spec`] are what a user asks for.
//!
//! Nothing here knows etcd, gRPC or a command line. Only [`tdengine`](crate) (feature `taos`) knows a database.

pub mod batch;
pub mod clock;
pub mod config;
pub mod ddl;
pub mod digest;
pub mod dsn;
pub mod id;
pub mod lease;
pub mod offset;
pub mod options;
pub mod port;
pub mod retry;
pub mod schema;
pub mod secret;
pub mod server;
pub mod shard;
pub mod shutdown;
pub mod spec;
pub mod task;
pub mod telemetry;
pub mod time;
pub mod timing;

#[cfg(feature = "taos")]
pub mod tdengine;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
