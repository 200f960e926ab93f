//! The cast of one run: a real etcd of three members, two coordinators, four workers, a source and a sink, and a wire
//! between each two that talk. All of them are this process's own, and end with it.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, Result};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use tokio::process::Command;
use tokio::sync::Mutex;

use crate::actor::{Actor, PATIENCE};
use crate::clock::{Clock, Owner};
use crate::etcd::{Etcd, MEMBERS};
use crate::link::Link;
use crate::recorder::Recorder;
use crate::room;
use crate::support::process::tdferry;
use crate::support::servers::Servers;
use crate::wait::until;

pub(crate) const COORDINATORS: usize = 2;
pub(crate) const WORKERS: usize = 4;
/// Few, so that shards are left to claim whatever befalls whom.
pub(crate) const SLOTS: u32 = 2;
/// Short, so that what takes a session's life takes seconds: the session lives three.
pub(crate) const HEARTBEAT_MILLIS: u64 = 500;
/// Where workers find the password of both databases.
pub(crate) const PASSWORD_ENV: &str = "TDFERRY_TEST_PASSWORD";
const LISTENING: &str = "listening on ";

/// Everybody.
pub(crate) struct Cast {
    pub(crate) folder: PathBuf,
    pub(crate) etcd: Arc<Etcd>,
    pub(crate) coordinators: Vec<Coordinator>,
    pub(crate) workers: Vec<Worker>,
    /// Of each worker.
    slots: u32,
    pub(crate) servers: Servers,
    /// Between all workers and the source.
    pub(crate) to_source: Link,
    /// Between all workers and the sink.
    pub(crate) to_sink: Link,
    pub(crate) recorder: Recorder,
    /// The time of some of them, where it can be set.
    pub(crate) clock: Option<Clock>,
}

/// A coordinator, its wires to each member of etcd, and its process, unless it is dead.
pub(crate) struct Coordinator {
    pub(crate) to_store: Vec<Link>,
    pub(crate) process: Mutex<Option<Actor>>,
    /// Where it listens; a new process listens elsewhere, and the wires to it follow.
    address: std::sync::Mutex<SocketAddr>,
}

/// A worker, its wires to each coordinator, and its process, unless it is dead.
pub(crate) struct Worker {
    pub(crate) to_coordinators: Vec<Link>,
    pub(crate) process: Mutex<Option<Actor>>,
}

impl Cast {
    /// Brings everybody on, in a folder where all their words stay.
    pub(crate) async fn assemble(folder: PathBuf, slots: u32, seed: u64) -> Result<Self> {
        let mut rng = SmallRng::seed_from_u64(seed);
        let etcd = Arc::new(Etcd::start(&folder, &mut rng).await?);
        let recorder = Recorder::start(Arc::clone(&etcd));
        let servers = Servers::standins().await;
        let mut cast = Self {
            to_source: Link::to(servers.source_standin().addr(), rng.random()).await?,
            to_sink: Link::to(servers.target_standin().addr(), rng.random()).await?,
            coordinators: Vec::new(),
            workers: Vec::new(),
            slots,
            clock: Clock::find(&folder)?,
            folder,
            etcd,
            servers,
            recorder,
        };
        for _ in 0..COORDINATORS {
            let mut to_store = Vec::new();
            for member in 0..MEMBERS {
                to_store.push(Link::to(cast.etcd.members[member].clients, rng.random()).await?);
            }
            let nowhere = std::sync::Mutex::new(SocketAddr::from(([127, 0, 0, 1], 1)));
            cast.coordinators.push(Coordinator { to_store, process: Mutex::new(None), address: nowhere });
        }
        for coordinator in 0..COORDINATORS {
            cast.start_coordinator(coordinator).await?;
        }
        for _ in 0..WORKERS {
            let mut to_coordinators = Vec::new();
            for coordinator in 0..COORDINATORS {
                to_coordinators.push(Link::to(cast.address(coordinator), rng.random()).await?);
            }
            cast.workers.push(Worker { to_coordinators, process: Mutex::new(None) });
        }
        for worker in 0..WORKERS {
            cast.start_worker(worker).await?;
        }
        Ok(cast)
    }

    /// Where a coordinator listens.
    pub(crate) fn address(&self, coordinator: usize) -> SocketAddr {
        *self.coordinators[coordinator].address.lock().unwrap()
    }

