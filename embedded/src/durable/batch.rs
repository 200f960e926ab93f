//! One group of changes on its way to the storage.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::codec;
use crate::kv::Revision;

/// The tables of the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Table {
    /// Changes, by revision.
    Event,
    /// Leases, by id.
    Lease,
    /// Counters, by name.
    Meta,
}

/// One stored record: its table, key and value.
pub type Record = (Table, Vec<u8>, Vec<u8>);

/// Changes that become durable together; a later change of the same record replaces the earlier one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Batch {
    writes: BTreeMap<(Table, Vec<u8>), Option<Vec<u8>>>,
}

impl Batch {
    /// True if there is nothing to store.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.writes.is_empty()
    }

    /// The changes in the order of their keys; no value means that the record is removed.
    pub fn writes(&self) -> impl Iterator<Item = (Table, &[u8], Option<&[u8]>)> {
        self.writes.iter().map(|((table, key), value)| (*table, key.as_slice(), value.as_deref()))
    }

    /// The changes of keys in it, in their order: revision, key, and the value unless the key was deleted. For a log
    /// of everything that was ever stored.
    pub fn changes(&self) -> impl Iterator<Item = (i64, Bytes, Option<Bytes>)> {
        self.writes().filter(|(table, ..)| *table == Table::Event).filter_map(|(_, at, event)| {
            let (at, event) = (codec::decode_revision(at).ok()?, codec::decode_event(event?).ok()?);
            Some((at.main, event.key, event.value.map(|value| value.bytes)))
        })
    }

    pub(crate) fn put_event(&mut self, at: Revision, event: Vec<u8>) {
        self.set(Table::Event, codec::encode_revision(at), event);
    }

    pub(crate) fn remove_event(&mut self, at: Revision) {
        self.writes.insert((Table::Event, codec::encode_revision(at)), None);
    }

    pub(crate) fn put_lease(&mut self, id: i64, ttl: i64) {
        self.set(Table::Lease, codec::encode_number(id), codec::encode_number(ttl));
    }

    pub(crate) fn remove_lease(&mut self, id: i64) {
        self.writes.insert((Table::Lease, codec::encode_number(id)), None);
    }

    pub(crate) fn set_revision(&mut self, revision: i64) {
        self.set_meta(codec::REVISION, revision);
    }

    pub(crate) fn set_compacted(&mut self, revision: i64) {
        self.set_meta(codec::COMPACTED, revision);
    }

    pub(crate) fn set_granted(&mut self, granted: u64) {
        self.set_meta(codec::GRANTED, granted.cast_signed());
    }

    /// What a new store begins with.
    pub(crate) fn set_origin(&mut self, format: u64, seed: u64) {
        self.set_meta(codec::FORMAT, format.cast_signed());
        self.set_meta(codec::SEED, seed.cast_signed());
    }

    fn set_meta(&mut self, name: &str, number: i64) {
        self.set(Table::Meta, name.as_bytes().to_vec(), codec::encode_number(number));
    }

    fn set(&mut self, table: Table, key: Vec<u8>, value: Vec<u8>) {
        self.writes.insert((table, key), Some(value));
    }
}
