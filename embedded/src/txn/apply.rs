//! The requests that write, as operations of the engine: look first, then change without failing.

use etcd_client::proto::{
    PbCompactionRequest, PbCompactionResponse, PbDeleteRequest, PbDeleteResponse, PbPutRequest,
    PbPutResponse, PbRangeRequest, PbRangeResponse, PbResponseHeader, PbResponseOp, PbTxnOpRequest,
    PbTxnOpResponse, PbTxnRequest, PbTxnRequestOp, PbTxnResponse,
};
use tokio::time::Instant;

use super::compare::{Path, choose};
use crate::engine::Operation;
use crate::header::at_revision;
use crate::kv::range;
use crate::refusal::Refusal;
use crate::state::{State, Writer};

impl Operation for PbPutRequest {
    type Answer = PbPutResponse;

    fn apply(self, state: &mut State, _now: Instant) -> Result<Self::Answer, Refusal> {
        check_lease(state, &self)?;
        check_inherited(state, &self)?;
        let mut writer = Writer::begin(state);
        let answer = writer.put(&self);
        writer.end();
        Ok(answer)
    }
}

impl Operation for PbDeleteRequest {
    type Answer = PbDeleteResponse;

    fn apply(self, state: &mut State, _now: Instant) -> Result<Self::Answer, Refusal> {
        let mut writer = Writer::begin(state);
        let answer = writer.delete(&self);
        writer.end();
        Ok(answer)
    }
}

impl Operation for PbCompactionRequest {
    type Answer = PbCompactionResponse;

    fn apply(self, state: &mut State, _now: Instant) -> Result<Self::Answer, Refusal> {
        state.history.check_compactable(self.revision)?;
        state.compact(self.revision);
        Ok(PbCompactionResponse { header: Some(at_revision(state.history.revision())) })
    }
}

impl Operation for PbTxnRequest {
    type Answer = PbTxnResponse;

    fn apply(self, state: &mut State, _now: Instant) -> Result<Self::Answer, Refusal> {
        let path = choose(&state.history, &self);
        check_branch(&self, &path, &mut |op| match op {
            PbTxnOpRequest::RequestPut(put) => {
                check_inherited(state, put)?;
                check_lease(state, put)
            }
            _ => Ok(()),
        })?;
        check_branch(&self, &path, &mut |op| match op {
            PbTxnOpRequest::RequestRange(range) => check_revision(state, range),
            _ => Ok(()),
        })?;
        let mut writer = Writer::begin(state);
        let mut answer = run(&mut writer, &self, &path)?;
        answer.header = Some(at_revision(writer.end()));
        Ok(answer)
    }
}

/// A put that keeps value or lease needs something to keep.
fn check_inherited(state: &State, put: &PbPutRequest) -> Result<(), Refusal> {
    let inherits = put.ignore_value || put.ignore_lease;
    let missing = inherits && state.history.get(&put.key, state.history.revision()).is_none();
    if missing { Err(Refusal::KeyNotFound) } else { Ok(()) }
}

fn check_lease(state: &State, put: &PbPutRequest) -> Result<(), Refusal> {
    let unknown = put.lease != 0 && !state.leases.contains(put.lease);
    if unknown { Err(Refusal::LeaseNotFound) } else { Ok(()) }
}

/// Inside a transaction any revision but zero must lie between the last compaction and now.
fn check_revision(state: &State, request: &PbRangeRequest) -> Result<(), Refusal> {
    match request.revision {
        0 => Ok(()),
        at if at > state.history.revision() => Err(Refusal::FutureRevision),
        at if at < state.history.compacted() => Err(Refusal::Compacted),
        _ => Ok(()),
    }
}

/// Shows every operation on the chosen path to `check`.
fn check_branch(
    txn: &PbTxnRequest,
    path: &Path,
    check: &mut dyn FnMut(&PbTxnOpRequest) -> Result<(), Refusal>,
) -> Result<(), Refusal> {
    let mut nested = path.nested.iter();
    for op in branch(txn, path).iter().filter_map(|op| op.request.as_ref()) {
        check(op)?;
        if let (PbTxnOpRequest::RequestTxn(inner), Some(path)) = (op, nested_path(op, &mut nested)) {
            check_branch(inner, path, check)?;
        }
    }
    Ok(())
}

fn nested_path<'a>(op: &PbTxnOpRequest, nested: &mut std::slice::Iter<'a, Path>) -> Option<&'a Path> {
    if matches!(op, PbTxnOpRequest::RequestTxn(_)) { nested.next() } else { None }
}

fn branch<'a>(txn: &'a PbTxnRequest, path: &Path) -> &'a [PbTxnRequestOp] {
    if path.succeeded { &txn.success } else { &txn.failure }
}

/// Runs the chosen path. Ranges were checked, so they cannot fail half way.
fn run(writer: &mut Writer<'_>, txn: &PbTxnRequest, path: &Path) -> Result<PbTxnResponse, Refusal> {
    let mut nested = path.nested.iter();
    let mut responses = Vec::new();
    for op in branch(txn, path).iter().filter_map(|op| op.request.as_ref()) {
        let response = match op {
            PbTxnOpRequest::RequestRange(request) => PbTxnOpResponse::ResponseRange(read(writer, request)?),
            PbTxnOpRequest::RequestPut(request) => PbTxnOpResponse::ResponsePut(writer.put(request)),
            PbTxnOpRequest::RequestDeleteRange(request) => {
                PbTxnOpResponse::ResponseDeleteRange(writer.delete(request))
            }
            PbTxnOpRequest::RequestTxn(inner) => match nested.next() {
                Some(path) => PbTxnOpResponse::ResponseTxn(run(writer, inner, path)?),
                None => continue,
            },
        };
        responses.push(PbResponseOp { response: Some(response) });
    }
    let header = Some(PbResponseHeader::default());
    Ok(PbTxnResponse { header, succeeded: path.succeeded, responses })
}

fn read(writer: &Writer<'_>, request: &PbRangeRequest) -> Result<PbRangeResponse, Refusal> {
    range(writer.history(), request, writer.now())
}
