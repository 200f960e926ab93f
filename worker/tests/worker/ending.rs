//! Stopping a worker: it commits what it has, gives back what it holds, leaves, and does none of it twice.

use std::time::Duration;

use tdferry_common::testing::{Recipe, assert_same};
use tokio::time::Instant;

use crate::coordinator::State;
use crate::faults::slow_writes;
use crate::stage::Stage;

/// What a drain may take.
const TWO_BEATS: Duration = Duration::from_secs(10);
/// For all that takes hardly any time.
const MOMENT: Duration = Duration::from_secs(1);

fn some_rows(state: &State) -> bool {
    state.commits.iter().any(|commit| commit.checkpoint.as_ref().unwrap().totals.unwrap().written > 0)
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_is_stopped_commits_every_row_it_wrote_and_leaves() {
    let stage = Stage::prepared(Recipe::meters(31, (3, 300), (0, 0)).make());
    slow_writes(&stage, Duration::from_secs(2));
    let place = stage.dense("meters");
    let id = place.shard.id.clone();
    stage.coordinator.add([place]);
    let running = stage.start();
    stage.coordinator.until("some rows", some_rows).await;
    running.stop().await;
    {
        let state = stage.coordinator.state();
        assert!(state.left && state.leases.is_empty());
        assert_eq!(state.released, std::slice::from_ref(&id));
        let committed = state.shards[&id].shard.checkpoint.totals.written;
        assert!((1..900).contains(&committed));
        assert_eq!(stage.sink.counters().rows_written(), committed);
    }
    let running = stage.start();
    stage.coordinator.until_terminal().await;
    running.stop().await;
    assert_same(&stage.source.held(), &stage.sink.held());
    assert_eq!(stage.sink.counters().rows_again(), 0, "the next worker repeated nothing");
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_waits_for_a_database_stops_all_the_same() {
    let stage = Stage::prepared(Recipe::meters(32, (1, 10), (0, 0)).make());
    stage.source.set_away(true);
    stage.coordinator.add([stage.dense("meters")]);
    let running = stage.start();
    stage.coordinator.until("it waits", |state| !state.waited_for().is_empty()).await;
    let asked = Instant::now();
    running.stop().await;
    assert!(asked.elapsed() < Duration::from_secs(2), "{:?}", asked.elapsed());
    let state = stage.coordinator.state();
    assert!(state.left && state.leases.is_empty());
    assert!(state.commits.is_empty(), "nothing was done, so nothing is told");
}

#[tokio::test(start_paused = true)]
async fn a_worker_stops_in_time_when_a_write_hangs_or_nobody_answers() {
    for nobody in [false, true] {
        let stage = Stage::prepared(Recipe::meters(33, (3, 300), (0, 0)).make());
        slow_writes(&stage, Duration::from_secs(2));
        stage.coordinator.add([stage.dense("meters")]);
        let running = stage.start();
        stage.coordinator.until("some rows", some_rows).await;
        match nobody {
            true => stage.coordinator.state().away = true,
            false => slow_writes(&stage, Duration::from_secs(100_000)),
        }
        let asked = Instant::now();
        running.stop().await;
        // two heartbeats for all of it; where nobody answers, two tries to leave and a wait between them
        let leaving = Duration::from_secs(if nobody { 5 } else { 0 });
        assert!(asked.elapsed() <= TWO_BEATS + leaving + MOMENT, "{:?}", asked.elapsed());
        if !nobody {
            assert_eq!(stage.coordinator.state().released.len(), 1, "it is given back in that time");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_worker_stops_in_time_when_its_work_has_ended_and_nobody_takes_that() {
    let stage = Stage::prepared(Recipe::meters(35, (1, 100), (0, 0)).make());
    slow_writes(&stage, Duration::from_secs(2));
    stage.coordinator.add([stage.dense("meters")]);
    let running = stage.start();
    stage.coordinator.until("a commit", |state| !state.commits.is_empty()).await;
    stage.coordinator.state().away = true;
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(stage.sink.counters().rows_written(), 100, "the work has ended");
    let asked = Instant::now();
    running.stop().await;
    assert!(asked.elapsed() <= TWO_BEATS + Duration::from_secs(5) + MOMENT, "{:?}", asked.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_second_signal_ends_it_at_once() {
    let stage = Stage::prepared(Recipe::meters(34, (3, 300), (0, 0)).make());
    slow_writes(&stage, Duration::from_secs(2));
    stage.coordinator.add([stage.dense("meters")]);
    let running = stage.start();
    stage.coordinator.until("some rows", some_rows).await;
    let asked = Instant::now();
    running.stopper.abort();
    running.end().await;
    assert_eq!(asked.elapsed(), Duration::ZERO);
    assert!(!stage.coordinator.state().left);
}
