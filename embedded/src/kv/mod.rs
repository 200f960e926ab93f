//! Keys, values and revisions: an in-memory MVCC history with etcd's rules.
//! It knows neither leases' clocks nor storage nor gRPC services.

mod hash;
mod history;
mod interval;
mod range;
mod revision;
mod tail;

pub(crate) use hash::hash;
pub(crate) use history::{Event, History, KeyAt, Value};
pub(crate) use interval::KeyRange;
pub(crate) use range::range;
pub(crate) use revision::Revision;

#[cfg(test)]
mod tests;
