//! The services as workers and operators meet them: gRPC over pipes, the embedded store, time that stands still.
#![allow(clippy::unwrap_used, reason = "a test may")]

mod admin;
mod bad_input;
mod control;
mod draining;
mod failing;
mod following;
mod path;
mod sessions;
mod together;
mod world;
