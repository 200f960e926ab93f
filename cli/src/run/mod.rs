//! `tdferry run`: one migration in one process, through the same coordinator, store, leases and workers as a cluster.

mod args;
mod bars;
mod cluster;
mod cut_over;
mod phases;
mod preflight;
mod proof;
mod summary;

use std::sync::Arc;
use std::time::Duration;

use args::{Asking, Repairs};
pub use args::{RunArgs, VerifyArgs};
pub use cluster::{Cluster, LocalWorker, store_file};
pub use phases::Phases;
pub use summary::Summary;
use tdferry_common::options::MOST_REPAIRS;
use tdferry_common::port::{Connector, PortError};
use tdferry_common::secret::Secrets;
use tdferry_common::shutdown::{StopToken, stop_on_signals, stop_pair};
use tdferry_common::spec::Spec;
use tdferry_common::tdengine::TdConnector;
use tdferry_common::telemetry::LogConfig;
use tdferry_common::timing::Timing;
use tdferry_proto::status::ApiError;
use tdferry_proto::v1::{self, admin_service_client::AdminServiceClient};
use tokio::time::Instant;
use tonic::transport::Channel;

pub(crate) use self::bars::Bars;
use crate::exit::{Exit, Failure, Outcome};
use crate::output;
use crate::task::{answer, held, is_worth_repairing};

type Admin = AdminServiceClient<Channel>;

/// Findings asked for with one call.
const FINDINGS_AT_ONCE: u32 = 500;

/// Leases a worker copies at once unless told otherwise.
pub fn cores() -> u32 {
    std::thread::available_parallelism().map_or(1, |cores| u32::try_from(cores.get()).unwrap_or(u32::MAX))
}

pub(crate) async fn run(args: RunArgs, log: &LogConfig) -> Outcome {
    each(args.asking()?, log).await
}

/// `tdferry verify`: the same with a task that only compares.
pub(crate) async fn verify(args: VerifyArgs, log: &LogConfig) -> Outcome {
    each(args.asking()?, log).await
}

/// One after the other; the first that is not complete decides how it ends.
async fn each(all: Vec<Asking>, log: &LogConfig) -> Outcome {
    log.install().map_err(|error| Failure::new(Exit::Usage, error))?;
    let mut ended = Exit::Complete;
    for asking in all {
        let exit = one(asking).await?;
        if ended == Exit::Complete {
            ended = exit;
        }
        if exit == Exit::Interrupted {
            return Ok(exit);
        }
    }
    Ok(ended)
}

async fn one(mut asking: Asking) -> Outcome {
    let memory = asking.spec.keep_secrets_in_memory();
    let timing = Timing::from_heartbeat(Duration::from_millis(asking.local.heartbeat));
    let connector = Arc::new(TdConnector::new(Secrets::from_process().with_memory(memory), timing));
    if !store_file(&asking.state)?.exists() {
        preflight::check(connector.as_ref(), &asking.spec).await?;
    }
    let mut cluster = Cluster::open(&asking.state, timing).await?;
    let outcome = work(&asking, &mut cluster, connector).await;
    cluster.close().await;
    outcome
}

