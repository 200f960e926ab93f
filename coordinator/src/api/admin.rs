//! What operators call, by command line and page alike.

use std::pin::Pin;
use std::time::Duration;

use futures_util::{Stream, stream};
use tdferry_common::id::{BadId, ShardId, WorkerId};
use tdferry_common::shard::Extra;
use tdferry_common::spec::{BadTaskName, TaskName};
use tdferry_proto::BadMessage;
use tdferry_proto::status::ApiError;
use tdferry_proto::v1;
use tdferry_proto::v1::admin_service_server::AdminService;
use tonic::{Request, Response, Status};

use super::shown;
use crate::coordinator::Coordinator;
use crate::leases::{self, BadLabel, Who};
use crate::tasks::{self, CutoverAsked, MemorySecrets, ShardTables, ShardsAsked, TaskShown};
use crate::view::Mirror;

/// The service for operators.
pub(super) struct AdminApi(pub(super) Coordinator);

/// A watcher is told at most this often.
const WATCH_EVERY: Duration = Duration::from_secs(1);

type WatchStream = Pin<Box<dyn Stream<Item = Result<v1::WatchTaskResponse, Status>> + Send>>;

#[tonic::async_trait]
impl AdminService for AdminApi {
    type WatchTaskStream = WatchStream;

    async fn create_task(
        &self,
        request: Request<v1::CreateTaskRequest>,
    ) -> Result<Response<v1::CreateTaskResponse>, Status> {
        let sent = request.into_inner();
        let memory = if sent.allow_memory_secrets { MemorySecrets::Allowed } else { MemorySecrets::Refused };
        let task = tasks::create(self.0.core(), &sent.spec, memory).await?;
        Ok(Response::new(v1::CreateTaskResponse { task: Some(self.view(&task).await?) }))
    }

    async fn list_tasks(
        &self,
        _: Request<v1::ListTasksRequest>,
    ) -> Result<Response<v1::ListTasksResponse>, Status> {
        let tasks = tasks::list(self.0.core()).into_iter().map(shown::task).collect();
        Ok(Response::new(v1::ListTasksResponse { tasks }))
    }

    async fn get_task(
        &self,
        request: Request<v1::GetTaskRequest>,
    ) -> Result<Response<v1::GetTaskResponse>, Status> {
        let task = name("name", &request.into_inner().name)?;
        Ok(Response::new(v1::GetTaskResponse { task: Some(self.view(&task).await?) }))
    }

    async fn watch_task(
        &self,
        request: Request<v1::WatchTaskRequest>,
    ) -> Result<Response<WatchStream>, Status> {
        let task = name("name", &request.into_inner().name)?;
        let first = tasks::show_fresh(self.0.core(), &task).await?;
        Ok(Response::new(Box::pin(watch(self.0.clone(), first))))
    }

    async fn set_control(
        &self,
        request: Request<v1::SetControlRequest>,
    ) -> Result<Response<v1::SetControlResponse>, Status> {
        let sent = request.into_inner();
        let (task, control) = (name("name", &sent.name)?, sent.control().try_into().map_err(ApiError::from)?);
        tasks::set_control(self.0.core(), &task, control).await?;
        Ok(Response::new(v1::SetControlResponse { task: Some(self.view(&task).await?) }))
    }

    async fn delete_task(
        &self,
        request: Request<v1::DeleteTaskRequest>,
    ) -> Result<Response<v1::DeleteTaskResponse>, Status> {
        tasks::delete(self.0.core(), &name("name", &request.into_inner().name)?).await?;
        Ok(Response::new(v1::DeleteTaskResponse {}))
    }

    async fn export_task(
        &self,
        request: Request<v1::ExportTaskRequest>,
    ) -> Result<Response<v1::ExportTaskResponse>, Status> {
        let spec = tasks::export(self.0.core(), &name("name", &request.into_inner().name)?).await?;
        Ok(Response::new(v1::ExportTaskResponse { spec }))
    }

