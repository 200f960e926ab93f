//! The plan for a person at a terminal.

use tdferry_common::time::{Period, Precision, show_millis};
use tdferry_coordinator::outline::{Band, MEASURED_SPREAD, MOST_WORKERS, StableOutline};

use super::pace::Origin;
use super::{Deadline, View};
use crate::output::{self, bytes, count, duration};

pub(super) fn print(view: &View) {
    let (start, work) = (&view.start, &view.outline.work);
    output::data(&format!("from  {}  TDengine {}", view.from, start.version));
    output::data(&format!("to    {}  (not asked)", view.to));
    output::data(&format!(
        "{} stables, {} subtables, {} normal tables; in the period asked for about {} rows, {} as they are read\n",
        count(start.stables),
        count(start.subtables),
        count(start.normal_tables),
        count(view.rows()),
        bytes(approximate(view.bytes())),
    ));
    let header =
        ["stable", "tables", "rows", "bytes", "groups", "create", "dense", "sparse", "periods", "data"];
    let precision = start.cutoff.precision;
    output::table(&header, view.outline.stables.iter().map(|one| row(one, precision)));
    output::data(&format!(
        "\n{} shards: {} to create tables, {} dense and {} sparse to copy rows, and the schema",
        count(work.shards()),
        count(length(&work.creates)),
        count(length(&work.dense)),
        count(length(&work.sparse)),
    ));
    refusals(view);
    times(view);
    view.deadline.iter().for_each(deadline);
}

/// What happens to what the target refuses, and to whom that is known already.
fn refusals(view: &View) {
    let told: Vec<_> = view.refusals.iter().map(|(name, value)| format!("{name}={value}")).collect();
    output::data(&format!("what the target refuses: {}", told.join(", ")));
    if let Some(rejected) = &view.rejected {
        output::data(&format!(
            "{} tables have names that 3.x does not take, `{}` is the first: all of their rows will be rejects",
            count(rejected.tables),
            rejected.first,
        ));
    }
}

fn row(stable: &StableOutline, precision: Precision) -> Vec<String> {
    let name = if stable.name.is_empty() { "(normal tables)" } else { &stable.name };
    let numbers = [stable.tables, stable.rows].map(count);
    let shards =
        [stable.groups, stable.create_shards, stable.dense_shards, stable.sparse_shards, stable.periods]
            .map(count);
    let data = stable.data.map_or_else(|| "unknown".to_owned(), |data| between(data, precision));
    let held = [bytes(approximate(stable.bytes))];
    std::iter::once(name.to_owned()).chain(numbers).chain(held).chain(shards).chain([data]).collect()
}

fn between(period: Period, precision: Precision) -> String {
    let moment = |units| show_millis(precision.to_unix_millis(units));
    format!("{} .. {}", moment(period.from), moment(period.to))
}

fn times(view: &View) {
    let (fleet, forecast) = (view.pace.fleet, &view.forecast);
    let plural = |number: u32| if number == 1 { "" } else { "s" };
    output::data(&format!(
        "{} with {} worker{} of {} slot{}: survey {}, schema {}, copy {}{}",
        band(forecast.whole()),
        fleet.workers,
        plural(fleet.workers),
        fleet.slots,
        plural(fleet.slots),
        band(forecast.survey),
        band(forecast.schema),
        band(forecast.copy),
        if forecast.verify == Band::default() {
            String::new()
        } else {
            format!(", verify {}", band(forecast.verify))
        },
    ));
    let percent = (MEASURED_SPREAD * 100.0).round();
    let rates = match view.pace.origin {
        Origin::Defaults => "the documented rates; --rate takes one that was measured here".to_owned(),
        Origin::IdleCluster => "the documented rates: the cluster copies nothing now".to_owned(),
        Origin::Told { rows } => format!("{} rows/s of a worker, {percent} % more or less", count(rows)),
        Origin::Learnt { rows_per_slot } => {
            format!(
                "{rows_per_slot:.0} rows/s of a slot, as the cluster copies now, {percent} % more or less"
            )
        }
    };
    output::data(&format!("by {rates}"));
}

fn deadline(deadline: &Deadline) {
    let workers = match (deadline.needed.low, deadline.needed.high) {
        (Some(low), Some(high)) if low == high => format!("{low}"),
        (Some(low), Some(high)) => format!("{low} at best, {high} to be safe"),
        (Some(low), None) => {
            format!("{low} at best; to be safe, not even {} are enough", count(u64::from(MOST_WORKERS)))
        }
        (None, _) => format!("not even {} are enough", count(u64::from(MOST_WORKERS))),
    };
    output::data(&format!("workers to be through by {}: {workers}", show_millis(deadline.at_millis)));
}

fn band(band: Band) -> String {
    let (low, high) = (duration(whole(band.low)), duration(whole(band.high)));
    if low == high { low } else { format!("{low}..{high}") }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a time is positive, and `as` saturates"
)]
fn whole(seconds: f64) -> u64 {
    seconds.ceil() as u64
}

fn length<T>(items: &[T]) -> u64 {
    u64::try_from(items.len()).unwrap_or(u64::MAX)
}

#[expect(clippy::cast_precision_loss, reason = "shown with two digits")]
const fn approximate(bytes: u64) -> f64 {
    bytes as f64
}
