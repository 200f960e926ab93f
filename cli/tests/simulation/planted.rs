//! Bugs planted on purpose, outside of what is shipped: a simulation that does not find them proves nothing.

use etcd_client::proto::{PbCompare, PbTargetUnion, PbTxnRequest, PbTxnResponse};
use tonic::body::Body;
use tonic::codegen::{Service, http};
use tonic::transport::Channel;
use tonic_prost::ProstCodec;
use tower::service_fn;
use tower::util::BoxCloneSyncService;

const TXN: &str = "/etcdserverpb.KV/Txn";

/// Which bug, if any.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Planted {
    /// None.
    Nothing,
    /// The sink answers a write before it applies it: an offset gets ahead of its data.
    AnswerBeforeWrite,
    /// Every write that is answered is sent once more.
    WriteTwice,
    /// Transactions travel without the guard that the lease is still of the same epoch.
    NoEpochGuard,
}

/// A channel to the store that takes the epoch's guard out of every transaction.
pub(crate) fn unguarded(channel: Channel) -> etcd_client::Channel {
    let service = service_fn(move |request: http::Request<Body>| {
        let mut channel = channel.clone();
        async move {
            if request.uri().path() == TXN {
                return Ok::<_, tower::BoxError>(strip(channel, request).await);
            }
            std::future::poll_fn(|cx| channel.poll_ready(cx)).await?;
            Ok(channel.call(request).await?)
        }
    });
    etcd_client::Channel::Custom(BoxCloneSyncService::new(service))
}

async fn strip(channel: Channel, request: http::Request<Body>) -> http::Response<Body> {
    let forward = service_fn(move |request: tonic::Request<PbTxnRequest>| {
        let mut client = tonic::client::Grpc::new(channel.clone());
        async move {
            let request = request.map(|mut txn| {
                txn.compare.retain(|compare| !is_epoch_guard(compare));
                txn
            });
            let unready = |error: tonic::transport::Error| tonic::Status::unavailable(error.to_string());
            client.ready().await.map_err(unready)?;
            let codec = ProstCodec::<PbTxnRequest, PbTxnResponse>::default();
            client.unary(request, http::uri::PathAndQuery::from_static(TXN), codec).await
        }
    });
    let codec = ProstCodec::<PbTxnResponse, PbTxnRequest>::default();
    tonic::server::Grpc::new(codec).unary(forward, request).await
}

/// A compare of a lease key's create revision with an epoch; one with zero guards a claim and stays.
fn is_epoch_guard(compare: &PbCompare) -> bool {
    let lease = String::from_utf8_lossy(&compare.key).contains("/lease/");
    lease && matches!(compare.target_union, Some(PbTargetUnion::CreateRevision(epoch)) if epoch != 0)
}