    /// The coordinators as the command line takes them, past the wires.
    pub(crate) fn urls(&self) -> String {
        let urls: Vec<_> = (0..COORDINATORS).map(|index| format!("http://{}", self.address(index))).collect();
        urls.join(",")
    }

    /// Starts a coordinator in an empty place, and leads the workers' wires to it.
    pub(crate) async fn start_coordinator(&self, index: usize) -> Result<()> {
        let members: Vec<_> =
            self.coordinators[index].to_store.iter().map(|link| link.address.to_string()).collect();
        let store = format!("etcd://{}", members.join(","));
        let heartbeat = format!("{HEARTBEAT_MILLIS}ms");
        let mut command = tdferry(&[
            "coordinator",
            "--listen",
            "127.0.0.1:0",
            "--store",
            &store,
            "--heartbeat",
            &heartbeat,
        ]);
        command.env("TDFERRY_ADVERTISE", format!("coordinator{index}"));
        if let Some(clock) = self.clock.as_ref().filter(|_| index == Owner::Coordinator.index()) {
            clock.show(Owner::Coordinator, &mut command)?;
        }
        let actor = Actor::start(&format!("coordinator{index}"), command, &self.folder)?;
        let mut place = self.coordinators[index].process.lock().await;
        let actor = place.insert(actor);
        let line = actor.has_said(LISTENING).await?;
        let address = line.split(LISTENING).nth(1).and_then(|rest| rest.split([',', ' ']).next());
        let address = address.context("an address")?.parse()?;
        *self.coordinators[index].address.lock().unwrap() = address;
        for worker in &self.workers {
            worker.to_coordinators[index].lead_to(address);
        }
        Ok(())
    }

    /// Starts a worker in an empty place.
    pub(crate) async fn start_worker(&self, index: usize) -> Result<()> {
        let actor = Actor::start(&format!("worker{index}"), self.worker_command(index)?, &self.folder)?;
        *self.workers[index].process.lock().await = Some(actor);
        Ok(())
    }

    fn worker_command(&self, index: usize) -> Result<Command> {
        let links = &self.workers[index].to_coordinators;
        let urls: Vec<_> = links.iter().map(|link| format!("http://{}", link.address)).collect();
        let (urls, slots, label) = (urls.join(","), self.slots.to_string(), format!("name=worker{index}"));
        let mut command = tdferry(&["worker", "--coordinator", &urls, "--slots", &slots, "--label", &label]);
        command.env(PASSWORD_ENV, "taosdata");
        if let Some(clock) = self.clock.as_ref().filter(|_| index == Owner::Worker.index()) {
            clock.show(Owner::Worker, &mut command)?;
        }
        Ok(command)
    }

    /// Every wire there is.
    pub(crate) fn links(&self) -> impl Iterator<Item = &Link> {
        let stores = self.coordinators.iter().flat_map(|coordinator| &coordinator.to_store);
        let coordinators = self.workers.iter().flat_map(|worker| &worker.to_coordinators);
        stores.chain(coordinators).chain([&self.to_source, &self.to_sink])
    }

    /// Ends every fault: wires heal, who is stopped goes on, who is dead comes back.
    pub(crate) async fn heal(&self) -> Result<()> {
        self.links().for_each(Link::heal);
        self.servers.source_standin().faults().clear();
        self.servers.target_standin().faults().clear();
        self.servers.source_standin().resume().await?;
        self.servers.target_standin().resume().await?;
        for member in 0..MEMBERS {
            self.etcd.revive(member).await?;
        }
        until(PATIENCE, "room in the store", || async { Box::pin(room::made_if_full(self)).await.ok() })
            .await?;
        for index in 0..COORDINATORS {
            if !revived(&self.coordinators[index].process).await? {
                self.start_coordinator(index).await?;
            }
        }
        for index in 0..WORKERS {
            if !revived(&self.workers[index].process).await? {
                self.start_worker(index).await?;
            }
        }
        Ok(())
    }
}

/// Lets a process go on; `false` if it is dead.
async fn revived(place: &Mutex<Option<Actor>>) -> Result<bool> {
    let mut place = place.lock().await;
    let Some(actor) = place.as_mut() else { return Ok(false) };
    if actor.has_ended() {
        return Ok(false);
    }
    actor.thaw()?;
    Ok(true)
}
