//! A shard cut again while it is worked on: what its parent keeps, and up to three children that tile the rest.
//!
//! Pure, and the same question gives the same answer. A shard is a rectangle of subtables and time, and its totals count
//! what it has passed, so that what was passed stays with the parent. That decides where it can be cut: between
//! subtables not yet begun; in time only while its first subtable is the one under way, or between two subtables.

mod left;
#[cfg(test)]
mod tests;

use tdferry_common::shard::{Checkpoint, Estimate, Range, Shard, ShardKind};
use tdferry_common::time::Period;

pub(crate) use left::{Left, is_denser};

/// Children of one cut: a few are enough to share work, and the transaction stays small.
pub(crate) const MOST_CHILDREN: u32 = 3;

/// Into what a shard is to be cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// At most so many children.
    pub(crate) children: u32,
    /// None of them with fewer rows, as far as can be told.
    pub(crate) least_rows: u64,
}

/// What becomes of a shard that is cut. The parent's place and the children's tile what the parent's was (promise S5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Recut {
    /// What the parent keeps.
    pub(crate) range: Range,
    /// What the parent keeps.
    pub(crate) period: Period,
    /// What is expected of the parent now.
    pub(crate) estimate: Estimate,
    /// Their ids follow from the parent's and the number of the commit that cuts it.
    pub(crate) children: Vec<Shard>,
}

/// Cuts a shard that will stand at a checkpoint; `None` where there is nothing to cut, or too little.
pub(crate) fn recut(shard: &Shard, at: &Checkpoint, wanted: Wanted) -> Option<Recut> {
    if !matches!(shard.kind, ShardKind::Copy(_)) || !shard.id.may_have_children() {
        return None;
    }
    let left = Left::of(shard, at);
    let fitting = left.rows() / wanted.least_rows.max(1);
    let children =
        wanted.children.min(MOST_CHILDREN).min(u32::try_from(fitting).unwrap_or(u32::MAX).saturating_sub(1));
    if children == 0 {
        return None;
    }
    let cutting = Cutting { shard, at, left, children, least_rows: wanted.least_rows };
    let places = cutting.places()?;
    Some(cutting.recut(places))
}

struct Cutting<'a> {
    shard: &'a Shard,
    at: &'a Checkpoint,
    left: Left,
    children: u32,
    least_rows: u64,
}

/// A rectangle, and the rows expected in it.
#[derive(Debug, Clone, Copy)]
struct Place {
    range: Range,
    period: Period,
    rows: u64,
}

/// The parent's rectangle, and its children's.
struct Places {
    parent: (Range, Period),
    children: Vec<Place>,
}

impl Cutting<'_> {
    /// Between subtables where there are enough of them: each is then read by one query, as before.
    fn places(&self) -> Option<Places> {
        if self.left.whole >= self.children {
            self.by_tables().or_else(|| self.by_time())
        } else {
            self.by_time().or_else(|| self.by_tables())
        }
    }

    fn by_tables(&self) -> Option<Places> {
        let (children, given) = (1..=self.children).rev().find_map(|children| {
            let kept = self.left.kept_tables(children);
            let given = self.left.whole.checked_sub(kept)?;
            let smallest = given / children;
            // a shard that is only handed on is shared with nobody
            let is_shared = kept > 0 || self.left.is_under_way();
            let is_enough = smallest > 0 && self.left.rows_of(smallest) >= self.least_rows;
            (is_shared && is_enough).then_some((children, given))
        })?;
        let range = self.shard.range;
        let first = range.to - given;
        let edge = |n: u32| first + share(given, n, children);
        let place = |n| {
            let range = Range { from: edge(n), to: edge(n + 1) };
            Place { range, period: self.shard.period, rows: self.left.rows_of(range.len()) }
        };
        let children = (0..children).map(place).collect();
        Some(Places { parent: (Range { to: first, ..range }, self.shard.period), children })
    }

    fn by_time(&self) -> Option<Places> {
        let Shard { range, period, .. } = *self.shard;
        let offset = self.at.offset;
        let begun = offset.next > period.from;
        // where the rows begin is not known, and half of all time holds none
        if !begun && period.from == i64::MIN {
            return None;
        }
        if offset.index == range.from && !range.is_empty() {
            return self.first_table();
        }
        if begun || self.left.whole == 0 { None } else { self.rest_by_time() }
    }

    /// The parent keeps the earlier part of its first subtable; children get the rest of it and the subtables after it.
    fn first_table(&self) -> Option<Places> {
        let Shard { range, period, .. } = *self.shard;
        let after = Range { from: range.from + 1, to: range.to };
        let others =
            (!after.is_empty()).then(|| Place { range: after, period, rows: self.left.rows_of(after.len()) });
        if others.is_some_and(|others| others.rows < self.least_rows) {
            return None;
        }
        let rest = period.starting_at(self.at.offset.next);
        let rows = self.left.rows().saturating_sub(others.map_or(0, |others| others.rows));
        let most = self.children - u32::from(others.is_some());
        let pieces = self.pieces(rest, rows, most + 1)?;
        let (kept, given) = pieces.split_first()?;
        let first = Range { from: range.from, to: range.from + 1 };
        let each = rows / u64::try_from(pieces.len()).unwrap_or(1).max(1);
        let children =
            given.iter().map(|&period| Place { range: first, period, rows: each }).chain(others).collect();
        Some(Places { parent: (first, Period { to: kept.to, ..period }), children })
    }

    /// The parent keeps what it has passed; children get periods of the subtables it has not begun.
    fn rest_by_time(&self) -> Option<Places> {
        let Shard { range, period, .. } = *self.shard;
        let rest = Range { from: self.at.offset.index, to: range.to };
        let rows = self.left.rows();
        let pieces = self.pieces(period, rows, self.children)?;
        let each = rows / u64::try_from(pieces.len()).unwrap_or(1).max(1);
        let children = pieces.into_iter().map(|period| Place { range: rest, period, rows: each }).collect();
        Some(Places { parent: (Range { to: rest.from, ..range }, period), children })
    }

    /// At least two neighbours that tile a period, none of them with too few rows.
    fn pieces(&self, period: Period, rows: u64, most: u32) -> Option<Vec<Period>> {
        let fitting = u32::try_from(rows / self.least_rows.max(1)).unwrap_or(u32::MAX);
        let pieces = period.cut(most.min(fitting));
        (pieces.len() > 1).then_some(pieces)
    }

    fn recut(&self, places: Places) -> Recut {
        let Places { parent: (range, period), children } = places;
        let given = children.iter().map(|child| child.rows).sum();
        let kept = self.at.totals.read.saturating_add(self.left.rows().saturating_sub(given));
        let first = self.at.seq.wrapping_mul(u64::from(MOST_CHILDREN));
        let child = |(n, place): (u64, Place)| {
            let id = self.shard.id.child(first.wrapping_add(n));
            let planned = Shard::planned(id, self.shard.kind, self.shard.group, place.range, place.period);
            Shard { estimate: self.left.estimate(place.rows), ..planned }
        };
        let children = (0..).zip(children).map(child).collect();
        Recut { range, period, estimate: self.left.estimate(kept), children }
    }
}

/// Where the `n`th of `parts` nearly equal parts of a number begins.
fn share(number: u32, n: u32, parts: u32) -> u32 {
    let at = u64::from(number) * u64::from(n) / u64::from(parts.max(1));
    u32::try_from(at).unwrap_or(number)
}
