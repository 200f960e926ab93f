//! Many workers that hold one lease each and commit as if they copied.

use std::time::Duration;

use anyhow::{Context, Result};
use serde::Serialize;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};

use super::ScaleArgs;
use super::cast::Cast;
use super::pace::Pace;
use super::wire::Wire;
use crate::cpu;

/// Workers do not all begin at the same moment.
const BEGIN_WITHIN: Duration = Duration::from_secs(5);
/// A worker that found nothing to claim asks again after this long.
const REST: Duration = Duration::from_secs(1);

/// What they came to.
#[derive(Debug, Serialize)]
pub(super) struct Crowd {
    workers: u32,
    seconds: f64,
    claims: Pace,
    commits: Pace,
    heartbeats: Pace,
    /// Answers that said the lease or the session is gone.
    lost: usize,
    coordinator_cpu_seconds: f64,
    etcd_cpu_seconds: f64,
    own_cpu_seconds: f64,
    coordinator_peak_mib: u64,
    etcd_bytes: u64,
}

/// The times of one worker's requests.
#[derive(Debug, Default)]
struct Times {
    claims: Vec<Duration>,
    commits: Vec<Duration>,
    heartbeats: Vec<Duration>,
    lost: usize,
}

/// Lets them work for the time asked for.
pub(super) async fn run(args: &ScaleArgs, cast: &Cast) -> Result<Crowd> {
    let (urls, own) = (cast.urls(), std::process::id());
    let mut workers = JoinSet::new();
    let open = Instant::now() + BEGIN_WITHIN;
    for number in 0..args.workers {
        let (urls, worker) = (urls.clone(), u64::from(number) + 1);
        let begin = Instant::now() + BEGIN_WITHIN.mul_f64(f64::from(number) / f64::from(args.workers));
        let pace = (Duration::from_millis(args.commit), args.commits.max(1));
        let end = open + Duration::from_secs(args.seconds);
        workers.spawn(async move {
            sleep_until(begin).await;
            work(&urls, worker, pace, open, end).await
        });
    }
    sleep_until(open).await;
    let (cpu, own_cpu, began) = (cast.cpu()?, cpu::stat(own)?.seconds, Instant::now());
    let mut all = Times::default();
    while let Some(times) = workers.join_next().await {
        let times = times.context("a worker died")??;
        all.claims.extend(times.claims);
        all.commits.extend(times.commits);
        all.heartbeats.extend(times.heartbeats);
        all.lost += times.lost;
    }
    let (seconds, after) = (began.elapsed().as_secs_f64(), cast.cpu()?);
    Ok(Crowd {
        workers: args.workers,
        seconds,
        claims: Pace::of(all.claims, seconds),
        commits: Pace::of(all.commits, seconds),
        heartbeats: Pace::of(all.heartbeats, seconds),
        lost: all.lost,
        coordinator_cpu_seconds: after[0] - cpu[0],
        etcd_cpu_seconds: after[1] - cpu[1],
        own_cpu_seconds: cpu::stat(own)?.seconds - own_cpu,
        coordinator_peak_mib: cast.coordinator_peak_mib()?,
        etcd_bytes: cast.etcd_bytes().await?,
    })
}

/// One worker from its first claim to the end; what it did before all had begun does not count.
async fn work(
    urls: &[String],
    worker: u64,
    (interval, commits): (Duration, u32),
    open: Instant,
    end: Instant,
) -> Result<Times> {
    let mut wire = Wire::register(urls, worker, 1).await?;
    let (mut times, mut beat) = (Times::default(), Instant::now() + wire.heartbeat);
    let counted = |times: &mut Vec<Duration>, sent: Instant| {
        if sent >= open {
            times.push(sent.elapsed());
        }
    };
    while Instant::now() < end {
        if Instant::now() >= beat {
            beat += wire.heartbeat;
            let sent = Instant::now();
            times.lost += usize::from(!wire.beat().await?);
            counted(&mut times.heartbeats, sent);
        }
        let sent = Instant::now();
        let Some(mut lease) = wire.claim().await? else {
            sleep(REST).await;
            continue;
        };
        counted(&mut times.claims, sent);
        for _ in 0..commits {
            sleep(interval).await;
            let sent = Instant::now();
            if !wire.commit(&mut lease, commits).await? {
                times.lost += 1;
                break;
            }
            counted(&mut times.commits, sent);
            if Instant::now() >= beat {
                beat += wire.heartbeat;
                let sent = Instant::now();
                times.lost += usize::from(!wire.beat().await?);
                counted(&mut times.heartbeats, sent);
            }
        }
    }
    wire.leave().await?;
    Ok(times)
}

impl Crowd {
    pub(super) fn told(&self) -> String {
        format!(
            "{} workers for {:.0} s, {} lost\n  claims:     {}\n  commits:    {}\n  heartbeats: {}\n  CPU s: coordinators {:.1}, etcd {:.1}, the workers themselves {:.1}; coordinator peak {} MiB, etcd {} KiB",
            self.workers,
            self.seconds,
            self.lost,
            self.claims.told(),
            self.commits.told(),
            self.heartbeats.told(),
            self.coordinator_cpu_seconds,
            self.etcd_cpu_seconds,
            self.own_cpu_seconds,
            self.coordinator_peak_mib,
            self.etcd_bytes / 1024,
        )
    }
}
