//! `tdferry worker`: one worker as a process; a list of the workers there are; which of them are to hold nothing.

use std::path::PathBuf;
use std::sync::Arc;

use clap::{Args, Subcommand};
use serde_json::json;
use tdferry_common::clock::Clock;
use tdferry_common::config::{self, Layers, WorkerConfig};
use tdferry_common::id::WorkerId;
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
    /// Have workers commit and release what they hold, and claim nothing. Example: tdferry worker drain --label dc=a
    Drain(DrainArgs),
    /// Let drained workers work again. Example: tdferry worker undrain 00f3a91be2c44d07
    Undrain(DrainArgs),
}

/// Which workers: one, or all that carry a label, those that come later too.
#[derive(Debug, Args)]
#[group(required = true, multiple = false, args = ["id", "label"])]
struct DrainArgs {
    /// The worker's id, as `worker list` shows it
    id: Option<WorkerId>,
    /// A label that workers carry
    #[arg(long, value_name = "KEY=VALUE")]
    label: Option<String>,
    #[command(flatten)]
    remote: RemoteArgs,
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
        Some(WorkerCommand::Drain(args)) => set_drain(args, true).await,
        Some(WorkerCommand::Undrain(args)) => set_drain(args, false).await,
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

async fn set_drain(args: DrainArgs, drain: bool) -> Outcome {
    let who = match (args.id, args.label) {
        (Some(id), _) => v1::set_drain_request::Who::Worker(id.0),
        (None, label) => v1::set_drain_request::Who::Label(label.unwrap_or_default()),
    };
    let is_one = matches!(who, v1::set_drain_request::Who::Worker(_));
    let request = v1::SetDrainRequest { who: Some(who), drain };
    let workers = answer(connect(&args.remote).await?.set_drain(request).await)?.workers;
    output::say(&match (drain, workers.len()) {
        (true, 0) if is_one => "no such worker is here now; if it comes, it is drained".to_owned(),
        (true, 0) => "no worker carries the label now; whoever comes with it is drained".to_owned(),
        (true, n) => format!("{n} workers drain; `tdferry worker list` shows when they hold nothing"),
        (false, n) => format!("{n} workers may work again"),
    });
    Ok(Exit::Complete)
}

/// What a worker does, in a word.
const fn state(worker: &v1::WorkerView) -> &'static str {
    match (worker.draining || worker.drained, worker.leases.is_empty()) {
        (false, _) => "working",
        (true, true) if worker.drained => "drained",
        (true, _) => "draining",
    }
}

async fn list(args: ListArgs) -> Outcome {
    let listed = answer(connect(&args.remote).await?.list_workers(v1::ListWorkersRequest {}).await)?;
    let workers = listed.workers;
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
                "drained": worker.drained,
                "state": state(worker),
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
            state(worker).to_owned(),
            labels.join(","),
        ]
    };
    output::table(&["WORKER", "HOST", "VERSION", "LEASES", "STATE", "LABELS"], workers.iter().map(row));
    for label in listed.drained_labels {
        output::say(&format!(
            "workers with {label} are drained; `tdferry worker undrain --label {label}` ends it"
        ));
    }
    Ok(Exit::Complete)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_is_drained_once_it_holds_nothing() {
        let lease = vec![v1::LeaseKey::default()];
        let view = |draining, drained, leases: &[v1::LeaseKey]| {
            state(&v1::WorkerView { draining, drained, leases: leases.to_vec(), ..v1::WorkerView::default() })
        };
        assert_eq!(view(false, false, &lease), "working");
        assert_eq!(view(false, true, &lease), "draining");
        assert_eq!(view(false, true, &[]), "drained");
        assert_eq!(view(true, false, &[]), "draining", "it stops");
    }
}
