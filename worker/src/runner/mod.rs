//! The worker itself: opens a session, claims no more leases than it has free slots, and ends in order.

mod serve;

use std::collections::BTreeMap;
use std::sync::Arc;

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use tdferry_common::clock::Clock;
use tdferry_common::id::{SessionId, WorkerId};
use tdferry_common::port::Connector;
use tdferry_common::shutdown::StopToken;
use tdferry_common::timing::Timing;
use tdferry_proto::status::ApiError;
use tdferry_proto::v1;
use tokio::sync::watch;
use tonic::transport::Channel;

use crate::client::Client;
use crate::created::Created;
use crate::held::Held;
use crate::limits::WriteLimits;
use crate::notices::Notices;
use crate::rejects::RejectStores;
use crate::session::Session;
use crate::structure::Structures;
use crate::tags::StableTags;
use crate::waiting::Waiting;
use serve::Served;

/// What a worker needs of its surroundings.
pub struct Deps {
    /// Any of these serves any call.
    pub coordinators: Vec<Channel>,
    /// Opens the databases that tasks name.
    pub connector: Arc<dyn Connector>,
    /// How many leases it works on at once; at least one.
    pub slots: u32,
    /// What it is near to, by name.
    pub labels: BTreeMap<String, String>,
    /// The time of day, for T0 and for display.
    pub clock: Clock,
    /// All its randomness follows from it.
    pub seed: u64,
    /// Where it runs, for display.
    pub host: String,
}

/// Why a worker cannot work.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// The coordinator will not have it.
    #[error("the coordinator does not take this worker: {0}")]
    Refused(ApiError),
}

/// One worker process, or one of several in a process.
pub struct Worker {
    id: WorkerId,
    slots: u32,
    labels: BTreeMap<String, String>,
    host: String,
    client: Client,
    connector: Arc<dyn Connector>,
    clock: Clock,
    structures: Structures,
    write_limits: WriteLimits,
    rejects: RejectStores,
    rng: SmallRng,
}

impl Worker {
    /// A worker that has not begun; its id is drawn from the seed.
    pub fn new(deps: Deps) -> Self {
        let mut rng = SmallRng::seed_from_u64(deps.seed);
        let slots = deps.slots.max(1);
        Self {
            id: WorkerId(rng.random()),
            slots,
            labels: deps.labels,
            host: deps.host,
            client: Client::new(deps.coordinators, rng.random()),
            connector: deps.connector,
            clock: deps.clock,
            structures: Structures::default(),
            write_limits: WriteLimits::new(slots),
            rejects: RejectStores::default(),
            rng,
        }
    }

    /// Who it is, from its start to its end.
    pub fn id(&self) -> WorkerId {
        self.id
    }

    /// Works until it is told to stop. A session that is lost is replaced by a new one.
    pub async fn run(mut self, stop: StopToken) -> Result<(), WorkerError> {
        loop {
            let session = tokio::select! {
                biased;
                () = stop.stopping() => return Ok(()),
                session = self.register() => Arc::new(session?),
            };
            tracing::info!(worker = %self.id, session = %session.id, "session opened");
            match self.serve(&session, &stop).await {
                Served::Lost => tracing::warn!(session = %session.id, "session lost; registering anew"),
                Served::Aborted => return Ok(()),
                Served::Drained => return self.leave(&session).await,
            }
        }
    }

    async fn register(&mut self) -> Result<Session, WorkerError> {
        let request = v1::RegisterRequest {
            worker: self.id.0,
            host: self.host.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            slots: self.slots,
            labels: self.labels.clone(),
        };
        let client = self.client.clone();
        let (sent, answer) = client.register(request).await.map_err(WorkerError::Refused)?;
        let timing = match answer.heartbeat_millis {
            0 => Timing::default(),
            millis => Timing::from_heartbeat(std::time::Duration::from_millis(millis)),
        };
        Ok(Session {
            id: SessionId(answer.session),
            worker: self.id,
            client: client.paced(timing),
            connector: Arc::clone(&self.connector),
            clock: self.clock.clone(),
            timing,
            held: Held::default(),
            waiting: Waiting::default(),
            notices: Notices::default(),
            structures: self.structures.clone(),
            stable_tags: StableTags::default(),
            created: Created::default(),
            write_limits: self.write_limits.clone(),
            rejects: self.rejects.clone(),
            heard: watch::Sender::new(sent),
        })
    }

    async fn leave(&self, session: &Session) -> Result<(), WorkerError> {
        let request = v1::LeaveRequest { session: session.id.0, worker: self.id.0 };
        if let Err(error) = session.client.leave(request).await {
            tracing::warn!(%error, "could not leave; the session ends by itself");
        }
        tracing::info!(worker = %self.id, "worker stopped");
        Ok(())
    }
}
