//! Planning: a survey that streams a catalog it makes up, as fast as it is taken.

use anyhow::{Result, ensure};
use serde::Serialize;
use tokio::time::Instant;

use super::ScaleArgs;
use super::cast::Cast;
use super::wire::Wire;

/// What planning took.
#[derive(Debug, Serialize)]
pub(super) struct Planned {
    subtables: u64,
    shards: u64,
    seconds: f64,
    coordinator_cpu_seconds: f64,
    etcd_cpu_seconds: f64,
    coordinator_peak_mib: u64,
    etcd_bytes: u64,
}

/// Surveys, and waits until the plan counts.
pub(super) async fn run(args: &ScaleArgs, cast: &Cast) -> Result<Planned> {
    let (cpu, bytes) = (cast.cpu()?, cast.etcd_bytes().await?);
    let mut worker = Wire::register(&cast.urls(), 0, args.workers.max(1)).await?;
    let lease = worker.claim().await?;
    ensure!(lease.is_some(), "there is no survey to claim");
    let began = Instant::now();
    let found = worker.survey(args.subtables, args.rows).await?;
    let seconds = began.elapsed().as_secs_f64();
    let after = cast.cpu()?;
    worker.leave().await?;
    Ok(Planned {
        subtables: args.subtables,
        shards: found,
        seconds,
        coordinator_cpu_seconds: after[0] - cpu[0],
        etcd_cpu_seconds: after[1] - cpu[1],
        coordinator_peak_mib: cast.coordinator_peak_mib()?,
        etcd_bytes: cast.etcd_bytes().await?.saturating_sub(bytes),
    })
}

impl Planned {
    pub(super) fn told(&self) -> String {
        format!(
            "planned {} subtables as {} shards in {:.1} s: coordinators {:.1} CPU s, peak {} MiB; etcd {:.1} CPU s, {} KiB more",
            self.subtables,
            self.shards,
            self.seconds,
            self.coordinator_cpu_seconds,
            self.coordinator_peak_mib,
            self.etcd_cpu_seconds,
            self.etcd_bytes / 1024,
        )
    }
}
