//! A shard that is cut while it is copied: the worker stops at a good place, and goes on with what is left to it.

use std::time::Duration;

use tdferry_common::id::ShardId;
use tdferry_common::shard::{Shard, ShardState};
use tdferry_common::testing::{Recipe, assert_same};
use tdferry_proto::v1::Directive;

use crate::coordinator::{Place, State};
use crate::faults::slow_writes;
use crate::stage::Stage;

fn rows_committed(state: &State) -> u64 {
    let totals =
        |commit: &tdferry_proto::v1::CommitRequest| commit.checkpoint.as_ref().unwrap().totals.unwrap();
    state.commits.iter().map(|commit| totals(commit).written).max().unwrap_or(0)
}

/// Copies a place that is told to be cut once some rows are committed; the parent and its child at the end.
async fn cut_while_copying(stage: &Stage, place: Place, at: (u32, i64)) -> (Shard, Shard) {
    slow_writes(stage, Duration::from_secs(2));
    let id = place.shard.id.clone();
    stage.coordinator.add([place]);
    let running = stage.start();
    stage.coordinator.until("some rows", |state| rows_committed(state) > 0).await;
    {
        let mut state = stage.coordinator.state();
        state.cuts_at = Some(at);
        state.directives = vec![(id.clone(), Directive::Cut)];
    }
    stage.coordinator.until("a cut", |state| !state.cuts.is_empty()).await;
    stage.coordinator.state().directives.clear();
    stage.coordinator.until_terminal().await;
    running.stop().await;
    (stage.coordinator.shard(&id), stage.coordinator.shard(&id.child(3)))
}

#[tokio::test(start_paused = true)]
async fn a_dense_shard_stops_at_its_new_end_and_every_row_arrives_once() {
    let stage = Stage::prepared(Recipe::meters(41, (3, 900), (0, 0)).make());
    let (parent, child) = cut_while_copying(&stage, stage.dense("meters"), (2, 0)).await;
    assert_same(&stage.source.held(), &stage.sink.held());
    assert_eq!(stage.sink.counters().rows_again(), 0, "the reader did not pass the new end");
    assert_eq!((parent.state.clone(), child.state.clone()), (ShardState::Done, ShardState::Done));
    assert_eq!((parent.checkpoint.totals.read, child.checkpoint.totals.read), (1_800, 900));
    assert_eq!(parent.checkpoint.epoch.0, 1, "the lease stayed on the parent");
    assert_eq!(stage.coordinator.state().cuts[0].order.unwrap().least_rows, 7, "the order came back");
}

#[tokio::test(start_paused = true)]
async fn one_subtable_is_read_to_the_moment_where_it_was_cut() {
    let stage = Stage::prepared(Recipe::meters(42, (1, 2_000), (0, 0)).make());
    let place = stage.dense("meters");
    let held = stage.source.held();
    let moment = *held.tables[&place.names[0]].rows.keys().nth(1_500).unwrap();
    let (parent, child) = cut_while_copying(&stage, place, (1, moment)).await;
    assert_same(&stage.source.held(), &stage.sink.held());
    assert_eq!(stage.sink.counters().rows_again(), 0);
    assert_eq!((parent.checkpoint.totals.read, child.checkpoint.totals.read), (1_500, 500));
}

#[tokio::test(start_paused = true)]
async fn a_sparse_shard_is_cut_between_two_slices() {
    let stage = Stage::prepared(Recipe::meters(43, (0, 0), (40, 4)).make());
    let mut place = stage.sparse("sensors");
    // two tables fill a slice
    place.shard.estimate.rows = 2_000_000;
    let (parent, child) = cut_while_copying(&stage, place, (30, 0)).await;
    assert_same(&stage.source.held(), &stage.sink.held());
    assert_eq!(stage.sink.counters().rows_again(), 0);
    assert_eq!((parent.checkpoint.totals.tables, child.checkpoint.totals.tables), (30, 10));
}

#[tokio::test(start_paused = true)]
async fn a_cut_whose_answer_is_lost_is_sent_again_and_counts_once() {
    let stage = Stage::prepared(Recipe::meters(44, (3, 900), (0, 0)).make());
    slow_writes(&stage, Duration::from_secs(2));
    let place = stage.dense("meters");
    let id = place.shard.id.clone();
    stage.coordinator.add([place]);
    let running = stage.start();
    stage.coordinator.until("some rows", |state| rows_committed(state) > 0).await;
    {
        let mut state = stage.coordinator.state();
        state.cuts_at = Some((2, 0));
        state.directives = vec![(id.clone(), Directive::Cut)];
        state.lose_answers = 4;
    }
    stage
        .coordinator
        .until("a cut that is answered", |state| !state.cuts.is_empty() && state.lose_answers == 0)
        .await;
    stage.coordinator.state().directives.clear();
    stage.coordinator.until_terminal().await;
    running.stop().await;
    assert_same(&stage.source.held(), &stage.sink.held());
    assert_eq!(stage.coordinator.shard(&id).checkpoint.totals.read, 1_800);
    let seqs: Vec<u64> = stage.coordinator.state().cuts.iter().map(seq).collect();
    assert!(seqs.windows(2).all(|pair| pair[0] <= pair[1]), "{seqs:?}");
}

fn seq(cut: &tdferry_proto::v1::CutRequest) -> u64 {
    cut.checkpoint.as_ref().unwrap().seq
}

#[tokio::test(start_paused = true)]
async fn a_coordinator_that_cannot_cut_leaves_the_shard_whole() {
    let stage = Stage::prepared(Recipe::meters(45, (2, 600), (0, 0)).make());
    slow_writes(&stage, Duration::from_secs(2));
    let place = stage.dense("meters");
    let id: ShardId = place.shard.id.clone();
    stage.coordinator.add([place]);
    {
        let mut state = stage.coordinator.state();
        state.cannot_cut = true;
        state.directives = vec![(id.clone(), Directive::Cut)];
    }
    let running = stage.start();
    stage.coordinator.until_terminal().await;
    running.stop().await;
    assert_same(&stage.source.held(), &stage.sink.held());
    assert_eq!(stage.coordinator.shard(&id).checkpoint.totals.read, 1_200);
    assert_eq!(stage.coordinator.state().last_epoch, 1);
}
