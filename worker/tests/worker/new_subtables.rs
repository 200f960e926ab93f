//! Subtables that come while their stable is followed: created, then added to the plan with all that they hold.

use std::ops::Range;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tdferry_common::batch::Value;
use tdferry_common::id::GroupId;
use tdferry_common::shard::ShardKind;
use tdferry_common::testing::{Call, Event};
use tokio::time::sleep;

use crate::coordinator::State;
use crate::production::{Live, meters};
use crate::stage::{NOW_MILLIS, Stage};

const SECOND: Duration = Duration::from_secs(1);
const MILLI: Duration = Duration::from_millis(1);

/// What copies what new subtables held before.
fn grown(state: &State) -> usize {
    let copies = state.shards.values().filter(|place| matches!(place.shard.kind, ShardKind::Copy(_)));
    copies.count() - 1
}

/// Rows of so many steps ago.
fn backfill(live: &Live, table: &str, step: Duration, ages: Range<u32>) {
    for age in ages {
        live.write(table, step * age);
    }
}

#[tokio::test(start_paused = true)]
async fn one_that_is_written_to_and_one_that_is_not_are_created_and_copied_whole() {
    for writes_on in [true, false] {
        let live = Live::new(meters(31), &[("audit-window", "off")]).await;
        let created = Arc::new(Mutex::new(Vec::new()));
        let (sees, coordinator) = (Arc::clone(&created), live.stage.coordinator.clone());
        live.stage.sink.on_event(Arc::new(move |event| {
            if matches!(event, Event::Called { call: Call::CreateSubtables, .. }) {
                sees.lock().unwrap().push(coordinator.state().grows.len());
            }
        }));
        live.add_meter("new");
        backfill(&live, "new", SECOND, 1..50);
        if writes_on {
            live.write("new", Duration::ZERO);
        }
        live.until_same().await;
        {
            let state = live.stage.coordinator.state();
            assert_eq!(state.grows.len(), 1);
            assert_eq!(
                (state.grows[0].names.clone(), state.grows[0].from),
                (vec!["new".to_owned()], i64::MIN)
            );
            assert_eq!(grown(&state), 1);
        }
        assert_eq!(*created.lock().unwrap(), [0], "it was created before the plan grew");
        live.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn where_lists_of_names_are_followed_each_row_is_read_by_one_tail_and_what_is_new_gets_one_of_its_own()
{
    let stage = Stage::with_options(meters(39), &[("mode", "both"), ("tail-by", "names")]);
    stage.prepare();
    let listed = |group, names| stage.listed_tail("meters", GroupId(group), names);
    let tails = [stage.tail("meters"), listed(5, 0..2), listed(6, 2..3)];
    stage.coordinator.add(tails.into_iter().chain([stage.dense("meters")]));
    let live = Live { running: stage.start(), stage };
    live.until_same().await;
    let before = live.stage.source.counters().rows_read;
    for n in 0..60 {
        live.write(&format!("d{:04}", n % 3), Duration::ZERO);
        sleep(SECOND).await;
    }
    live.until_same().await;
    assert_eq!(live.stage.source.counters().rows_read - before, 60, "each row is read once");

    live.write("d0002", 300 * SECOND);
    live.until_same().await;
    live.add_meter("new");
    backfill(&live, "new", SECOND, 1..50);
    live.until_same().await;
    assert_eq!(live.stage.coordinator.state().grows.len(), 1);
    // and is followed on
    live.write("new", Duration::ZERO);
    live.write("new", 90 * SECOND + Duration::from_millis(1));
    live.until_same().await;
    live.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_one_holds_from_before_it_was_met_arrives_at_whatever_moment_it_comes() {
    let live = Live::new(meters(32), &[("audit-window", "off")]).await;
    for n in 0..12_u32 {
        // silence, so that the watermark runs ahead of what is committed
        sleep(SECOND * 21 + MILLI * 437 * n).await;
        let name = format!("backfilled{n}");
        live.add_meter(&name);
        backfill(&live, &name, MILLI * 100, 0..200);
        live.until_same().await;
    }
    live.stop().await;
}

#[tokio::test(start_paused = true)]
async fn without_a_history_one_is_copied_from_where_following_began() {
    let stage = Stage::with_options(meters(33), &[("mode", "realtime")]);
    stage.prepare();
    stage.coordinator.add([stage.tail("meters")]);
    let running = stage.start();
    let live = Live { stage, running };
    sleep(30 * SECOND).await;
    live.add_meter("new");
    live.write("new", 31 * SECOND);
    backfill(&live, "new", SECOND, 1..30);
    sleep(120 * SECOND).await;
    let rows = live.stage.sink.held().tables["new"].rows.len();
    assert_eq!(rows, 29, "and none from before");
    assert_eq!(live.stage.coordinator.state().grows[0].from, NOW_MILLIS);
    live.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_growth_whose_answer_is_lost_is_done_once() {
    let live = Live::new(meters(34), &[]).await;
    live.stage.coordinator.state().lose_grows = 3;
    live.add_meter("new");
    backfill(&live, "new", SECOND, 0..30);
    live.until_same().await;
    {
        let state = live.stage.coordinator.state();
        assert_eq!((state.grows.len(), grown(&state)), (4, 1));
        assert!(state.grows.iter().all(|grow| *grow == state.grows[0]), "the same was asked for again");
    }
    live.stop().await;
}

#[tokio::test(start_paused = true)]
async fn one_that_was_created_and_not_added_is_met_again_by_whoever_follows_next() {
    let live = Live::new(meters(35), &[("audit-window", "off")]).await;
    live.stage.coordinator.state().fence_grow = true;
    live.add_meter("new");
    backfill(&live, "new", SECOND, 0..30);
    live.stage.coordinator.until("a growth is fenced", |state| !state.grows.is_empty()).await;
    assert!(live.stage.sink.held().tables.contains_key("new"));
    live.until_same().await;
    {
        let state = live.stage.coordinator.state();
        assert_eq!((state.grows.len(), grown(&state)), (2, 1));
        assert_ne!(state.grows[0].key, state.grows[1].key);
    }
    live.stop().await;
}

#[tokio::test(start_paused = true)]
async fn whoever_follows_next_knows_those_that_were_added() {
    let live = Live::new(meters(36), &[]).await;
    for n in 0..5 {
        let name = format!("new{n}");
        live.add_meter(&name);
        live.write(&name, Duration::ZERO);
        live.until_same().await;
    }
    let grows = live.stage.coordinator.state().grows.len();
    live.stage.coordinator.end_session();
    live.until_committed().await;
    for n in 0..5 {
        live.write(&format!("new{n}"), Duration::ZERO);
    }
    live.until_same().await;
    assert_eq!(live.stage.coordinator.state().grows.len(), grows, "none is met twice");
    live.stop().await;
}

#[tokio::test(start_paused = true)]
async fn many_that_come_at_once_are_added_together() {
    let live = Live::new(meters(37), &[]).await;
    for n in 0..3_000 {
        live.add_meter(&format!("new{n}"));
    }
    live.write("new7", SECOND);
    live.until_same().await;
    {
        let state = live.stage.coordinator.state();
        assert!(state.grows.len() <= 2, "{} growths", state.grows.len());
        let names: std::collections::BTreeSet<&String> =
            state.grows.iter().flat_map(|grow| &grow.names).collect();
        assert_eq!(names.len(), 3_000);
    }
    live.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_the_task_leaves_out_is_neither_created_nor_copied() {
    let stage = Stage::with_options(meters(38), &[("mode", "both"), ("tables", "d0000,d0001,d0002,wanted")]);
    stage.prepare();
    let live = Live::over(stage, "meters").await;
    for name in ["wanted", "unwanted"] {
        live.add_meter(name);
        live.write(name, SECOND);
    }
    sleep(200 * SECOND).await;
    let held = live.stage.sink.held();
    assert_eq!(held.tables["wanted"].rows.len(), 1);
    assert!(!held.tables.contains_key("unwanted"));
    live.stop().await;
}

#[tokio::test(start_paused = true)]
async fn where_nothing_is_created_one_that_the_target_lacks_is_awaited_and_then_copied_whole() {
    let live = Live::new(meters(39), &[("schema", "none"), ("audit-window", "off")]).await;
    live.add_meter("new");
    for _ in 0..60 {
        live.write("new", Duration::ZERO);
        live.write("d0000", Duration::ZERO);
        sleep(SECOND).await;
    }
    sleep(5 * SECOND).await;
    assert!(live.stage.coordinator.state().grows.is_empty());
    let rows = |name: &str| live.stage.sink.held().tables.get(name).map(|table| table.rows.len());
    assert_eq!((rows("new"), rows("d0000")), (None, Some(80)), "the others go on");
    let told = live.stage.coordinator.state().notices();
    assert!(told.len() == 1 && told[0].contains("`new`"), "{told:?}");
    let tags = vec![Value::Int(4), Value::Binary(b"here".to_vec())];
    live.stage.sink.change(|sink| sink.add_subtable("meters", "new", tags));
    live.until_same().await;
    assert_eq!(rows("new"), Some(60));
    sleep(10 * SECOND).await;
    assert!(live.stage.coordinator.state().notices().is_empty(), "nothing is awaited any more");
    live.stop().await;
}

#[tokio::test(start_paused = true)]
async fn names_are_listed_where_their_number_changed_and_else_once_a_minute() {
    let live = Live::new(meters(40), &[("audit-window", "off")]).await;
    sleep(60 * SECOND).await;
    let asked = || {
        let source = live.stage.source.counters();
        (source.calls(Call::Census), source.calls(Call::Subtables))
    };
    let before = asked();
    sleep(600 * SECOND).await;
    let (counted, listed) = (asked().0 - before.0, asked().1 - before.1);
    assert!((115..=121).contains(&counted), "{counted} counts: one at each look");
    assert!((9..=11).contains(&listed), "{listed} listings: one at each twelfth look");
    for n in 0..3 {
        // at once after a listing, so that the next is not due by itself
        let listings = asked().1;
        while asked().1 == listings {
            sleep(SECOND).await;
        }
        let listings = asked().1;
        live.add_meter(&format!("new{n}"));
        sleep(30 * SECOND).await;
        assert_eq!(asked().1 - listings, 1, "one more for the one that came");
        assert!(live.stage.sink.held().tables.contains_key(&format!("new{n}")));
    }
    live.stop().await;
}
