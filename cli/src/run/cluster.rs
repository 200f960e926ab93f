//! The whole system in one process: store, coordinator and workers, as in a cluster but without a socket.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tdferry_common::clock::Clock;
use tdferry_common::port::Connector;
use tdferry_common::shutdown::{Stopper, stop_pair};
use tdferry_common::timing::Timing;
use tdferry_coordinator::{Coordinator, Deps};
use tdferry_embedded::Embedded;
use tdferry_proto::v1::admin_service_client::AdminServiceClient;
use tdferry_worker::{Worker, WorkerError};
use tokio::task::JoinHandle;
use tonic::transport::Channel;

use crate::entropy::seed;
use crate::exit::{Exit, Failure};
use crate::worker::host;

/// The store's file in a state folder.
const STORE_FILE: &str = "store.redb";

/// A cluster in this process.
pub struct Cluster {
    embedded: Embedded,
    coordinator: Coordinator,
    timing: Timing,
    workers: Vec<LocalWorker>,
}

/// A worker in this process.
pub struct LocalWorker {
    stopper: Stopper,
    running: JoinHandle<Result<(), WorkerError>>,
}

/// The store's file in a folder that is made if it is missing.
pub fn store_file(folder: &Path) -> Result<PathBuf, Failure> {
    std::fs::create_dir_all(folder)
        .map_err(|error| Failure::new(Exit::Usage, format!("state folder {}: {error}", folder.display())))?;
    Ok(folder.join(STORE_FILE))
}

impl Cluster {
    /// Opens the store of a folder, whose lock makes sure that this is the only process on it. Sessions of a former
    /// process are therefore dead, and are ended at once instead of being waited for.
    pub async fn open(folder: &Path, timing: Timing) -> Result<Self, Failure> {
        let failed = |error: String| Failure::new(Exit::Cluster, error);
        let file = store_file(folder)?;
        let embedded = Embedded::open(&file).await.map_err(|error| failed(error.to_string()))?;
        let client = embedded.client().await.map_err(|error| failed(error.to_string()))?;
        let deps = Deps { client, clock: Clock::system(), timing, seed: seed(), id: "run".into() };
        let coordinator = Coordinator::start(deps).await.map_err(|error| failed(error.to_string()))?;
        coordinator.end_former_sessions().await.map_err(|error| failed(error.to_string()))?;
        Ok(Self { embedded, coordinator, timing, workers: Vec::new() })
    }

    /// The times all of it keeps.
    pub fn timing(&self) -> Timing {
        self.timing
    }

    /// Returns when the store had to stop, such as for want of space: nothing goes on then, in this process.
    pub async fn store_failed(&self) -> Failure {
        Failure::new(
            Exit::Cluster,
            format!("{}; put it right, then run again to go on", self.embedded.failed().await),
        )
    }

    /// The operator's side.
    pub async fn admin(&self) -> AdminServiceClient<Channel> {
        AdminServiceClient::new(self.coordinator.channel().await)
    }

    /// Starts one more worker.
    pub async fn start_worker(&mut self, connector: Arc<dyn Connector>, slots: u32) {
        let worker = Worker::new(tdferry_worker::Deps {
            coordinators: vec![self.coordinator.channel().await],
            connector,
            slots,
            labels: std::collections::BTreeMap::new(),
            clock: Clock::system(),
            seed: seed(),
            host: host(),
        });
        let (stopper, token) = stop_pair();
        self.workers.push(LocalWorker { stopper, running: tokio::spawn(worker.run(token)) });
    }

    /// Takes the last worker that was started out of the cluster's hands.
    pub fn take_worker(&mut self) -> Option<LocalWorker> {
        self.workers.pop()
    }

    /// Ends in order: workers commit and release, then the store is closed.
    pub async fn close(mut self) {
        for worker in &self.workers {
            worker.stopper.drain();
        }
        for worker in self.workers.drain(..) {
            // a worker that cannot leave in order has lost its session, which ends by itself
            let _ = tokio::time::timeout(self.timing.drain_grace * 2, worker.running).await;
        }
        self.coordinator.stop();
        self.embedded.close().await;
    }
}

impl LocalWorker {
    /// Ends it at once, in the middle of whatever it does: its leases stand until its session ends.
    pub fn kill(self) {
        self.running.abort();
    }
}
