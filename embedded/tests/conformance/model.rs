//! An independent model of the store, slow and simple: a whole copy of the keyspace per revision.
//! It shares nothing with the code under test but the shape of the answers.

use std::collections::{BTreeMap, BTreeSet};

use etcd_client::proto::{
    PbDeleteResponse, PbEvent, PbKeyValue, PbPutResponse, PbRangeResponse, PbResponseHeader, PbResponseOp,
    PbTxnOpResponse, PbTxnResponse,
};

type Keyspace = BTreeMap<String, PbKeyValue>;

/// A request, as the generator makes it and both server and model understand it.
#[derive(Debug, Clone)]
pub(crate) enum Op {
    Put { key: String, value: String, lease: i64, prev: bool, keep: bool },
    Get { key: String, end: String, at: i64, limit: i64, keys_only: bool },
    Delete { key: String, end: String, prev: bool },
    Txn { guards: Vec<Guard>, then: Vec<Op>, otherwise: Vec<Op> },
}

/// `key`'s field compared with a number: 0 equal, 1 greater, 2 less, 3 not equal.
#[derive(Debug, Clone)]
pub(crate) struct Guard {
    pub(crate) key: String,
    pub(crate) field: Field,
    pub(crate) operator: u8,
    pub(crate) number: i64,
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Field {
    Version,
    Created,
    Modified,
    Lease,
}

#[derive(Debug)]
pub(crate) struct Model {
    first: i64,
    revisions: Vec<Keyspace>,
    compacted: i64,
    leases: BTreeSet<i64>,
    pub(crate) events: Vec<PbEvent>,
}

pub(crate) type Refused = &'static str;

const NO_KEY: Refused = "InvalidArgument: etcdserver: key not found";
const NO_LEASE: Refused = "NotFound: etcdserver: requested lease not found";
const TWICE: Refused = "InvalidArgument: etcdserver: duplicate key given in txn request";
const COMPACTED: Refused = "OutOfRange: etcdserver: mvcc: required revision has been compacted";
const FUTURE: Refused = "OutOfRange: etcdserver: mvcc: required revision is a future revision";

impl Model {
    /// An empty keyspace at revision `first`, compacted to it.
    pub(crate) fn new(first: i64) -> Self {
        let revisions = vec![Keyspace::new()];
        Self { first, revisions, compacted: first, leases: BTreeSet::new(), events: Vec::new() }
    }

    pub(crate) fn now(&self) -> i64 {
        self.first + i64::try_from(self.revisions.len()).expect("few") - 1
    }

    pub(crate) fn compacted(&self) -> i64 {
        self.compacted
    }

    /// The keys at a revision; `self.now() + 1` while a transaction has written is the newest copy.
    pub(crate) fn keyspace(&self, at: i64) -> &Keyspace {
        &self.revisions[usize::try_from(at - self.first).expect("not before the first")]
    }

    pub(crate) fn compact(&mut self, revision: i64) -> Result<(), Refused> {
        if revision <= self.compacted {
            return Err(COMPACTED);
        }
        if revision > self.now() {
            return Err(FUTURE);
        }
        self.compacted = revision;
        Ok(())
    }

    pub(crate) fn grant(&mut self, id: i64) -> bool {
        self.leases.insert(id)
    }

    pub(crate) fn revoke(&mut self, id: i64) -> Result<(), Refused> {
        if !self.leases.remove(&id) {
            return Err(NO_LEASE);
        }
        let held = |kv: &&PbKeyValue| kv.lease == id;
        let keys: Vec<String> = self.newest().values().filter(held).map(key_of).collect();
        let before = self.newest().clone();
        let mut draft = before.clone();
        for key in keys {
            draft.remove(&key);
            self.record(&before, &key, None);
        }
        self.finish(&before, draft);
        Ok(())
    }

    /// Any request at the top level.
    pub(crate) fn apply(&mut self, op: &Op) -> Result<PbTxnOpResponse, Refused> {
        match op {
            Op::Put { lease, .. } if *lease != 0 && !self.leases.contains(lease) => return Err(NO_LEASE),
            Op::Get { at, .. } => self.check_at(*at, *at > 0)?,
            _ => {}
        }
        self.check(op)?;
        let before = self.newest().clone();
        let mut draft = before.clone();
        let answer = self.run(op, &before, &mut draft);
        self.finish(&before, draft);
        Ok(with_header(answer, self.now()))
    }

