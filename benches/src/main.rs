//! `tdferry-bench`: tdferry beside a plain loop over the same client, on the same servers, as ratios in one run.
//!
//! Everything measured is a process of its own, so that whose CPU it was can be told apart. Nothing here knows how
//! tdferry works inside: it is started by its command line, as an operator would. docs/benchmarks.md says how to
//! read the figures.

mod case;
mod cpu;
mod follow;
mod idle;
mod load;
mod memory;
mod output;
mod plain;
mod process;
mod rejects;
mod report;
mod rounds;
mod scale;
mod servers;
mod soak;
mod task;
mod tdferry;
mod throughput;
mod verify;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};

use crate::case::{Case, Name};
use crate::report::Outcome;
use crate::servers::Servers;
use crate::tdferry::Tdferry;

/// Characters of an error: enough for its beginning and for what a process said.
const ERROR: usize = 2_000;

/// Compares tdferry with a plain loop: dense copying, sparse copying, creating subtables.
#[derive(Debug, Parser)]
#[command(name = "tdferry-bench", args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(subcommand)]
    verb: Option<Verb>,
    #[command(flatten)]
    compare: Compare,
    /// The program to measure [default: `tdferry` beside this one]
    #[arg(long, global = true, value_name = "PATH")]
    tdferry: Option<PathBuf>,
    /// One JSON object on stdout
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, clap::Args)]
struct Compare {
    /// Only these cases
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Name>,
    /// Rounds of each case; medians are shown
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=99))]
    rounds: u32,
    /// Cases a so-manieth of their size, to try the bench itself
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    divide: u32,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Peak memory of a worker: one subtable of 50,000,000 rows, then 1,000,000 subtables
    Memory(memory::MemoryArgs),
    /// Planning 1,000,000 subtables, and 1,000 workers that claim and commit, on etcd and without databases
    Scale(scale::ScaleArgs),
    /// Rows a second with 1, 2, 4 and 8 workers, where each answer of a database takes its time
    Throughput(throughput::ThroughputArgs),
    /// What rows cost that the target refuses: 10,000,000 rows, one of a thousand outside of KEEP
    Rejects(rejects::RejectsArgs),
    /// What comparing by digest costs beside copying
    Verify(verify::VerifyArgs),
    /// How far the target is behind a source that is written to and followed, and what that costs
    Follow(follow::FollowArgs),
    /// What following asks of a source with 100,000 subtables that are silent
    Idle(idle::IdleArgs),
    /// Whether memory, store and connections stay as they are while a source is followed for long
    Soak(soak::SoakArgs),
    /// The plain loop that copies, as the process that is measured
    #[command(hide = true)]
    Loop(plain::PlainArgs),
    /// The plain loop that creates subtables, as the process that is measured
    #[command(hide = true)]
    Ddl(plain::PlainArgs),
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(&Cli::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let told = format!("error: {error:#}");
            // a client's error may quote a whole statement
            output::say(&told.chars().take(ERROR).collect::<String>());
            ExitCode::FAILURE
        }
    }
}

async fn run(cli: &Cli) -> Result<()> {
    match &cli.verb {
        Some(Verb::Loop(args)) => plain::copy::run(args).await,
        Some(Verb::Ddl(args)) => plain::ddl::run(args).await,
        Some(Verb::Memory(args)) => {
            memory::run(args, &Tdferry::find(cli.tdferry.as_deref())?, cli.json).await
        }
        Some(Verb::Throughput(args)) => {
            throughput::run(args, &Tdferry::find(cli.tdferry.as_deref())?, cli.json).await
        }
        Some(Verb::Verify(args)) => {
            verify::run(args, &Tdferry::find(cli.tdferry.as_deref())?, cli.json).await
        }
        Some(Verb::Rejects(args)) => {
            rejects::run(args, &Tdferry::find(cli.tdferry.as_deref())?, cli.json).await
        }
        Some(Verb::Follow(args)) => {
            follow::run(args, &Tdferry::find(cli.tdferry.as_deref())?, cli.json).await
        }
        Some(Verb::Idle(args)) => idle::run(args, &Tdferry::find(cli.tdferry.as_deref())?, cli.json).await,
        Some(Verb::Soak(args)) => soak::run(args, &Tdferry::find(cli.tdferry.as_deref())?, cli.json).await,
        Some(Verb::Scale(args)) => scale::run(args, &Tdferry::find(cli.tdferry.as_deref())?, cli.json).await,
        None => compare(cli).await,
    }
}

async fn compare(cli: &Cli) -> Result<()> {
    let tdferry = Tdferry::find(cli.tdferry.as_deref())?;
    let real = Servers::real();
    let mut results = Vec::new();
    let Compare { only, rounds, divide } = &cli.compare;
    for case in case::chosen(only, *divide) {
        let told = || format!("case {}", case.name);
        let standins = Servers::standins(&tdferry, &case).await.with_context(told)?;
        results.push(rounds::run(&tdferry, &standins, &case, *rounds).await.with_context(told)?);
        drop(standins);
        if let Some(real) = &real {
            let case = case.on_real();
            let result = on_real(&tdferry, real, &case, *rounds).await;
            // whatever came of it, nothing of this run stays
            load::drop_database(&real.source, &real.database(&case)).await?;
            results.push(result.with_context(told)?);
        }
    }
    let report = report::Report::new(results, real.is_some());
    if cli.json { output::json(&report) } else { output::data(&report.text()) }
}

async fn on_real(tdferry: &Tdferry, real: &Servers, case: &Case, rounds: u32) -> Result<Outcome> {
    output::say(&format!("loading {} on the real source", case.name));
    load::fill(real, case).await?;
    rounds::run(tdferry, real, case, rounds).await
}
