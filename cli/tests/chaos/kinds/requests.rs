//! Requests that come twice, too late, or out of their order: a client of our own holds a lease as a worker does, and
//! repeats what it sent.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use rand::Rng;
use rand::rngs::SmallRng;
use tdferry_proto::v1::worker_service_client::WorkerServiceClient;
use tdferry_proto::v1::{self, Verdict};
use tokio::time::sleep;
use tonic::transport::{Channel, Endpoint};

use super::workers;
use crate::actor::PATIENCE;
use crate::cast::{COORDINATORS, Cast, HEARTBEAT_MILLIS};
use crate::wait::{Patience, until};

/// One request.
const REQUEST: Duration = Duration::from_secs(3);

/// Which.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// The same commit twice, to both coordinators, counts once.
    CommitRepeated,
    /// A commit that overtook the one before it is refused.
    CommitReordered,
    /// A commit that comes after its lease was given back is fenced.
    CommitLate,
    /// A release that comes again does not end the lease of whoever holds it now.
    ReleaseRepeated,
    /// A claim of a session that has ended takes nothing.
    ClaimLate,
}

impl Kind {
    pub(crate) const ALL: [Self; 5] = [
        Self::CommitRepeated,
        Self::CommitReordered,
        Self::CommitLate,
        Self::ReleaseRepeated,
        Self::ClaimLate,
    ];

    pub(crate) async fn inflict(self, cast: &Cast, rng: &mut SmallRng) -> Result<()> {
        // no lease is free while others take them all
        let mut frozen = Vec::new();
        for worker in &cast.workers {
            let place = worker.process.lock().await;
            let worker = place.as_ref().context("it is dead")?;
            worker.has_said("session opened").await?;
            let id = workers::session(worker).context("no session")?;
            frozen.push((place, id));
        }
        let workers = || frozen.iter().flat_map(|(place, _)| place.as_ref());
        for worker in workers() {
            worker.freeze().await?;
        }
        let is_over = |id: &String| cast.recorder.worker(id).is_some_and(|record| !record.lives);
        let over = || async { frozen.iter().all(|(_, id)| is_over(id)).then_some(()) };
        let seen = match until(PATIENCE, "the end of all sessions", over).await {
            Ok(()) => self.play(cast, rng).await,
            Err(error) => Err(error),
        };
        workers().try_for_each(|worker| worker.thaw())?;
        seen
    }

    async fn play(self, cast: &Cast, rng: &mut SmallRng) -> Result<()> {
        let mut double = Double::register(cast, rng.random()).await?;
        let claimed = double.claim().await;
        let seen = match claimed {
            Ok(lease) => self.repeat(&mut double, &lease).await,
            Err(error) => Err(error),
        };
        double.leave().await?;
        seen
    }

    async fn repeat(self, double: &mut Double, lease: &v1::ClaimedLease) -> Result<()> {
        match self {
            Self::CommitRepeated => {
                double.says(lease, 1, 0, Verdict::Committed).await?;
                double.says(lease, 1, 1, Verdict::Committed).await?;
                double.says(lease, 2, 1, Verdict::Committed).await
            }
            Self::CommitReordered => {
                double.says(lease, 2, 0, Verdict::Refused).await?;
                double.says(lease, 1, 1, Verdict::Committed).await?;
                double.says(lease, 2, 0, Verdict::Committed).await
            }
            Self::CommitLate => {
                double.says(lease, 1, 0, Verdict::Committed).await?;
                double.release(lease, 0).await?;
                double.says(lease, 2, 1, Verdict::Fenced).await
            }
            Self::ReleaseRepeated => {
                double.release(lease, 0).await?;
                let another = double.claim().await?;
                double.release(lease, 1).await?;
                // what was claimed since stands as it did
                double.says(&another, 1, 0, Verdict::Committed).await
            }
            Self::ClaimLate => {
                double.leave().await?;
                double.is_told_that_its_session_ended().await
            }
        }
    }
}

/// A worker that copies nothing.
struct Double {
    peers: Vec<WorkerServiceClient<Channel>>,
    worker: u64,
    session: i64,
}