    fn newest(&self) -> &Keyspace {
        self.revisions.last().expect("never empty")
    }

    /// A change is a change even if it wrote what was there, so events count and not the copies.
    fn finish(&mut self, before: &Keyspace, draft: Keyspace) {
        let main = self.now() + 1;
        let changed = self.events.iter().rev().any(|event| modified(event) == main);
        assert!(changed || *before == draft, "the model changes nothing without an event");
        if changed {
            self.revisions.push(draft);
        }
    }

    fn check(&self, op: &Op) -> Result<(), Refused> {
        let Op::Txn { then, otherwise, .. } = op else { return self.check_put(op) };
        put_once(then)?;
        put_once(otherwise)?;
        let mut taken = Vec::new();
        self.path(op, &mut taken);
        taken.iter().try_for_each(|op| self.check_put(op))?;
        taken.iter().try_for_each(|op| match op {
            Op::Get { at, .. } => self.check_at(*at, *at != 0),
            _ => Ok(()),
        })
    }

    fn check_put(&self, op: &Op) -> Result<(), Refused> {
        let Op::Put { key, lease, keep, .. } = op else { return Ok(()) };
        if *keep && !self.newest().contains_key(key) {
            return Err(NO_KEY);
        }
        if *lease != 0 && !self.leases.contains(lease) { Err(NO_LEASE) } else { Ok(()) }
    }

    fn check_at(&self, at: i64, bound: bool) -> Result<(), Refused> {
        match at {
            at if bound && at > self.now() => Err(FUTURE),
            at if bound && at < self.compacted => Err(COMPACTED),
            _ => Ok(()),
        }
    }

    /// The operations that will run, nested ones behind each other.
    fn path<'a>(&self, op: &'a Op, taken: &mut Vec<&'a Op>) {
        match op {
            Op::Txn { guards, then, otherwise } => {
                let branch = if self.hold(guards) { then } else { otherwise };
                branch.iter().for_each(|op| self.path(op, taken));
            }
            plain => taken.push(plain),
        }
    }

    fn hold(&self, guards: &[Guard]) -> bool {
        guards.iter().all(|guard| {
            let kv = self.newest().get(&guard.key).cloned().unwrap_or_default();
            let is = match guard.field {
                Field::Version => kv.version,
                Field::Created => kv.create_revision,
                Field::Modified => kv.mod_revision,
                Field::Lease => kv.lease,
            };
            match guard.operator {
                0 => is == guard.number,
                1 => is > guard.number,
                2 => is < guard.number,
                _ => is != guard.number,
            }
        })
    }

    /// Runs what was checked. `before` is what guards see, `draft` what reads see.
    fn run(&mut self, op: &Op, before: &Keyspace, draft: &mut Keyspace) -> PbTxnOpResponse {
        match op {
            Op::Put { .. } => PbTxnOpResponse::ResponsePut(self.put(op, before, draft)),
            Op::Get { .. } => PbTxnOpResponse::ResponseRange(self.get(op, draft)),
            Op::Delete { key, end, prev } => {
                let doomed: Vec<PbKeyValue> = inside(draft, key, end).cloned().collect();
                for kv in &doomed {
                    draft.remove(&key_of(kv));
                    self.record(before, &key_of(kv), None);
                }
                let deleted = i64::try_from(doomed.len()).expect("few");
                let prev_kvs = if *prev { doomed } else { Vec::new() };
                let header = self.header();
                PbTxnOpResponse::ResponseDeleteRange(PbDeleteResponse { header, deleted, prev_kvs })
            }
            Op::Txn { guards, then, otherwise } => {
                let succeeded = self.hold(guards);
                let branch = if succeeded { then } else { otherwise };
                let run = |op| PbResponseOp { response: Some(self.run(op, before, draft)) };
                let responses = branch.iter().map(run).collect();
                let header = Some(PbResponseHeader::default());
                PbTxnOpResponse::ResponseTxn(PbTxnResponse { header, succeeded, responses })
            }
        }
    }

