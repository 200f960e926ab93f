//! One group cut into places: index ranges × periods that tile it, the oldest first.

use tdferry_common::shard::{Density, Range};
use tdferry_common::time::Period;

use super::bounds::SPARSE_ROWS;
use super::gather::{Member, Size, share};

/// What a group is cut by.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked {
    /// What the places tile.
    pub(super) period: Period,
    /// Where the stable's rows lie, if known.
    pub(super) data: Option<Period>,
    pub(super) target_rows: u64,
    /// Rows below which a query is not made shorter.
    pub(super) query_rows: u64,
    pub(super) unit: Option<i64>,
    pub(super) max_unit_periods: u64,
    /// Read together or not; by density if `None`.
    pub(super) grouped: Option<bool>,
}

/// A copy shard to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) range: Range,
    pub(super) period: Period,
    pub(super) density: Density,
    pub(super) rows: u64,
}

/// Places that tile the members × the period; members that are alike must stand together.
pub(super) fn cut(asked: &Asked, members: &[Member]) -> Vec<Place> {
    let mut places = Vec::new();
    let mut from = 0;
    for alike in members.chunk_by(|a, b| a.size == b.size && a.size != Size::Giant) {
        cut_run(asked, alike, from, &mut places);
        from += count(alike);
    }
    // KEEP takes the oldest rows away while others are copied
    places.sort_by_key(|place| (place.period.from, place.range.from));
    places
}

/// Periods first, but not so fine that a query answers too few rows; then ranges.
fn cut_run(asked: &Asked, run: &[Member], first: u32, places: &mut Vec<Place>) {
    let rows: u64 = run.iter().map(|member| member.rows).sum();
    let wanted = rows.div_ceil(asked.target_rows).max(1);
    let finest = (rows / (u64::from(count(run)) * asked.query_rows)).max(1);
    let periods = cut_periods(asked, data_period(asked, run), wanted.min(finest));
    let parts = u64::try_from(periods.len()).unwrap_or(1).max(1);
    let density = density(asked, rows / (u64::from(count(run)) * parts));
    for (range, rows) in cut_range(run, first, wanted.div_ceil(parts)) {
        for (&period, n) in periods.iter().zip(0..) {
            places.push(Place { range, period, density, rows: share(rows, n, parts) });
        }
    }
}

fn density(asked: &Asked, rows_per_query: u64) -> Density {
    match asked.grouped {
        Some(true) => Density::Sparse,
        Some(false) => Density::Dense,
        None if rows_per_query < SPARSE_ROWS => Density::Sparse,
        None => Density::Dense,
    }
}

/// Where the rows are thought to lie: the members' own periods if all are known, else the stable's.
fn data_period(asked: &Asked, run: &[Member]) -> Option<Period> {
    let whole = |a: Period, b: Period| Period { from: a.from.min(b.from), to: a.to.max(b.to) };
    let own: Option<Vec<Period>> = run.iter().map(|member| member.period).collect();
    let known = own.and_then(|all| all.into_iter().reduce(whole)).or(asked.data);
    let inside = known.map(|period| period.intersect(asked.period)).filter(|period| !period.is_empty());
    inside.or_else(|| Some(asked.period).filter(|period| period.from != i64::MIN))
}

/// Periods that tile the task's: cut where the rows lie, the outer two reaching to the task's own ends, since
/// a row may lie outside of what an estimate says.
fn cut_periods(asked: &Asked, data: Option<Period>, wanted: u64) -> Vec<Period> {
    let Some(data) = data else { return vec![asked.period] };
    let parts = wanted.max(unit_periods(asked, data));
    let mut periods = data.cut(u32::try_from(parts).unwrap_or(u32::MAX));
    if let Some(first) = periods.first_mut() {
        first.from = asked.period.from;
    }
    if let Some(last) = periods.last_mut() {
        last.to = asked.period.to;
    }
    periods
}

fn unit_periods(asked: &Asked, data: Period) -> u64 {
    let Some(unit) = asked.unit.filter(|unit| *unit > 0) else { return 1 };
    let length = i128::from(data.to) - i128::from(data.from);
    let periods = (length + i128::from(unit) - 1) / i128::from(unit);
    u64::try_from(periods).unwrap_or(u64::MAX).min(asked.max_unit_periods)
}

/// At most `parts` ranges that tile the run, of nearly equal weight, with the rows of each.
fn cut_range(run: &[Member], first: u32, parts: u64) -> Vec<(Range, u64)> {
    // an empty table weighs something too: it is asked for all the same
    let weight = |member: &Member| u128::from(member.rows) + 1;
    let whole: u128 = run.iter().map(weight).sum();
    let mut ranges = Vec::new();
    let (mut range, mut rows) = (Range { from: first, to: first }, 0);
    let (mut passed, mut reached) = (0, 0);
    for member in run {
        range.to += 1;
        rows += member.rows;
        passed += weight(member);
        let part = passed * u128::from(parts) / whole;
        if part > reached {
            reached = part;
            ranges.push((range, rows));
            (range, rows) = (Range { from: range.to, to: range.to }, 0);
        }
    }
    ranges
}

fn count(run: &[Member]) -> u32 {
    u32::try_from(run.len()).unwrap_or(u32::MAX)
}
