//! The coordinator's service, and a channel to it that needs no socket.

use futures_util::StreamExt;
use hyper_util::rt::TokioIo;
use tdferry_common::lease::LeaseKey;
use tdferry_proto::v1;
use tdferry_proto::v1::worker_service_server::{WorkerService, WorkerServiceServer};
use tokio::io::{DuplexStream, duplex};
use tokio::sync::mpsc;
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::transport::{Channel, Endpoint, Server, Uri};
use tonic::{Request, Response, Status, Streaming};

use crate::coordinator::Coordinator;

const BUFFER: usize = 256 * 1024;

/// Serves for as long as the runtime lives.
pub(crate) fn channel(coordinator: &Coordinator) -> Channel {
    let (sender, connections) = mpsc::unbounded_channel::<DuplexStream>();
    let incoming = UnboundedReceiverStream::new(connections).map(Ok::<_, std::io::Error>);
    let service = WorkerServiceServer::new(coordinator.clone());
    tokio::spawn(Server::builder().add_service(service).serve_with_incoming(incoming));
    let connect = tower::service_fn(move |_: Uri| {
        let (ours, theirs) = duplex(BUFFER);
        let sent = sender.send(theirs).map_err(std::io::Error::other);
        async move { sent.map(|()| TokioIo::new(ours)) }
    });
    Endpoint::from_static("http://coordinator").connect_with_connector_lazy(connect)
}

/// A channel to nowhere.
pub(crate) fn dead_channel() -> Channel {
    let connect = tower::service_fn(|_: Uri| async {
        Err::<TokioIo<DuplexStream>, _>(std::io::Error::other("nobody is here"))
    });
    Endpoint::from_static("http://nowhere").connect_with_connector_lazy(connect)
}

type Answer<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl WorkerService for Coordinator {
    async fn register(&self, _: Request<v1::RegisterRequest>) -> Answer<v1::RegisterResponse> {
        let state = self.state();
        state.reachable()?;
        Ok(Response::new(v1::RegisterResponse { session: state.session, heartbeat_millis: 5_000 }))
    }

    async fn heartbeat(&self, request: Request<v1::HeartbeatRequest>) -> Answer<v1::HeartbeatResponse> {
        let mut state = self.state();
        state.reachable()?;
        let answer = state.beat(request.into_inner());
        drop(state);
        self.acted();
        Ok(Response::new(answer))
    }

    async fn claim(&self, request: Request<v1::ClaimRequest>) -> Answer<v1::ClaimResponse> {
        let request = request.into_inner();
        let (leases, wait) = {
            let mut state = self.state();
            state.reachable()?;
            if request.session != state.session {
                return Ok(Response::new(v1::ClaimResponse { leases: Vec::new(), session_lost: true }));
            }
            let leases = state.claim(request.slots, request.tail_slots);
            state.claims.push(request);
            (leases, state.claim_wait)
        };
        self.acted();
        if leases.is_empty() {
            tokio::time::sleep(wait).await;
        }
        Ok(Response::new(v1::ClaimResponse { leases, session_lost: false }))
    }

    async fn commit(&self, request: Request<v1::CommitRequest>) -> Answer<v1::CommitResponse> {
        let mut state = self.state();
        state.reachable()?;
        let (verdict, message) = state.commit(request.into_inner());
        let lost = state.lose_answers > 0;
        state.lose_answers = state.lose_answers.saturating_sub(1);
        drop(state);
        self.acted();
        match lost {
            true => Err(Status::unavailable("the answer got lost")),
            false => Ok(Response::new(v1::CommitResponse { verdict: verdict.into(), message })),
        }
    }

    async fn cut(&self, request: Request<v1::CutRequest>) -> Answer<v1::CutResponse> {
        let mut state = self.state();
        state.reachable()?;
        if state.cannot_cut {
            return Err(Status::unimplemented("what is a cut?"));
        }
        let answer = state.cut(request.into_inner());
        let lost = state.lose_answers > 0;
        state.lose_answers = state.lose_answers.saturating_sub(1);
        drop(state);
        self.acted();
        match lost {
            true => Err(Status::unavailable("the answer got lost")),
            false => Ok(Response::new(answer)),
        }
    }

    async fn grow(&self, request: Request<v1::GrowRequest>) -> Answer<v1::GrowResponse> {
        let mut state = self.state();
        state.reachable()?;
        let (verdict, message) = state.grow(request.into_inner());
        let lost = state.lose_grows > 0;
        state.lose_grows = state.lose_grows.saturating_sub(1);
        drop(state);
        self.acted();
        match lost {
            true => Err(Status::unavailable("the answer got lost")),
            false => Ok(Response::new(v1::GrowResponse { verdict: verdict.into(), message })),
        }
    }

    async fn names(&self, request: Request<v1::NamesRequest>) -> Answer<v1::NamesResponse> {
        let state = self.state();
        state.reachable()?;
        Ok(Response::new(state.names(request.into_inner())))
    }

    async fn release(&self, request: Request<v1::ReleaseRequest>) -> Answer<v1::ReleaseResponse> {
        let mut state = self.state();
        state.reachable()?;
        let key: LeaseKey = request.into_inner().key.unwrap().try_into().unwrap();
        if state.leases.get(&key.shard) == Some(&key.epoch.0) {
            state.leases.remove(&key.shard);
            state.released.push(key.shard);
        }
        drop(state);
        self.acted();
        Ok(Response::new(v1::ReleaseResponse {}))
    }

    async fn survey(&self, request: Request<Streaming<v1::SurveyRequest>>) -> Answer<v1::SurveyResponse> {
        let mut parts = request.into_inner();
        let mut told = Vec::new();
        while let Some(part) = parts.message().await? {
            told.push(part);
        }
        let mut state = self.state();
        state.reachable()?;
        if !matches!(told.last(), Some(v1::SurveyRequest { part: Some(v1::survey_request::Part::End(_)) })) {
            return Err(Status::aborted("the stream broke"));
        }
        if let Some(refused) = state.refuse_survey.take() {
            return Err(refused);
        }
        state.survey = told;
        drop(state);
        self.acted();
        let verdict = v1::Verdict::Committed.into();
        Ok(Response::new(v1::SurveyResponse { verdict, message: String::new(), found: None }))
    }

    async fn leave(&self, _: Request<v1::LeaveRequest>) -> Answer<v1::LeaveResponse> {
        let mut state = self.state();
        state.reachable()?;
        state.left = true;
        drop(state);
        self.acted();
        Ok(Response::new(v1::LeaveResponse {}))
    }
}
