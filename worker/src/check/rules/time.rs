//! Rows at the edges of time: what the target no longer keeps, what expires, what is dated after now.

use tdferry_common::options::OnKeep;
use tdferry_common::schema::Extent;
use tdferry_common::time::{Period, show_millis};

use super::super::facts::Facts;
use super::super::finding::{Finding, Place};
use super::super::kinds::{self, Kind};
use crate::rules;

/// A copy may take so long, in which the target's edge moves on.
const COPY_DAYS: i64 = 10;
/// So close to the edge rows expire at the source before they are read.
const EXPIRY_DAYS: i64 = 1;
/// Devices' clocks differ by so much without anybody's fault.
const FUTURE_SECONDS: i64 = 60;
const SECONDS_A_DAY: i64 = 86_400;

pub(super) fn judge(facts: &Facts) -> Vec<Finding> {
    let asked = facts.asked.period.unwrap_or(Period::ALL);
    let within =
        |extent: Extent| extent.period.map(|period| period.intersect(asked)).filter(|one| !one.is_empty());
    let held: u64 = facts.extents().map(|(_, _, extent)| extent.rows).fold(0, u64::saturating_add);
    if !facts.asked.copies || held == 0 {
        return Vec::new();
    }
    let periods: Vec<_> = facts
        .extents()
        .filter_map(|(name, stable, extent)| Some((place(facts, name, stable), within(extent)?)))
        .collect();
    if periods.is_empty() {
        let what = format!("none of its {held} rows is in the period asked for");
        return vec![Finding::new(&kinds::NOTHING_IN_PERIOD, super::source(facts), what)];
    }
    periods.into_iter().flat_map(|(place, period)| edges(facts, &place, period)).collect()
}

fn place(facts: &Facts, name: &str, stable: bool) -> Place {
    let place = super::source(facts);
    if stable { place.stable(name) } else { place.table(name) }
}

fn edges(facts: &Facts, place: &Place, period: Period) -> Vec<Finding> {
    let unit = facts.source.database.precision;
    let day = SECONDS_A_DAY.saturating_mul(unit.per_second());
    let cutoff = facts.cutoff();
    let keeps = keeps(facts, cutoff, day);
    let shown = |at: i64| show_millis(unit.to_unix_millis(at));
    let oldest = shown(period.from);
    let mut found = Vec::new();
    let mut tell = |kind, what: String| found.push(Finding::new(kind, place.clone(), what));
    if period.from < keeps {
        tell(
            before_keep(facts),
            format!("its oldest row is of {oldest}, the target keeps none before {}", shown(keeps)),
        );
    } else if facts.target.database.is_some() && period.from < keeps.saturating_add(day * COPY_DAYS) {
        tell(
            &kinds::ROWS_NEAR_KEEP,
            format!("the target drops its oldest row, of {oldest}, within ten days"),
        );
    }
    let expires = rules::keep_days(&facts.source.database)
        .and_then(|days| i64::try_from(days).ok())
        .map(|days| cutoff.saturating_sub(days.saturating_mul(day)));
    if expires.is_some_and(|edge| period.from < edge.saturating_add(day * EXPIRY_DAYS)) {
        tell(&kinds::ROWS_EXPIRE, format!("the source drops its oldest row, of {oldest}, within a day"));
    }
    if period.to > cutoff.saturating_add(FUTURE_SECONDS.saturating_mul(unit.per_second())) {
        tell(&kinds::ROWS_AFTER_NOW, format!("its newest row is of {}", shown(period.to - 1)));
    }
    found
}

/// By what the task says of rows that the target does not keep.
const fn before_keep(facts: &Facts) -> &'static Kind {
    match facts.asked.options.on_keep {
        OnKeep::Reject => &kinds::ROWS_BEFORE_KEEP,
        OnKeep::Fail => &kinds::KEEP_FAILS,
        OnKeep::Widen => &kinds::KEEP_RAISED,
    }
}

/// The first moment that the target keeps: its own, or that of the database which is to be created.
fn keeps(facts: &Facts, cutoff: i64, day: i64) -> i64 {
    if facts.target.database.is_some() {
        return facts.target.keeps.from;
    }
    let days = i64::try_from(rules::translated_keep_days(&facts.source.database, &facts.asked.database))
        .unwrap_or(i64::MAX);
    cutoff.saturating_sub(days.saturating_mul(day))
}
