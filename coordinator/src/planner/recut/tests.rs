//! However a shard is cut, and however often: its pieces tile it, what was passed stays, ids are one of a kind.

use std::collections::BTreeSet;

use proptest::prelude::*;
use tdferry_common::id::{Epoch, GroupId, ShardId};
use tdferry_common::offset::Offset;
use tdferry_common::shard::{Density, ShardEvent, Totals};

use super::*;

fn shard(range: Range, period: Period, rows: u64) -> Shard {
    let kind = ShardKind::Copy(Density::Dense);
    let planned = Shard::planned(ShardId::copy(GroupId(0), 0), kind, Some(GroupId(0)), range, period);
    Shard { estimate: Estimate { rows, bytes: rows * 20 }, ..planned }
}

fn tables(n: u32, rows: u64) -> Shard {
    shard(Range { from: 0, to: n }, Period { from: 0, to: 1_000 }, rows)
}

fn at(shard: &Shard, index: u32, next: i64, read: u64) -> Checkpoint {
    let totals = Totals { read, written: read, bytes: read * 20, ..shard.checkpoint.totals };
    let seq = shard.checkpoint.seq + 1;
    Checkpoint { epoch: Epoch(1), seq, offset: Offset { index, next }, totals, sum: None }
}

fn wanted(children: u32, least_rows: u64) -> Wanted {
    Wanted { children, least_rows }
}

fn place(shard: &Shard) -> (u32, u32, i64, i64) {
    (shard.range.from, shard.range.to, shard.period.from, shard.period.to)
}

fn children(recut: &Recut) -> Vec<(u32, u32, i64, i64)> {
    recut.children.iter().map(place).collect()
}

#[test]
fn subtables_not_begun_are_shared_with_what_is_left_of_the_one_under_way() {
    let shard = tables(9, 900);
    let cut = recut(&shard, &at(&shard, 1, 0, 100), wanted(3, 10)).unwrap();
    assert_eq!((cut.range, cut.period), (Range { from: 0, to: 3 }, shard.period));
    assert_eq!(children(&cut), [(3, 5, 0, 1_000), (5, 7, 0, 1_000), (7, 9, 0, 1_000)]);
    assert_eq!(cut.estimate.rows, 300, "what was read, and what is left");
    assert!(cut.children.iter().all(|child| child.estimate == Estimate { rows: 200, bytes: 4_000 }));
    let ids: Vec<_> = cut.children.iter().map(|child| child.id.as_str()).collect();
    assert_eq!(ids, ["copy-00000000-0000.3", "copy-00000000-0000.4", "copy-00000000-0000.5"]);
}

#[test]
fn one_subtable_is_cut_in_what_is_left_of_its_time() {
    let shard = tables(1, 1_000);
    let cut = recut(&shard, &at(&shard, 0, 400, 400), wanted(2, 10)).unwrap();
    assert_eq!((cut.range, cut.period), (shard.range, Period { from: 0, to: 600 }));
    assert_eq!(children(&cut), [(0, 1, 600, 800), (0, 1, 800, 1_000)]);
}

#[test]
fn the_first_subtable_is_cut_in_time_and_those_after_it_become_a_child_of_their_own() {
    let shard = tables(2, 2_000);
    let cut = recut(&shard, &at(&shard, 0, 400, 400), wanted(3, 10)).unwrap();
    assert_eq!((cut.range, cut.period), (Range { from: 0, to: 1 }, Period { from: 0, to: 600 }));
    assert_eq!(children(&cut), [(0, 1, 600, 800), (0, 1, 800, 1_000), (1, 2, 0, 1_000)]);
}

#[test]
fn between_two_subtables_the_last_one_is_given_away_in_periods() {
    let shard = tables(2, 2_000);
    let cut = recut(&shard, &at(&shard, 1, 0, 1_000), wanted(2, 10)).unwrap();
    assert_eq!(cut.range, Range { from: 0, to: 1 });
    assert_eq!(children(&cut), [(1, 2, 0, 500), (1, 2, 500, 1_000)]);
}

#[test]
fn what_cannot_be_given_away_is_not_cut() {
    let two = tables(2, 2_000);
    let open = shard(Range { from: 0, to: 1 }, Period { from: i64::MIN, to: 1_000 }, 1_000);
    let long = Shard { id: "c".repeat(90).parse().unwrap(), ..tables(9, 900) };
    let create = Shard { kind: ShardKind::Create, ..tables(9, 900) };
    let cases = [
        ("the rest of a later subtable", at(&two, 1, 400, 1_400), two.clone()),
        ("nothing left", at(&two, 2, 0, 2_000), two),
        ("all of time before the first row", at(&open, 0, i64::MIN, 0), open),
        ("an id too long", at(&long, 0, 0, 0), long),
        ("no rows to copy", at(&create, 0, 0, 0), create),
    ];
    for (what, at, shard) in cases {
        assert_eq!(recut(&shard, &at, wanted(3, 1)), None, "{what}");
    }
}

#[test]
fn a_shard_with_less_left_than_two_of_the_least_stays_whole() {
    let shard = tables(10, 1_000);
    assert!(recut(&shard, &at(&shard, 0, 0, 0), wanted(3, 501)).is_none());
    assert_eq!(recut(&shard, &at(&shard, 0, 0, 0), wanted(3, 500)).unwrap().children.len(), 1);
    assert!(recut(&shard, &at(&shard, 0, 0, 0), wanted(0, 1)).is_none());
}

