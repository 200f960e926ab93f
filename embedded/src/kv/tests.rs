//! The history's own rules: what compaction keeps, what the tail bridges, what is counted.

use bytes::Bytes;

use super::{Event, History, KeyRange, Revision, Value};

fn event(key: &str, value: Option<String>) -> Event {
    let value = value.map(|text| Value { bytes: text.into(), created: 0, version: 1, lease: 0 });
    Event { key: Bytes::copy_from_slice(key.as_bytes()), value }
}

/// Revision 2 on: each step puts or deletes one key.
fn history(steps: &[(&str, Option<&str>)]) -> History {
    let mut history = History::new();
    for (step, (key, value)) in steps.iter().enumerate() {
        let main = i64::try_from(step).expect("few") + 2;
        history.append(Revision::first_of(main), event(key, value.map(str::to_owned)));
        history.set_revision(main);
    }
    history
}

fn events(history: &History, from: i64) -> Vec<i64> {
    history.events(from, history.revision()).map(|(at, _)| at.main).collect()
}

const STEPS: [(&str, Option<&str>); 6] =
    [("a", Some("1")), ("a", Some("2")), ("b", Some("1")), ("b", None), ("a", Some("3")), ("c", Some("1"))];

#[test]
fn a_compaction_keeps_the_newest_of_each_living_key() {
    for (at, kept) in
        [(2, vec![2, 3, 4, 5, 6, 7]), (4, vec![3, 4, 5, 6, 7]), (5, vec![3, 6, 7]), (7, vec![6, 7])]
    {
        let mut compacted = history(&STEPS);
        let forgotten: Vec<i64> = compacted.compact(at).iter().map(|at| at.main).collect();
        let left: Vec<i64> = (2..=7).filter(|main| !forgotten.contains(main)).collect();
        assert_eq!(left, kept, "compacted to {at}");
    }
}

#[test]
fn bytes_for_the_past_are_given_back() {
    let mut past = history(&STEPS);
    assert!(past.superseded_bytes() > 0);
    let half = past.superseded_bytes();
    past.compact(4);
    assert!(past.superseded_bytes() < half);
    past.compact(7);
    assert_eq!(past.superseded_bytes(), 0, "every key has one value now");
    assert_eq!(past.count(&KeyRange::everything(), 7), 2);
}

#[test]
fn a_restored_history_counts_as_the_one_that_was_stored() {
    let stored = history(&STEPS);
    let all = stored.events(0, 7).map(|(at, event)| (at, event.clone())).collect();
    let restored = History::restore(7, -1, all);
    assert_eq!(restored.superseded_bytes(), stored.superseded_bytes());
    assert_eq!(events(&restored, 0), events(&stored, 0));
}

#[test]
fn a_watcher_just_behind_a_compaction_misses_nothing() {
    let mut compacted = history(&STEPS);
    compacted.compact(7);
    assert!(compacted.continues_from(3), "everything after revision 2 is in the tail or in the history");
    assert_eq!(events(&compacted, 3), [3, 4, 5, 6, 7]);
    compacted.append(Revision::first_of(8), event("a", Some("4".into())));
    compacted.set_revision(8);
    compacted.compact(8);
    assert!(!compacted.continues_from(7), "the tail only spans the last compaction");
    assert!(compacted.continues_from(8));
}

#[test]
fn the_tail_is_bounded_and_knows_from_where_it_is_whole() {
    let large = "x".repeat(1024 * 1024);
    let mut long = History::new();
    for main in 2..=12 {
        long.append(Revision::first_of(main), event("a", Some(large.clone())));
        long.set_revision(main);
    }
    long.compact(12);
    assert!(!long.continues_from(8), "more than four mebibytes are not kept");
    assert!(long.continues_from(9));
    assert_eq!(events(&long, 9), [9, 10, 11, 12]);
}
