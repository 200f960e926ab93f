//! Guards: what a transaction compares before it chooses a branch.

use std::cmp::Ordering;

use etcd_client::proto::{PbCompare, PbTargetUnion, PbTxnOpRequest, PbTxnRequest};

use crate::kv::{History, KeyAt, KeyRange};

const TARGET_VERSION: i32 = 0;
const TARGET_CREATE: i32 = 1;
const TARGET_MOD: i32 = 2;
const TARGET_VALUE: i32 = 3;
const TARGET_LEASE: i32 = 4;

const EQUAL: i32 = 0;
const GREATER: i32 = 1;
const LESS: i32 = 2;
const NOT_EQUAL: i32 = 3;

/// The branch taken by a transaction, and by each nested one in it, in order of appearance.
#[derive(Debug)]
pub(super) struct Path {
    pub(super) succeeded: bool,
    pub(super) nested: Vec<Path>,
}

/// Chooses every branch against the state before the whole request, as etcd does: a nested guard
/// never sees what a sibling wrote.
pub(super) fn choose(history: &History, request: &PbTxnRequest) -> Path {
    let succeeded = request.compare.iter().all(|compare| holds(history, compare));
    let branch = if succeeded { &request.success } else { &request.failure };
    let nested = branch
        .iter()
        .filter_map(|op| match &op.request {
            Some(PbTxnOpRequest::RequestTxn(txn)) => Some(choose(history, txn)),
            _ => None,
        })
        .collect();
    Path { succeeded, nested }
}

/// A compare over a range holds for every key in it. A key that is absent compares as all zeros,
/// except by value, where nothing can be equal to, or differ from, a missing value.
fn holds(history: &History, compare: &PbCompare) -> bool {
    let keys = KeyRange::new(&compare.key, &compare.range_end);
    let mut found = history.range(&keys, history.revision()).peekable();
    if found.peek().is_none() {
        return compare.target != TARGET_VALUE && matches(compare, None);
    }
    found.all(|kv| matches(compare, Some(kv)))
}

fn matches(compare: &PbCompare, kv: Option<KeyAt<'_>>) -> bool {
    let is = |wanted: i64, field: fn(KeyAt<'_>) -> i64| kv.map_or(0, field).cmp(&wanted);
    let order = match (compare.target, &compare.target_union) {
        (TARGET_VERSION, union) => is(version(union.as_ref()), |kv| kv.value.version),
        (TARGET_CREATE, union) => is(created(union.as_ref()), |kv| kv.value.created),
        (TARGET_MOD, union) => is(modified(union.as_ref()), |kv| kv.modified),
        (TARGET_LEASE, union) => is(lease(union.as_ref()), |kv| kv.value.lease),
        (TARGET_VALUE, union) => kv.map_or(&[][..], |kv| &kv.value.bytes).cmp(value(union.as_ref())),
        _ => Ordering::Equal,
    };
    match compare.result {
        EQUAL => order.is_eq(),
        GREATER => order.is_gt(),
        LESS => order.is_lt(),
        NOT_EQUAL => order.is_ne(),
        _ => true,
    }
}

fn version(union: Option<&PbTargetUnion>) -> i64 {
    if let Some(PbTargetUnion::Version(wanted)) = union { *wanted } else { 0 }
}

fn created(union: Option<&PbTargetUnion>) -> i64 {
    if let Some(PbTargetUnion::CreateRevision(wanted)) = union { *wanted } else { 0 }
}

fn modified(union: Option<&PbTargetUnion>) -> i64 {
    if let Some(PbTargetUnion::ModRevision(wanted)) = union { *wanted } else { 0 }
}

fn lease(union: Option<&PbTargetUnion>) -> i64 {
    if let Some(PbTargetUnion::Lease(wanted)) = union { *wanted } else { 0 }
}

fn value(union: Option<&PbTargetUnion>) -> &[u8] {
    if let Some(PbTargetUnion::Value(wanted)) = union { wanted } else { &[] }
}
