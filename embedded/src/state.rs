//! All that the server remembers, and the one way to change it: a `Writer`, etcd's write transaction.
//! Every change also lands in the batch that the engine makes durable before anyone hears of it.

use bytes::Bytes;
use etcd_client::proto::{PbDeleteRequest, PbDeleteResponse, PbPutRequest, PbPutResponse};

use crate::durable::{Batch, codec};
use crate::header::at_revision;
use crate::kv::{Event, History, KeyRange, Revision, Value};
use crate::lease::Leases;
use crate::refusal::Refusal;

/// History and leases, with the changes that are not stored yet.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) history: History,
    pub(crate) leases: Leases,
    pub(crate) batch: Batch,
}

impl State {
    pub(crate) fn new(history: History, leases: Leases) -> Self {
        Self { history, leases, batch: Batch::default() }
    }

    /// The changes since the last call, for the storage.
    pub(crate) fn take_batch(&mut self) -> Batch {
        std::mem::take(&mut self.batch)
    }

    /// Forgets the history before `revision`, in memory and in the next batch.
    pub(crate) fn compact(&mut self, revision: i64) {
        for at in self.history.compact(revision) {
            self.batch.remove_event(at);
        }
        self.batch.set_compacted(revision);
    }

    /// Ends a lease: its keys go in one transaction, in the order of their names, as in etcd.
    pub(crate) fn end_lease(&mut self, id: i64) -> Result<(), Refusal> {
        let keys = self.leases.remove(id).ok_or(Refusal::LeaseNotFound)?;
        self.batch.remove_lease(id);
        let mut writer = Writer::begin(self);
        for key in keys {
            writer.delete_key(&key);
        }
        writer.end();
        Ok(())
    }
}

/// One transaction: everything put or deleted through it bears the same main revision.
#[derive(Debug)]
pub(crate) struct Writer<'a> {
    state: &'a mut State,
    before: i64,
    changes: i64,
}

impl<'a> Writer<'a> {
    pub(crate) fn begin(state: &'a mut State) -> Self {
        let before = state.history.revision();
        Self { state, before, changes: 0 }
    }

    pub(crate) fn history(&self) -> &History {
        &self.state.history
    }

    /// The newest transaction this writer reads: itself, once it has written.
    pub(crate) fn now(&self) -> i64 {
        if self.changes == 0 { self.before } else { self.before + 1 }
    }

    /// Stores the key. What etcd checks beforehand must have been checked.
    pub(crate) fn put(&mut self, request: &PbPutRequest) -> PbPutResponse {
        let now = self.now();
        let old = self.state.history.get(&request.key, now);
        let main = self.before + 1;
        let value = match old {
            Some(old) if request.ignore_value => old.value.bytes.clone(),
            _ => Bytes::copy_from_slice(&request.value),
        };
        let lease = match old {
            Some(old) if request.ignore_lease => old.value.lease,
            _ => request.lease,
        };
        let created = old.map_or(main, |old| old.value.created);
        let version = old.map_or(1, |old| old.value.version + 1);
        let old_lease = old.map_or(0, |old| old.value.lease);
        let prev_kv = old.filter(|_| request.prev_kv).map(|old| old.to_proto());
        let key = old.map_or_else(|| Bytes::copy_from_slice(&request.key), |old| old.key.clone());
        self.state.leases.detach(old_lease, &key);
        self.state.leases.attach(lease, key.clone());
        self.record(Event { key, value: Some(Value { bytes: value, created, version, lease }) });
        PbPutResponse { header: Some(at_revision(main)), prev_kv }
    }

    pub(crate) fn delete(&mut self, request: &PbDeleteRequest) -> PbDeleteResponse {
        let keys = KeyRange::new(&request.key, &request.range_end);
        let mut doomed = Vec::new();
        let mut prev_kvs = Vec::new();
        for old in self.state.history.range(&keys, self.now()) {
            doomed.push(old.key.clone());
            if request.prev_kv {
                prev_kvs.push(old.to_proto());
            }
        }
        for key in &doomed {
            self.delete_key(key);
        }
        let deleted = i64::try_from(doomed.len()).unwrap_or(i64::MAX);
        PbDeleteResponse { header: Some(at_revision(self.now())), deleted, prev_kvs }
    }

    /// Makes the changes a transaction of the history; returns the revision a client is told.
    pub(crate) fn end(self) -> i64 {
        let revision = self.now();
        if self.changes > 0 {
            self.state.history.set_revision(revision);
            self.state.batch.set_revision(revision);
        }
        revision
    }

    fn delete_key(&mut self, key: &Bytes) {
        let Some(old) = self.state.history.get(key, self.now()) else { return };
        let lease = old.value.lease;
        self.state.leases.detach(lease, key);
        self.record(Event { key: key.clone(), value: None });
    }

    fn record(&mut self, event: Event) {
        let at = Revision::new(self.before + 1, self.changes);
        self.changes += 1;
        self.state.batch.put_event(at, codec::encode_event(&event));
        self.state.history.append(at, event);
    }
}
