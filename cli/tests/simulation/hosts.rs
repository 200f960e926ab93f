//! The software of each host: the shipped parts, put together as the command line does it, but on simulated sockets.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use futures_util::stream::{self, StreamExt};
use tdferry_common::clock::Clock;
use tdferry_common::shutdown::stop_pair;
use tdferry_coordinator::Coordinator;
use tdferry_embedded::{Embedded, Options};
use tdferry_worker::Worker;
use tokio::time::sleep;

use crate::disk::LoggedStorage;
use crate::kinds::worker_host;
use crate::ports::SlowConnector;
use crate::world::{NOW_MILLIS, World};
use crate::{acts, net, seam};

pub(crate) type Failure = Box<dyn std::error::Error>;

/// A process that could not start is started again by whoever looks after it.
const START_AGAIN: Duration = Duration::from_millis(500);
/// The whole log is checked, so nothing of it may be forgotten.
const HISTORY: Duration = Duration::from_secs(86_400);

pub(crate) async fn store(world: Arc<World>) -> Result<(), Failure> {
    let storage = LoggedStorage { inner: world.disk.clone(), world: Arc::clone(&world) };
    let options = Options { history: HISTORY, ..Options::seeded(world.seed) };
    let store = Embedded::open_with(storage, options).await?;
    let incoming = net::listen().await?.map(|connection| connection.map(|(connection, _)| connection));
    store.serve(incoming).await?;
    Ok(())
}

pub(crate) async fn coordinator(world: Arc<World>, host: String) -> Result<(), Failure> {
    loop {
        let channel = seam::to_store(&world, &host, net::to_store(world.timing.store_request));
        let deps = tdferry_coordinator::Deps {
            client: etcd_client::Client::from_channel(channel, None).await?,
            clock: clock(),
            timing: world.timing,
            seed: world.seed_for(&host),
            id: host.clone(),
        };
        match Coordinator::start(deps).await {
            Ok(coordinator) => serve(&world, &coordinator).await?,
            Err(error) => world.log.note(format!("{host}: {error}")),
        }
        sleep(START_AGAIN).await;
    }
}

/// Serves each connection by itself, so that it is known whose requests come over it.
async fn serve(world: &Arc<World>, coordinator: &Coordinator) -> Result<(), Failure> {
    let routes = coordinator.router().await;
    let mut incoming = Box::pin(net::listen().await?);
    while let Some(connection) = incoming.next().await {
        let (connection, from) = connection?;
        let routes = seam::heard_from(world, &from, routes.clone());
        let one = stream::iter([Ok::<_, std::io::Error>(connection)]).chain(stream::pending());
        tokio::spawn(tdferry_coordinator::serve(routes, one, std::future::pending()));
    }
    Ok(())
}

pub(crate) async fn worker(world: Arc<World>, index: usize) -> Result<(), Failure> {
    let host = worker_host(index);
    let seed = world.seed_for(&host);
    let switches = &world.workers[index];
    let connector = SlowConnector::new(&world, index, seed);
    let endpoint =
        |name: String| tdferry_worker::endpoint(&format!("http://{name}:{}", net::PORT), &world.timing);
    let coordinators = crate::kinds::coordinators().map(|name| Ok(net::channel(endpoint(name)?)));
    let worker = Worker::new(tdferry_worker::Deps {
        coordinators: coordinators.collect::<Result<_, tonic::transport::Error>>()?,
        connector: Arc::new(connector),
        slots: 2,
        labels: BTreeMap::from([acts::labels(index)]),
        clock: clock(),
        seed,
        host,
    });
    let (stopper, stop) = stop_pair();
    *switches.stopper.lock().unwrap_or_else(PoisonError::into_inner) = Some(stopper);
    // a worker that a coordinator refuses ends, which no fault of these may bring about
    switches.gate.holds(worker.run(stop)).await?;
    Ok(())
}

/// The time of day, which goes on while a host is down.
pub(crate) fn clock() -> Clock {
    let since = turmoil::sim_elapsed().unwrap_or_default();
    Clock::simulated(NOW_MILLIS + i64::try_from(since.as_millis()).unwrap_or_default())
}
