//! The count check: what a read path lost without a word is found, copied again, and named if it cannot be cured.

use std::sync::Arc;

use tdferry_common::batch::Value;
use tdferry_common::id::ShardId;
use tdferry_common::shard::{ShardState, Totals};
use tdferry_common::testing::{Event, Recipe, assert_same};

use crate::coordinator::Place;
use crate::stage::{NOW_MILLIS, Stage};
use crate::truncating::Truncating;

const DAY: i64 = 86_400_000;

/// Three tables of 300 rows, so that a read has several blocks.
fn stage(seed: u64) -> Stage {
    Stage::prepared(Recipe::meters(seed, (3, 300), (0, 0)).make())
}

fn place(stage: &Stage, sparse: bool) -> (ShardId, Place) {
    let place = if sparse { stage.sparse("meters") } else { stage.dense("meters") };
    (place.shard.id.clone(), place)
}

fn truncated(stage: &mut Stage, times: u32) {
    stage.connector = Arc::new(Truncating::new(Arc::clone(&stage.connector), "d0001", times));
}

fn totals(stage: &Stage, id: &ShardId) -> Totals {
    stage.coordinator.shard(id).checkpoint.totals
}

#[tokio::test(start_paused = true)]
async fn a_read_that_ended_early_is_found_and_only_what_differs_is_copied_again() {
    for sparse in [false, true] {
        let mut stage = stage(41);
        truncated(&mut stage, 1);
        let (id, place) = place(&stage, sparse);
        stage.finish([place]).await;
        assert_same(&stage.source.held(), &stage.sink.held());
        assert_eq!(stage.coordinator.shard(&id).state, ShardState::Done);
        let totals = totals(&stage, &id);
        assert_eq!(
            (totals.read, totals.written, totals.source_counted, totals.target_counted),
            (900, 900, 900, 900)
        );
        if !sparse {
            assert_eq!(stage.sink.counters().rows_again(), 64, "one block of one table");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_read_that_ends_early_every_time_fails_the_shard_and_names_table_counts_and_period() {
    for sparse in [false, true] {
        let mut stage = stage(42);
        truncated(&mut stage, u32::MAX);
        let (id, place) = place(&stage, sparse);
        stage.finish([place]).await;
        let failure = stage.coordinator.failure(&id);
        for part in ["`d0001` (source 300, target 64)", "[0, 1600600000000)", "retry"] {
            assert!(failure.contains(part), "{failure}");
        }
        assert!(!failure.contains("d0000"), "{failure}");
    }
}

#[tokio::test(start_paused = true)]
async fn rows_that_arrive_late_at_the_source_are_copied_too() {
    let stage = stage(43);
    let (id, place) = place(&stage, false);
    let source = Arc::clone(&stage.source);
    stage.sink.on_event(Arc::new(move |event| {
        if matches!(event, Event::Wrote { table, .. } if table == "d0002") {
            let late = [Value::Timestamp(7), Value::Null, Value::Int(1), Value::Null];
            source.change(|held| held.put_row("d0000", late.to_vec()));
        }
    }));
    stage.finish([place]).await;
    assert_same(&stage.source.held(), &stage.sink.held());
    assert_eq!(totals(&stage, &id).written, 901);
}

#[tokio::test(start_paused = true)]
async fn rows_that_keep_took_while_they_were_copied_are_accounted_for() {
    let stage = stage(44);
    // rows are a week old; one table's first rows are at the edge, and fall over it when its last ones are written
    let edge = NOW_MILLIS - 30 * DAY;
    let old: Vec<i64> = (0..5).map(|n| edge + n).collect();
    for ts in &old {
        let row = vec![Value::Timestamp(*ts), Value::Null, Value::Int(1), Value::Null];
        stage.source.change(|held| held.put_row("d0000", row));
    }
    stage.source.change(|held| held.database.options.insert("keep".into(), "30,30,30".into()));
    stage.source.limit(|limits| limits.clock = Some(NOW_MILLIS));
    let source = Arc::clone(&stage.source);
    stage.sink.on_event(Arc::new(move |event| {
        if matches!(event, Event::Wrote { table, .. } if table == "d0002") {
            source.change(|held| {
                held.tables.get_mut("d0000").unwrap().rows.retain(|ts, _| !(edge..edge + 3).contains(ts))
            });
        }
    }));
    let (id, place) = place(&stage, false);
    stage.finish([place]).await;
    assert_eq!(stage.coordinator.shard(&id).state, ShardState::Done);
    let totals = totals(&stage, &id);
    assert_eq!((totals.read, totals.source_counted, totals.expired), (905, 902, 3));
    assert_eq!(stage.sink.counters().rows_again(), 0, "nothing was copied again");
}

#[tokio::test(start_paused = true)]
async fn rows_deleted_at_the_source_are_no_expiry_and_are_named() {
    let stage = stage(45);
    let source = Arc::clone(&stage.source);
    stage.sink.on_event(Arc::new(move |event| {
        if matches!(event, Event::Wrote { table, .. } if table == "d0002") {
            source.change(|held| held.tables.get_mut("d0000").unwrap().rows.pop_first());
        }
    }));
    let (id, place) = place(&stage, false);
    stage.finish([place]).await;
    let failure = stage.coordinator.failure(&id);
    assert!(failure.contains("`d0000`"), "{failure}");
}

#[tokio::test(start_paused = true)]
async fn a_shard_that_failed_its_check_is_checked_again_on_retry_without_copying_all() {
    let mut stage = stage(46);
    truncated(&mut stage, 3);
    let (id, place) = place(&stage, false);
    stage.finish([place]).await;
    stage.coordinator.failure(&id);
    let before = stage.sink.counters().rows_written();
    {
        let mut state = stage.coordinator.state();
        let place = state.shards.get_mut(&id).unwrap();
        place.shard = place.shard.clone().next(tdferry_common::shard::ShardEvent::Retried).unwrap();
    }
    stage.finish([]).await;
    assert_eq!(stage.coordinator.shard(&id).state, ShardState::Done);
    assert_same(&stage.source.held(), &stage.sink.held());
    assert_eq!(stage.sink.counters().rows_written() - before, 300, "only the table that differed");
}
