//! `tdferry check`: looks at both sides as a run would, tells what would go wrong, and writes nothing.

mod html;
mod json;
mod text;

use std::path::PathBuf;

use clap::Args;
use tdferry_common::clock::Clock;
use tdferry_common::secret::Secrets;
use tdferry_common::tdengine::TdConnector;
use tdferry_common::telemetry::LogConfig;
use tdferry_common::timing::Timing;
use tdferry_worker::check::{Finding, Report, Severity};

use crate::asked::Sought;
use crate::exit::{Exit, Failure, Outcome};
use crate::output;
use crate::run::cores;

/// Tells what would go wrong with a migration, before anything is copied. Writes nothing anywhere.
///
/// Example:
///   tdferry check --from 'taos+ws://root:secret@old:6041/power' --to 'taos+ws://root:secret@new:6041'
/// The same flags as for `tdferry run`, or the file of a task:
///   tdferry check -f task.toml --html report.html
/// Exit code 0: nothing would lose data or block. 7: something would. 4: a side cannot be used.
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct CheckArgs {
    #[command(flatten)]
    sought: Sought,
    /// Leases that all workers will copy at once, by which VGROUPS is chosen [default: this machine's CPU cores]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    writers: Option<u32>,
    /// One JSON object on stdout
    #[arg(long)]
    json: bool,
    /// The report as one page, too
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

pub(crate) async fn check(args: CheckArgs, log: &LogConfig) -> Outcome {
    let mut spec = args.sought.spec()?;
    log.install().map_err(|error| Failure::new(Exit::Usage, error))?;
    // where a task runs, its coordinator knows the slots of all workers
    spec.options.workers = Some(args.writers.or(spec.options.workers).unwrap_or_else(cores));
    let memory = spec.keep_secrets_in_memory();
    let secrets = Secrets::from_process().with_memory(memory);
    let connector = TdConnector::new(secrets, Timing::default());
    output::say(
        "looking at both sides, which may take a minute where there are many tables; nothing is written",
    );
    let report = tdferry_worker::check::check(&connector, &spec, &Clock::system()).await;
    let view = View {
        report: &report,
        from: place(&spec.from, spec.source_database()),
        to: place(&spec.to, spec.target_database()),
    };
    if args.json {
        output::json(&json::of(&view));
    } else {
        text::print(&view);
    }
    if let Some(file) = &args.html {
        std::fs::write(file, html::page(&view)).map_err(|error| {
            Failure::new(Exit::Usage, format!("field `html`: {}: {error}", file.display()))
        })?;
    }
    Ok(exit(&report))
}

/// A report with the places it is about. They hold no user and no secret.
struct View<'a> {
    report: &'a Report,
    from: String,
    to: String,
}

fn place(dsn: &tdferry_common::dsn::Dsn, database: &str) -> String {
    format!("{}/{database}", dsn.address())
}

fn exit(report: &Report) -> Exit {
    match (report.reached, report.has_hazard()) {
        (false, _) => Exit::Database,
        (true, true) => Exit::Hazard,
        (true, false) => Exit::Complete,
    }
}

/// How many findings of each severity, in words.
fn counted(report: &Report) -> String {
    let one = |severity: Severity| {
        let (count, word) = (report.count(severity), severity.as_str());
        let plural = if severity == Severity::Notes && count != 1 { "s" } else { "" };
        format!("{count} {word}{plural}")
    };
    Severity::ALL.map(one).join(" · ")
}

/// What the source holds, in words.
fn held(report: &Report) -> String {
    let some = |count: u64, what: &str| {
        format!("{} {what}{}", output::count(count), if count == 1 { "" } else { "s" })
    };
    format!(
        "{}, {}, {}, {}, about {} as they are read",
        some(report.stables, "stable"),
        some(report.subtables, "subtable"),
        some(report.normal_tables, "normal table"),
        some(report.rows, "row"),
        output::bytes(approximate(report.bytes)),
    )
}

#[expect(clippy::cast_precision_loss, reason = "shown with two digits")]
const fn approximate(bytes: u64) -> f64 {
    bytes as f64
}

/// Findings by severity, the gravest first; severities without findings are left out.
fn grouped(report: &Report) -> impl Iterator<Item = (Severity, Vec<&Finding>)> {
    let of =
        |severity| report.findings.iter().filter(|one| one.kind.severity == severity).collect::<Vec<_>>();
    Severity::ALL
        .into_iter()
        .map(move |severity| (severity, of(severity)))
        .filter(|(_, found)| !found.is_empty())
}
