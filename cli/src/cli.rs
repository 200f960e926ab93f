//! The command line: words in, one validated command out, and help that teaches.

use clap::{Parser, Subcommand};
use tdferry_common::telemetry::LogConfig;

use crate::exit::{Exit, Failure, HELP, Outcome};
use crate::{
    certificate, check, coordinator, demo, diff, output, plan, rejects, run, shard, standin, task, worker,
};

const TOUR: &str = "\
Try it:            tdferry demo
Before it:         tdferry check --from taos+ws://root:PW@old:6041/power --to taos+ws://root:PW@new:6041
                   tdferry plan --from taos+ws://root:PW@old:6041/power --to taos+ws://root:PW@new:6041
One migration:     tdferry run --from taos+ws://root:PW@old:6041/power --to taos+ws://root:PW@new:6041
Compared only:     tdferry verify --from taos+ws://root:PW@old:6041/power --to taos+ws://root:PW@new:6041
A cluster:         tdferry coordinator --store etcd://e1:2379,e2:2379,e3:2379
                   tdferry worker --coordinator http://c1:7410,http://c2:7410 --label dc=a
                   tdferry task create -f task.toml && tdferry task watch migrate-power";

/// Moves TDengine 2.x databases to TDengine 3.x. Kill it at any moment, start it again: it goes on where it stopped.
#[derive(Debug, Parser)]
#[command(name = "tdferry", version, after_help = TOUR, after_long_help = format!("{TOUR}\n\n{HELP}"))]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Check(Box<check::CheckArgs>),
    Plan(Box<plan::PlanArgs>),
    Run(Box<run::RunArgs>),
    Verify(Box<run::VerifyArgs>),
    Diff(Box<diff::DiffArgs>),
    Repair(task::RepairArgs),
    Cutover(task::CutoverArgs),
    Demo(demo::DemoArgs),
    Coordinator(coordinator::CoordinatorArgs),
    Worker(worker::WorkerArgs),
    /// Create, look at and control tasks
    #[command(subcommand)]
    Task(task::TaskCommand),
    /// Look at the shards of a task
    #[command(subcommand)]
    Shard(shard::ShardCommand),
    /// Look at the rows that the target refused, and try them again
    #[command(subcommand)]
    Rejects(rejects::RejectsCommand),
    /// Write what a task did as a file in which any change shows, and check such a file
    #[command(subcommand)]
    Certificate(certificate::CertificateCommand),
    Standin(standin::StandinArgs),
}

impl Cli {
    /// Runs the command; errors are printed here and nowhere else.
    pub async fn run(self) -> Exit {
        match self.execute().await {
            Ok(exit) => exit,
            Err(failure) => {
                output::error(&failure.message);
                failure.exit
            }
        }
    }

    async fn execute(self) -> Outcome {
        let env = |name: &str| std::env::var(name).ok();
        let log = LogConfig::from_env(&env).map_err(|error| Failure::new(Exit::Usage, error))?;
        // where a person watches progress, only trouble is logged unless RUST_LOG asks for more
        let quiet = match env("RUST_LOG") {
            Some(_) => log.clone(),
            None => LogConfig { filter: "error".into(), ..log.clone() },
        };
        match self.command {
            Command::Check(args) => Box::pin(check::check(*args, &quiet)).await,
            Command::Plan(args) => Box::pin(plan::plan(*args, &quiet)).await,
            Command::Run(args) => Box::pin(run::run(*args, &quiet)).await,
            Command::Verify(args) => Box::pin(run::verify(*args, &quiet)).await,
            Command::Diff(args) => Box::pin(diff::diff(*args, &quiet)).await,
            Command::Repair(args) => Box::pin(task::repair(args)).await,
            Command::Cutover(args) => Box::pin(task::cutover(args)).await,
            Command::Demo(args) => Box::pin(demo::demo(args, &quiet)).await,
            Command::Coordinator(args) => Box::pin(coordinator::coordinator(args, &log)).await,
            Command::Worker(args) => Box::pin(worker::worker(args, &log)).await,
            Command::Task(command) => Box::pin(task::task(command)).await,
            Command::Shard(command) => Box::pin(shard::shard(command)).await,
            Command::Rejects(command) => Box::pin(rejects::rejects(command)).await,
            Command::Certificate(command) => Box::pin(certificate::certificate(command, &quiet)).await,
            Command::Standin(args) => Box::pin(standin::standin(args, &log)).await,
        }
    }
}
