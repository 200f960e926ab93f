//! Three real members of one etcd, each a process that can be killed, stopped, and replaced by an empty one.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use etcd_client::{Client, ConnectOptions};
use rand::Rng;
use rand::rngs::SmallRng;
use tokio::process::Command;
use tokio::sync::Mutex;

use crate::actor::{Actor, PATIENCE};
use crate::wait::until;

/// Members; two of them are a quorum.
pub(crate) const MEMBERS: usize = 3;
/// Ports are drawn from below those that the system hands out by itself, so that a member finds its own again.
const PORTS: std::ops::Range<u16> = 15_000..30_000;
/// Room of one member's file: many times what tasks need, and soon full.
const QUOTA_BYTES: u64 = 32 * 1024 * 1024;
/// One request to one member.
const REQUEST: Duration = Duration::from_secs(2);

/// The cluster.
pub(crate) struct Etcd {
    pub(crate) members: Vec<Member>,
    folder: PathBuf,
}

/// One member's place: the process in it may change.
pub(crate) struct Member {
    pub(crate) clients: SocketAddr,
    peers: SocketAddr,
    pub(crate) place: Mutex<Place>,
}

/// Who is in a member's place.
pub(crate) struct Place {
    /// Raised when an empty member takes the place: it has a name and a folder of its own.
    generation: u32,
    pub(crate) process: Option<Actor>,
}

/// What a member knows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Status {
    pub(crate) id: u64,
    pub(crate) leader: u64,
}

impl Etcd {
    /// Starts all members and waits until they have a leader.
    pub(crate) async fn start(folder: &Path, rng: &mut SmallRng) -> Result<Self> {
        let mut members = Vec::new();
        for _ in 0..MEMBERS {
            let place = Mutex::new(Place { generation: 0, process: None });
            members.push(Member { clients: free_port(rng)?, peers: free_port(rng)?, place });
        }
        let etcd = Self { members, folder: folder.to_owned() };
        let all: Vec<_> = (0..MEMBERS).collect();
        for index in 0..MEMBERS {
            etcd.spawn(index, &all, "new").await?;
        }
        until(PATIENCE, "a leader of etcd", || async { etcd.leader().await.ok() }).await?;
        Ok(etcd)
    }

    async fn spawn(&self, index: usize, initial: &[usize], state: &str) -> Result<()> {
        let mut place = self.members[index].place.lock().await;
        let mut named = Vec::new();
        for other in initial {
            let generation = match *other == index {
                true => place.generation,
                false => self.members[*other].place.lock().await.generation,
            };
            named.push(format!("{}=http://{}", name(*other, generation), self.members[*other].peers));
        }
        let own = name(index, place.generation);
        let Member { clients, peers, .. } = &self.members[index];
        let (clients, peers) = (format!("http://{clients}"), format!("http://{peers}"));
        let mut command = Command::new("etcd");
        command
            .args(["--name", &own, "--logger", "zap", "--log-outputs", "stderr", "--log-level", "warn"])
            .arg("--data-dir")
            .arg(self.folder.join(&own))
            .args(["--listen-client-urls", &clients, "--advertise-client-urls", &clients])
            .args(["--listen-peer-urls", &peers, "--initial-advertise-peer-urls", &peers])
            .args(["--initial-cluster", &named.join(","), "--initial-cluster-state", state])
            .args(["--initial-cluster-token", "chaos"])
            .args(["--quota-backend-bytes", &QUOTA_BYTES.to_string()]);
        place.process = Some(Actor::start(&own, command, &self.folder)?);
        Ok(())
    }

    /// Brings back a member that is dead; one that lives is let alone, one that is stopped goes on.
    pub(crate) async fn revive(&self, index: usize) -> Result<()> {
        let mut place = self.members[index].place.lock().await;
        if let Some(process) = place.process.as_mut()
            && !process.has_ended()
        {
            return process.thaw();
        }
        drop(place);
        // the folder knows the members; what stands on the command line is not looked at
        let all: Vec<_> = (0..MEMBERS).collect();
        self.spawn(index, &all, "existing").await
    }

    /// A client of one member alone.
    pub(crate) async fn member(&self, index: usize) -> Result<Client> {
        let options = ConnectOptions::new().with_connect_timeout(REQUEST).with_timeout(REQUEST);
        Ok(Client::connect([self.members[index].clients.to_string()], Some(options)).await?)
    }

    pub(crate) async fn status(&self, index: usize) -> Result<Status> {
        let status = self.member(index).await?.status().await?;
        let id = status.header().context("no header")?.member_id();
        Ok(Status { id, leader: status.leader() })
    }

    /// The place of the member that leads, as most say that can be asked.
    pub(crate) async fn leader(&self) -> Result<usize> {
        let mut said = Vec::new();
        for index in 0..MEMBERS {
            if let Ok(status) = self.status(index).await {
                said.push((index, status));
            }
        }
        let leads = |id: u64| said.iter().filter(|(_, status)| status.leader == id).count() * 2 > MEMBERS;
        let leader = said.iter().find(|(_, status)| status.id == status.leader && leads(status.id));
        leader.map(|(index, _)| *index).context("no member leads")
    }

    /// A client of any member that answers with a leader behind it.
    pub(crate) async fn any(&self) -> Result<Client> {
        for index in 0..MEMBERS {
            let Ok(mut client) = self.member(index).await else { continue };
            if client.get("/", None).await.is_ok() {
                return Ok(client);
            }
        }
        bail!("no member of etcd answers")
    }

    /// Puts an empty member into the place of one that is dead.
    pub(crate) async fn replace(&self, index: usize, id: u64) -> Result<()> {
        let other = (index + 1) % MEMBERS;
        let removed = || async { self.member(other).await.ok()?.member_remove(id).await.ok() };
        until(PATIENCE, "the dead member removed", removed).await?;
        let peers = format!("http://{}", self.members[index].peers);
        let added = || async { self.member(other).await.ok()?.member_add([peers.clone()], None).await.ok() };
        until(PATIENCE, "the empty member added", added).await?;
        self.members[index].place.lock().await.generation += 1;
        let all: Vec<_> = (0..MEMBERS).collect();
        self.spawn(index, &all, "existing").await
    }
}

fn name(index: usize, generation: u32) -> String {
    format!("etcd{index}-{generation}")
}

/// An address that nobody listens on; nobody else draws from these ports by chance.
fn free_port(rng: &mut SmallRng) -> Result<SocketAddr> {
    let draw = |_| SocketAddr::from((Ipv4Addr::LOCALHOST, rng.random_range(PORTS)));
    (0..100).map(draw).find(|address| TcpListener::bind(address).is_ok()).context("no free port")
}
