//! What refused rows cost: the same database copied to a target that keeps all of it, and to one that does not keep the
//! oldest row of a thousand, by turns. Then each refused row must be kept once, and be brought in when KEEP is widened.

use anyhow::{Context, Result, ensure};
use clap::Args;
use serde::{Deserialize, Serialize};
use taos::AsyncQueryable;
use tdferry_common::clock::Clock;
use tokio::process::Command;

use crate::case::{COLUMNS, STABLE, TAGS};
use crate::plain::{CONNECTIONS, connect};
use crate::process::{self, Server};
use crate::servers::{dsn, with_database};
use crate::tdferry::Tdferry;
use crate::{load, output};

/// The most that a copy with refused rows may take, in times of a clean one.
const WANTED: f64 = 4.0 / 3.0;
/// One row of so many is refused.
const ONE_OF: u64 = 1_000;
/// The stand-in's meters begin here, 2026-01-01.
const FIRST_MS: i64 = 1_767_225_600_000;
/// Forty minutes between rows: the edge of what is kept moves while it is measured, but never by half of this.
const STEP_MS: i64 = 2_400_000;
const DATABASE: &str = "power";
/// The name of a task that nobody named.
const TASK: &str = "migrate-power";
/// Exit codes of a run: complete, and complete with rejects.
const ENDS: [i32; 2] = [0, 3];

/// How much, how often.
#[derive(Debug, Args)]
pub(crate) struct RejectsArgs {
    /// Rounds; medians are shown
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=99))]
    rounds: u32,
    /// Subtables, of 10,000 rows each
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u64).range(1..))]
    subtables: u64,
}

/// Rows of a subtable: they end before this was written.
const ROWS: u64 = 10_000;

/// What it came to.
#[derive(Debug, Serialize)]
struct Cost {
    rows: u64,
    rejected: u64,
    /// Medians.
    seconds_clean: f64,
    seconds_rejecting: f64,
    seconds_redriving: f64,
    /// Of each round: the copy that rejects, in times of the clean one.
    ratios: Vec<f64>,
    ratio: f64,
    wanted: f64,
}

/// The part of a run's summary that is looked at.
#[derive(Debug, Deserialize)]
struct Summary {
    state: String,
    rows: u64,
    rejected: u64,
}

/// The part of `rejects list` that is looked at.
#[derive(Debug, Deserialize)]
struct Listed {
    rows: u64,
    tables: Vec<serde_json::Value>,
}

/// What `rejects redrive` answers.
#[derive(Debug, Deserialize)]
struct Redriven {
    taken: u64,
    refused: u64,
}

struct Bench<'a> {
    tdferry: &'a Tdferry,
    subtables: u64,
    source: String,
    target: String,
}

/// Measures it on stand-ins.
pub(crate) async fn run(args: &RejectsArgs, tdferry: &Tdferry, json: bool) -> Result<()> {
    let seed = format!("meters:{}x{ROWS}/{STEP_MS}@{DATABASE}", args.subtables);
    let start = async |mut command: Command| Server::start(&mut command, "listening on ws://").await;
    let servers =
        [start(tdferry.standin("2.6", Some(&seed))).await?, start(tdferry.standin("3", None)).await?];
    let [source, target] = [&servers[0], &servers[1]].map(dsn);
    let bench = Bench { tdferry, subtables: args.subtables, source, target };
    let (mut clean, mut rejecting, mut redriving) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..args.rounds {
        clean.push(bench.clean(round).await.with_context(|| format!("round {round}, clean"))?);
        let told = || format!("round {round}, with rows that are refused");
        let (copied, redriven) = bench.rejecting(round).await.with_context(told)?;
        rejecting.push(copied);
        redriving.push(redriven);
    }
    let ratios: Vec<_> = rejecting.iter().zip(&clean).map(|(one, other)| one / other).collect();
    let cost = Cost {
        rows: bench.rows(),
        rejected: bench.refused(),
        seconds_clean: median(clean),
        seconds_rejecting: median(rejecting),
        seconds_redriving: median(redriving),
        ratio: median(ratios.clone()),
        ratios,
        wanted: WANTED,
    };
    if json { output::json(&cost) } else { output::data(&cost.told()) }
}

