//! Following for long: whether the memory of coordinator and workers, what etcd holds and the open connections stay as
//! they are while a source is written to and gets new subtables. The second third is held against the last one: in the first
//! the store fills with history, of which it keeps a quarter of an hour.

use std::time::Duration;

use anyhow::{Result, bail, ensure};
use clap::Args;
use serde::Serialize;
use taos::Taos;
use tokio::sync::mpsc::unbounded_channel;
use tokio::time::{Instant, sleep};

use crate::case::{Case, Name, STABLE};
use crate::follow::lag::rows_of;
use crate::follow::writer::{Writer, Writing};
use crate::plain::connect;
use crate::process::Server;
use crate::scale::cast::Cast;
use crate::servers::{Servers, with_database};
use crate::task::{self, PASSWORD};
use crate::tdferry::Tdferry;
use crate::{cpu, output};

/// How often is looked.
const EVERY: Duration = Duration::from_secs(10);
/// A new subtable comes with each so manieth look: one a minute.
const LOOKS_A_SUBTABLE: u64 = 6;
/// Longer than the task takes until it follows, and than the last rows take to arrive.
const PATIENCE: Duration = Duration::from_secs(300);
/// How often is looked whether rows have arrived.
const LOOK: Duration = Duration::from_millis(250);
/// What grows by more is not flat: memory is taken and given back in pieces of this order.
const FLAT: f64 = 1.10;
/// Workers.
const WORKERS: usize = 2;

/// How long, how much.
#[derive(Debug, Args)]
pub(crate) struct SoakArgs {
    /// Minutes
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..))]
    minutes: u64,
    /// Subtables in the beginning
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u64).range(1..))]
    subtables: u64,
    /// Rows a second
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u64).range(10..))]
    rate: u64,
}

/// What stood at a moment.
#[derive(Debug, Clone, Copy, Default, Serialize)]
struct Sample {
    coordinator_kib: f64,
    workers_kib: f64,
    etcd_bytes: f64,
    sockets: f64,
}

/// What it came to.
#[derive(Debug, Serialize)]
struct Soaked {
    minutes: u64,
    rows: u64,
    new_subtables: u64,
    samples: usize,
    /// Means.
    second_third: Sample,
    last_third: Sample,
    flat: bool,
}

/// Everything that takes part, gone when this is dropped.
struct Stage {
    _servers: Servers,
    cast: Cast,
    workers: Vec<Server>,
    writer: Writer,
    source: Taos,
    target: Taos,
    stable: String,
}

/// Follows stand-ins on a real etcd.
pub(crate) async fn run(args: &SoakArgs, tdferry: &Tdferry, json: bool) -> Result<()> {
    let mut stage = Stage::start(args, tdferry).await?;
    let from = stage.until_live().await?;
    let (looks, mut samples, mut new_subtables) = (args.minutes * 60 / EVERY.as_secs(), Vec::new(), 0);
    for look in 1..=looks {
        // nobody listens: what arrives is counted in the end
        let (sender, _receiver) = unbounded_channel();
        stage.writer.write(EVERY, sender).await?;
        if look % LOOKS_A_SUBTABLE == 0 {
            stage.writer.add_subtable().await?;
            new_subtables += 1;
        }
        samples.push(stage.sample().await?);
    }
    let rows = stage.until_same(from).await?;
    let third = (samples.len() / 3).max(1);
    let (filled, last) = samples.split_at(samples.len() - third);
    let (second_third, last_third) =
        (Sample::mean(&filled[filled.len().saturating_sub(third)..]), Sample::mean(last));
    let soaked = Soaked {
        minutes: args.minutes,
        rows,
        new_subtables,
        samples: samples.len(),
        second_third,
        last_third,
        flat: last_third.is_flat_against(&second_third),
    };
    if json {
        output::json(&soaked)?
    } else {
        output::data(&soaked.told())?
    }
    ensure!(soaked.flat, "something grows");
    Ok(())
}

impl Stage {
    async fn start(args: &SoakArgs, tdferry: &Tdferry) -> Result<Self> {
        let case = Case { name: Name::Sparse, subtables: args.subtables, rows: 1, wanted: FLAT };
        let servers = Servers::that_keep(tdferry, &case).await?;
        let cast = Cast::start(tdferry, 1).await?;
        let database = servers.database(&case);
        let stable = format!("{database}.{STABLE}");
        let mut workers = Vec::new();
        for _ in 0..WORKERS {
            let mut worker = tdferry.command(["worker", "--coordinator"]);
            workers.push(Server::silent(worker.arg(cast.urls().join(",")).env(PASSWORD.0, PASSWORD.1))?);
        }
        let file = task::file("soak", &with_database(&servers.source, &database), &servers.target);
        cast.create(tdferry, &format!("{file}[options]\nmode = \"realtime\"\n")).await?;
        let writer = Writer::connect(Writing {
            dsn: servers.source.clone(),
            stable: stable.clone(),
            subtable: format!("{database}.d"),
            subtables: args.subtables,
            rows_per_second: args.rate,
        });
        let (writer, source, target) =
            (writer.await?, connect(&servers.source).await?, connect(&servers.target).await?);
        Ok(Self { _servers: servers, cast, workers, writer, source, target, stable })
    }

