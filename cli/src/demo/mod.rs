//! `tdferry demo`: a whole migration between two stand-ins, a worker killed half-way, every cell compared.

use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use tdferry_common::dsn::Dsn;
use tdferry_common::port::{Connector, Side};
use tdferry_common::secret::Secrets;
use tdferry_common::shutdown::{stop_on_signals, stop_pair};
use tdferry_common::spec::{Spec, TaskKind};
use tdferry_common::tdengine::TdConnector;
use tdferry_common::telemetry::LogConfig;
use tdferry_common::timing::Timing;
use tdferry_proto::v1;
use tdferry_standin::{Action, Config, Fault, Flavor, Server, When};
use tokio::time::Instant;

use crate::compare::{Comparison, Place, compare};
use crate::exit::{Exit, Failure, Outcome};
use crate::output::{self, count};
use crate::run::{Bars, Cluster, Phases, Summary};
use crate::task::{answer, held};

/// Short times, so that the lease of the killed worker is free again within seconds.
const HEARTBEAT: Duration = Duration::from_millis(700);

/// What each write to the target takes in the demo, so that there is something to see.
const TARGET_DELAY: Duration = Duration::from_millis(4);

const WORKERS: u32 = 3;
const SLOTS: u32 = 2;
const DATABASE: &str = "power";

/// Two stand-in servers, three workers, one of them killed half-way; then every cell is compared.
///
/// Example: tdferry demo
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub struct DemoArgs {
    /// The summary as one JSON object on stdout
    #[arg(long)]
    json: bool,
}

/// Runs the demo.
pub(crate) async fn demo(args: DemoArgs, log: &LogConfig) -> Outcome {
    log.install().map_err(|error| Failure::new(Exit::Usage, error))?;
    let failed = |error: &dyn std::fmt::Display| Failure::new(Exit::Failed, error);
    let source = Server::start(Config::new(Flavor::V26)).await.map_err(|error| failed(&error))?;
    let target = Server::start(Config::new(Flavor::V3)).await.map_err(|error| failed(&error))?;
    source.seed_demo(DATABASE).map_err(|error| failed(&error))?;
    output::say(&format!("1. a TDengine 2.6 stand-in with smart meters listens on {}", source.addr()));
    output::say(&format!("2. an empty TDengine 3 stand-in listens on {}", target.addr()));
    let slow = target.faults();
    slow.add(Fault::new(When::Any, Action::Delay(TARGET_DELAY)));
    let folder = tempfile::tempdir().map_err(|error| failed(&error))?;
    let mut cluster = Cluster::open(folder.path(), Timing::from_heartbeat(HEARTBEAT)).await?;
    output::say(&format!("3. coordinator, store and {WORKERS} workers run in this process"));
    let outcome = tokio::select! {
        outcome = migrate(&mut cluster, &source, &target) => outcome,
        () = interrupted() => Err(Failure::new(Exit::Interrupted, "the demo was interrupted")),
    };
    cluster.close().await;
    let summary = outcome?;
    slow.clear();
    output::say("5. comparing every cell, tag and name of both databases");
    let compared = comparison(&source, &target).await?;
    source.stop().await;
    target.stop().await;
    Ok(tell(&args, &summary, &compared))
}

async fn interrupted() {
    let (stopper, token) = stop_pair();
    tokio::spawn(stop_on_signals(stopper));
    token.stopping().await;
}

/// The task from beginning to end, with one worker killed once half of the rows are copied.
async fn migrate(cluster: &mut Cluster, source: &Server, target: &Server) -> Result<Summary, Failure> {
    let from = format!("{}/{DATABASE}", source.dsn());
    let to = format!("{}/{DATABASE}", target.dsn());
    let spec = Spec::build("demo", TaskKind::TDengine2, &from, &to, &std::collections::BTreeMap::new());
    let mut spec = spec.map_err(|error| Failure::new(Exit::Failed, error))?;
    let secrets = Secrets::from_process().with_memory(spec.keep_secrets_in_memory());
    let connector: Arc<dyn Connector> = Arc::new(TdConnector::new(secrets, cluster.timing()));
    let spec = spec.to_json().map_err(|error| Failure::new(Exit::Failed, error))?;
    let mut admin = cluster.admin().await;
    let request = v1::CreateTaskRequest { spec, allow_memory_secrets: true };
    held(answer(admin.create_task(request).await)?.task)?;
    let started = Instant::now();
    for _ in 0..WORKERS {
        cluster.start_worker(Arc::clone(&connector), SLOTS).await;
    }
    let mut bars = Bars::new(false);
    let mut killed = false;
    let mut updates = answer(admin.watch_task(v1::WatchTaskRequest { name: "demo".into() }).await)?;
    loop {
        let update =
            updates.message().await.map_err(|status| Failure::new(Exit::Failed, status.message()))?;
        let task = held(update.and_then(|update| update.task))?;
        bars.show(&task);
        if !killed && half_way(&task) {
            killed = cluster.take_worker().map(crate::run::LocalWorker::kill).is_some();
            output::say(
                "4. half-way: one worker is killed; its leases end with its session, others take them over",
            );
        }
        if task.terminal {
            bars.end();
            return Ok(Summary::new(&task, 0, started.elapsed().as_secs_f64(), &Phases::default()));
        }
    }
}

fn half_way(task: &v1::TaskView) -> bool {
    let progress = task.progress.unwrap_or_default();
    let written = progress.totals.unwrap_or_default().written;
    progress.rows_estimated > 0 && written * 2 >= progress.rows_estimated
}

async fn comparison(source: &Server, target: &Server) -> Result<Comparison, Failure> {
    let place = |side: Side, server: &Server| -> Result<Place, Failure> {
        let dsn: Dsn = server.dsn().parse().map_err(|error| Failure::new(Exit::Failed, error))?;
        Ok(Place::new(side, dsn, DATABASE, &Secrets::from_process())?)
    };
    Ok(compare(&place(Side::Source, source)?, &place(Side::Sink, target)?).await?)
}

fn tell(args: &DemoArgs, summary: &Summary, compared: &Comparison) -> Exit {
    if args.json {
        output::json(summary)
    } else {
        output::data(&summary.text())
    }
    for difference in &compared.differences {
        output::say(&format!("differs: {difference}"));
    }
    let (tables, rows) = (count(compared.tables), count(compared.rows));
    if summary.verified && compared.is_equal() && compared.rows == summary.rows {
        output::say(&format!(
            "verified: {tables} tables, {rows} rows, every cell, tag and name equal on both sides"
        ));
        return Exit::Complete;
    }
    output::say(&format!(
        "NOT EQUAL: {} differences in {tables} tables, {rows} rows",
        count(compared.differing)
    ));
    Exit::Failed
}
