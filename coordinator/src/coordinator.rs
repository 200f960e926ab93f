//! The handle on a running coordinator: start it, serve it, stop it.

use std::fmt;
use std::future::Future;
use std::sync::Arc;

use futures_util::Stream;
use tdferry_common::clock::Clock;
use tdferry_common::shutdown::{Stopper, stop_pair};
use tdferry_common::timing::Timing;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::JoinHandle;
use tonic::service::Routes;
use tonic::transport::Channel;

use crate::serve::{self, ServeError};
use crate::shared::Core;
use crate::store::connect::StoreClient;
use crate::store::{Store, StoreError};
use crate::{api, leases, phases};

/// What a coordinator is made of. Everything that is not deterministic comes in here.
pub struct Deps {
    /// The store: etcd, or the embedded one.
    pub client: StoreClient,
    /// The time of day and tokio's clock.
    pub clock: Clock,
    /// All durations; workers take theirs from it.
    pub timing: Timing,
    /// For ids and jitter; each coordinator has one of its own.
    pub seed: u64,
    /// How it is called among others: an address, for people.
    pub id: String,
}

/// Why a coordinator cannot start, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the coordinator cannot start: {0}")]
pub struct StartError(String);

/// The store did not do what was asked; everything stored is kept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(transparent)]
pub struct CoordinatorError(StoreError);

/// A running coordinator; clones are the same one. Its background work ends with the last clone, services and channels
/// included, or when it is stopped.
#[derive(Clone)]
pub struct Coordinator(Arc<Inner>);

struct Inner {
    core: Arc<Core>,
    stopper: Stopper,
    loops: JoinHandle<()>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.loops.abort();
    }
}

impl fmt::Debug for Coordinator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Coordinator").field(&self.0.core.id).finish()
    }
}

impl Coordinator {
    /// Opens the store, reads it whole, and begins the background work.
    pub async fn start(deps: Deps) -> Result<Self, StartError> {
        let fail = |err: StoreError| StartError(err.to_string());
        let store = Box::pin(Store::open(deps.client, deps.timing, deps.seed)).await.map_err(fail)?;
        let core = Arc::new(Core::new(store, deps.clock, deps.id, deps.seed));
        let started = Self::with_loops(core);
        match tokio::time::timeout(deps.timing.session_ttl, started.filled()).await {
            Ok(()) => Ok(started),
            Err(_) => Err(StartError(format!(
                "the store was not read within {:?}; try again",
                deps.timing.session_ttl
            ))),
        }
    }

    /// Ends all sessions there are, so that what a crashed process held is free at once. Only for a process that has
    /// the store to itself, before it starts workers.
    pub async fn end_former_sessions(&self) -> Result<(), CoordinatorError> {
        leases::end_former_sessions(&self.0.core).await.map_err(CoordinatorError)
    }

    /// Serves connections, of whatever kind, until `stop` returns.
    pub async fn serve<C, E>(
        &self,
        incoming: impl Stream<Item = Result<C, E>>,
        stop: impl Future<Output = ()>,
    ) -> Result<(), ServeError>
    where
        C: AsyncRead + AsyncWrite + Unpin + Send + 'static,
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        serve::serve(self.router().await, incoming, stop).await
    }

    /// The services with health and reflection, to be served beside others.
    pub async fn router(&self) -> Routes {
        api::routes(self).await
    }

    /// A channel to this coordinator inside of the process.
    pub async fn channel(&self) -> Channel {
        serve::in_memory(self.router().await)
    }

    /// Ends the background work. What is stored stays; requests are answered for as long as somebody serves them.
    pub fn stop(&self) {
        self.0.stopper.drain();
    }

    pub(crate) fn core(&self) -> &Core {
        &self.0.core
    }

    fn with_loops(core: Arc<Core>) -> Self {
        let (stopper, stop) = stop_pair();
        let loops = tokio::spawn(phases::run(Arc::clone(&core), stop));
        Self(Arc::new(Inner { core, stopper, loops }))
    }

    async fn filled(&self) {
        let mut changed = self.core().view().changed();
        while !self.core().view().is_filled() {
            if changed.changed().await.is_err() {
                return;
            }
        }
    }
}
