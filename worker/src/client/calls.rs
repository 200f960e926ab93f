//! The calls a worker makes, each with how often it is repeated.

use tdferry_common::lease::LeaseKey;
use tdferry_proto::status::ApiError;
use tdferry_proto::v1;
use tokio::time::Instant;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Response};

use super::{Client, Peer};

/// A lease that is not given back expires or is found as an orphan: not worth holding up an end.
const RELEASE_ROUNDS: u32 = 5;
/// A session that is not ended ends by itself.
const LEAVE_ROUNDS: u32 = 2;

impl Client {
    /// Until answered: without a session there is nothing to do. Tells when the request was sent that was answered,
    /// since the session is at least as old.
    pub(crate) async fn register(
        &self,
        request: v1::RegisterRequest,
    ) -> Result<(Instant, v1::RegisterResponse), ApiError> {
        let send = |mut peer: Peer, request| async move {
            let sent = Instant::now();
            let answer = peer.register(request).await?;
            Ok(answer.map(|answer| (sent, answer)))
        };
        self.call(self.request_limit(), self.endless(), request, send).await
    }

    /// One round: the next beat is the repetition.
    pub(crate) async fn heartbeat(
        &self,
        request: v1::HeartbeatRequest,
    ) -> Result<v1::HeartbeatResponse, ApiError> {
        let send = |mut peer: Peer, request| async move { peer.heartbeat(request).await };
        self.call(self.timing.store_request, self.rounds(1), request, send).await
    }

    /// One round. A claim whose answer is lost is not repeated: the lease is found as an orphan.
    pub(crate) async fn claim(&self, request: v1::ClaimRequest) -> Result<v1::ClaimResponse, ApiError> {
        let send = |mut peer: Peer, request| async move { peer.claim(request).await };
        self.call(self.request_limit(), self.rounds(1), request, send).await
    }

    /// Until answered: only the answer tells whether the commit counts.
    pub(crate) async fn commit(&self, request: v1::CommitRequest) -> Result<v1::CommitResponse, ApiError> {
        let send = |mut peer: Peer, request| async move { peer.commit(request).await };
        self.call(self.request_limit(), self.endless(), request, send).await
    }

    /// Until answered, as a commit. A coordinator of an earlier version cannot cut: its answer has no verdict.
    pub(crate) async fn cut(&self, request: v1::CutRequest) -> Result<v1::CutResponse, ApiError> {
        let send = |mut peer: Peer, request| async move {
            match peer.cut(request).await {
                Err(status) if status.code() == Code::Unimplemented => {
                    Ok(Response::new(v1::CutResponse::default()))
                }
                answer => answer,
            }
        };
        self.call(self.request_limit(), self.endless(), request, send).await
    }

    /// Until answered, as a commit.
    pub(crate) async fn grow(&self, request: v1::GrowRequest) -> Result<v1::GrowResponse, ApiError> {
        let send = |mut peer: Peer, request| async move { peer.grow(request).await };
        self.call(self.request_limit(), self.endless(), request, send).await
    }

    /// Until answered: without the names nothing can be told to be new.
    pub(crate) async fn names(&self, request: v1::NamesRequest) -> Result<v1::NamesResponse, ApiError> {
        let send = |mut peer: Peer, request| async move { peer.names(request).await };
        self.call(self.request_limit(), self.endless(), request, send).await
    }

    pub(crate) async fn release(&self, key: LeaseKey) -> Result<v1::ReleaseResponse, ApiError> {
        let request = v1::ReleaseRequest { key: Some(key.into()) };
        let send = |mut peer: Peer, request| async move { peer.release(request).await };
        self.call(self.request_limit(), self.rounds(RELEASE_ROUNDS), request, send).await
    }

    pub(crate) async fn leave(&self, request: v1::LeaveRequest) -> Result<v1::LeaveResponse, ApiError> {
        let send = |mut peer: Peer, request| async move { peer.leave(request).await };
        self.call(self.request_limit(), self.rounds(LEAVE_ROUNDS), request, send).await
    }

    /// One attempt, and without a limit of time: reading a catalog takes as long as it takes. Whoever calls starts
    /// the survey again when this fails.
    pub(crate) async fn survey(
        &self,
        parts: ReceiverStream<v1::SurveyRequest>,
    ) -> Result<v1::SurveyResponse, ApiError> {
        let Some((at, mut peer)) = self.peer() else {
            return Err(ApiError::Unavailable("no coordinator is configured".into()));
        };
        let answer = peer.survey(parts).await.map_err(ApiError::from);
        if matches!(answer, Err(ApiError::Unavailable(_))) {
            self.move_on(at);
        }
        Ok(answer?.into_inner())
    }
}