async fn work(asking: &Asking, cluster: &mut Cluster, connector: Arc<dyn Connector>) -> Outcome {
    let Asking { spec, local, .. } = asking;
    let mut admin = cluster.admin().await;
    if asking.once {
        forget_ended(&mut admin, spec).await?;
    }
    let task = open_task(&mut admin, connector.as_ref(), spec).await?;
    let slots = local.slots.or(spec.options.workers).unwrap_or_else(cores);
    for _ in 0..local.worker_count {
        cluster.start_worker(Arc::clone(&connector), slots).await;
    }
    let (stopper, stop) = stop_pair();
    tokio::spawn(stop_on_signals(stopper));
    let started = Instant::now();
    let mut shown = Shown { bars: Bars::new(local.json), phases: Phases::default() };
    let last = tokio::select! {
        last = to_its_end(&mut admin, asking, &task, &stop, &mut shown) => last,
        failure = cluster.store_failed() => Err(failure),
    };
    shown.bars.end();
    let rows_at_start = task.progress.unwrap_or_default().totals.unwrap_or_default().written;
    let last = last?;
    if let Some(failure) = unusable(&mut admin, &task, &last).await {
        return Err(failure);
    }
    let seconds = started.elapsed().as_secs_f64();
    let proof = proof::certify(&mut admin, connector.as_ref(), asking, &last).await?;
    let mut summary = Summary::new(&last, rows_at_start, seconds, &shown.phases).with_certificate(proof);
    summary.findings = findings(&mut admin, &last).await?;
    if local.json {
        output::json(&summary)
    } else {
        output::data(&summary.text())
    }
    if summary.exit() == Exit::Interrupted {
        output::say(&format!("stopped; run it again with --state {} to go on", asking.state.display()));
    } else if asking.once && summary.exit() != Exit::Differs {
        answer(admin.delete_task(v1::DeleteTaskRequest { name: last.name }).await)?;
    }
    Ok(summary.exit())
}

