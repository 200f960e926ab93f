//! `tdferry check`: looks at both sides as a run would, tells what would go wrong, and writes nothing.

mod html;
mod json;
mod text;

use std::path::PathBuf;

use clap::Args;
use tdferry_common::clock::Clock;
use tdferry_common::secret::Secrets;
use tdferry_common::spec::Spec;
use tdferry_common::tdengine::TdConnector;
use tdferry_common::telemetry::LogConfig;
use tdferry_common::timing::Timing;
use tdferry_worker::check::{Finding, Report, Severity};

use crate::asked::{self, Asked};
use crate::exit::{Exit, Failure, Outcome};
use crate::output;

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
    /// The 2.x source: DRIVER://USER:PASSWORD@HOST:PORT/DATABASE
    #[arg(long, value_name = "DSN", required_unless_present = "file")]
    from: Option<String>,
    /// The 3.x target; its database is called as the source's unless named
    #[arg(long, value_name = "DSN", required_unless_present = "file")]
    to: Option<String>,
    /// The task file (TOML) instead of --from, --to and options
    #[arg(short, long, conflicts_with_all = ["from", "to", "Asked"])]
    file: Option<PathBuf>,
    #[command(flatten)]
    asked: Asked,
    /// One JSON object on stdout
    #[arg(long)]
    json: bool,
    /// The report as one page, too
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

impl CheckArgs {
    fn spec(&self) -> Result<Spec, Failure> {
        match (&self.file, &self.from, &self.to) {
            (Some(file), ..) => asked::read(file),
            (None, Some(from), Some(to)) => self.asked.spec(from, to),
            _ => Err(Failure::new(Exit::Usage, "name --from and --to, or a task file with -f")),
        }
    }
}

pub(crate) async fn check(args: CheckArgs, log: &LogConfig) -> Outcome {
    let mut spec = args.spec()?;
    log.install().map_err(|error| Failure::new(Exit::Usage, error))?;
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
    let count = output::count;
    format!(
        "{} stables, {} subtables, {} normal tables, {} rows, about {} as they are read",
        count(report.stables),
        count(report.subtables),
        count(report.normal_tables),
        count(report.rows),
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
