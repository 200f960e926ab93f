//! Leases that are lost, commits whose answers are lost, sessions that end: nothing counts twice, nothing is lost.

use std::time::Duration;

use tdferry_common::shard::ShardState;
use tdferry_common::testing::{Recipe, assert_same};
use tdferry_proto::v1::Directive;
use tokio::time::sleep;

use crate::coordinator::State;
use crate::faults::slow_writes;
use crate::serve::{channel, dead_channel};
use crate::stage::Stage;

fn slow(seed: u64) -> Stage {
    let stage = Stage::prepared(Recipe::meters(seed, (3, 300), (0, 0)).make());
    slow_writes(&stage, Duration::from_secs(2));
    stage
}

fn some_rows(state: &State) -> bool {
    state.commits.iter().any(|commit| commit.checkpoint.as_ref().unwrap().totals.unwrap().written > 0)
}

#[tokio::test(start_paused = true)]
async fn a_commit_whose_answer_is_lost_is_sent_again_and_counts_once() {
    let stage = slow(21);
    stage.coordinator.state().lose_answers = 5;
    let place = stage.dense("meters");
    let id = place.shard.id.clone();
    stage.finish([place]).await;
    assert_same(&stage.source.held(), &stage.sink.held());
    assert_eq!(stage.sink.counters().rows_again(), 0);
    let state = stage.coordinator.state();
    assert_eq!(state.lose_answers, 0);
    assert_eq!(state.commits_seen, state.commits.len() + 5);
    let seqs: Vec<u64> = state.commits.iter().map(|commit| commit.checkpoint.as_ref().unwrap().seq).collect();
    assert_eq!(seqs, (1..=u64::try_from(seqs.len()).unwrap()).collect::<Vec<_>>());
    assert_eq!(state.shards[&id].shard.checkpoint.totals.written, 900);
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_to_the_last_commit_does_not_lose_the_end() {
    let stage = Stage::prepared(Recipe::meters(22, (1, 10), (0, 0)).make());
    let place = stage.dense("meters");
    let id = place.shard.id.clone();
    stage.coordinator.add([place]);
    stage.coordinator.state().lose_answers = usize::MAX;
    let running = stage.start();
    sleep(Duration::from_secs(30)).await;
    stage.coordinator.state().lose_answers = 0;
    stage.coordinator.until_terminal().await;
    running.stop().await;
    assert_eq!(stage.coordinator.shard(&id).state, ShardState::Done);
    assert_eq!(stage.coordinator.state().last_epoch, 1, "one lease was enough");
}

#[tokio::test(start_paused = true)]
async fn a_fenced_commit_drops_the_lease_and_the_next_one_goes_on_from_the_checkpoint() {
    let stage = slow(23);
    let place = stage.dense("meters");
    let id = place.shard.id.clone();
    stage.coordinator.add([place]);
    let running = stage.start();
    stage.coordinator.until("some rows", some_rows).await;
    // another holder came and went
    let (at, written) = {
        let mut state = stage.coordinator.state();
        state.last_epoch += 1;
        let epoch = state.last_epoch;
        state.leases.insert(id.clone(), epoch);
        let place = &state.shards[&id];
        (place.shard.checkpoint, place.shard.checkpoint.totals.written)
    };
    let seen = stage.coordinator.state().commits_seen;
    stage.coordinator.until("a commit is fenced", |state| state.commits_seen > seen).await;
    sleep(Duration::from_secs(60)).await;
    assert_eq!(stage.coordinator.shard(&id).checkpoint, at, "nothing was committed by the old epoch");
    let rows = stage.sink.counters().rows_written();
    sleep(Duration::from_secs(60)).await;
    assert_eq!(stage.sink.counters().rows_written(), rows, "nothing is written without a lease");
    stage.coordinator.state().leases.clear();
    stage.coordinator.until_terminal().await;
    running.stop().await;
    assert_same(&stage.source.held(), &stage.sink.held());
    assert_eq!(stage.coordinator.shard(&id).checkpoint.totals.written, 900);
    let again = stage.sink.counters().rows_again();
    assert!(again <= rows - written, "{again} of {}", rows - written);
}

#[tokio::test(start_paused = true)]
async fn an_abandon_stops_the_work_at_once_and_commits_nothing() {
    let stage = slow(24);
    let place = stage.dense("meters");
    let id = place.shard.id.clone();
    stage.coordinator.add([place]);
    let running = stage.start();
    stage.coordinator.until("some rows", some_rows).await;
    {
        let mut state = stage.coordinator.state();
        state.directives = vec![(id.clone(), Directive::Abandon)];
        state.paused = true;
    }
    let holds_none = |state: &State| state.heartbeats.last().is_some_and(|beat| beat.held.is_empty());
    stage.coordinator.until("the lease is dropped", holds_none).await;
    let (rows, seen) = (stage.sink.counters().rows_written(), stage.coordinator.state().commits_seen);
    sleep(Duration::from_secs(120)).await;
    assert_eq!(stage.sink.counters().rows_written(), rows);
    assert_eq!(stage.coordinator.state().commits_seen, seen);
    assert!(stage.coordinator.state().released.is_empty(), "what is gone is not given back");
    {
        let mut state = stage.coordinator.state();
        state.directives.clear();
        state.leases.clear();
        state.paused = false;
    }
    stage.coordinator.until_terminal().await;
    running.stop().await;
    assert_same(&stage.source.held(), &stage.sink.held());
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_is_to_be_drained_is_committed_and_given_back_and_others_go_on() {
    let stage = Stage::prepared(Recipe::meters(25, (3, 1_500), (0, 0)).make());
    slow_writes(&stage, Duration::from_secs(2));
    let dense = stage.dense("meters");
    let mut other = stage.place("meters", 5, dense.shard.kind);
    other.shard.range.from = 2;
    other.shard.checkpoint.offset.index = 2;
    let (id, other_id) = (dense.shard.id.clone(), other.shard.id.clone());
    stage.coordinator.add([dense, other]);
    let running = stage.start();
    stage.coordinator.until("some rows", some_rows).await;
    {
        let mut state = stage.coordinator.state();
        state.directives = vec![(id.clone(), Directive::Drain)];
        state.paused = true;
    }
    stage.coordinator.until("it is given back", |state| state.released.contains(&id)).await;
    assert!(stage.coordinator.state().leases.contains_key(&other_id), "the other goes on");
    stage.coordinator.state().paused = false;
    stage.coordinator.state().directives.clear();
    stage.coordinator.until_terminal().await;
    running.stop().await;
    assert_same(&stage.source.held(), &stage.sink.held());
    assert!(
        stage.sink.counters().rows_again() <= 1_500,
        "only the overlap of the two shards was written twice"
    );
}

#[tokio::test(start_paused = true)]
async fn a_session_that_is_lost_is_replaced_and_everything_is_claimed_anew() {
    let stage = slow(26);
    let place = stage.dense("meters");
    let id = place.shard.id.clone();
    stage.coordinator.add([place]);
    let running = stage.start();
    stage.coordinator.until("some rows", some_rows).await;
    stage.coordinator.end_session();
    stage.coordinator.until_terminal().await;
    running.stop().await;
    assert_same(&stage.source.held(), &stage.sink.held());
    assert_eq!(stage.coordinator.shard(&id).checkpoint.epoch.0, 2);
    assert_eq!(stage.coordinator.shard(&id).checkpoint.totals.written, 900);
}

#[tokio::test(start_paused = true)]
async fn a_coordinator_that_is_dead_is_passed_over() {
    let stage = Stage::prepared(Recipe::meters(27, (2, 50), (0, 0)).make());
    stage.coordinator.add([stage.dense("meters")]);
    let running = stage.start_with(vec![dead_channel(), channel(&stage.coordinator), dead_channel()]);
    stage.coordinator.until_terminal().await;
    running.stop().await;
    assert_same(&stage.source.held(), &stage.sink.held());
}