impl Double {
    async fn register(cast: &Cast, worker: u64) -> Result<Self> {
        let mut peers = Vec::new();
        for index in 0..COORDINATORS {
            let url = format!("http://{}", cast.address(index));
            peers.push(WorkerServiceClient::new(Endpoint::from_shared(url)?.timeout(REQUEST).connect_lazy()));
        }
        let request = v1::RegisterRequest {
            worker,
            host: "double".into(),
            version: env!("CARGO_PKG_VERSION").into(),
            slots: 1,
            labels: Default::default(),
        };
        let answer = peers[0].register(request).await?.into_inner();
        Ok(Self { peers, worker, session: answer.session })
    }

    async fn ask_for_leases(&mut self, peer: usize) -> Result<v1::ClaimResponse> {
        let request =
            v1::ClaimRequest { session: self.session, worker: self.worker, slots: 1, tail_slots: 1 };
        Ok(self.peers[peer].claim(request).await?.into_inner())
    }

    /// Asks until there is a lease to be had, on a shard that has a checkpoint.
    async fn claim(&mut self) -> Result<v1::ClaimedLease> {
        let polls = PATIENCE.as_millis() / 2 / u128::from(HEARTBEAT_MILLIS / 5);
        for _ in 0..polls {
            let answer = self.ask_for_leases(0).await?;
            ensure!(!answer.session_lost, "the session was lost");
            let mut leases = answer.leases.into_iter();
            let first = leases.next();
            // one of each kind of slot may come
            for other in leases {
                self.release(&other, 0).await?;
            }
            match first {
                Some(lease) if lease.shard.as_ref().is_some_and(|shard| shard.checkpoint.is_some()) => {
                    return Ok(lease);
                }
                Some(lease) => self.release(&lease, 0).await?,
                None => {}
            }
            self.beat().await?;
            sleep(Duration::from_millis(HEARTBEAT_MILLIS / 5)).await;
        }
        anyhow::bail!("no lease was free")
    }

    /// Asks until a coordinator that has something to be claimed looks at the session.
    async fn is_told_that_its_session_ended(&mut self) -> Result<()> {
        let mut patience = Patience::of(PATIENCE);
        loop {
            let answer = self.ask_for_leases(1).await?;
            ensure!(answer.leases.is_empty(), "a session that ended took {answer:?}");
            if answer.session_lost {
                return Ok(());
            }
            ensure!(patience.lasts(), "the end of the session was not told");
            sleep(Duration::from_millis(HEARTBEAT_MILLIS / 5)).await;
        }
    }

    async fn beat(&mut self) -> Result<()> {
        let request = v1::HeartbeatRequest {
            session: self.session,
            worker: self.worker,
            held: Vec::new(),
            free_slots: 1,
            waiting: Vec::new(),
            draining: false,
            notices: Vec::new(),
        };
        self.peers[1].heartbeat(request).await?;
        Ok(())
    }

    /// Sends a commit that moves nothing, so many after the stored one, and checks what is said to it.
    async fn says(
        &mut self,
        lease: &v1::ClaimedLease,
        ahead: u64,
        peer: usize,
        wanted: Verdict,
    ) -> Result<()> {
        let key = lease.key.clone().context("a lease without a key")?;
        let stored = lease.shard.clone().and_then(|shard| shard.checkpoint).context("no checkpoint")?;
        let checkpoint = v1::Checkpoint { epoch: key.epoch, seq: stored.seq + ahead, ..stored };
        let request = v1::CommitRequest {
            key: Some(key),
            fence: lease.fence,
            checkpoint: Some(checkpoint),
            ending: v1::Ending::Unspecified.into(),
            reason: String::new(),
        };
        let answer = self.peers[peer].commit(request).await?.into_inner();
        let verdict = answer.verdict();
        ensure!(
            verdict == wanted,
            "commit {ahead} ahead: {verdict:?} instead of {wanted:?}: {}",
            answer.message
        );
        Ok(())
    }

    async fn release(&mut self, lease: &v1::ClaimedLease, peer: usize) -> Result<()> {
        self.peers[peer].release(v1::ReleaseRequest { key: lease.key.clone() }).await?;
        Ok(())
    }

    async fn leave(&mut self) -> Result<()> {
        self.peers[0].leave(v1::LeaveRequest { session: self.session, worker: self.worker }).await?;
        Ok(())
    }
}
