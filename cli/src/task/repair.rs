//! `tdferry repair`: makes alike what a task found to differ.

use clap::Args;
use tdferry_common::shard::Differing;
use tdferry_proto::v1;

use super::{answer, held};
use crate::exit::{Exit, Outcome};
use crate::output;
use crate::remote::{RemoteArgs, connect};

/// Makes the target of a task that differs like its source, then compares again.
///
/// Rows that the target lacks or has otherwise are written again, missing subtables created, tags changed. Rows that
/// only the target has are left, unless you say --delete-extra.
///
/// Example:
///   tdferry repair migrate-power && tdferry task watch migrate-power
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct RepairArgs {
    /// The task's name
    name: String,
    /// Delete the rows that only the target has
    #[arg(long)]
    delete_extra: bool,
    #[command(flatten)]
    remote: RemoteArgs,
}

pub(crate) async fn repair(args: RepairArgs) -> Outcome {
    let RepairArgs { name, delete_extra, remote } = args;
    let request = v1::RepairTaskRequest { name, delete_extra };
    let task = held(answer(connect(&remote).await?.repair_task(request).await)?.task)?;
    output::say(&format!(
        "{}: {}; `tdferry task watch {}` shows how it goes on",
        task.name, task.state, task.name
    ));
    Ok(Exit::Complete)
}

/// Whether another round has anything to do: what only the target has is all that one without deleting would find again.
pub(crate) fn is_worth_repairing(task: &v1::TaskView, delete_extra: bool) -> bool {
    let totals = task.progress.unwrap_or_default().totals.unwrap_or_default();
    let differing: Differing = totals.differing.unwrap_or_default().into();
    task.state == "differs" && (delete_extra || !differing.is_only_extra())
}
