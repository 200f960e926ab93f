//! Rows on their way from source to sink, in the one form they ever have here: the 3.x raw block.
//!
//! The dense path hands a block's bytes on as they are; only the sparse path, digests and tests look into cells.
//! Nothing here knows a connection or a statement, only layouts ([`Block`]) and literals ([`literal`]).

mod block;
mod builder;
mod cell;
mod gather;
mod hashes;
mod layout;
pub mod literal;
mod reshape;
mod runs;
mod v2;
mod value;

#[cfg(test)]
mod tests;

pub use block::Block;
pub use builder::BlockBuilder;
pub use cell::{Cell, Nchar};
pub use layout::BadBlock;
pub use reshape::same_moment;
pub use runs::{Run, TableRuns};
pub use value::{TagRow, Value};