    async fn copy_task(
        &self,
        request: Request<v1::CopyTaskRequest>,
    ) -> Result<Response<v1::CopyTaskResponse>, Status> {
        let sent = request.into_inner();
        let (from, to) = (name("name", &sent.name)?, name("new_name", &sent.new_name)?);
        let task = tasks::copy(self.0.core(), &from, to).await?;
        Ok(Response::new(v1::CopyTaskResponse { task: Some(self.view(&task).await?) }))
    }

    async fn list_shards(
        &self,
        request: Request<v1::ListShardsRequest>,
    ) -> Result<Response<v1::ListShardsResponse>, Status> {
        let sent = request.into_inner();
        let asked = ShardsAsked {
            page_size: usize::try_from(sent.page_size).unwrap_or(usize::MAX),
            from: shard("page_token", &sent.page_token)?,
            state: shown::state(sent.state()),
        };
        let listing = tasks::list_shards(self.0.core(), &name("task", &sent.task)?, asked).await?;
        Ok(Response::new(v1::ListShardsResponse {
            shards: listing.shards.into_iter().map(shown::shard).collect(),
            next_page_token: listing.next.map(String::from).unwrap_or_default(),
        }))
    }

    async fn list_tables(
        &self,
        request: Request<v1::ListTablesRequest>,
    ) -> Result<Response<v1::ListTablesResponse>, Status> {
        let sent = request.into_inner();
        let asked =
            shard("shard", &sent.shard)?.ok_or_else(|| ApiError::from(BadMessage::missing("shard")))?;
        let ShardTables { stable, names } =
            tasks::list_tables(self.0.core(), &name("task", &sent.task)?, &asked).await?;
        Ok(Response::new(v1::ListTablesResponse { stable, names }))
    }

    async fn retry_shard(
        &self,
        request: Request<v1::RetryShardRequest>,
    ) -> Result<Response<v1::RetryShardResponse>, Status> {
        let sent = request.into_inner();
        let only = shard("shard", &sent.shard)?;
        let retried = tasks::retry(self.0.core(), &name("task", &sent.task)?, only.as_ref()).await?;
        Ok(Response::new(v1::RetryShardResponse { retried }))
    }

    async fn repair_task(
        &self,
        request: Request<v1::RepairTaskRequest>,
    ) -> Result<Response<v1::RepairTaskResponse>, Status> {
        let sent = request.into_inner();
        let task = name("name", &sent.name)?;
        let extra = if sent.delete_extra { Extra::Deleted } else { Extra::Kept };
        tasks::repair(self.0.core(), &task, extra).await?;
        Ok(Response::new(v1::RepairTaskResponse { task: Some(self.view(&task).await?) }))
    }

    async fn list_workers(
        &self,
        _: Request<v1::ListWorkersRequest>,
    ) -> Result<Response<v1::ListWorkersResponse>, Status> {
        let view = self.0.core().view();
        let (workers, drained_labels) =
            view.read(|mirror| (shown::workers(mirror), shown::drained_labels(mirror)));
        Ok(Response::new(v1::ListWorkersResponse { workers, drained_labels }))
    }

    async fn set_drain(
        &self,
        request: Request<v1::SetDrainRequest>,
    ) -> Result<Response<v1::SetDrainResponse>, Status> {
        let sent = request.into_inner();
        let who = who(sent.who)?;
        let workers = leases::set_drain(self.0.core(), &who, sent.drain).await.map_err(ApiError::from)?;
        Ok(Response::new(v1::SetDrainResponse {
            workers: workers.into_iter().map(|worker| worker.0).collect(),
        }))
    }

    async fn cutover(
        &self,
        request: Request<v1::CutoverRequest>,
    ) -> Result<Response<v1::CutoverResponse>, Status> {
        let sent = request.into_inner();
        let task = name("name", &sent.name)?;
        let asked =
            CutoverAsked { max_lag_seconds: sent.max_lag_seconds, accept_rejects: sent.accept_rejects };
        let core = self.0.core();
        let items = match sent.step() {
            v1::cutover_request::Step::Unspecified => tasks::checklist(core, &task, asked).await?,
            v1::cutover_request::Step::Freeze => {
                tasks::freeze(core, &task, asked, sent.mark_unix_millis).await?
            }
            v1::cutover_request::Step::Abort => {
                tasks::thaw(core, &task).await?;
                Vec::new()
            }
        };
        let items = items.into_iter().map(shown::item).collect();
        Ok(Response::new(v1::CutoverResponse { items, task: Some(self.view(&task).await?) }))
    }

