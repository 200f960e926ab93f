//! How far one cluster goes without any database behind it: planning a million subtables, and a thousand workers that
//! claim and commit, on a real etcd through real coordinators.

pub(crate) mod cast;
mod crowd;
mod pace;
mod plan;
mod wire;

use anyhow::Result;
use clap::Args;
use serde::Serialize;

use crate::output;
use crate::tdferry::Tdferry;
use crowd::Crowd;
use plan::Planned;

/// No database is ever asked, so none is there.
const TASK: &str = "name = \"scale\"\ntype = \"TDengine2\"\n\
    from = \"taos+ws://root:${env:TDFERRY_BENCH_PASSWORD}@127.0.0.1:1/power\"\n\
    to = \"taos+ws://root:${env:TDFERRY_BENCH_PASSWORD}@127.0.0.1:2\"\n\
    [options]\nschema = \"none\"\n";

/// How large.
#[derive(Debug, Args)]
pub(crate) struct ScaleArgs {
    /// Subtables to plan
    #[arg(long, default_value_t = 1_000_000)]
    subtables: u64,
    /// Rows of each, as the survey tells them
    #[arg(long, default_value_t = 2_000)]
    rows: u64,
    /// Workers that claim and commit, each with one lease at a time; none: plan alone
    #[arg(long, default_value_t = 1_000)]
    workers: u32,
    /// Coordinators between them and etcd
    #[arg(long, default_value_t = 2)]
    coordinators: u32,
    /// Seconds for which the workers work
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Milliseconds between two commits of a worker
    #[arg(long, default_value_t = 1_000)]
    commit: u64,
    /// Commits of a lease; the last one ends it
    #[arg(long, default_value_t = 5)]
    commits: u32,
}

/// Everything measured in one run.
#[derive(Debug, Serialize)]
struct Report {
    planned: Planned,
    crowd: Option<Crowd>,
}

/// Plans, lets the workers work, and prints the figures.
pub(crate) async fn run(args: &ScaleArgs, tdferry: &Tdferry, json: bool) -> Result<()> {
    let cast = cast::Cast::start(tdferry, args.coordinators).await?;
    cast.create(tdferry, TASK).await?;
    let planned = plan::run(args, &cast).await?;
    if !json {
        output::data(&planned.told())?;
    }
    let mut crowd = None;
    if args.workers > 0 {
        let measured = crowd::run(args, &cast).await?;
        if !json {
            output::data(&measured.told())?;
        }
        crowd = Some(measured);
    }
    if json { output::json(&Report { planned, crowd }) } else { Ok(()) }
}
