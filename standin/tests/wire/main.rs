//! The unmodified `taos` crate against the stand-in: connecting, every type both ways, faults, sizes.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod client;
mod fault;
mod hostile;
mod login;
mod round_trip;
mod size;
