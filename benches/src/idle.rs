//! What following asks of a source that is silent: the statements of each kind that a stand-in counted, by interval.
//!
//! The databases are in this process, so that they can be asked what they were asked; tdferry is a process of its own.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Args;
use serde::Serialize;
use tdferry_standin::{Action, Armed, Config, Fault, Flavor, MetersSeed, Server as Standin, When};
use tokio::time::{Instant, sleep, timeout};

use crate::process::Server;
use crate::tdferry::Tdferry;
use crate::{cpu, output};

/// Statements of an interval at most.
const WANTED: f64 = 5.0;
/// How often the polls are looked at.
const LOOK: Duration = Duration::from_millis(50);
/// A poll is due each second; one that never comes hangs.
const PATIENCE: Duration = Duration::from_secs(300);
/// Polls before which all is still being set up.
const FIRST: u64 = 3;

/// How large, how long.
#[derive(Debug, Args)]
pub(crate) struct IdleArgs {
    /// Subtables, of a row each
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u64).range(1..))]
    subtables: u64,
    /// Intervals, of a second each
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..))]
    intervals: u64,
}

/// What it came to.
#[derive(Debug, Serialize)]
struct Idle {
    subtables: u64,
    polls: u64,
    statements: BTreeMap<&'static str, u64>,
    per_interval: f64,
    wanted: f64,
    /// Cores in use: tdferry, and the two databases.
    cpu_tdferry: f64,
    cpu_databases: f64,
}

/// What was counted at a moment.
struct Look {
    at: Instant,
    polls: u64,
    statements: BTreeMap<&'static str, u64>,
    cpu: [f64; 2],
}

/// Measures it on stand-ins.
pub(crate) async fn run(args: &IdleArgs, tdferry: &Tdferry, json: bool) -> Result<()> {
    let seed = MetersSeed::new(args.subtables, 1);
    let source = Standin::start(Config::new(Flavor::V26)).await?;
    let target = Standin::start(Config::new(Flavor::V3)).await?;
    source.seed_meters(&seed)?;
    target.seed_meters(&seed)?;
    let polled = polls_of(&source);
    let [from, to] = [&source, &target].map(|server| server.dsn().replace("ws://", "taos+ws://"));
    let folder = tempfile::tempdir()?;
    let from = format!("{from}/power");
    let words = ["run", "--mode", "realtime", "--json", "--from", &from, "--to", &to];
    let follower = Server::silent(tdferry.command(words).arg("--state").arg(folder.path()))?;
    let look = async |polls: u64| -> Result<Look> {
        let come = async {
            while polled.fired() < polls {
                sleep(LOOK).await;
            }
        };
        timeout(PATIENCE, come).await.with_context(|| format!("{polls} polls do not come"))?;
        let cpu = [cpu::seconds(&[follower.pid])?, cpu::seconds(&[std::process::id()])?];
        Ok(Look { at: Instant::now(), polls: polled.fired(), statements: source.stats().statements, cpu })
    };
    let (begun, ended) = (look(FIRST).await?, look(FIRST + args.intervals).await?);
    let idle = Idle::between(args.subtables, &begun, &ended);
    if json { output::json(&idle) } else { output::data(&idle.told()) }
}

/// Counts the reads of a stable's rows, which each interval has one of: the columns begin with the timestamp.
fn polls_of(source: &Standin) -> Armed {
    const READ: &str = "select tbname,`ts`";
    let counted = |text: &str| Fault::new(When::contains(text), Action::Delay(Duration::ZERO));
    // the first that takes a request counts it: what is fetched of an answer is no poll of its own
    source.faults().add(counted(&format!("fetch {READ}")));
    source.faults().add(counted(READ))
}

impl Idle {
    fn between(subtables: u64, begun: &Look, ended: &Look) -> Self {
        let polls = ended.polls - begun.polls;
        let before = |kind: &str| begun.statements.get(kind).copied().unwrap_or(0);
        let statements = ended.statements.iter().map(|(kind, so_far)| (*kind, so_far - before(kind)));
        let statements: BTreeMap<_, _> = statements.collect();
        let seconds = (ended.at - begun.at).as_secs_f64();
        let number = |number: u64| u32::try_from(number).map_or(f64::INFINITY, f64::from);
        Self {
            subtables,
            polls,
            per_interval: number(statements.values().sum()) / number(polls),
            statements,
            wanted: WANTED,
            cpu_tdferry: (ended.cpu[0] - begun.cpu[0]) / seconds,
            cpu_databases: (ended.cpu[1] - begun.cpu[1]) / seconds,
        }
    }

    fn told(&self) -> String {
        let kinds: Vec<_> = self.statements.iter().map(|(kind, times)| format!("{times} {kind}")).collect();
        format!(
            "{} idle subtables: {:.2} statements an interval at the source (at most {:.0} wanted): {} in {} intervals; \
             cores: tdferry {:.3}, databases {:.3}",
            self.subtables,
            self.per_interval,
            self.wanted,
            kinds.join(", "),
            self.polls,
            self.cpu_tdferry,
            self.cpu_databases
        )
    }
}