#[test]
fn a_shard_is_denser_than_planned_when_it_read_twice_as_much_and_is_not_through() {
    let mut shard = tables(10, 1_000);
    for (index, read, denser) in [(1, 1_999, false), (1, 2_000, true), (9, 2_000, false), (10, 9_000, false)]
    {
        shard.checkpoint = at(&shard, index, 0, read);
        assert_eq!(is_denser(&shard), denser, "{index} {read}");
    }
}

fn area(range: Range, period: Period) -> i128 {
    i128::from(range.len()) * (i128::from(period.to) - i128::from(period.from))
}

fn meet(a: &Shard, b: &Shard) -> bool {
    let tables = a.range.from.max(b.range.from) < a.range.to.min(b.range.to);
    tables && !a.period.intersect(b.period).is_empty()
}

/// The shard as the transaction leaves it.
fn shrunk(shard: &Shard, at: Checkpoint, cut: &Recut) -> Shard {
    let committed = shard.clone().next(ShardEvent::Committed { checkpoint: at }).unwrap();
    Shard { range: cut.range, period: cut.period, estimate: cut.estimate, ..committed }
}

/// Whether all that lies before an offset lies inside of a place.
fn holds_what_was_passed(place: &Shard, whole: &Shard) -> bool {
    let Offset { index, next } = place.checkpoint.offset;
    let all_time = index == whole.range.from || place.period == whole.period;
    let under_way = next == whole.period.from || (index < place.range.to && next <= place.period.to);
    index <= place.range.to && all_time && under_way
}

/// Subtables, part of the next and rows by which a shard moves on; then children and rows it is cut into.
type Step = (u32, u32, u64, u32, u64);

/// A shard somewhere, and by how much it moves on and is cut, again and again.
fn histories() -> impl Strategy<Value = (Shard, Vec<Step>)> {
    let period = (prop_oneof![Just(i64::MIN), -1_000_i64..1_000], 1_i64..100_000);
    let place = (0_u32..50, 0_u32..40, period, 0_u64..100_000, any::<bool>());
    let steps =
        proptest::collection::vec((0_u32..60, 0_u32..=1_000, 0_u64..30_000, 0_u32..6, 0_u64..5_000), 1..12);
    (place, steps).prop_map(|((from, len, (start, length), rows, sparse), steps)| {
        let kind = ShardKind::Copy(if sparse { Density::Sparse } else { Density::Dense });
        let period = Period { from: start, to: start.max(-1_000) + length };
        (Shard { kind, ..shard(Range { from, to: from + len }, period, rows) }, steps)
    })
}

/// Where the shard stands after a step: some subtables on, and for a dense one somewhere in the next.
fn moved(shard: &Shard, tables: u32, part: u32, rows: u64) -> Checkpoint {
    let before = shard.checkpoint.offset;
    let index = (before.index + tables % 5).min(shard.range.to);
    let from = if index == before.index { before.next } else { shard.period.from };
    let inside = index < shard.range.to && matches!(shard.kind, ShardKind::Copy(Density::Dense));
    let length = i128::from(shard.period.to) - i128::from(from);
    let on = if inside { length * i128::from(part) / 1_000 } else { 0 };
    let next = i64::try_from(i128::from(from) + on).unwrap();
    at(shard, index, next, shard.checkpoint.totals.read + rows)
}

proptest! {
    #[test]
    fn any_cuts_of_a_shard_and_of_its_children_tile_it((whole, steps) in histories()) {
        let mut pieces = vec![whole.clone()];
        let mut ids = BTreeSet::from([whole.id.clone()]);
        for (n, (tables, part, rows, children, least_rows)) in steps.into_iter().enumerate() {
            let chosen = n * 7 % pieces.len();
            let shard = pieces[chosen].clone();
            let at = moved(&shard, tables, part, rows);
            let asked = wanted(children, least_rows);
            let cut = recut(&shard, &at, asked);
            prop_assert_eq!(&cut, &recut(&shard, &at, asked), "the same question");
            let Some(cut) = cut else { continue };
            let parent = shrunk(&shard, at, &cut);
            prop_assert!(holds_what_was_passed(&parent, &shard), "{:?} of {:?}", parent, shard);
            prop_assert!(!cut.children.is_empty() && cut.children.len() <= children.min(MOST_CHILDREN) as usize);
            for child in &cut.children {
                prop_assert!(child.estimate.rows >= least_rows, "{:?}", child);
                prop_assert!(!child.range.is_empty() && !child.period.is_empty());
                prop_assert_eq!(child.checkpoint.offset, Offset { index: child.range.from, next: child.period.from });
                prop_assert!(ids.insert(child.id.clone()), "{} twice", child.id);
                prop_assert!(child.id.as_str().parse::<ShardId>().is_ok());
            }
            pieces[chosen] = parent;
            pieces.extend(cut.children);
        }
        let covered: i128 = pieces.iter().map(|piece| area(piece.range, piece.period)).sum();
        prop_assert_eq!(covered, area(whole.range, whole.period));
        let all = Shard { range: whole.range, period: whole.period, ..whole };
        for (n, one) in pieces.iter().enumerate() {
            let inside = one.range.from >= all.range.from && one.range.to <= all.range.to
                && one.period.from >= all.period.from && one.period.to <= all.period.to;
            prop_assert!(inside || area(one.range, one.period) == 0, "{:?}", one);
            prop_assert!(!pieces[n + 1..].iter().any(|other| meet(one, other)), "{:?} meets another", one);
        }
    }
}
