//! `tdferry plan`: what a migration comes to and how long it takes, from estimates alone. The source is asked what a survey
//! asks; no row is read, and nothing is written anywhere.

mod json;
mod pace;
mod text;

use std::time::Duration;

use clap::Args;
use jiff::Timestamp;
use tdferry_common::clock::Clock;
use tdferry_common::options::{KEYS, OptionKey, OptionValue, parse_duration};
use tdferry_common::secret::Secrets;
use tdferry_common::spec::Spec;
use tdferry_common::tdengine::TdConnector;
use tdferry_common::telemetry::LogConfig;
use tdferry_common::timing::Timing;
use tdferry_coordinator::outline::{
    Asked, Forecast, Needed, Outline, Outliner, StableSeen, TableSeen, Totals,
};
use tdferry_worker::catalog::{self, Part, Start};

use self::pace::Pace;
use crate::asked::Sought;
use crate::exit::{Exit, Failure, Outcome};
use crate::output;

/// Tells what a migration comes to: rows, bytes, shards, and how long it takes. Writes nothing anywhere.
///
/// Example:
///   tdferry plan --from 'taos+ws://root:secret@old:6041/power' --to 'taos+ws://root:secret@new:6041' --workers 4
/// How many workers it takes to be through by a moment, or within a time:
///   tdferry plan -f task.toml --finish-by 2026-12-24T06:00:00Z
///   tdferry plan -f task.toml --finish-by 8h --rate 400000
/// By the workers and the rates of a cluster that copies now:
///   tdferry plan -f task.toml --coordinator http://c1:7410
/// Estimates come from table counts and block statistics; the target is not asked.
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct PlanArgs {
    #[command(flatten)]
    sought: Sought,
    /// When all must be copied: a moment with a zone, or a time from now such as 8h
    #[arg(long, value_name = "TIME")]
    finish_by: Option<String>,
    /// Workers that copy [default: 1, or those of the cluster]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    workers: Option<u32>,
    /// Leases each worker copies at once [default: this machine's CPU cores, or those of the cluster]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_024))]
    slots: Option<u32>,
    /// Rows a second that one worker copies here, where it was measured
    #[arg(long, value_name = "ROWS", value_parser = clap::value_parser!(u64).range(1..))]
    rate: Option<u64>,
    /// A running cluster, whose workers and rates are taken: URLs separated by commas
    #[arg(long = "coordinator", value_name = "URL[,URL…]", value_delimiter = ',', conflicts_with = "rate")]
    coordinators: Vec<String>,
    /// One JSON object on stdout
    #[arg(long)]
    json: bool,
}

