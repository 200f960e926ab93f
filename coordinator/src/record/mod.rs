//! What the store holds, byte by byte: one codec for each kind of value.
//!
//! A record that is damaged or of an unknown version is refused, never read as "start from zero". Records that
//! guards compare by value (control, fence, format) have one encoding only.

mod format;
mod frame;
mod group;
mod lease;
mod member;
mod shard;
mod task;
#[cfg(test)]
pub(crate) mod tests;

pub(crate) use format::{Format, StoreId};
pub(crate) use frame::Damage;
pub(crate) use group::Group;
pub(crate) use lease::LeaseRecord;
pub(crate) use member::{
    CoordinatorRecord, Drains, NoticeRecord, Rebalance, WaitingFor, WaitingRecord, WorkerRecord,
};
pub(crate) use shard::{decode_shard, encode_shard};
pub(crate) use task::{
    decode_control, decode_fence, decode_spec, decode_state, encode_control, encode_fence, encode_spec,
    encode_state,
};
