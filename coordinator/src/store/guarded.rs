//! A transaction as this project writes them: guards, what is written if all hold, what is read if one does not.
//!
//! Every such transaction also guards the store's own id, and what it wrote or read goes into the mirror at once.

use etcd_client::{Compare, CompareOp, GetOptions, PutOptions, Txn, TxnOp, TxnOpResponse, TxnResponse};
use tdferry_common::id::{Epoch, SessionId};

use super::Store;
use super::error::StoreError;
use super::wire::Found;
use crate::keys;
use crate::view::Change;

/// The revision that changed a value last: guards compare it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Revision(pub(crate) i64);

/// A value and the revision that changed it last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Versioned<T> {
    /// The value.
    pub(crate) value: T,
    /// What a guard compares.
    pub(crate) changed: Revision,
}

/// etcd takes at most 128 operations in a transaction; a few are left for the records that go with a page.
pub(crate) const PAGE_OPS: usize = 120;
/// etcd takes a request of 1.5 MiB; a third is left for keys and framing.
pub(crate) const PAGE_BYTES: usize = 1024 * 1024;

/// A transaction being put together.
#[derive(Debug)]
pub(crate) struct Guarded {
    what: &'static str,
    guards: Vec<Compare>,
    writes: Vec<Write>,
    reads: Vec<String>,
}

#[derive(Debug)]
enum Write {
    Put {
        key: String,
        value: Vec<u8>,
        session: Option<SessionId>,
    },
    Delete {
        key: String,
    },
    /// Not shown in the mirror before the watch brings it.
    DeleteRange {
        from: Vec<u8>,
        end: Vec<u8>,
    },
}

/// What became of it.
#[derive(Debug)]
pub(crate) enum Answer {
    /// All guards held; it is done, at this revision.
    Done(Revision),
    /// A guard did not hold; nothing was written. What was read is given in the order asked for.
    Lost {
        /// The values at that moment.
        reads: Vec<Option<Found>>,
        /// An earlier try was not answered, so that this very transaction may be what changed the values.
        repeated: bool,
    },
}

impl Guarded {
    pub(crate) fn new(what: &'static str) -> Self {
        Self { what, guards: Vec::new(), writes: Vec::new(), reads: Vec::new() }
    }

    /// The key does not exist.
    pub(crate) fn absent(mut self, key: &str) -> Self {
        self.guards.push(Compare::create_revision(key, CompareOp::Equal, 0));
        self
    }

    /// No key of the range exists.
    pub(crate) fn none_under(mut self, prefix: &str) -> Self {
        let none = Compare::create_revision(prefix, CompareOp::Equal, 0);
        self.guards.push(none.with_range(keys::end_of(prefix)));
        self
    }

    /// The key exists.
    pub(crate) fn exists(mut self, key: &str) -> Self {
        self.guards.push(Compare::create_revision(key, CompareOp::Greater, 0));
        self
    }

    /// The lease is still this one.
    pub(crate) fn epoch(mut self, lease: &str, epoch: Epoch) -> Self {
        self.guards.push(Compare::create_revision(lease, CompareOp::Equal, epoch.0));
        self
    }

    /// The value was not changed since it was read.
    pub(crate) fn unchanged(mut self, key: &str, since: Revision) -> Self {
        self.guards.push(Compare::mod_revision(key, CompareOp::Equal, since.0));
        self
    }

    /// The value is this one. Only for records that have one encoding.
    pub(crate) fn holds(mut self, key: &str, value: Vec<u8>) -> Self {
        self.guards.push(Compare::value(key, CompareOp::Equal, value));
        self
    }

    pub(crate) fn put(mut self, key: String, value: Vec<u8>) -> Self {
        self.writes.push(Write::Put { key, value, session: None });
        self
    }

    /// Vanishes with the session.
    pub(crate) fn put_for(mut self, session: SessionId, key: String, value: Vec<u8>) -> Self {
        self.writes.push(Write::Put { key, value, session: Some(session) });
        self
    }

    pub(crate) fn delete(mut self, key: String) -> Self {
        self.writes.push(Write::Delete { key });
        self
    }

