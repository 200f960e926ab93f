//! `tdferry task …`: create, look at and control tasks.

mod create;
mod cutover;
mod repair;
mod view;

use clap::{Args, Subcommand};
use tdferry_common::spec::Spec;
use tdferry_proto::status::ApiError;
use tdferry_proto::v1::{self, admin_service_client::AdminServiceClient};
use tonic::transport::Channel;
use tonic::{Response, Status};

pub(crate) use cutover::{CutoverArgs, Gate, cutover, item_line};
pub(crate) use repair::{RepairArgs, is_worth_repairing, repair};
pub(crate) use view::{describe, differing_json, lag, view_json};

use crate::exit::{Exit, Failure, Outcome};
use crate::output;
use crate::remote::{RemoteArgs, connect};

/// What can be done with tasks.
#[derive(Debug, Subcommand)]
pub(crate) enum TaskCommand {
    /// Create a task from a task file. Example: tdferry task create -f task.toml
    Create(create::CreateArgs),
    /// List all tasks. Example: tdferry task list --json
    List(ListArgs),
    /// Show one task: state, progress, rates, what it waits for. Example: tdferry task show migrate-power
    Show(NameArgs),
    /// Show a task again whenever it changes, until it ends. Example: tdferry task watch migrate-power
    Watch(NameArgs),
    /// Claim nothing more; what is in flight is committed and released. Example: tdferry task pause migrate-power
    Pause(NameArgs),
    /// Go on with a task that was paused or stopped. Example: tdferry task resume migrate-power
    Resume(NameArgs),
    /// As pause, meant for good; it can still be resumed. Example: tdferry task stop migrate-power
    Stop(NameArgs),
    /// Delete a task and its progress; what was copied stays. Example: tdferry task delete migrate-power --yes
    Delete(DeleteArgs),
    /// Print the task as a task file, secrets only by reference. Example: tdferry task export migrate-power > task.toml
    Export(NameArgs),
    /// Create tasks from exported files. Example: tdferry task import one.toml two.toml
    Import(create::ImportArgs),
    /// Create a task with another's settings; progress is not copied. Example: tdferry task copy migrate-power again
    Copy(CopyArgs),
    /// Open failed shards again, and their task with them. Example: tdferry task retry migrate-power
    Retry(NameArgs),
    /// Share what few workers hold with idle ones. Example: tdferry task rebalance migrate-power
    Rebalance(NameArgs),
}

/// Which task.
#[derive(Debug, Args)]
pub(crate) struct NameArgs {
    /// The task's name
    name: String,
    /// One JSON object on stdout
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    remote: RemoteArgs,
}

/// All tasks.
#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    /// One JSON array on stdout
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    remote: RemoteArgs,
}

/// Which task, surely.
#[derive(Debug, Args)]
pub(crate) struct DeleteArgs {
    /// The task's name
    name: String,
    /// Do not ask
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    remote: RemoteArgs,
}

/// Which task, and the new one's name.
#[derive(Debug, Args)]
pub(crate) struct CopyArgs {
    /// The task to copy
    name: String,
    /// The new task's name
    new_name: String,
    #[command(flatten)]
    remote: RemoteArgs,
}

type Client = AdminServiceClient<Channel>;

/// The body of an answer, or the coordinator's words.
pub(crate) fn answer<T>(response: Result<Response<T>, Status>) -> Result<T, Failure> {
    response.map(Response::into_inner).map_err(|status| ApiError::from(status).into())
}

/// A task that an answer must hold.
pub(crate) fn held(task: Option<v1::TaskView>) -> Result<v1::TaskView, Failure> {
    task.ok_or_else(|| {
        Failure::new(Exit::Failed, "the coordinator answered without the task; is it a newer version?")
    })
}

pub(crate) async fn task(command: TaskCommand) -> Outcome {
    match command {
        TaskCommand::Create(args) => create::create(args).await,
        TaskCommand::Import(args) => create::import(args).await,
        TaskCommand::List(args) => list(args).await,
        TaskCommand::Show(args) => show(args).await,
        TaskCommand::Watch(args) => watch(args).await,
        TaskCommand::Pause(args) => control(args, v1::Control::Pause).await,
        TaskCommand::Resume(args) => control(args, v1::Control::Run).await,
        TaskCommand::Stop(args) => control(args, v1::Control::Stop).await,
        TaskCommand::Delete(args) => delete(args).await,
        TaskCommand::Export(args) => export(args).await,
        TaskCommand::Copy(args) => copy(args).await,
        TaskCommand::Retry(args) => retry(args).await,
        TaskCommand::Rebalance(args) => rebalance(args).await,
    }
}

