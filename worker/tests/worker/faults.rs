//! Databases that go away, break streams, lose answers and refuse writes: waited out, never taken for the end.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tdferry_common::port::Side;
use tdferry_common::shard::{Density, ShardKind, ShardState};
use tdferry_common::testing::{Call, Event, Fault, FaultPlan, Recipe, assert_same};
use tdferry_proto::v1::waiting::For;
use tokio::time::{Instant, sleep};

use crate::coordinator::Place;
use crate::stage::Stage;

fn meters(seed: u64) -> Stage {
    Stage::prepared(Recipe::meters(seed, (3, 300), (60, 6)).make())
}

fn both_ways(stage: &Stage) -> [Place; 2] {
    [stage.dense("meters"), stage.sparse("sensors")]
}

/// Slows every write, so that a test can act in the middle.
pub(crate) fn slow_writes(stage: &Stage, delay: Duration) {
    let plan = FaultPlan { delay, ..FaultPlan::new(1, u32::MAX, 1_000) };
    stage.sink.set_faults(Some(plan.only(&[Fault::Delay]).within(&[Call::Write, Call::WriteMany])));
}

#[tokio::test(start_paused = true)]
async fn a_database_that_is_away_is_waited_for_and_said_to_be() {
    for (side, expected) in [(Side::Source, For::Source), (Side::Sink, For::Sink)] {
        let stage = meters(11);
        slow_writes(&stage, Duration::from_secs(2));
        stage.coordinator.add(both_ways(&stage));
        let running = stage.start();
        let wrote = |state: &crate::coordinator::State| {
            state.commits.iter().any(|commit| commit.checkpoint.as_ref().unwrap().totals.unwrap().written > 0)
        };
        stage.coordinator.until("something is written", wrote).await;
        let server = if side == Side::Source { &stage.source } else { &stage.sink };
        server.set_away(true);
        let waits = |state: &crate::coordinator::State| state.waited_for().contains(&expected.into());
        stage.coordinator.until("the outage is said", waits).await;
        sleep(Duration::from_secs(600)).await;
        assert!(stage.coordinator.state().shards.values().any(|place| !place.shard.is_terminal()));
        let told = stage.coordinator.state().heartbeats.last().unwrap().waiting.clone();
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0].message.contains("not reachable"), "{told:?}");
        server.set_away(false);
        if side == Side::Sink {
            stage.sink.set_faults(None);
        }
        stage.coordinator.until_terminal().await;
        let beats = stage.coordinator.state().heartbeats.len();
        stage.coordinator.until("another beat", |state| state.heartbeats.len() > beats).await;
        assert!(stage.coordinator.state().heartbeats.last().unwrap().waiting.is_empty());
        running.stop().await;
        assert_same(&stage.source.held(), &stage.sink.held());
        let ended =
            stage.coordinator.state().commits.iter().filter(|commit| commit.outcome().is_some()).count();
        assert_eq!(ended, 2, "the outage ended no attempt");
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_breaks_loses_nothing_and_repeats_little() {
    let mut cuts_fired = 0;
    for seed in 0..10 {
        let stage = meters(seed);
        let cuts = FaultPlan::new(seed, 6, 500).only(&[Fault::Cut]).within(&[Call::Read, Call::ReadMany]);
        stage.source.set_faults(Some(cuts));
        stage.finish(both_ways(&stage)).await;
        assert_same(&stage.source.held(), &stage.sink.held());
        cuts_fired += stage.source.fired().get(&Fault::Cut).copied().unwrap_or(0);
        let written = stage.sink.counters().written;
        let dense: u64 =
            written.iter().filter(|(name, _)| name.starts_with('d')).map(|(_, rows)| rows.again).sum();
        assert_eq!(dense, 0, "a dense stream is opened behind the last row that arrived");
        let recounts = stage.source.counters().calls(Call::CountEach);
        assert_eq!(recounts, 0, "what was read twice is counted once: the counts agreed at once");
    }
    assert!(cuts_fired > 10, "{cuts_fired}");
}

