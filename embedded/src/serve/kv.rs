//! etcd's KV service.

use etcd_client::proto::{
    PbCompactionRequest, PbCompactionResponse, PbDeleteRequest, PbDeleteResponse, PbKvService, PbPutRequest,
    PbPutResponse, PbRangeRequest, PbRangeResponse, PbRangeStreamResponse, PbTxnRequest, PbTxnResponse,
};
use tokio_stream::Empty;
use tonic::{Request, Response, Status};

use super::Services;
use super::router::not_offered;
use super::size::{check_logged, check_message};
use crate::kv::range;
use crate::txn::{check_delete, check_put, check_range, check_txn, writes};

#[async_trait::async_trait]
impl PbKvService for Services {
    async fn range(&self, request: Request<PbRangeRequest>) -> Result<Response<PbRangeResponse>, Status> {
        let request = request.into_inner();
        check_message(&request)?;
        check_range(&request)?;
        let mut answer = self.engine.read(|state, now| range(&state.history, &request, now))??;
        self.engine.identity().sign(&mut answer.header);
        Ok(Response::new(answer))
    }

    type RangeStreamStream = Empty<Result<PbRangeStreamResponse, Status>>;

    async fn range_stream(
        &self,
        _request: Request<PbRangeRequest>,
    ) -> Result<Response<Self::RangeStreamStream>, Status> {
        Err(not_offered("a range as a stream"))
    }

    async fn put(&self, request: Request<PbPutRequest>) -> Result<Response<PbPutResponse>, Status> {
        let request = request.into_inner();
        check_message(&request)?;
        check_put(&request)?;
        check_logged(&request)?;
        let mut answer = self.engine.call(request).await?;
        self.engine.identity().sign(&mut answer.header);
        Ok(Response::new(answer))
    }

    async fn delete_range(
        &self,
        request: Request<PbDeleteRequest>,
    ) -> Result<Response<PbDeleteResponse>, Status> {
        let request = request.into_inner();
        check_message(&request)?;
        check_delete(&request)?;
        check_logged(&request)?;
        let mut answer = self.engine.call(request).await?;
        self.engine.identity().sign(&mut answer.header);
        Ok(Response::new(answer))
    }

    async fn txn(&self, request: Request<PbTxnRequest>) -> Result<Response<PbTxnResponse>, Status> {
        let request = request.into_inner();
        check_message(&request)?;
        check_txn(&request)?;
        if writes(&request) {
            check_logged(&request)?;
        }
        let mut answer = self.engine.call(request).await?;
        self.engine.identity().sign(&mut answer.header);
        Ok(Response::new(answer))
    }

    async fn compact(
        &self,
        request: Request<PbCompactionRequest>,
    ) -> Result<Response<PbCompactionResponse>, Status> {
        let mut answer = self.engine.call(request.into_inner()).await?;
        self.engine.identity().sign(&mut answer.header);
        Ok(Response::new(answer))
    }
}
