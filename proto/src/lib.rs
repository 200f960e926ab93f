//! The gRPC protocol, `tdferry.v1`, and its only conversions from and to the words of `tdferry-common`.
//!
//! Generated types stay in [`v1`]; whoever receives one converts it at once.

mod convert;
pub mod status;

/// The generated types and services of package `tdferry.v1`.
#[allow(
    missing_docs,
    unreachable_pub,
    clippy::all,
    clippy::or_fun_call,
    clippy::wildcard_imports,
    clippy::large_futures,
    clippy::allow_attributes_without_reason,
    clippy::too_many_lines,
    reason = "generated code"
)]
pub mod v1 {
    tonic::include_proto!("tdferry.v1");

    /// The descriptors, for reflection and for the test that only ever adds.
    pub const DESCRIPTORS: &[u8] = tonic::include_file_descriptor_set!("tdferry_v1");
}

pub use convert::BadMessage;