/// A plan with what it is about. The places hold no user and no secret.
struct View {
    from: String,
    to: String,
    start: Start,
    outline: Outline,
    pace: Pace,
    forecast: Forecast,
    deadline: Option<Deadline>,
    /// What the task does about what the target refuses, by option.
    refusals: Vec<(&'static str, String)>,
    rejected: Option<Rejected>,
}

/// Tables whose names the target does not take and whose rows are all to be rejected.
struct Rejected {
    tables: u64,
    first: String,
}

/// What the source told, and what the planner makes of it.
struct Planned {
    start: Start,
    outline: Outline,
    rejected: Option<Rejected>,
}

/// A moment by which all must be copied, and what that takes.
struct Deadline {
    at_millis: i64,
    seconds: f64,
    needed: Needed,
}

pub(crate) async fn plan(args: PlanArgs, log: &LogConfig) -> Outcome {
    let mut spec = args.sought.spec()?;
    let clock = Clock::system();
    let finish_by = args.finish_by.as_deref().map(|text| moment(text, clock.wall_millis())).transpose()?;
    log.install().map_err(|error| Failure::new(Exit::Usage, error))?;
    let pace = pace::of(&args, &spec).await?;
    let memory = spec.keep_secrets_in_memory();
    let connector = TdConnector::new(Secrets::from_process().with_memory(memory), Timing::default());
    output::say(
        "asking the source what it holds, which may take a minute where there are many tables; nothing is written",
    );
    let told = outline(&connector, &spec, &clock, pace.fleet.workers * pace.fleet.slots).await?;
    let view = View::new(&spec, told, pace, finish_by.map(|at| (at, clock.wall_millis())));
    if args.json {
        output::json(&json::of(&view));
    } else {
        text::print(&view);
    }
    Ok(Exit::Complete)
}

/// A moment in milliseconds since 1970, or a time from now.
fn moment(text: &str, now_millis: i64) -> Result<i64, Failure> {
    let wrong = || {
        let message = format!(
            "field `finish-by`: {text:?} is neither a moment with a zone, such as 2026-12-24T06:00:00Z, nor a time from now, such as 8h"
        );
        Failure::new(Exit::Usage, message)
    };
    if let Ok(moment) = text.parse::<Timestamp>() {
        return Ok(moment.as_millisecond());
    }
    let from_now: Duration = parse_duration(text).map_err(|_| wrong())?;
    i64::try_from(from_now.as_millis())
        .ok()
        .and_then(|millis| now_millis.checked_add(millis))
        .ok_or_else(wrong)
}

/// Feeds the planner with what a survey would tell it.
async fn outline(
    connector: &TdConnector,
    spec: &Spec,
    clock: &Clock,
    slots: u32,
) -> Result<Planned, Failure> {
    let mut feeding: Option<(Start, Outliner)> = None;
    let mut rejected = None;
    let take = |part| match (part, &mut feeding) {
        (Part::Start(start), feeding) => {
            let asked = Asked::new(&spec.options, start.cutoff.precision, slots);
            *feeding = Some((start.clone(), Outliner::new(asked, totals(&start))));
        }
        (Part::Stable(heading), Some((_, outliner))) => outliner.stable(StableSeen {
            name: heading.name,
            rows: heading.rows,
            tables: heading.tables,
            period: heading.period,
            row_bytes: heading.row_bytes,
        }),
        (Part::Tables(page), Some((_, outliner))) => {
            outliner.tables(page.into_iter().map(|table| TableSeen {
                name: table.name,
                rows: table.extent.map(|extent| extent.rows),
                period: table.extent.and_then(|extent| extent.period),
            }))
        }
        (Part::Rejected { tables, first }, _) => rejected = Some(Rejected { tables, first }),
        // a catalog begins with its start
        (Part::Stable(_) | Part::Tables(_), None) => {}
    };
    catalog::read(connector, spec, clock, take).await?;
    let nothing = || Failure::new(Exit::Failed, "the source told nothing of itself; try again");
    let (start, outliner) = feeding.ok_or_else(nothing)?;
    Ok(Planned { start, outline: outliner.end(), rejected })
}

/// What the options say that decide about what the target refuses, the default where they say nothing.
fn refusals(spec: &Spec) -> Vec<(&'static str, String)> {
    const DECIDING: [&str; 5] = ["on-keep", "on-too-long", "on-missing-column", "on-bad-name", "fails-to"];
    let asked = spec.options.asked();
    let told = |key: &OptionKey| match asked.get(key.name) {
        Some(OptionValue::Text(text)) => (key.name, text.clone()),
        Some(OptionValue::List(_)) | None => (key.name, key.default.to_owned()),
    };
    KEYS.iter().filter(|key| DECIDING.contains(&key.name)).map(told).collect()
}

fn totals(start: &Start) -> Totals {
    let Start { period, stables, subtables, rows, .. } = *start;
    Totals { period, stables, subtables, rows, cutoff: start.cutoff.units }
}

impl View {
    fn new(spec: &Spec, planned: Planned, pace: Pace, finish: Option<(i64, i64)>) -> Self {
        let Planned { start, outline, rejected } = planned;
        let place = |dsn: &tdferry_common::dsn::Dsn, database: &str| format!("{}/{database}", dsn.address());
        let forecast = outline.work.forecast(pace.fleet, &pace.rates);
        let deadline = finish.map(|(at_millis, now_millis)| {
            let seconds = seconds(at_millis.saturating_sub(now_millis));
            let needed = outline.work.workers_for(seconds, pace.fleet.slots, &pace.rates);
            Deadline { at_millis, seconds, needed }
        });
        Self {
            from: place(&spec.from, spec.source_database()),
            to: place(&spec.to, spec.target_database()),
            start,
            outline,
            pace,
            forecast,
            deadline,
            refusals: refusals(spec),
            rejected,
        }
    }

    fn rows(&self) -> u64 {
        self.outline.stables.iter().map(|stable| stable.rows).sum()
    }

    fn bytes(&self) -> u64 {
        self.outline.stables.iter().map(|stable| stable.bytes).sum()
    }
}

#[expect(clippy::cast_precision_loss, reason = "an estimate is held against it")]
fn seconds(millis: i64) -> f64 {
    millis as f64 / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_is_a_moment_or_a_time_from_now() {
        let now = 1_767_225_600_000;
        assert_eq!(moment("2026-01-01T00:00:00Z", now).unwrap(), now);
        assert_eq!(moment("2026-01-01T01:00:00+01:00", now).unwrap(), now);
        assert_eq!(moment("1h30m", now).unwrap(), now + 5_400_000);
        for wrong in ["tomorrow", "2026-01-01", "", "-1h"] {
            let failure = moment(wrong, now).unwrap_err();
            assert!(failure.exit == Exit::Usage && failure.message.contains("finish-by"), "{wrong}");
        }
    }
}