    async fn rebalance(
        &self,
        request: Request<v1::RebalanceRequest>,
    ) -> Result<Response<v1::RebalanceResponse>, Status> {
        let found = tasks::rebalance(self.0.core(), &name("task", &request.into_inner().task)?).await?;
        Ok(Response::new(v1::RebalanceResponse { idle_slots: found.idle, leases: found.leases }))
    }
}

impl AdminApi {
    async fn view(&self, task: &TaskName) -> Result<v1::TaskView, ApiError> {
        let core = self.0.core();
        Ok(shown::task(tasks::named(core, tasks::show_fresh(core, task).await?).await))
    }
}

/// Where a watcher stands.
enum Watch {
    Next(TaskShown),
    After(TaskShown),
    Ended,
}

/// Tells the task at once, then whenever it changed, and ends with it.
fn watch(
    coordinator: Coordinator,
    first: TaskShown,
) -> impl Stream<Item = Result<v1::WatchTaskResponse, Status>> + Send {
    stream::unfold(Watch::Next(first), move |at| {
        let coordinator = coordinator.clone();
        async move {
            let next = match at {
                Watch::Next(first) => Ok(first),
                Watch::After(told) if told.is_terminal() => return None,
                Watch::After(told) => changed(&coordinator, told).await,
                Watch::Ended => return None,
            };
            Some(match next {
                Ok(next) => {
                    let task = shown::task(tasks::named(coordinator.core(), next.clone()).await);
                    (Ok(v1::WatchTaskResponse { task: Some(task) }), Watch::After(next))
                }
                Err(err) => (Err(err.into()), Watch::Ended),
            })
        }
    })
}

/// Waits until a task looks other than it was told. Rates and the end in sight change by themselves.
async fn changed(coordinator: &Coordinator, told: TaskShown) -> Result<TaskShown, ApiError> {
    loop {
        // the end is told at once, and so is another phase
        let _ = tokio::time::timeout(WATCH_EVERY, turned(coordinator, &told)).await;
        let gone = || ApiError::NotFound(format!("task {} was deleted", told.name));
        let now = tasks::show(coordinator.core(), &told.name).ok_or_else(gone)?;
        if now != told {
            return Ok(now);
        }
    }
}

/// Returns when a task is in another phase than it was told, has ended, or is gone.
async fn turned(coordinator: &Coordinator, told: &TaskShown) {
    let view = coordinator.core().view();
    let mut changes = view.changed();
    let goes_on = |mirror: &Mirror| {
        let state = mirror.task(&told.name).and_then(|task| task.state.as_ref());
        state.is_some_and(|state| state.value.phase().is_some() && state.value.phase() == told.phase)
    };
    while view.read(goes_on) && changes.changed().await.is_ok() {}
}

fn who(sent: Option<v1::set_drain_request::Who>) -> Result<Who, ApiError> {
    match sent {
        Some(v1::set_drain_request::Who::Worker(id)) => Ok(Who::Worker(WorkerId(id))),
        Some(v1::set_drain_request::Who::Label(label)) => label
            .parse()
            .map(Who::Label)
            .map_err(|bad: BadLabel| BadMessage::new("label", bad.to_string()).into()),
        None => Err(BadMessage::missing("who").into()),
    }
}

fn name(field: &'static str, text: &str) -> Result<TaskName, ApiError> {
    text.parse().map_err(|bad: BadTaskName| BadMessage::new(field, bad.to_string()).into())
}

fn shard(field: &'static str, text: &str) -> Result<Option<ShardId>, ApiError> {
    if text.is_empty() {
        return Ok(None);
    }
    text.parse().map(Some).map_err(|bad: BadId| BadMessage::new(field, bad.to_string()).into())
}
