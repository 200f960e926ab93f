//! One request, read whole, so that it can be looked at, changed, kept back and sent again.

use etcd_client::proto::{
    PbCompare, PbTargetUnion, PbTxnOpRequest, PbTxnRequest, PbTxnRequestOp as PbRequestOp,
};
use http_body_util::{BodyExt, Full};
use prost::Message;
use tdferry_proto::v1;
use tonic::body::Body;
use tonic::codegen::http;
use tonic::codegen::http::request::Parts;
use tonic::{Code, Status};

use crate::steps::Step;

/// A message follows a flag and its length.
const FRAME: usize = 5;
const WORKER: &str = "/tdferry.v1.WorkerService/";
const SHARD: &str = "/shard/";
const TXN: &str = "/etcdserverpb.KV/Txn";

/// What can be read whole: streams cannot.
pub(crate) fn is_single(path: &str) -> bool {
    path == TXN || path.strip_prefix(WORKER).is_some_and(|call| call != "Survey")
}

/// A request as it can be sent any number of times.
#[derive(Clone)]
pub(crate) struct Request {
    parts: Parts,
    bytes: Vec<u8>,
}

impl Request {
    pub(crate) async fn read(request: http::Request<Body>) -> Result<Self, Status> {
        let (parts, body) = request.into_parts();
        let bytes = body.collect().await?.to_bytes().to_vec();
        Ok(Self { parts, bytes })
    }

    pub(crate) fn send(&self) -> http::Request<Body> {
        http::Request::from_parts(self.parts.clone(), Body::new(Full::from(self.bytes.clone())))
    }

    /// The transaction that it is, if it is one.
    pub(crate) fn txn(&self) -> Option<PbTxnRequest> {
        (self.parts.uri.path() == TXN).then(|| self.decode()).flatten()
    }

    /// The same request for another transaction.
    pub(crate) fn with_txn(&self, txn: &PbTxnRequest) -> Self {
        self.with(txn)
    }

    /// The same request with another message.
    pub(crate) fn with(&self, message: &impl Message) -> Self {
        Self { parts: self.parts.clone(), bytes: frame(message) }
    }

    /// The growth of a stable that it is, if it is one.
    pub(crate) fn growth(&self) -> Option<v1::GrowRequest> {
        let growth = self.parts.uri.path().strip_prefix(WORKER) == Some("Grow");
        growth.then(|| self.decode::<v1::GrowRequest>()).flatten().filter(|growth| growth.stable.is_none())
    }

    /// The commit that it is, if it is one.
    pub(crate) fn commit(&self) -> Option<v1::CommitRequest> {
        (self.parts.uri.path().strip_prefix(WORKER) == Some("Commit")).then(|| self.decode()).flatten()
    }

    /// Which step of the protocol it is.
    pub(crate) fn step(&self) -> Option<Step> {
        if let Some(txn) = self.txn() {
            return step_of(&txn);
        }
        match self.parts.uri.path().strip_prefix(WORKER)? {
            "Claim" => Some(Step::Claim),
            "Cut" => Some(Step::Cut),
            "Grow" => Some(Step::Grow),
            "Commit" if self.commit()?.ending() == v1::Ending::Unspecified => Some(Step::Commit),
            "Commit" => Some(Step::Finish),
            _ => None,
        }
    }

    fn decode<M: Message + Default>(&self) -> Option<M> {
        M::decode(self.bytes.get(FRAME..)?).ok()
    }
}

/// An answer, read whole, and the same answer to be passed on.
pub(crate) async fn answer<M: Message + Default>(
    answer: http::Response<Body>,
) -> Result<(Option<M>, http::Response<Body>), Status> {
    let (parts, body) = answer.into_parts();
    let body = body.collect().await?;
    let trailers = body.trailers().cloned();
    let bytes = body.to_bytes();
    let message = bytes.get(FRAME..).and_then(|bytes| M::decode(bytes).ok());
    let body = Full::from(bytes).with_trailers(async move { trailers.map(Ok) });
    Ok((message, http::Response::from_parts(parts, Body::new(body))))
}

/// An answer that somebody makes up.
pub(crate) fn made_up(message: &impl Message) -> http::Response<Body> {
    let ok = async { Some(Ok(http::HeaderMap::from_iter([grpc_status(Code::Ok)]))) };
    let mut answer = http::Response::new(Body::new(Full::from(frame(message)).with_trailers(ok)));
    let grpc = http::HeaderValue::from_static("application/grpc");
    answer.headers_mut().insert(http::header::CONTENT_TYPE, grpc);
    answer
}

fn grpc_status(code: Code) -> (http::HeaderName, http::HeaderValue) {
    (http::HeaderName::from_static("grpc-status"), http::HeaderValue::from(i32::from(code)))
}

fn frame(message: &impl Message) -> Vec<u8> {
    let body = message.encode_to_vec();
    let length = u32::try_from(body.len()).unwrap();
    [&[0][..], &length.to_be_bytes(), &body].concat()
}

/// Every write under a lease guards the lease's epoch; a claim guards that there is none. Whoever adds shards to a plan
/// that counts puts the task's state, too.
fn step_of(txn: &PbTxnRequest) -> Option<Step> {
    let guard = txn.compare.iter().find_map(epoch_guard)?;
    let (mut shards, mut states, mut groups, mut ends) = (0, 0, false, false);
    for op in txn.success.iter().filter_map(|op| op.request.as_ref()) {
        match op {
            PbTxnOpRequest::RequestPut(put) => {
                shards += usize::from(is_in(&put.key, SHARD));
                states += usize::from(put.key.ends_with(b"/state"));
                groups |= is_in(&put.key, "/group/");
            }
            PbTxnOpRequest::RequestDeleteRange(gone) => ends |= is_in(&gone.key, "/lease/"),
            _ => {}
        }
    }
    match (guard, shards, states, ends) {
        (0, 1, 0, false) => Some(Step::Claim),
        (0, ..) => None,
        (_, 1, 0, false) => Some(Step::Commit),
        (_, 1, _, true) => Some(Step::Finish),
        (_, 2.., 1, false) if groups => Some(Step::Grow),
        (_, 2.., 1, false) => Some(Step::Cut),
        _ => None,
    }
}

/// A cut that leaves its parent as it was.
pub(crate) fn without_parent(txn: &mut PbTxnRequest) {
    let shard = |op: &PbRequestOp| match &op.request {
        Some(PbTxnOpRequest::RequestPut(put)) if is_in(&put.key, SHARD) => Some(put.key.clone()),
        _ => None,
    };
    // a child's name is its parent's and more
    let parent = txn.success.iter().filter_map(shard).min_by_key(Vec::len);
    txn.success.retain(|op| shard(op).is_none() || shard(op) != parent);
}

/// The epoch that a lease is compared with.
pub(crate) fn epoch_guard(compare: &PbCompare) -> Option<i64> {
    match compare.target_union {
        Some(PbTargetUnion::CreateRevision(epoch)) if is_in(&compare.key, "/lease/") => Some(epoch),
        _ => None,
    }
}

fn is_in(key: &[u8], folder: &str) -> bool {
    String::from_utf8_lossy(key).contains(folder)
}
