//! Calls to coordinators: a list of channels, any of which serves any call; the next one is taken when one fails.
//!
//! Every request has a time limit, and what may be repeated is repeated with backoff. It does not know what the
//! answers mean.

mod calls;

use std::future::Future;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rand::SeedableRng;
use rand::rngs::SmallRng;
use tdferry_common::retry::Backoff;
use tdferry_common::timing::Timing;
use tdferry_proto::status::ApiError;
use tdferry_proto::v1::worker_service_client::WorkerServiceClient;
use tokio::time::timeout;
use tonic::transport::{Channel, Endpoint};
use tonic::{Response, Status};

/// A group's names come with every lease on it: some dozen leases of 64 KiB and more each.
const MAX_ANSWER_BYTES: usize = 64 * 1024 * 1024;
/// A coordinator may itself try its store twice before it answers.
const STORE_TRIES: u32 = 2;
/// The longest wait between rounds over all coordinators; a worker should notice their return soon.
const LONGEST_WAIT_BEATS: u32 = 1;

type Peer = WorkerServiceClient<Channel>;

/// The coordinators as one. Clones share the choice of the one in use.
#[derive(Clone)]
pub(crate) struct Client {
    peers: Arc<[Peer]>,
    current: Arc<AtomicUsize>,
    rng: Arc<Mutex<SmallRng>>,
    timing: Timing,
}

/// A coordinator's address as a channel should be made of it: a peer that died without a word is noticed in time.
pub fn endpoint(url: &str, timing: &Timing) -> Result<Endpoint, tonic::transport::Error> {
    Ok(Endpoint::from_shared(url.to_owned())?
        .connect_timeout(timing.store_request)
        .http2_keep_alive_interval(timing.heartbeat)
        .keep_alive_timeout(timing.store_request)
        .keep_alive_while_idle(true)
        .tcp_nodelay(true))
}

impl Client {
    pub(crate) fn new(channels: Vec<Channel>, seed: u64) -> Self {
        let peer = |channel| Peer::new(channel).max_decoding_message_size(MAX_ANSWER_BYTES);
        Self {
            peers: channels.into_iter().map(peer).collect(),
            current: Arc::default(),
            rng: Arc::new(Mutex::new(SmallRng::seed_from_u64(seed))),
            timing: Timing::default(),
        }
    }

    /// The same coordinators, at the pace they asked for.
    pub(crate) fn paced(&self, timing: Timing) -> Self {
        Self { timing, ..self.clone() }
    }

    fn request_limit(&self) -> Duration {
        self.timing.store_request * STORE_TRIES
    }

    /// Waits between rounds, for ever.
    fn endless(&self) -> Backoff {
        Backoff::endless(self.timing.heartbeat / 20, self.timing.heartbeat * LONGEST_WAIT_BEATS)
    }

    /// So many rounds over all coordinators.
    fn rounds(&self, rounds: u32) -> Backoff {
        Backoff { attempts: Some(rounds), ..self.endless() }
    }

    /// Asks one coordinator after the other until one answers or the rounds are used up.
    async fn call<Q, A, F>(
        &self,
        limit: Duration,
        rounds: Backoff,
        request: Q,
        send: impl Fn(Peer, Q) -> F,
    ) -> Result<A, ApiError>
    where
        Q: Clone,
        F: Future<Output = Result<Response<A>, Status>>,
    {
        let mut round = 0u32;
        loop {
            let mut last = ApiError::Unavailable("no coordinator is configured".into());
            for _ in 0..self.peers.len() {
                let Some((at, peer)) = self.peer() else { break };
                last = match timeout(limit, send(peer, request.clone())).await {
                    Ok(Ok(answer)) => return Ok(answer.into_inner()),
                    Ok(Err(status)) => status.into(),
                    Err(_) => ApiError::Unavailable(format!("no answer within {limit:?}")),
                };
                if !matches!(last, ApiError::Unavailable(_)) {
                    return Err(last);
                }
                tracing::debug!(coordinator = at, error = %last, "coordinator did not answer");
                self.move_on(at);
            }
            round = round.saturating_add(1);
            let Some(wait) = self.wait_after(rounds, round) else { return Err(last) };
            tokio::time::sleep(wait).await;
        }
    }

    fn peer(&self) -> Option<(usize, Peer)> {
        let at = self.current.load(Ordering::Relaxed);
        self.peers.get(at).map(|peer| (at, peer.clone()))
    }

    /// Takes the next coordinator, unless another call has done so already.
    fn move_on(&self, from: usize) {
        let to = (from + 1) % self.peers.len().max(1);
        let _ = self.current.compare_exchange(from, to, Ordering::Relaxed, Ordering::Relaxed);
    }

    fn wait_after(&self, rounds: Backoff, round: u32) -> Option<Duration> {
        rounds.delay(round, &mut *self.rng.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
