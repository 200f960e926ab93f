//! `tdferry rejects …`: the rows that the target refused, counted, shown, exported and tried again.

mod place;
mod tally;

use async_trait::async_trait;
use clap::{Args, Subcommand};
use serde_json::json;
use tdferry_common::port::{PortResult, RefusedRow};
use tdferry_common::spec::TaskName;
use tdferry_worker::reject::{self, Kept, Reject, Visitor};

use self::place::{Opened, PlaceArgs};
use self::tally::Tally;
use crate::exit::{Exit, Failure, Outcome};
use crate::output::{self, count};

/// What can be done with rows that the target refused.
#[derive(Debug, Subcommand)]
pub(crate) enum RejectsCommand {
    /// Count them by reason, stable and table. Example: tdferry rejects list migrate-power
    List(ListArgs),
    /// Show rows with their values and why they were refused. Example: tdferry rejects show migrate-power --limit 5
    Show(ShowArgs),
    /// Print all, one JSON object a line. Example: tdferry rejects export migrate-power > rejects.jsonl
    Export(ExportArgs),
    /// Write them to the target as it is now; those it takes are taken off. May be killed and run again.
    /// Example: tdferry rejects redrive migrate-power --reason keep
    Redrive(RedriveArgs),
}

/// Which rows.
#[derive(Debug, Args)]
struct Wanted {
    /// Only those refused for this reason: keep, too-long
    #[arg(long, value_parser = reason)]
    reason: Option<RefusedRow>,
    /// Only those of this stable of the source
    #[arg(long)]
    stable: Option<String>,
    /// Only those of this table of the source
    #[arg(long)]
    table: Option<String>,
}

/// Which rows to count.
#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    #[command(flatten)]
    place: PlaceArgs,
    #[command(flatten)]
    wanted: Wanted,
    /// A line for each table, not for each stable
    #[arg(long)]
    tables: bool,
    /// One JSON object on stdout, by table
    #[arg(long)]
    json: bool,
}

/// Which rows to show.
#[derive(Debug, Args)]
pub(crate) struct ShowArgs {
    #[command(flatten)]
    place: PlaceArgs,
    #[command(flatten)]
    wanted: Wanted,
    /// How many at most
    #[arg(long, default_value_t = 20)]
    limit: usize,
    /// One JSON object a line on stdout
    #[arg(long)]
    json: bool,
}

/// Which rows to print.
#[derive(Debug, Args)]
pub(crate) struct ExportArgs {
    #[command(flatten)]
    place: PlaceArgs,
    #[command(flatten)]
    wanted: Wanted,
}

/// Which rows to try again.
#[derive(Debug, Args)]
pub(crate) struct RedriveArgs {
    #[command(flatten)]
    place: PlaceArgs,
    #[command(flatten)]
    wanted: Wanted,
    /// One JSON object on stdout
    #[arg(long)]
    json: bool,
}

fn reason(word: &str) -> Result<RefusedRow, String> {
    let known = RefusedRow::ALL.map(RefusedRow::word).join(", ");
    RefusedRow::from_word(word).ok_or_else(|| format!("write one of {known}"))
}

impl Wanted {
    fn takes(&self, row: &Reject) -> bool {
        let is = |asked: &Option<String>, own: &String| asked.as_ref().is_none_or(|asked| asked == own);
        self.reason.is_none_or(|reason| reason == row.refusal.reason)
            && is(&self.stable, &row.origin.stable)
            && is(&self.table, &row.origin.table)
    }
}

pub(crate) async fn rejects(command: RejectsCommand) -> Outcome {
    match command {
        RejectsCommand::List(args) => list(args).await,
        RejectsCommand::Show(args) => show(args).await,
        RejectsCommand::Export(args) => export(args).await,
        RejectsCommand::Redrive(args) => redrive(args).await,
    }
}

/// Hands each wanted row to a closure, until that says no.
struct Each<'a, F> {
    wanted: &'a Wanted,
    take: F,
}

#[async_trait]
impl<F: FnMut(&Reject) -> bool + Send> Visitor for Each<'_, F> {
    async fn page(&mut self, page: Vec<Kept>) -> PortResult<bool> {
        let (wanted, take) = (self.wanted, &mut self.take);
        let mut rows = page.iter().filter(|kept| wanted.takes(&kept.reject));
        Ok(rows.all(|kept| take(&kept.reject)))
    }
}

async fn each(
    opened: &Opened,
    wanted: &Wanted,
    take: impl FnMut(&Reject) -> bool + Send,
) -> Result<(), Failure> {
    Ok(opened.rejects.visit(&mut Each { wanted, take }).await?)
}

async fn list(args: ListArgs) -> Outcome {
    let opened = args.place.open().await?;
    let mut tally = Tally::default();
    each(&opened, &args.wanted, |row| {
        tally.add(row);
        true
    })
    .await?;
    if args.json {
        output::json(&json!({
            "task": opened.spec.name.as_str(),
            "place": opened.place(),
            "rows": tally.rows(),
            "tables": tally.by_table(),
        }));
        return Ok(Exit::Complete);
    }
    if tally.rows() == 0 {
        output::say(&format!("no row of `{}` is kept in {}", opened.spec.name, opened.place()));
        return Ok(Exit::Complete);
    }
    output::table(tally::COLUMNS, tally.lines(args.tables));
    output::say(&format!("{} rows in {}", count(tally.rows()), opened.place()));
    Ok(Exit::Complete)
}

async fn show(args: ShowArgs) -> Outcome {
    let opened = args.place.open().await?;
    let (task, mut left) = (opened.spec.name.clone(), args.limit);
    each(&opened, &args.wanted, |row| {
        if left > 0 {
            left -= 1;
            output::data(&if args.json { reject::encode(&task, row) } else { tally::shown(row) });
        }
        left > 0
    })
    .await?;
    if left == 0 {
        output::say(&format!("the first {}; --limit shows more, `rejects export` all", args.limit));
    }
    Ok(Exit::Complete)
}

async fn export(args: ExportArgs) -> Outcome {
    let opened = args.place.open().await?;
    let task: TaskName = opened.spec.name.clone();
    each(&opened, &args.wanted, |row| {
        output::data(&reject::encode(&task, row));
        true
    })
    .await?;
    Ok(Exit::Complete)
}

async fn redrive(args: RedriveArgs) -> Outcome {
    let opened = args.place.open_for_writing().await?;
    let wanted = |row: &Reject| args.wanted.takes(row);
    let done = reject::redrive(&opened.connector, &opened.spec, opened.rejects.as_ref(), &wanted).await?;
    if args.json {
        output::json(&json!({
            "task": opened.spec.name.as_str(),
            "place": opened.place(),
            "taken": done.taken,
            "refused": done.refused,
        }));
    } else {
        let (taken, refused) = (count(done.taken), count(done.refused));
        output::data(&format!("{taken} rows taken by the target, {refused} refused still"));
    }
    Ok(if done.refused == 0 { Exit::Complete } else { Exit::Rejects })
}