    /// Writes a row now and then until one arrives; from when on all do.
    async fn until_live(&mut self) -> Result<i64> {
        let (begun, mut first) = (Instant::now(), None);
        while begun.elapsed() < PATIENCE {
            let ts = self.writer.insert(1).await?.ts;
            let from = *first.get_or_insert(ts);
            sleep(LOOK).await;
            // until it is created there is no such stable
            if rows_of(&self.target, &self.stable, (from, i64::MAX)).await.unwrap_or(0) > 0 {
                return Ok(ts);
            }
        }
        bail!("no row arrives within {PATIENCE:?}")
    }

    async fn sample(&self) -> Result<Sample> {
        let workers: Vec<u32> = self.workers.iter().map(|worker| worker.pid).collect();
        let coordinators = self.cast.pids();
        let sum = |pids: &[u32], of: fn(u32) -> Result<u64>| -> Result<f64> {
            Ok(number(pids.iter().map(|pid| of(*pid)).sum::<Result<u64>>()?))
        };
        Ok(Sample {
            coordinator_kib: sum(&coordinators, cpu::resident_kib)?,
            workers_kib: sum(&workers, cpu::resident_kib)?,
            etcd_bytes: number(self.cast.etcd_bytes().await?),
            sockets: sum(&coordinators, cpu::sockets)? + sum(&workers, cpu::sockets)?,
        })
    }

    /// Waits until both sides count as many rows; how many.
    async fn until_same(&self, from: i64) -> Result<u64> {
        let period = (from, i64::MAX);
        let wanted = rows_of(&self.source, &self.stable, period).await?;
        let (begun, mut there) = (Instant::now(), 0);
        while begun.elapsed() < PATIENCE {
            there = rows_of(&self.target, &self.stable, period).await?;
            if there == wanted {
                return Ok(there);
            }
            sleep(LOOK).await;
        }
        bail!("the target holds {there} of {wanted} rows after {PATIENCE:?}")
    }
}

impl Sample {
    fn mean(all: &[Self]) -> Self {
        let mean = |of: fn(&Self) -> f64| {
            all.iter().map(of).sum::<f64>() / u32::try_from(all.len()).map_or(f64::INFINITY, f64::from)
        };
        Self {
            coordinator_kib: mean(|one| one.coordinator_kib),
            workers_kib: mean(|one| one.workers_kib),
            etcd_bytes: mean(|one| one.etcd_bytes),
            sockets: mean(|one| one.sockets),
        }
    }

    fn figures(&self) -> [f64; 4] {
        [self.coordinator_kib, self.workers_kib, self.etcd_bytes, self.sockets]
    }

    fn is_flat_against(&self, earlier: &Self) -> bool {
        self.figures().iter().zip(earlier.figures()).all(|(now, then)| *now <= then * FLAT)
    }
}

#[expect(clippy::cast_precision_loss, reason = "a size, to be shown with few digits")]
fn number(whole: u64) -> f64 {
    whole as f64
}

impl Soaked {
    fn told(&self) -> String {
        let (second, last) = (&self.second_third, &self.last_third);
        format!(
            "{} minutes, {} rows, {} new subtables, {} samples; means of the second and of the last third: coordinator {:.1} and \
             {:.1} MiB, workers {:.1} and {:.1} MiB, etcd {:.0} and {:.0} KiB in use, {:.1} and {:.1} sockets: {}",
            self.minutes,
            self.rows,
            self.new_subtables,
            self.samples,
            second.coordinator_kib / 1024.0,
            last.coordinator_kib / 1024.0,
            second.workers_kib / 1024.0,
            last.workers_kib / 1024.0,
            second.etcd_bytes / 1024.0,
            last.etcd_bytes / 1024.0,
            second.sockets,
            last.sockets,
            if self.flat { "flat" } else { "something grows" }
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_grows_by_more_than_a_tenth_is_not_flat() {
        let sample =
            |etcd_bytes| Sample { coordinator_kib: 10.0, workers_kib: 20.0, etcd_bytes, sockets: 7.0 };
        let mean = Sample::mean(&[sample(100.0), sample(300.0)]);
        assert_eq!(mean.figures(), [10.0, 20.0, 200.0, 7.0]);
        assert!(sample(219.0).is_flat_against(&mean) && sample(10.0).is_flat_against(&mean));
        assert!(!sample(221.0).is_flat_against(&mean));
    }
}
