//! `tdferry worker`: one worker as a process, or a list of the workers there are.

use std::path::PathBuf;
use std::sync::Arc;

use clap::{Args, Subcommand};
use serde_json::json;
use tdferry_common::clock::Clock;
use tdferry_common::config::{self, Layers, WorkerConfig};
use tdferry_common::secret::Secrets;
use tdferry_common::shutdown::{stop_on_signals, stop_pair};
use tdferry_common::tdengine::TdConnector;
use tdferry_common::telemetry::LogConfig;
use tdferry_common::timing::Timing;
use tdferry_proto::v1;
use tdferry_worker::{Deps, Worker, endpoint};

use crate::entropy::seed;
use crate::exit::{Exit, Failure, Outcome};
use crate::output;
use crate::remote::{RemoteArgs, connect};
use crate::run::cores;
use crate::task::answer;

/// Claims leases, copies batches, commits offsets. SIGTERM: commits, releases, ends; a second one ends at once.
///
/// Example: tdferry worker --coordinator http://c1:7410,http://c2:7410 --label dc=a --slots 8
#[derive(Debug, Args)]
#[command(verbatim_doc_comment, args_conflicts_with_subcommands = true)]
pub(crate) struct WorkerArgs {
    #[command(subcommand)]
    command: Option<WorkerCommand>,
    /// Coordinators, any of which will do [default: http://127.0.0.1:7410]
    #[arg(long, value_name = "URL[,URL…]")]
    coordinator: Option<String>,
    /// Where this worker stands, such as dc=a; may be given several times
    #[arg(long, value_name = "KEY=VALUE")]
    label: Vec<String>,
    /// Leases copied at once [default: the CPU cores]
    #[arg(long, value_name = "N")]
    slots: Option<u32>,
    /// A configuration file (TOML); flags and TDFERRY_… variables go over it
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum WorkerCommand {
    /// List the workers with what they hold. Example: tdferry worker list --json
    List(ListArgs),
}

#[derive(Debug, Args)]
struct ListArgs {
    /// One JSON array on stdout
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    remote: RemoteArgs,
}

pub(crate) async fn worker(args: WorkerArgs, log: &LogConfig) -> Outcome {
    match args.command {
        Some(WorkerCommand::List(args)) => list(args).await,
        None => work(args, log).await,
    }
}

fn configured(args: &WorkerArgs) -> Result<WorkerConfig, Failure> {
    let usage = |error| Failure::new(Exit::Usage, error);
    let file = args.config.as_deref().map(config::read_file).transpose().map_err(usage)?;
    let mut flags = Vec::new();
    flags.extend(args.coordinator.clone().map(|urls| ("coordinators", urls)));
    flags.extend(args.slots.map(|slots| ("slots", slots.to_string())));
    if !args.label.is_empty() {
        flags.push(("labels", args.label.join(",")));
    }
    let env = |name: &str| std::env::var(name).ok();
    config::load(&Layers { file: file.as_ref(), env: &env, flags: &flags }).map_err(usage)
}

async fn work(args: WorkerArgs, log: &LogConfig) -> Outcome {
    let config = configured(&args)?;
    log.install().map_err(|error| Failure::new(Exit::Usage, error))?;
    let timing = Timing::default();
    let channel = |url: &String| Ok(endpoint(url, &timing)?.connect_lazy());
    let coordinators =
        config.coordinators.iter().map(channel).collect::<Result<Vec<_>, tonic::transport::Error>>();
    let (stopper, token) = stop_pair();
    tokio::spawn(stop_on_signals(stopper));
    let worker = Worker::new(Deps {
        coordinators: coordinators
            .map_err(|error| Failure::new(Exit::Usage, format!("--coordinator: {error}")))?,
        connector: Arc::new(TdConnector::new(Secrets::from_process(), timing)),
        slots: config.slots.unwrap_or_else(cores),
        labels: config.labels,
        clock: Clock::system(),
        seed: seed(),
        host: host(),
    });
    worker.run(token).await.map_err(|error| Failure::new(Exit::Cluster, error))?;
    Ok(Exit::Complete)
}

/// The machine's name, for display.
pub(crate) fn host() -> String {
    let read = std::fs::read_to_string("/proc/sys/kernel/hostname");
    read.map_or_else(|_| "unknown".into(), |name| name.trim().to_owned())
}

async fn list(args: ListArgs) -> Outcome {
    let workers = answer(connect(&args.remote).await?.list_workers(v1::ListWorkersRequest {}).await)?.workers;
    if args.json {
        let one = |worker: &v1::WorkerView| {
            let lease =
                |key: &v1::LeaseKey| json!({"task": key.task, "shard": key.shard, "epoch": key.epoch});
            json!({
                "id": format!("{:016x}", worker.id),
                "host": worker.host,
                "version": worker.version,
                "slots": worker.slots,
                "labels": worker.labels,
                "draining": worker.draining,
                "leases": worker.leases.iter().map(lease).collect::<Vec<_>>(),
            })
        };
        output::json(&workers.iter().map(one).collect::<Vec<_>>());
        return Ok(Exit::Complete);
    }
    let row = |worker: &v1::WorkerView| {
        let labels: Vec<_> = worker.labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
        vec![
            format!("{:016x}", worker.id),
            worker.host.clone(),
            worker.version.clone(),
            format!("{}/{}", worker.leases.len(), worker.slots),
            if worker.draining { "draining" } else { "working" }.to_owned(),
            labels.join(","),
        ]
    };
    output::table(&["WORKER", "HOST", "VERSION", "LEASES", "STATE", "LABELS"], workers.iter().map(row));
    Ok(Exit::Complete)
}