    pub(crate) fn delete_range(mut self, from: Vec<u8>, end: Vec<u8>) -> Self {
        self.writes.push(Write::DeleteRange { from, end });
        self
    }

    /// To be read if a guard does not hold.
    pub(crate) fn otherwise_read(mut self, key: String) -> Self {
        self.reads.push(key);
        self
    }

    fn to_txn(&self, format: Vec<u8>) -> Txn {
        let mut guards = self.guards.clone();
        guards.push(Compare::value(keys::FORMAT, CompareOp::Equal, format));
        let reads = self.reads.iter().map(String::as_str).chain([keys::FORMAT]);
        let writes = self.writes.iter().map(Write::to_op).collect::<Vec<_>>();
        Txn::new()
            .when(guards)
            .and_then(writes)
            .or_else(reads.map(|key| TxnOp::get(key, None)).collect::<Vec<_>>())
    }

    fn changes(self, revision: i64) -> impl Iterator<Item = Change> {
        self.writes.into_iter().filter_map(move |write| match write {
            Write::Put { key, value, .. } => {
                let (created, changed) = (revision, revision);
                Some(Change { key: key.into_bytes(), value: Some(value), created, changed })
            }
            Write::Delete { key } => Some(Change::gone(key.into_bytes(), revision)),
            Write::DeleteRange { .. } => None,
        })
    }
}

impl Write {
    fn to_op(&self) -> TxnOp {
        match self {
            Self::Put { key, value, session } => {
                let options = session.map(|session| PutOptions::new().with_lease(session.0));
                TxnOp::put(key.as_str(), value.clone(), options)
            }
            Self::Delete { key } => TxnOp::delete(key.as_str(), None),
            Self::DeleteRange { from, end } => {
                let options = etcd_client::DeleteOptions::new().with_range(end.clone());
                TxnOp::delete(from.clone(), Some(options))
            }
        }
    }
}

impl Store {
    /// Runs a transaction to its answer.
    pub(super) async fn run(&self, guarded: Guarded) -> Result<Answer, StoreError> {
        let mut was_repeated = false;
        loop {
            let format = self.format_bytes();
            let (answer, repeated) = self.wire().txn(guarded.what, &guarded.to_txn(format.clone())).await?;
            was_repeated |= repeated;
            let revision = answer.header().map_or(0, etcd_client::ResponseHeader::revision);
            if answer.succeeded() {
                self.view().apply(guarded.changes(revision));
                return Ok(Answer::Done(Revision(revision)));
            }
            let mut reads = reads_of(&answer);
            if self.same_format(&format, reads.pop().flatten())? {
                self.learn(&guarded.reads, &reads, revision);
                return Ok(Answer::Lost { reads, repeated: was_repeated });
            }
        }
    }

    /// Reads some values at one revision.
    pub(super) async fn read(&self, keys: &[String]) -> Result<Vec<Option<Found>>, StoreError> {
        let gets = keys.iter().map(|key| TxnOp::get(key.as_str(), None::<GetOptions>)).collect::<Vec<_>>();
        let (answer, _) = self.wire().txn("read", &Txn::new().and_then(gets)).await?;
        let reads = reads_of(&answer);
        self.learn(keys, &reads, answer.header().map_or(0, etcd_client::ResponseHeader::revision));
        Ok(reads)
    }

    fn learn(&self, keys: &[String], reads: &[Option<Found>], revision: i64) {
        self.view().apply(keys.iter().zip(reads).map(|(key, read)| match read {
            Some(found) => Change::from(found.clone()),
            None => Change::gone(key.clone().into_bytes(), revision),
        }));
    }
}

fn reads_of(answer: &TxnResponse) -> Vec<Option<Found>> {
    let read = |response| match response {
        TxnOpResponse::Get(mut get) => get.take_kvs().pop().map(Found::from),
        TxnOpResponse::Put(_) | TxnOpResponse::Delete(_) | TxnOpResponse::Txn(_) => None,
    };
    answer.op_responses().into_iter().map(read).collect()
}