#[tokio::test(start_paused = true)]
async fn any_mixture_of_faults_ends_with_every_cell_in_its_place() {
    let mut fired = 0;
    for seed in 0..10 {
        let stage = Stage::new(Recipe::small(seed).make());
        stage.source.set_faults(Some(FaultPlan::new(seed, 40, 150)));
        stage.sink.set_faults(Some(FaultPlan::new(seed + 1_000, 40, 150)));
        stage.finish([stage.schema()]).await;
        let stables: Vec<String> = stage.source.held().stables.into_keys().collect();
        let groups = || (0_u32..).zip(&stables);
        stage.finish(groups().map(|(group, stable)| stage.place(stable, group, ShardKind::Create))).await;
        let density = |group| if group % 2 == 0 { Density::Dense } else { Density::Sparse };
        let copies =
            groups().map(|(group, stable)| stage.place(stable, group, ShardKind::Copy(density(group))));
        stage.finish(copies.chain([stage.place("", 99, ShardKind::Copy(Density::Dense))])).await;
        {
            let state = stage.coordinator.state();
            let shards: Vec<_> = state.shards.values().map(|place| &place.shard).collect();
            assert!(shards.iter().all(|shard| shard.state == ShardState::Done), "seed {seed}: {shards:#?}");
        }
        assert_same(&stage.source.held(), &stage.sink.held());
        fired += stage.source.fired().values().chain(stage.sink.fired().values()).sum::<u64>();
    }
    assert!(fired > 200, "{fired}");
}

#[tokio::test(start_paused = true)]
async fn a_write_that_is_too_large_is_halved_until_it_fits() {
    let stage = meters(12);
    stage.sink.limit(|limits| limits.write_bytes = 400);
    stage.finish(both_ways(&stage)).await;
    assert_same(&stage.source.held(), &stage.sink.held());
}

#[tokio::test(start_paused = true)]
async fn no_write_starts_when_the_session_may_be_over_before_it_is() {
    let stage = Stage::prepared(Recipe::meters(13, (3, 3_000), (0, 0)).make());
    slow_writes(&stage, Duration::from_secs(1));
    let writes = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&writes);
    stage.sink.on_event(Arc::new(move |event| {
        if matches!(event, Event::Wrote { .. }) {
            log.lock().unwrap().push(Instant::now());
        }
    }));
    stage.coordinator.add([stage.dense("meters")]);
    let running = stage.start();
    stage.coordinator.until("a commit", |state| state.commits.len() > 3).await;
    stage.coordinator.state().away = true;
    let away = Instant::now();
    sleep(Duration::from_secs(300)).await;
    // 30 s of session less 10 s of a write and 1 s of margin, from the last beat; a write takes a second here
    let last = writes.lock().unwrap().last().copied().unwrap();
    assert!(last <= away + Duration::from_secs(20), "{:?}", last - away);
    assert!(last >= away + Duration::from_secs(10), "work goes on for a while: {:?}", last - away);
    let quiet = writes.lock().unwrap().len();
    stage.coordinator.state().away = false;
    stage.coordinator.until_terminal().await;
    assert!(writes.lock().unwrap().len() > quiet);
    running.stop().await;
    assert_same(&stage.source.held(), &stage.sink.held());
}

#[tokio::test(start_paused = true)]
async fn a_subtable_dropped_at_the_target_is_named() {
    for sparse in [false, true] {
        let stage = meters(14);
        let place = if sparse { stage.sparse("meters") } else { stage.dense("meters") };
        let id = place.shard.id.clone();
        stage.sink.change(|sink| sink.tables.remove("d0001"));
        stage.finish([place]).await;
        let failure = stage.coordinator.failure(&id);
        assert!(failure.contains("`d0001`") && !failure.contains("`d0000`"), "{failure}");
        assert!(failure.contains("retry"), "{failure}");
    }
}
