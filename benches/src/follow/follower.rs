//! `tdferry run --mode realtime` as a process, from its start until it follows.

use std::fs::File;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use taos::Taos;
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

use super::lag::rows_of;
use super::writer::Writer;
use crate::cpu;
use crate::process::Server;
use crate::tdferry::Tdferry;

/// How often a row is written to see whether it arrives, or the target is counted.
const LOOK: Duration = Duration::from_millis(250);
/// Longer than creating any number of subtables takes, and than rows may take to arrive.
const PATIENCE: Duration = Duration::from_secs(300);

/// The process, ended when this is dropped.
pub(crate) struct Follower {
    server: Server,
    folder: TempDir,
}

impl Follower {
    /// Starts it, with the subtables as they are at the source.
    pub(crate) fn start(tdferry: &Tdferry, from: &str, to: &str) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let mut command =
            tdferry.command(["run", "--mode", "realtime", "--json", "--from", from, "--to", to]);
        command.arg("--state").arg(folder.path().join("state"));
        let server = Server::telling(&mut command, &File::create(talk(&folder))?)?;
        Ok(Self { server, folder })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.server.pid
    }

    /// Writes a row now and then until one arrives: rows from before it followed are not its matter.
    pub(crate) async fn until_live(&self, writer: &mut Writer, target: &Taos, stable: &str) -> Result<()> {
        let (begun, mut first) = (Instant::now(), None);
        while begun.elapsed() < PATIENCE {
            self.lives()?;
            let ts = writer.insert(1).await?.ts;
            let from = *first.get_or_insert(ts);
            sleep(LOOK).await;
            // until it is created there is no such stable
            if rows_of(target, stable, (from, i64::MAX)).await.unwrap_or(0) > 0 {
                return Ok(());
            }
        }
        bail!("no row arrives within {PATIENCE:?}: {}", self.said())
    }

    /// Waits until both sides count as many rows from a moment on; how many.
    pub(crate) async fn until_same(
        &self,
        (source, target): (&Taos, &Taos),
        stable: &str,
        from: i64,
    ) -> Result<u64> {
        let wanted = rows_of(source, stable, (from, i64::MAX)).await?;
        let (begun, mut there) = (Instant::now(), 0);
        while begun.elapsed() < PATIENCE {
            self.lives()?;
            there = rows_of(target, stable, (from, i64::MAX)).await?;
            if there == wanted {
                return Ok(there);
            }
            sleep(LOOK).await;
        }
        bail!("the target holds {there} of {wanted} rows after {PATIENCE:?}: {}", self.said())
    }

    fn lives(&self) -> Result<()> {
        if cpu::stat(self.pid()).context("tdferry is gone")?.ended {
            bail!("tdferry ended: {}", self.said());
        }
        Ok(())
    }

    fn said(&self) -> String {
        std::fs::read_to_string(talk(&self.folder)).unwrap_or_default()
    }
}

fn talk(folder: &TempDir) -> PathBuf {
    folder.path().join("talk")
}