/// Something in the background that is over with whoever began it.
struct AbortOnDrop(tokio::task::JoinHandle<()>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// What is shown of a task while it runs, and kept of it for the end.
struct Shown {
    bars: Bars,
    phases: Phases,
}

/// Follows the task, and repairs what differs where that is asked for.
async fn to_its_end(
    admin: &mut Admin,
    asking: &Asking,
    task: &v1::TaskView,
    stop: &StopToken,
    shown: &mut Shown,
) -> Result<v1::TaskView, Failure> {
    let Repairs { repair, delete_extra } = asking.repairs;
    let mark = asking.cutover.clone().filter(|_| task.state != "cutting over" && !task.terminal);
    let marking = mark.map(|gate| {
        let (admin, name) = (admin.clone(), task.name.clone());
        AbortOnDrop(tokio::spawn(async move { cut_over::once_all_holds(admin, &name, &gate).await }))
    });
    let mut last = follow(admin, task, stop, shown).await?;
    drop(marking);
    for _ in 0..MOST_REPAIRS {
        if !repair || !is_worth_repairing(&last, delete_extra) {
            break;
        }
        let request = v1::RepairTaskRequest { name: last.name.clone(), delete_extra };
        let repairing = held(answer(admin.repair_task(request).await)?.task)?;
        last = follow(admin, &repairing, stop, shown).await?;
    }
    Ok(last)
}

/// What the shards of a task that differs have to tell.
async fn findings(admin: &mut Admin, task: &v1::TaskView) -> Result<Vec<String>, Failure> {
    if task.state != "differs" {
        return Ok(Vec::new());
    }
    let mut request = v1::ListShardsRequest {
        task: task.name.clone(),
        page_size: FINDINGS_AT_ONCE,
        page_token: String::new(),
        state: v1::ShardState::Differs.into(),
    };
    let (mut last_round, mut findings) = (0, Vec::new());
    loop {
        let page = answer(admin.list_shards(request.clone()).await)?;
        for shard in page.shards.into_iter().filter_map(|view| view.shard) {
            // what an earlier round found was repaired, or is found once more
            if shard.round > last_round {
                (last_round, findings) = (shard.round, Vec::new());
            }
            if shard.round == last_round {
                findings.push(format!("{}: {}", shard.id, shard.failure));
            }
        }
        if page.next_page_token.is_empty() {
            return Ok(findings);
        }
        request.page_token = page.next_page_token;
    }
}

/// A task of this run that ended because a database refuses what it needs, before any row was copied, is forgotten:
/// only the attempt could tell, and nothing is to stay of it.
async fn unusable(admin: &mut Admin, created: &v1::TaskView, last: &v1::TaskView) -> Option<Failure> {
    let began = created.progress.unwrap_or_default().shards_done > 0;
    let wrote = last.progress.unwrap_or_default().totals.unwrap_or_default().written > 0;
    if last.state != "failed" || began || wrote || !PortError::is_denial(&last.reason) {
        return None;
    }
    let deleted = admin.delete_task(v1::DeleteTaskRequest { name: last.name.clone() }).await;
    let kept = if deleted.is_ok() { "Nothing was stored" } else { "The task stays in the state folder" };
    let advice = "check the user's rights on the target";
    Some(Failure::new(Exit::Database, format!("field `to`: {}; {advice}. {kept}", last.reason)))
}

/// A comparison that found differences is kept, so that it can be asked for them, until the next one begins.
async fn forget_ended(admin: &mut Admin, spec: &Spec) -> Result<(), Failure> {
    let name = spec.name.to_string();
    let asked = admin.get_task(v1::GetTaskRequest { name: name.clone() }).await;
    match asked.map_err(ApiError::from) {
        Ok(found) => {
            if held(found.into_inner().task)?.terminal {
                answer(admin.delete_task(v1::DeleteTaskRequest { name }).await)?;
            }
            Ok(())
        }
        Err(ApiError::NotFound(_)) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// The task of an earlier run if it is the same one, else a new one.
async fn open_task(
    admin: &mut Admin,
    connector: &dyn Connector,
    spec: &Spec,
) -> Result<v1::TaskView, Failure> {
    let name = spec.name.to_string();
    let json = spec.to_json().map_err(|error| Failure::new(Exit::Usage, error))?;
    match admin.export_task(v1::ExportTaskRequest { name: name.clone() }).await {
        Ok(stored) => {
            // compared as what they mean: the store may keep the fields in another order
            let kept = Spec::from_json(&stored.into_inner().spec).and_then(|spec| spec.to_json());
            if kept.as_ref() != Ok(&json) {
                let message = format!(
                    "the state folder holds a task `{name}` with other settings; name this one with --name, or choose another --state"
                );
                return Err(Failure::new(Exit::Usage, message));
            }
            output::say(&format!("going on with `{name}`"));
            resume(admin, &name).await
        }
        Err(status) if matches!(ApiError::from(status.clone()), ApiError::NotFound(_)) => {
            preflight::check(connector, spec).await?;
            let request = v1::CreateTaskRequest { spec: json, allow_memory_secrets: true };
            held(answer(admin.create_task(request).await)?.task)
        }
        Err(status) => Err(ApiError::from(status).into()),
    }
}

/// A task that failed is tried again, one that was stopped goes on.
async fn resume(admin: &mut Admin, name: &str) -> Result<v1::TaskView, Failure> {
    let task = held(answer(admin.get_task(v1::GetTaskRequest { name: name.to_owned() }).await)?.task)?;
    if task.state == "failed" || task.progress.is_some_and(|progress| progress.shards_failed > 0) {
        let request = v1::RetryShardRequest { task: name.to_owned(), shard: String::new() };
        answer(admin.retry_shard(request).await)?;
    }
    if task.control() == v1::Control::Run {
        return Ok(task);
    }
    let request = v1::SetControlRequest { name: name.to_owned(), control: v1::Control::Run.into() };
    held(answer(admin.set_control(request).await)?.task)
}

/// Shows the task until it ends or a signal comes; answers how it stood last.
async fn follow(
    admin: &mut Admin,
    task: &v1::TaskView,
    stop: &StopToken,
    shown: &mut Shown,
) -> Result<v1::TaskView, Failure> {
    let request = v1::WatchTaskRequest { name: task.name.clone() };
    let mut updates = answer(admin.watch_task(request).await)?;
    let mut last = task.clone();
    loop {
        let update = tokio::select! {
            update = updates.message() => update.map_err(|status| Failure::from(ApiError::from(status)))?,
            () = stop.stopping() => return Ok(last),
        };
        let Some(update) = update else { return Ok(last) };
        last = held(update.task)?;
        shown.phases.saw(&last.phase, Instant::now());
        shown.bars.show(&last);
        if last.terminal {
            return Ok(last);
        }
    }
}
