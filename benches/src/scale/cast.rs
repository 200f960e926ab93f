//! Who takes part besides the workers: one etcd and some coordinators, each a process of its own.

use std::path::Path;

use anyhow::{Context, Result};
use tdferry_embedded::testing::RealEtcd;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::cpu;
use crate::process::{self, Server};
use crate::tdferry::Tdferry;

/// All of them, gone when this is dropped.
pub(crate) struct Cast {
    etcd: RealEtcd,
    coordinators: Vec<Server>,
    folder: TempDir,
}

impl Cast {
    pub(crate) async fn start(tdferry: &Tdferry, coordinators: u32) -> Result<Self> {
        let etcd = RealEtcd::start().await?;
        let store = format!("etcd://{}", etcd.endpoint());
        let mut started = Vec::new();
        for _ in 0..coordinators.max(1) {
            let words = ["coordinator", "--listen", "127.0.0.1:0", "--store", &store];
            started.push(Server::start(&mut tdferry.command(words), "coordinator listening on ").await?);
        }
        Ok(Self { etcd, coordinators: started, folder: tempfile::tempdir()? })
    }

    /// Creates the task that this file describes.
    pub(crate) async fn create(&self, tdferry: &Tdferry, task: &str) -> Result<()> {
        let file: &Path = &self.folder.path().join("task.toml");
        std::fs::write(file, task)?;
        self.ask(tdferry, &["task", "create", "-f", file.to_str().context("the folder has an odd name")?])
            .await?;
        Ok(())
    }

    /// What a verb says on stdout.
    pub(crate) async fn ask(&self, tdferry: &Tdferry, words: &[&str]) -> Result<String> {
        let mut command = tdferry.command(words);
        Ok(process::run(command.env("TDFERRY_COORDINATORS", self.urls().join(","))).await?.stdout)
    }

    /// Where the coordinators are.
    pub(crate) fn urls(&self) -> Vec<String> {
        self.coordinators.iter().map(|one| format!("http://{}", one.address)).collect()
    }

    /// CPU seconds so far of the coordinators, and of etcd.
    pub(crate) fn cpu(&self) -> Result<[f64; 2]> {
        Ok([cpu::seconds(&self.pids())?, cpu::seconds(&[self.etcd.pid()])?])
    }

    /// The coordinators' processes.
    pub(crate) fn pids(&self) -> Vec<u32> {
        self.coordinators.iter().map(|one| one.pid).collect()
    }

    /// The most memory that any coordinator ever had, in MiB.
    pub(super) fn coordinator_peak_mib(&self) -> Result<u64> {
        let peaks: Result<Vec<u64>> = self.coordinators.iter().map(|one| cpu::peak_kib(one.pid)).collect();
        Ok(peaks?.into_iter().max().unwrap_or(0) / 1024)
    }

    /// Bytes in use in etcd's database, as etcd tells them.
    pub(crate) async fn etcd_bytes(&self) -> Result<u64> {
        const NAME: &str = "etcd_mvcc_db_total_size_in_use_in_bytes ";
        let address = self.etcd.endpoint().trim_start_matches("http://");
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(b"GET /metrics HTTP/1.0\r\n\r\n").await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        let value = answer.lines().find_map(|line| line.strip_prefix(NAME)).context("etcd tells no size")?;
        bytes(value).context("etcd's size is no number")
    }
}

/// A metric is written as a float.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "sizes are whole and positive")]
fn bytes(value: &str) -> Option<u64> {
    value.trim().parse::<f64>().ok().map(|bytes| bytes as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_is_read_as_etcd_writes_it() {
        assert_eq!(bytes("2.0480e+04"), Some(20_480));
        assert_eq!(bytes("many"), None);
    }
}
