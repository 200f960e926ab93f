//! `tdferry diff`: every row that differs, where a task found something to differ, read again on both sides and printed
//! as it is found.

mod told;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use tdferry_common::clock::Clock;
use tdferry_common::dsn::Dsn;
use tdferry_common::secret::Secrets;
use tdferry_common::shard::{Shard, ShardKind, ShardState};
use tdferry_common::spec::Spec;
use tdferry_common::tdengine::TdConnector;
use tdferry_common::telemetry::LogConfig;
use tdferry_common::timing::Timing;
use tdferry_proto::v1::{self, admin_service_client::AdminServiceClient};
use tdferry_worker::diff::{Deps, Diff, Place};
use tonic::transport::Channel;

use self::told::Told;
use crate::entropy::seed;
use crate::exit::{Exit, Failure, Outcome};
use crate::output;
use crate::remote::{RemoteArgs, connect};
use crate::run::{Cluster, store_file};
use crate::task::{answer, held};

type Admin = AdminServiceClient<Channel>;

/// Shards in one answer.
const PAGE: u32 = 1_000;

/// Prints every row that differs, where a task found something to differ; only reads.
///
/// The shards of the last round that differ are read again on both sides, as they are now, under the task's names,
/// columns and condition. A line for each row that is missing, extra or changed, the latter with each column that
/// differs and both its values, and for each table that is missing, extra or has other tags. Then a sum.
///
/// Example:
///   tdferry diff migrate-power --table d17 --limit 100
/// After `tdferry run` or `tdferry verify`, whose state folder has no passwords:
///   tdferry diff migrate-power --state tdferry-state --from 'taos+ws://root:secret@old:6041' --to 'taos+ws://root:secret@new:6041'
/// Exit code 0: nothing differs any more. 8: something does.
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct DiffArgs {
    /// The task's name
    task: String,
    /// Only this table, by the source's name
    #[arg(long, value_name = "NAME")]
    table: Option<String>,
    /// Print so many lines at most, and only count what is left out
    #[arg(long, value_name = "N")]
    limit: Option<u64>,
    /// One JSON object a line on stdout, the sum at the end
    #[arg(long)]
    json: bool,
    /// The folder of `tdferry run` or `tdferry verify`, asked instead of a coordinator
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
    /// The source, where its password is not to be had otherwise
    #[arg(long, value_name = "DSN")]
    from: Option<String>,
    /// The target, likewise
    #[arg(long, value_name = "DSN")]
    to: Option<String>,
    #[command(flatten)]
    remote: RemoteArgs,
}

pub(crate) async fn diff(args: DiffArgs, log: &LogConfig) -> Outcome {
    log.install().map_err(|error| Failure::new(Exit::Usage, error))?;
    let Some(folder) = &args.state else { return args.walk(&mut connect(&args.remote).await?).await };
    if !holds_tasks(folder)? {
        let message = format!("the folder {} holds no task; name the --state of the run", folder.display());
        return Err(Failure::new(Exit::Usage, message));
    }
    let cluster = Cluster::open(folder, Timing::default()).await?;
    let outcome = args.walk(&mut cluster.admin().await).await;
    cluster.close().await;
    outcome
}

/// Looks without making the folder.
fn holds_tasks(folder: &Path) -> Result<bool, Failure> {
    Ok(folder.is_dir() && store_file(folder)?.exists())
}

impl DiffArgs {
    async fn walk(&self, admin: &mut Admin) -> Outcome {
        let request = v1::GetTaskRequest { name: self.task.clone() };
        let task = held(answer(admin.get_task(request).await)?.task)?;
        let spec = self.spec(admin).await?;
        let shards = differing(admin, &task).await?;
        if !task.terminal {
            output::say(&format!(
                "{} is {}: this is what differs of what it compared so far",
                task.name, task.state
            ));
        }
        let connector = TdConnector::new(Secrets::from_process().with_memory(spec.1), Timing::default());
        let (clock, timing) = (Clock::system(), Timing::default());
        let deps = Deps { connector: Arc::new(connector), clock, timing, seed: seed() };
        let mut diff = Diff::new(deps, spec.0, self.table.clone());
        let mut told = Told::new(self.json, self.limit);
        for shard in shards {
            let request = v1::ListTablesRequest { task: task.name.clone(), shard: shard.id.to_string() };
            let v1::ListTablesResponse { stable, names } = answer(admin.list_tables(request).await)?;
            let place = Place { shard, stable, names };
            let walked = diff.shard(place, &mut |difference| told.take(&difference)).await;
            walked.map_err(|error| Failure::new(Exit::Database, error))?;
        }
        told.end();
        Ok(if told.is_none() { Exit::Complete } else { Exit::Differs })
    }

    /// The task, with the passwords that are named here.
    async fn spec(&self, admin: &mut Admin) -> Result<(Spec, Memory), Failure> {
        let request = v1::ExportTaskRequest { name: self.task.clone() };
        let stored = answer(admin.export_task(request).await)?.spec;
        let mut spec = Spec::from_json(&stored).map_err(|error| {
            Failure::new(Exit::Failed, format!("the stored task cannot be read: {error}"))
        })?;
        for (field, text, dsn) in [("from", &self.from, &mut spec.from), ("to", &self.to, &mut spec.to)] {
            if let Some(text) = text {
                let usage = |error| Failure::new(Exit::Usage, format!("--{field}: {error}"));
                let (given, _) = Dsn::parse(text).map_err(usage)?;
                *dsn = match (given.database(), dsn.database()) {
                    (None, Some(database)) => given.clone().with_database(database),
                    _ => given,
                };
            }
        }
        let memory = spec.keep_secrets_in_memory();
        Ok((spec, memory))
    }
}

/// Passwords by the names that the task has for them.
type Memory = std::collections::BTreeMap<String, tdferry_common::secret::Secret>;

/// The shards of the last round that compared, which found something to differ.
async fn differing(admin: &mut Admin, task: &v1::TaskView) -> Result<Vec<Shard>, Failure> {
    let mut request = v1::ListShardsRequest {
        task: task.name.clone(),
        page_size: PAGE,
        ..v1::ListShardsRequest::default()
    };
    let (mut last_round, mut found) = (None, Vec::new());
    loop {
        let page = answer(admin.list_shards(request.clone()).await)?;
        for view in page.shards {
            let shard: Shard =
                view.shard.unwrap_or_default().try_into().map_err(|bad| Failure::new(Exit::Failed, bad))?;
            if !compares(shard.kind) || last_round.is_some_and(|last| shard.round < last) {
                continue;
            }
            // what an earlier round found was repaired, or is found once more
            if last_round.replace(shard.round) != Some(shard.round) {
                found.clear();
            }
            if matches!(shard.state, ShardState::Differs { .. }) {
                found.push(shard);
            }
        }
        if page.next_page_token.is_empty() {
            break;
        }
        request.page_token = page.next_page_token;
    }
    match last_round {
        Some(_) => Ok(found),
        None => Err(Failure::new(
            Exit::Usage,
            format!("`{}` compared nothing but counts; `tdferry verify` compares every cell", task.name),
        )),
    }
}

fn compares(kind: ShardKind) -> bool {
    matches!(kind, ShardKind::VerifyTags | ShardKind::VerifyTables | ShardKind::Verify(_))
}
