//! The servers under test, and how a case gets one to itself.

use std::path::PathBuf;
use std::sync::{Arc, Weak};
use std::time::Duration;

use etcd_client::{Client, DeleteOptions};
use tdferry_embedded::testing::RealEtcd;
use tdferry_embedded::{Embedded, MemoryStorage, Options};
use tokio::sync::{Mutex, MutexGuard};

use crate::case::Case;

/// No case may hang; the slowest wait for leases of two seconds to end.
const CASE_WITHIN: Duration = Duration::from_secs(120);

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Target {
    Memory,
    File,
    Real,
}

/// A server with an empty keyspace, for one case at a time.
pub(crate) struct Server {
    pub(crate) client: Client,
    _alive: Alive,
}

enum Alive {
    Embedded { _store: Embedded, _folder: Option<tempfile::TempDir> },
    Real { _turn: MutexGuard<'static, ()>, _etcd: Arc<RealEtcd> },
}

/// One etcd for all cases of the binary: the last case that holds it ends it.
static SHARED: Mutex<Weak<RealEtcd>> = Mutex::const_new(Weak::new());
/// Cases compare revisions, so only one at a time may write to the shared etcd.
static TURN: Mutex<()> = Mutex::const_new(());

impl Server {
    pub(crate) async fn start(target: Target) -> Self {
        match target {
            Target::Memory => {
                let store = Embedded::in_memory(MemoryStorage::new(), Options::seeded(7)).await;
                Self::embedded(store.expect("start in memory"), None).await
            }
            Target::File => {
                let folder = tempfile::tempdir().expect("temporary folder");
                let store = Embedded::open(folder.path().join("store.redb")).await;
                Self::embedded(store.expect("start in a file"), Some(folder)).await
            }
            Target::Real => {
                let etcd = shared_etcd().await;
                let turn = TURN.lock().await;
                let mut client = etcd.client().await.expect("client of the real etcd");
                empty(&mut client).await;
                Self { client, _alive: Alive::Real { _turn: turn, _etcd: etcd } }
            }
        }
    }

    async fn embedded(store: Embedded, folder: Option<tempfile::TempDir>) -> Self {
        let client = store.client().await.expect("client of the embedded store");
        Self { client, _alive: Alive::Embedded { _store: store, _folder: folder } }
    }
}

/// Runs a case and holds what it wrote down against the golden file.
pub(crate) async fn check(target: Target, name: &str, script: impl AsyncFnOnce(&mut Case)) {
    let server = Server::start(target).await;
    let mut case = Case::new(server.client.clone()).await;
    tokio::time::timeout(CASE_WITHIN, script(&mut case)).await.expect("the case ends in time");
    let answers = case.into_answers();
    let path = golden(name);
    if target == Target::Real && std::env::var_os("TDFERRY_BLESS").is_some() {
        std::fs::write(&path, &answers).expect("write the golden file");
    }
    let expected = std::fs::read_to_string(&path).expect("a golden file: run real_etcd with TDFERRY_BLESS=1");
    for (number, (got, wanted)) in answers.lines().zip(expected.lines()).enumerate() {
        assert_eq!(got, wanted, "line {} of {}", number + 1, path.display());
    }
    assert_eq!(answers.lines().count(), expected.lines().count(), "lines of {}", path.display());
}

async fn shared_etcd() -> Arc<RealEtcd> {
    let mut shared = SHARED.lock().await;
    if let Some(etcd) = shared.upgrade() {
        return etcd;
    }
    let etcd = Arc::new(RealEtcd::start().await.unwrap_or_else(|error| panic!("{error}")));
    *shared = Arc::downgrade(&etcd);
    etcd
}

async fn empty(client: &mut Client) {
    for lease in client.leases().await.expect("leases").leases() {
        client.lease_revoke(lease.id()).await.expect("revoke");
    }
    client.delete("", Some(DeleteOptions::new().with_all_keys())).await.expect("delete all");
}

fn golden(name: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/conformance/golden");
    folder.join(format!("{name}.txt"))
}