impl Bench<'_> {
    fn rows(&self) -> u64 {
        self.subtables * ROWS
    }

    fn refused(&self) -> u64 {
        self.rows() / ONE_OF
    }

    async fn clean(&self, round: u32) -> Result<f64> {
        let into = format!("clean_{round}");
        self.create(&into, "36500d").await?;
        let (summary, seconds) = self.copy(&into).await?;
        load::drop_database(&self.target, &into).await?;
        ensure!(summary.state == "completed" && summary.rows == self.rows(), "it ended as {summary:?}");
        Ok(seconds)
    }

    async fn rejecting(&self, round: u32) -> Result<(f64, f64)> {
        let into = format!("rejecting_{round}");
        let late = i64::try_from(ROWS / ONE_OF)?;
        let edge = FIRST_MS + late * STEP_MS - STEP_MS / 2;
        let minutes = (Clock::system().wall_millis() - edge) / 60_000;
        self.create(&into, &format!("{minutes}m")).await?;
        let (summary, seconds) = self.copy(&into).await?;
        ensure!(summary.state == "completed with rejects", "it ended as {summary:?}");
        ensure!(
            (summary.rows, summary.rejected) == (self.rows() - self.refused(), self.refused()),
            "{summary:?}"
        );
        let to = with_database(&self.target, &into);
        let listed = self.tdferry.command(["rejects", "list", TASK, "--to", &to, "--json"]);
        let listed: Listed = serde_json::from_str(&process::run(&mut { listed }).await?.stdout)?;
        let tables = u64::try_from(listed.tables.len())?;
        ensure!((listed.rows, tables) == (self.refused(), self.subtables), "{} rows are kept", listed.rows);
        connect(&self.target).await?.exec(format!("alter database {into} keep 36500d")).await?;
        let redrive = self.tdferry.command(["rejects", "redrive", TASK, "--to", &to, "--json"]);
        let ran = process::run(&mut { redrive }).await?;
        let done: Redriven = serde_json::from_str(&ran.stdout)?;
        ensure!((done.taken, done.refused) == (self.refused(), 0), "{done:?}");
        let count = format!("select count(*) from {into}.{STABLE}");
        let there: Option<u64> = connect(&self.target).await?.query_one(count).await?;
        load::drop_database(&self.target, &into).await?;
        ensure!(there == Some(self.rows()), "{there:?} rows are there of {}", self.rows());
        Ok((seconds, ran.seconds))
    }

    /// The structure is made beforehand, so that rows alone are measured.
    async fn create(&self, into: &str, keep: &str) -> Result<()> {
        let target = connect(&self.target).await?;
        target.exec(format!("create database {into} precision 'ms' keep {keep} duration 1d")).await?;
        target.exec(format!("create stable {into}.{STABLE} ({COLUMNS}) tags ({TAGS})")).await?;
        let state = tempfile::tempdir()?;
        process::run(&mut self.command(into, state.path(), "only")?).await?;
        Ok(())
    }

    async fn copy(&self, into: &str) -> Result<(Summary, f64)> {
        let state = tempfile::tempdir()?;
        let ran = process::run_ending(&mut self.command(into, state.path(), "none")?, &ENDS).await?;
        Ok((serde_json::from_str(ran.stdout.trim()).context(ran.stdout.clone())?, ran.seconds))
    }

    fn command(&self, into: &str, state: &std::path::Path, schema: &str) -> Result<Command> {
        let (from, to) = (with_database(&self.source, DATABASE), with_database(&self.target, into));
        let slots = CONNECTIONS.to_string();
        let mut command = self
            .tdferry
            .command(["run", "--from", &from, "--to", &to, "--schema", schema, "--slots", &slots, "--json"]);
        command.arg("--state").arg(state);
        Ok(command)
    }
}

fn median(mut all: Vec<f64>) -> f64 {
    all.sort_by(f64::total_cmp);
    all.get(all.len() / 2).copied().unwrap_or_default()
}

impl Cost {
    fn told(&self) -> String {
        let rounds: Vec<_> = self.ratios.iter().map(|ratio| format!("{ratio:.2}")).collect();
        format!(
            "{} rows on stand-ins: {:.2} s clean, {:.2} s with {} rows outside of KEEP, each kept once; that is {:.2} times \
             as long ({}; at most {:.2} wanted); {:.2} s to bring them in after KEEP was widened",
            self.rows,
            self.seconds_clean,
            self.seconds_rejecting,
            self.rejected,
            self.ratio,
            rounds.join(", "),
            self.wanted,
            self.seconds_redriving,
        )
    }
}
