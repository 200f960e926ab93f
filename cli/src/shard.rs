//! `tdferry shard …`: the pieces of a task, who holds them, why one failed.

use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Value as Json, json};
use tdferry_proto::v1;

use crate::exit::{Exit, Outcome};
use crate::output::{self, count};
use crate::remote::{RemoteArgs, connect};
use crate::task::{answer, differing_json};

/// Shards fetched at once: an answer stays far below what a message may hold.
const PAGE: u32 = 1_000;

/// What can be done with shards.
#[derive(Debug, Subcommand)]
pub(crate) enum ShardCommand {
    /// List a task's shards. Example: tdferry shard list migrate-power --state failed
    List(ListArgs),
    /// Open a failed shard again. Example: tdferry shard retry migrate-power copy-00000001-0000
    Retry(RetryArgs),
}

/// Which shards.
#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    /// The task's name
    task: String,
    /// Only those in this state
    #[arg(long)]
    state: Option<State>,
    /// One JSON object a line on stdout
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    remote: RemoteArgs,
}

/// Which shard.
#[derive(Debug, Args)]
pub(crate) struct RetryArgs {
    /// The task's name
    task: String,
    /// The shard's id, as `shard list` shows it
    shard: String,
    #[command(flatten)]
    remote: RemoteArgs,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum State {
    Open,
    Done,
    Failed,
    /// Compared, and the target differs
    Differs,
}

impl From<State> for v1::ShardState {
    fn from(state: State) -> Self {
        match state {
            State::Open => Self::Open,
            State::Done => Self::Done,
            State::Failed => Self::Failed,
            State::Differs => Self::Differs,
        }
    }
}

pub(crate) async fn shard(command: ShardCommand) -> Outcome {
    match command {
        ShardCommand::List(args) => list(args).await,
        ShardCommand::Retry(args) => retry(args).await,
    }
}

async fn list(args: ListArgs) -> Outcome {
    let mut client = connect(&args.remote).await?;
    let state = args.state.map_or(v1::ShardState::Unspecified, v1::ShardState::from);
    let mut request = v1::ListShardsRequest {
        task: args.task,
        page_size: PAGE,
        page_token: String::new(),
        state: state.into(),
    };
    let mut rows = Vec::new();
    loop {
        let page = answer(client.list_shards(request.clone()).await)?;
        if args.json {
            page.shards.iter().for_each(|shard| output::json(&view_json(shard)));
        } else {
            rows.extend(page.shards.iter().map(row));
        }
        if page.next_page_token.is_empty() {
            break;
        }
        request.page_token = page.next_page_token;
    }
    if !args.json {
        output::table(&["SHARD", "STABLE", "STATE", "WORKER", "OFFSET", "ROWS", "CLAIMS", "REASON"], rows);
    }
    Ok(Exit::Complete)
}

fn state(shard: &v1::Shard, leased: bool) -> &'static str {
    match shard.state() {
        v1::ShardState::Done => "done",
        v1::ShardState::Failed => "failed",
        v1::ShardState::Differs => "differs",
        _ if leased => "leased",
        _ => "open",
    }
}

fn row(view: &v1::ShardView) -> Vec<String> {
    let shard = view.shard.clone().unwrap_or_default();
    let checkpoint = shard.checkpoint.clone().unwrap_or_default();
    let offset = checkpoint.offset.unwrap_or_default();
    let totals = checkpoint.totals.unwrap_or_default();
    let compares = matches!(shard.kind(), v1::ShardKind::VerifyDense | v1::ShardKind::VerifySparse);
    let rows = if compares { totals.read } else { totals.written };
    let reason = if shard.failure.is_empty() { &shard.last_error } else { &shard.failure };
    vec![
        shard.id.clone(),
        view.stable.clone(),
        state(&shard, view.worker.is_some()).to_owned(),
        view.worker.map_or_else(|| "-".into(), |worker| format!("{worker:016x}")),
        format!("{}@{}", offset.index, offset.next),
        format!("{} of ~{}", count(rows), count(shard.estimated_rows)),
        shard.claims.to_string(),
        reason.clone(),
    ]
}

fn view_json(view: &v1::ShardView) -> Json {
    let shard = view.shard.clone().unwrap_or_default();
    let checkpoint = shard.checkpoint.clone().unwrap_or_default();
    let (offset, totals) = (checkpoint.offset.unwrap_or_default(), checkpoint.totals.unwrap_or_default());
    let (range, period) = (shard.range.unwrap_or_default(), shard.period.unwrap_or_default());
    json!({
        "id": shard.id,
        "kind": shard.kind().as_str_name().trim_start_matches("SHARD_KIND_").to_lowercase(),
        "stable": view.stable,
        "state": state(&shard, view.worker.is_some()),
        "worker": view.worker.map(|worker| format!("{worker:016x}")),
        "epoch": view.epoch,
        "group": shard.group,
        "range": [range.from, range.to],
        "period": [period.from, period.to],
        "offset": {"index": offset.index, "next": offset.next},
        "seq": checkpoint.seq,
        "rows_estimated": shard.estimated_rows,
        "rows_read": totals.read,
        "rows_written": totals.written,
        "rows_rejected": totals.rejected,
        "rows_kept": totals.kept,
        "sum": hex(&checkpoint.sum),
        "expected_sum": hex(&shard.expected),
        "round": shard.round,
        "differing": differing_json(totals.differing.unwrap_or_default()),
        "claims": shard.claims,
        "reason": shard.failure,
        "last_error": shard.last_error,
    })
}

/// A sum of rows; nothing where it was not made.
fn hex(sum: &[u8]) -> Option<String> {
    (!sum.is_empty()).then(|| sum.iter().map(|byte| format!("{byte:02x}")).collect())
}

async fn retry(args: RetryArgs) -> Outcome {
    let request = v1::RetryShardRequest { task: args.task, shard: args.shard };
    let retried = answer(connect(&args.remote).await?.retry_shard(request).await)?.retried;
    output::say(&format!("{retried} shards are open again"));
    Ok(Exit::Complete)
}
