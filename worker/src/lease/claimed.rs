//! A lease as a coordinator hands it out, turned into words of our own.

use std::sync::Arc;

use tdferry_common::lease::{HeldLease, LeaseKey};
use tdferry_common::shard::Shard;
use tdferry_proto::{BadMessage, v1};

/// A lease with all that is needed to work on it.
#[derive(Debug, Clone)]
pub(crate) struct Claimed {
    pub(crate) lease: HeldLease,
    /// The task as stored.
    pub(crate) spec: String,
    /// The group's stable; empty for normal tables, and where there is no group.
    pub(crate) stable: String,
    /// All names of the group; the shard's range picks from them.
    pub(crate) names: Arc<[String]>,
    /// Subtables and normal tables of the whole task.
    pub(crate) planned_tables: u64,
    /// Slots of all workers that take work.
    pub(crate) fleet_slots: u32,
}

impl TryFrom<v1::ClaimedLease> for Claimed {
    type Error = BadMessage;

    fn try_from(claimed: v1::ClaimedLease) -> Result<Self, BadMessage> {
        let key: LeaseKey = claimed.key.ok_or_else(|| BadMessage::missing("lease.key"))?.try_into()?;
        let shard: Shard = claimed.shard.ok_or_else(|| BadMessage::missing("lease.shard"))?.try_into()?;
        let names = u32::try_from(claimed.names.len()).unwrap_or(u32::MAX);
        if shard.range.to > names {
            let problem =
                format!("the shard's range ends at {} and the group has {names} names", shard.range.to);
            return Err(BadMessage::new("lease.names", problem));
        }
        let lease = HeldLease { key, fence: claimed.fence, shard };
        Ok(Self {
            lease,
            spec: claimed.spec,
            stable: claimed.stable,
            names: claimed.names.into(),
            planned_tables: claimed.planned_tables,
            fleet_slots: claimed.fleet_slots,
        })
    }
}

impl Claimed {
    /// The tables of the shard from this index of the group on.
    pub(crate) fn names_from(&self, index: u32) -> &[String] {
        let range = self.lease.shard.range;
        self.slice(index.max(range.from), range.to)
    }

    /// All tables of the shard.
    pub(crate) fn shard_names(&self) -> &[String] {
        self.names_from(0)
    }

    /// The tables `[from, to)` of the group.
    pub(crate) fn slice(&self, from: u32, to: u32) -> &[String] {
        let place = |index: u32| usize::try_from(index).unwrap_or(usize::MAX);
        self.names.get(place(from)..place(to)).unwrap_or_default()
    }

    /// The table at this index of the group.
    pub(crate) fn name(&self, index: u32) -> &str {
        self.slice(index, index.saturating_add(1)).first().map_or("", String::as_str)
    }
}
