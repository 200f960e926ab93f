//! For tests of this and other crates: a real etcd, started and ended by the test itself.
//! Behind the feature `testing`; nothing shipped uses it.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;
use tokio::time::{Instant, sleep};

use crate::error::Error;

/// etcd elects itself before it serves, which takes up to 1.5 s, more on a busy machine.
const READY_WITHIN: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// What etcd logs when it serves clients; the address stands behind it.
const READY: &str = "serving client traffic insecurely";
const ADDRESS: &str = "\"address\":\"";

/// A single etcd on a free port of 127.0.0.1 with its data in a temporary folder. Dropping it kills it.
#[derive(Debug)]
pub struct RealEtcd {
    child: Child,
    folder: TempDir,
    endpoint: String,
}

impl RealEtcd {
    /// Starts `etcd` from the PATH and waits until it serves. A missing etcd is an error, never a
    /// reason to leave a test out.
    pub async fn start() -> Result<Self, Error> {
        let folder = tempfile::tempdir().map_err(|error| failed(&error.to_string()))?;
        let log =
            std::fs::File::create(folder.path().join("log")).map_err(|error| failed(&error.to_string()))?;
        let child = command(&folder).stderr(log).spawn().map_err(|error| {
            failed(&format!("{error}; is it installed? On Debian: apt-get install etcd-server"))
        })?;
        let mut etcd = Self { child, folder, endpoint: String::new() };
        etcd.endpoint = etcd.wait_until_ready().await?;
        Ok(etcd)
    }

    /// Where it serves, as `host:port`.
    #[must_use]
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// Its process id, for tests that stop or kill it.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// A new client of it.
    pub async fn client(&self) -> Result<etcd_client::Client, Error> {
        let connected = etcd_client::Client::connect([self.endpoint()], None).await;
        connected.map_err(|error| failed(&error.to_string()))
    }

    async fn wait_until_ready(&mut self) -> Result<String, Error> {
        let deadline = Instant::now() + READY_WITHIN;
        loop {
            let log = std::fs::read_to_string(self.log()).unwrap_or_default();
            if let Some(address) = served_address(&log) {
                return Ok(address);
            }
            let ended = self.child.try_wait().map_err(|error| failed(&error.to_string()))?;
            if ended.is_some() || Instant::now() > deadline {
                let last: Vec<&str> = log.lines().rev().take(3).collect();
                return Err(failed(&format!("it does not serve; its last words: {}", last.join(" | "))));
            }
            sleep(LOOK_EVERY).await;
        }
    }

    fn log(&self) -> PathBuf {
        self.folder.path().join("log")
    }
}

impl Drop for RealEtcd {
    fn drop(&mut self) {
        // It may be dead already; then there is nothing to end.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn command(folder: &TempDir) -> Command {
    let mut command = Command::new("etcd");
    let any_port = "http://127.0.0.1:0";
    command
        .arg("--data-dir")
        .arg(folder.path().join("data"))
        .args(["--name", "real", "--logger", "zap", "--log-outputs", "stderr"])
        .args(["--listen-client-urls", any_port, "--advertise-client-urls", any_port])
        .args(["--listen-peer-urls", any_port, "--initial-advertise-peer-urls", any_port])
        .arg(format!("--initial-cluster=real={any_port}"))
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    command
}

fn served_address(log: &str) -> Option<String> {
    let line = log.lines().find(|line| line.contains(READY))?;
    let (_, from) = line.split_once(ADDRESS)?;
    from.split_once('"').map(|(address, _)| address.to_owned())
}

fn failed(cause: &str) -> Error {
    Error::Serve { doing: "start a real etcd", cause: cause.to_owned() }
}