    fn put(&mut self, op: &Op, before: &Keyspace, draft: &mut Keyspace) -> PbPutResponse {
        let Op::Put { key, value, lease, prev, keep } = op else { panic!("not a put") };
        let old = draft.get(key).cloned();
        let main = self.now() + 1;
        let kept = old.as_ref().filter(|_| *keep).map(|old| old.value.clone());
        let new = PbKeyValue {
            key: key.clone().into_bytes(),
            create_revision: old.as_ref().map_or(main, |old| old.create_revision),
            mod_revision: main,
            version: old.as_ref().map_or(1, |old| old.version + 1),
            value: kept.unwrap_or_else(|| value.clone().into_bytes()),
            lease: *lease,
        };
        draft.insert(key.clone(), new.clone());
        self.record(before, key, Some(new));
        PbPutResponse { header: self.header(), prev_kv: old.filter(|_| *prev) }
    }

    fn get(&self, op: &Op, draft: &Keyspace) -> PbRangeResponse {
        let Op::Get { key, end, at, limit, keys_only } = op else { panic!("not a get") };
        let keyspace = if *at > 0 { self.keyspace(*at) } else { draft };
        let mut kvs: Vec<PbKeyValue> = inside(keyspace, key, end).cloned().collect();
        let count = i64::try_from(kvs.len()).expect("few");
        let more = *limit > 0 && count > *limit;
        if more {
            kvs.truncate(usize::try_from(*limit).expect("positive"));
        }
        if *keys_only {
            kvs.iter_mut().for_each(|kv| kv.value.clear());
        }
        PbRangeResponse { header: self.header(), kvs, more, count }
    }

    fn record(&mut self, before: &Keyspace, key: &str, new: Option<PbKeyValue>) {
        let kind = i32::from(new.is_none());
        let gone = PbKeyValue { key: key.into(), mod_revision: self.now() + 1, ..PbKeyValue::default() };
        let prev_kv = before.get(key).cloned();
        self.events.push(PbEvent { r#type: kind, kv: Some(new.unwrap_or(gone)), prev_kv });
    }

    /// What an answer inside a transaction says: the new revision once something was written.
    fn header(&self) -> Option<PbResponseHeader> {
        let main = self.now() + 1;
        let wrote = self.events.iter().rev().any(|event| modified(event) == main);
        let revision = if wrote { main } else { main - 1 };
        Some(PbResponseHeader { revision, ..PbResponseHeader::default() })
    }
}

fn modified(event: &PbEvent) -> i64 {
    event.kv.as_ref().map_or(0, |kv| kv.mod_revision)
}

fn key_of(kv: &PbKeyValue) -> String {
    String::from_utf8_lossy(&kv.key).into_owned()
}

fn inside<'a>(keyspace: &'a Keyspace, key: &str, end: &str) -> impl Iterator<Item = &'a PbKeyValue> {
    let (key, end) = (key.to_owned(), end.to_owned());
    keyspace.values().filter(move |kv| {
        let is = key_of(kv);
        match end.as_str() {
            "" => is == key,
            "\0" => is >= key,
            end => is >= key && is.as_str() < end,
        }
    })
}

/// The rule on keys written twice, for branches whose nested transactions delete nothing.
fn put_once(branch: &[Op]) -> Result<BTreeSet<String>, Refused> {
    let mut puts = BTreeSet::new();
    for op in branch {
        let new: BTreeSet<String> = match op {
            Op::Put { key, .. } => [key.clone()].into(),
            Op::Txn { then, otherwise, .. } => {
                put_once(then)?.union(&put_once(otherwise)?).cloned().collect()
            }
            _ => continue,
        };
        if !puts.is_disjoint(&new) {
            return Err(TWICE);
        }
        puts.extend(new);
    }
    for op in branch {
        let Op::Delete { key, end, .. } = op else { continue };
        // The end "\0" is taken for an ordinary end by etcd's check, which makes the range empty.
        let hit = |put: &String| if end.is_empty() { put == key } else { put >= key && put < end };
        if puts.iter().any(hit) {
            return Err(TWICE);
        }
    }
    Ok(puts)
}

/// Only the outermost transaction is told its revision at the end.
fn with_header(answer: PbTxnOpResponse, now: i64) -> PbTxnOpResponse {
    match answer {
        PbTxnOpResponse::ResponseTxn(txn) => {
            let header = Some(PbResponseHeader { revision: now, ..PbResponseHeader::default() });
            PbTxnOpResponse::ResponseTxn(PbTxnResponse { header, ..txn })
        }
        other => other,
    }
}
