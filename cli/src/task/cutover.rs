//! `tdferry cutover`: from following a source to its end, by a checklist, a mark and a comparison.

use clap::{ArgAction, Args};
use jiff::Timestamp;
use serde_json::json;
use tdferry_common::options::MOST_REPAIRS;
use tdferry_proto::v1;
use tdferry_proto::v1::cutover_request::Step;

use super::repair::is_worth_repairing;
use super::view::exit;
use super::{answer, held, view_json};
use crate::exit::{Exit, Failure, Outcome};
use crate::output;
use crate::remote::{RemoteArgs, connect};
use crate::run::Bars;

/// Takes a task that follows its source to its end: go or no-go, the last rows, a comparison, the certificate.
///
/// Without more it only looks: each thing that must hold, and go or no-go. With --freeze, once the source's writers are
/// stopped, it sets the mark at which following ends, waits for the last rows, has everything that was followed compared,
/// and ends with the task. Killed in between, the same command goes on. --abort goes back to following, until the end.
/// With --repair what the comparison finds is made alike and compared again, at most three times.
///
/// Example:
///   tdferry cutover migrate-power                    # go or no-go?
///   tdferry cutover migrate-power --freeze           # writers are stopped: end it
///   tdferry cutover migrate-power --freeze --repair  # and repair what differs
///   tdferry cutover migrate-power --abort            # not today: follow on
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct CutoverArgs {
    /// The task's name
    name: String,
    /// Set the mark and take the task to its end
    #[arg(long, conflicts_with = "abort")]
    freeze: bool,
    /// Give the cutover up and follow on
    #[arg(long)]
    abort: bool,
    /// The mark, RFC 3339: no row is dated there or later [default: now]
    #[arg(long, value_name = "TIME", requires = "freeze")]
    mark: Option<Timestamp>,
    /// Repair what differs and compare again, at most three times
    #[arg(long, requires = "freeze")]
    repair: bool,
    /// With --repair: delete the rows that only the target has
    #[arg(long, requires = "repair")]
    delete_extra: bool,
    #[command(flatten)]
    gate: Gate,
    /// JSON instead of text
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    remote: RemoteArgs,
}

/// What is allowed when the mark is set.
#[derive(Debug, Clone, Args)]
pub(crate) struct Gate {
    /// The most that any tail may be behind, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 10.0)]
    pub(crate) max_lag: f64,
    /// Rows that the target refused have been seen to
    #[arg(long, action = ArgAction::SetTrue)]
    pub(crate) accept_rejects: bool,
}

impl Gate {
    /// The request for a step.
    pub(crate) fn request(&self, name: &str, step: Step) -> v1::CutoverRequest {
        v1::CutoverRequest {
            name: name.to_owned(),
            step: step.into(),
            mark_unix_millis: None,
            max_lag_seconds: self.max_lag,
            accept_rejects: self.accept_rejects,
        }
    }
}

pub(crate) async fn cutover(args: CutoverArgs) -> Outcome {
    let mut client = connect(&args.remote).await?;
    let step = match (args.freeze, args.abort) {
        (true, _) => Step::Freeze,
        (_, true) => Step::Abort,
        _ => Step::Unspecified,
    };
    let mark_unix_millis = args.mark.map(Timestamp::as_millisecond);
    let task = held(answer(client.get_task(v1::GetTaskRequest { name: args.name.clone() }).await)?.task)?;
    // a cutover that was interrupted goes on by itself
    let under_way = args.freeze && args.mark.is_none() && task.state == "cutting over" || task.terminal;
    if !(under_way && args.freeze) {
        let request = v1::CutoverRequest { mark_unix_millis, ..args.gate.request(&args.name, step) };
        let told = answer(client.cutover(request).await)?;
        let task = held(told.task)?;
        let holds = told.items.iter().all(|item| item.holds);
        show(&args, &task, &told.items);
        if !holds {
            return Err(Failure::new(Exit::Failed, "no-go: nothing was changed"));
        }
        if !args.freeze {
            return Ok(Exit::Complete);
        }
    }
    follow(&args, client).await
}

type Client = v1::admin_service_client::AdminServiceClient<tonic::transport::Channel>;

/// To the end of the task, and on from there where what differs is to be repaired.
async fn follow(args: &CutoverArgs, mut client: Client) -> Outcome {
    let mut bars = Bars::new(args.json);
    let mut last = watch(args, &mut client, &mut bars).await?;
    for _ in 0..MOST_REPAIRS {
        let worth = last.as_ref().is_some_and(|task| is_worth_repairing(task, args.delete_extra));
        if !args.repair || !worth {
            break;
        }
        let request = v1::RepairTaskRequest { name: args.name.clone(), delete_extra: args.delete_extra };
        held(answer(client.repair_task(request).await)?.task)?;
        last = watch(args, &mut client, &mut bars).await?;
    }
    bars.end();
    let Some(task) = last else { return Ok(Exit::Failed) };
    if args.json {
        output::json(&view_json(&task));
    } else {
        output::data(&ended(&task));
    }
    Ok(exit(&task))
}

/// Shows the task until it ends; `None` where its coordinator ends first.
async fn watch(
    args: &CutoverArgs,
    client: &mut Client,
    bars: &mut Bars,
) -> Result<Option<v1::TaskView>, Failure> {
    let request = v1::WatchTaskRequest { name: args.name.clone() };
    let mut updates = answer(client.watch_task(request).await)?;
    let failed = |status| Failure::from(tdferry_proto::status::ApiError::from(status));
    let mut last = None;
    while let Some(update) = updates.message().await.map_err(failed)? {
        let task = held(update.task)?;
        bars.show(&task);
        last = Some(task);
    }
    Ok(last)
}

fn ended(task: &v1::TaskView) -> String {
    let name = &task.name;
    let next = match exit(task) {
        Exit::Complete => {
            format!("go: `tdferry certificate write {name}` has the proof; point the writers at the target")
        }
        Exit::Differs => format!(
            "no-go: {}; keep the writers stopped and go on with `tdferry cutover {name} --freeze --repair`, or follow on \
             with `--abort`",
            task.reason
        ),
        _ => format!("no-go: {}", task.reason),
    };
    format!("{name}: {}. {next}", task.state)
}

fn show(args: &CutoverArgs, task: &v1::TaskView, items: &[v1::CutoverItem]) {
    if args.json {
        let items: Vec<_> = items
            .iter()
            .map(|item| json!({ "what": item.what, "holds": item.holds, "words": item.words }))
            .collect();
        let told = json!({ "go": items.iter().all(|item| item["holds"] == true), "items": items, "task": view_json(task) });
        output::json(&told);
        return;
    }
    for item in items {
        output::say(&item_line(item));
    }
    if args.abort {
        output::say(&format!("{}: {}", task.name, task.state));
    } else if items.iter().all(|item| item.holds) && !args.freeze {
        output::say("go: stop the source's writers, then run this with --freeze");
    }
}

/// An item as people read it.
pub(crate) fn item_line(item: &v1::CutoverItem) -> String {
    format!("{} {:<9} {}", if item.holds { "✓" } else { "✗" }, item.what, item.words)
}
