//! What is refused by looking at a request alone, in etcd's order.

use etcd_client::proto::{
    PbDeleteRequest, PbPutRequest, PbRangeRequest, PbTxnOpRequest, PbTxnRequest, PbTxnRequestOp,
};

use super::duplicate::check_duplicates;
use crate::refusal::Refusal;

/// etcd's default `--max-txn-ops`.
const MAX_TXN_OPS: usize = 128;

pub(crate) fn check_range(request: &PbRangeRequest) -> Result<(), Refusal> {
    check_key(&request.key)
}

pub(crate) fn check_delete(request: &PbDeleteRequest) -> Result<(), Refusal> {
    check_key(&request.key)
}

pub(crate) fn check_put(request: &PbPutRequest) -> Result<(), Refusal> {
    check_key(&request.key)?;
    if request.ignore_value && !request.value.is_empty() {
        return Err(Refusal::ValueProvided);
    }
    if request.ignore_lease && request.lease != 0 {
        return Err(Refusal::LeaseProvided);
    }
    Ok(())
}

pub(crate) fn check_txn(request: &PbTxnRequest) -> Result<(), Refusal> {
    check_operations(request, MAX_TXN_OPS)?;
    check_duplicates(request)
}

/// A transaction costs its longest list; a nested one must fit in what that leaves.
fn check_operations(request: &PbTxnRequest, allowed: usize) -> Result<(), Refusal> {
    let cost = request.compare.len().max(request.success.len()).max(request.failure.len());
    let left = allowed.checked_sub(cost).ok_or(Refusal::TooManyOps)?;
    for compare in &request.compare {
        check_key(&compare.key)?;
    }
    request.success.iter().chain(&request.failure).try_for_each(|op| check_operation(op, left))
}

fn check_operation(op: &PbTxnRequestOp, allowed: usize) -> Result<(), Refusal> {
    match &op.request {
        Some(PbTxnOpRequest::RequestRange(range)) => check_range(range),
        Some(PbTxnOpRequest::RequestPut(put)) => check_put(put),
        Some(PbTxnOpRequest::RequestDeleteRange(delete)) => check_delete(delete),
        Some(PbTxnOpRequest::RequestTxn(txn)) => check_operations(txn, allowed),
        None => Err(Refusal::KeyNotFound),
    }
}

fn check_key(key: &[u8]) -> Result<(), Refusal> {
    if key.is_empty() { Err(Refusal::EmptyKey) } else { Ok(()) }
}

/// True if either branch could change something; etcd serves the others without its log.
pub(crate) fn writes(request: &PbTxnRequest) -> bool {
    request.success.iter().chain(&request.failure).any(|op| match &op.request {
        Some(PbTxnOpRequest::RequestPut(_) | PbTxnOpRequest::RequestDeleteRange(_)) => true,
        Some(PbTxnOpRequest::RequestTxn(nested)) => writes(nested),
        Some(PbTxnOpRequest::RequestRange(_)) | None => false,
    })
}
