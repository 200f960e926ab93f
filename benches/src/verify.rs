//! What comparing by digest costs beside copying, in one run: the time of its phase beside that of the copy's. The same
//! database is copied without it as well, by turns, each time into a fresh database of the same target, so that the
//! whole runs stand beside each other. The structure is created beforehand, so that rows alone are measured.

use anyhow::{Context, Result, ensure};
use clap::Args;
use serde::Serialize;

use crate::case::{self, Case, Name};
use crate::servers::{Servers, with_database};
use crate::tdferry::{Does, Run, Tdferry, Verify};
use crate::{load, output};

/// The most that comparing may cost, in times of the copy.
const WANTED: f64 = 0.25;
/// Rows that a stand-in can hold in memory and a real server is filled with in seconds, of a case that has more.
const MOST_ROWS: u64 = 8_000_000;

/// How often.
#[derive(Debug, Args)]
pub(crate) struct VerifyArgs {
    /// Rounds of each case; medians are shown
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=99))]
    rounds: u32,
    /// Cases a so-manieth of their size, to try the bench itself
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    divide: u32,
}

/// What comparing came to in one case.
#[derive(Debug, Serialize)]
struct Cost {
    case: Name,
    real: bool,
    rows: u64,
    /// Medians of whole runs.
    seconds_without: f64,
    seconds_with: f64,
    /// Of each round: seconds of comparing, in times of those of the copy.
    ratios: Vec<f64>,
    ratio: f64,
    wanted: f64,
}

/// Measures dense and sparse tables, on stand-ins and on real servers where they are named.
pub(crate) async fn run(args: &VerifyArgs, tdferry: &Tdferry, json: bool) -> Result<()> {
    let mut costs = Vec::new();
    for case in case::chosen(&[Name::Dense, Name::Sparse], args.divide) {
        // fewer subtables, not shorter ones: what a query costs belongs to how many rows it answers
        let case = Case { subtables: case.subtables.min((MOST_ROWS / case.rows).max(1)), ..case };
        let servers = Servers::that_keep(tdferry, &case).await?;
        costs.push(cost(args, tdferry, &servers, &case, json).await?);
        drop(servers);
        if let Some(real) = Servers::real() {
            load::fill(&real, &case).await?;
            let cost = cost(args, tdferry, &real, &case, json).await;
            load::drop_database(&real.source, &real.database(&case)).await?;
            costs.push(cost?);
        }
    }
    if json { output::json(&costs) } else { Ok(()) }
}

async fn cost(
    args: &VerifyArgs,
    tdferry: &Tdferry,
    servers: &Servers,
    case: &Case,
    json: bool,
) -> Result<Cost> {
    let (mut without, mut with, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..args.rounds {
        // by turns which is first: what one leaves behind on a server, the next one finds
        let first = if round % 2 == 0 { Verify::Count } else { Verify::Digest };
        let mut one = copied(tdferry, servers, case, first, round).await?;
        let mut other = copied(tdferry, servers, case, first.other(), round).await?;
        if matches!(first, Verify::Digest) {
            std::mem::swap(&mut one, &mut other);
        }
        ratios.push(other.comparing().context("a run by digest that compared nothing")?);
        without.push(one.ran.seconds);
        with.push(other.ran.seconds);
    }
    let cost = Cost {
        case: case.name,
        real: servers.are_real(),
        rows: case.amount(),
        seconds_without: median(without),
        seconds_with: median(with),
        ratio: median(ratios.clone()),
        ratios,
        wanted: WANTED,
    };
    if !json {
        output::data(&cost.told())?;
    }
    Ok(cost)
}

async fn copied(
    tdferry: &Tdferry,
    servers: &Servers,
    case: &Case,
    verify: Verify,
    round: u32,
) -> Result<Run> {
    let into = format!("{}_{}_{round}", servers.database(case), verify.word());
    let (from, to) =
        (with_database(&servers.source, &servers.database(case)), with_database(&servers.target, &into));
    let measured = async {
        tdferry.run(&from, &to, Does::Structure, Verify::Count).await?;
        let run = tdferry.run(&from, &to, Does::Rows, verify).await?;
        ensure!(run.moved == case.amount(), "{} of {} rows came", run.moved, case.amount());
        Ok(run)
    };
    let measured = measured.await;
    load::drop_database(&servers.target, &into).await?;
    measured.with_context(|| format!("round {round} of {} with {}", case.name, verify.word()))
}

fn median(mut all: Vec<f64>) -> f64 {
    all.sort_by(f64::total_cmp);
    all.get(all.len() / 2).copied().unwrap_or_default()
}

impl Cost {
    fn told(&self) -> String {
        let on = if self.real { "real servers" } else { "stand-ins" };
        let rounds: Vec<_> = self.ratios.iter().map(|ratio| format!("{ratio:.2}")).collect();
        format!(
            "{} on {on}, {} rows: comparing by digest takes {:.2} of the copy's time in the same run ({}; at most {:.2} \
             wanted); whole runs: {:.2} s counted, {:.2} s compared by digest",
            self.case,
            self.rows,
            self.ratio,
            rounds.join(", "),
            self.wanted,
            self.seconds_without,
            self.seconds_with,
        )
    }
}
