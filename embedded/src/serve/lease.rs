//! etcd's Lease service.

use etcd_client::proto::{
    PbLeaseGrantRequest, PbLeaseGrantResponse, PbLeaseKeepAliveRequest, PbLeaseKeepAliveResponse,
    PbLeaseLeasesRequest, PbLeaseLeasesResponse, PbLeaseRevokeRequest, PbLeaseRevokeResponse, PbLeaseService,
    PbLeaseTimeToLiveRequest, PbLeaseTimeToLiveResponse,
};
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use tonic::{Request, Response, Status, Streaming};

use super::Services;

#[async_trait::async_trait]
impl PbLeaseService for Services {
    async fn lease_grant(
        &self,
        request: Request<PbLeaseGrantRequest>,
    ) -> Result<Response<PbLeaseGrantResponse>, Status> {
        let mut answer = self.engine.call(request.into_inner()).await?;
        self.engine.identity().sign(&mut answer.header);
        Ok(Response::new(answer))
    }

    async fn lease_revoke(
        &self,
        request: Request<PbLeaseRevokeRequest>,
    ) -> Result<Response<PbLeaseRevokeResponse>, Status> {
        let mut answer = self.engine.call(request.into_inner()).await?;
        self.engine.identity().sign(&mut answer.header);
        Ok(Response::new(answer))
    }

    type LeaseKeepAliveStream = BoxStream<'static, Result<PbLeaseKeepAliveResponse, Status>>;

    async fn lease_keep_alive(
        &self,
        request: Request<Streaming<PbLeaseKeepAliveRequest>>,
    ) -> Result<Response<Self::LeaseKeepAliveStream>, Status> {
        let engine = self.engine.clone();
        let answers = request.into_inner().then(move |request| {
            let engine = engine.clone();
            async move {
                let mut answer = engine.call(request?).await?;
                engine.identity().sign(&mut answer.header);
                Ok(answer)
            }
        });
        Ok(Response::new(answers.boxed()))
    }

    async fn lease_time_to_live(
        &self,
        request: Request<PbLeaseTimeToLiveRequest>,
    ) -> Result<Response<PbLeaseTimeToLiveResponse>, Status> {
        let mut answer = self.engine.call(request.into_inner()).await?;
        self.engine.identity().sign(&mut answer.header);
        Ok(Response::new(answer))
    }

    async fn lease_leases(
        &self,
        request: Request<PbLeaseLeasesRequest>,
    ) -> Result<Response<PbLeaseLeasesResponse>, Status> {
        let mut answer = self.engine.call(request.into_inner()).await?;
        self.engine.identity().sign(&mut answer.header);
        Ok(Response::new(answer))
    }
}