fn shown(task: &v1::TaskView, json: bool) -> Exit {
    if json {
        output::json(&view_json(task))
    } else {
        output::data(&describe(task))
    }
    Exit::Complete
}

async fn list(args: ListArgs) -> Outcome {
    let tasks = answer(connect(&args.remote).await?.list_tasks(v1::ListTasksRequest {}).await)?.tasks;
    if args.json {
        output::json(&tasks.iter().map(view_json).collect::<Vec<_>>());
    } else {
        output::table(view::COLUMNS, tasks.iter().map(view::row));
    }
    Ok(Exit::Complete)
}

async fn get(client: &mut Client, name: &str) -> Result<v1::TaskView, Failure> {
    held(answer(client.get_task(v1::GetTaskRequest { name: name.to_owned() }).await)?.task)
}

async fn show(args: NameArgs) -> Outcome {
    let task = get(&mut connect(&args.remote).await?, &args.name).await?;
    Ok(shown(&task, args.json))
}

async fn watch(args: NameArgs) -> Outcome {
    let mut client = connect(&args.remote).await?;
    let request = v1::WatchTaskRequest { name: args.name.clone() };
    let mut stream = answer(client.watch_task(request).await)?;
    let mut last = None;
    while let Some(update) = stream.message().await.map_err(|status| Failure::from(ApiError::from(status)))? {
        let task = held(update.task)?;
        shown(&task, args.json);
        last = Some(task);
    }
    Ok(last.as_ref().map_or(Exit::Failed, view::exit))
}

async fn control(args: NameArgs, control: v1::Control) -> Outcome {
    let request = v1::SetControlRequest { name: args.name, control: control.into() };
    let task = held(answer(connect(&args.remote).await?.set_control(request).await)?.task)?;
    Ok(shown(&task, args.json))
}

async fn delete(args: DeleteArgs) -> Outcome {
    if !args.yes {
        let message = format!("deleting `{}` forgets its progress; say so with --yes", args.name);
        return Err(Failure::new(Exit::Usage, message));
    }
    answer(
        connect(&args.remote).await?.delete_task(v1::DeleteTaskRequest { name: args.name.clone() }).await,
    )?;
    output::say(&format!("deleted `{}`; what it copied stays on the target", args.name));
    Ok(Exit::Complete)
}

async fn export(args: NameArgs) -> Outcome {
    let request = v1::ExportTaskRequest { name: args.name };
    let spec = answer(connect(&args.remote).await?.export_task(request).await)?.spec;
    if args.json {
        output::data(&spec);
        return Ok(Exit::Complete);
    }
    let failed = |error| Failure::new(Exit::Failed, format!("the stored task cannot be read: {error}"));
    let text = Spec::from_json(&spec).and_then(|spec| spec.to_toml()).map_err(failed)?;
    output::data(text.trim_end());
    Ok(Exit::Complete)
}

async fn copy(args: CopyArgs) -> Outcome {
    let request = v1::CopyTaskRequest { name: args.name, new_name: args.new_name };
    let task = held(answer(connect(&args.remote).await?.copy_task(request).await)?.task)?;
    Ok(shown(&task, false))
}

async fn retry(args: NameArgs) -> Outcome {
    let request = v1::RetryShardRequest { task: args.name, shard: String::new() };
    let retried = answer(connect(&args.remote).await?.retry_shard(request).await)?.retried;
    output::say(&format!("{retried} shards are open again"));
    Ok(Exit::Complete)
}

async fn rebalance(args: NameArgs) -> Outcome {
    let request = v1::RebalanceRequest { task: args.name };
    let found = answer(connect(&args.remote).await?.rebalance(request).await)?;
    if args.json {
        output::json(&serde_json::json!({"idle_slots": found.idle_slots, "leases": found.leases}));
        return Ok(Exit::Complete);
    }
    output::say(&match (found.idle_slots, found.leases) {
        (0, _) => "no slot is idle, or open shards are left to claim: nothing is to be shared".to_owned(),
        (idle, 0) => format!(
            "{idle} slots are idle; what is held now is too little to share, later leases are looked at, too"
        ),
        (idle, leases) => format!("{leases} leases are cut for {idle} idle slots, within a heartbeat or two"),
    });
    Ok(Exit::Complete)
}
