//! Rows arrive whole, by either way of copying, and a shard that was begun is gone on with.

use std::time::Duration;

use tdferry_common::batch::Value;
use tdferry_common::id::{Epoch, ShardId};
use tdferry_common::offset::Offset;
use tdferry_common::schema::{Column, DataType, Stable};
use tdferry_common::shard::{Checkpoint, Density, ShardKind, ShardState, Totals};
use tdferry_common::testing::{MemDatabase, Recipe, assert_same, column};
use tdferry_common::time::Precision;

use crate::coordinator::{Place, State};
use crate::faults::slow_writes;
use crate::stage::Stage;

/// A create shard and a copy shard for every stable, by turns dense and sparse, and one for the normal tables.
fn everything(stage: &Stage) -> (Vec<Place>, Vec<Place>) {
    let stables: Vec<String> = stage.source.held().stables.into_keys().collect();
    let (mut create, mut copy) = (Vec::new(), Vec::new());
    for (group, stable) in (0_u32..).zip(&stables) {
        let density = if group % 2 == 0 { Density::Dense } else { Density::Sparse };
        create.push(stage.place(stable, group, ShardKind::Create));
        copy.push(stage.place(stable, group, ShardKind::Copy(density)));
    }
    copy.push(stage.place("", 99, ShardKind::Copy(Density::Dense)));
    (create, copy)
}

#[tokio::test(start_paused = true)]
async fn a_database_with_everything_in_it_arrives_cell_by_cell() {
    let stage = Stage::new(Recipe::small(1).make());
    let (create, copy) = everything(&stage);
    stage.finish([stage.schema()]).await;
    stage.finish(create).await;
    stage.finish(copy).await;
    assert_same(&stage.source.held(), &stage.sink.held());
    assert_eq!(stage.sink.counters().rows_written(), stage.row_count(), "nothing was written twice");
    for place in stage.coordinator.state().shards.values() {
        assert_eq!(place.shard.state, ShardState::Done);
        assert_eq!(place.shard.checkpoint.offset, place.shard.end());
    }
}

#[tokio::test(start_paused = true)]
async fn totals_of_a_shard_count_rows_bytes_and_tables() {
    for sparse in [false, true] {
        let stage = Stage::prepared(Recipe::meters(2, (3, 150), (0, 0)).make());
        let place = if sparse { stage.sparse("meters") } else { stage.dense("meters") };
        let id = place.shard.id.clone();
        stage.finish([place]).await;
        let totals = stage.coordinator.shard(&id).checkpoint.totals;
        assert_eq!((totals.read, totals.written, totals.tables, totals.before), (450, 450, 3, Some(0)));
        assert_eq!((totals.source_counted, totals.target_counted), (450, 450));
        assert!(totals.bytes > 450 * 24, "{totals:?}");
    }
}

/// As a lease left it that had copied the first table and 100 rows of the second.
fn half_way(stage: &Stage, mut place: Place) -> Place {
    let held = stage.source.held();
    let mut copied = 0;
    let mut next = 0;
    for (table, rows) in [(0, usize::MAX), (1, 100)] {
        let name = &place.names[table];
        for (ts, row) in held.tables[name].rows.iter().take(rows) {
            stage.sink.change(|sink| sink.put_row(name, row.clone()));
            (copied, next) = (copied + 1, ts + 1);
        }
    }
    let totals = Totals { read: copied, written: copied, tables: 1, before: Some(0), ..Totals::default() };
    let offset = Offset { index: 1, next };
    place.shard.checkpoint = Checkpoint { epoch: Epoch(0), seq: 1, offset, totals, sum: None };
    place
}

#[tokio::test(start_paused = true)]
async fn a_dense_shard_that_was_begun_is_copied_from_its_offset_on() {
    let stage = Stage::prepared(Recipe::meters(3, (3, 150), (0, 0)).make());
    let place = half_way(&stage, stage.dense("meters"));
    stage.finish([place]).await;
    assert_same(&stage.source.held(), &stage.sink.held());
    assert_eq!(stage.sink.counters().rows_written(), 200, "50 of the second table and the third");
}

#[tokio::test(start_paused = true)]
async fn a_sparse_shard_that_was_begun_is_copied_from_its_slice_on() {
    let stage = Stage::prepared(Recipe::meters(4, (4, 10), (0, 0)).make());
    let mut place = stage.sparse("meters");
    // ten rows of each table fill a slice by themselves
    place.shard.estimate.rows = 400_000;
    let names = place.names.clone();
    let held = stage.source.held();
    for name in &names[..2] {
        stage
            .sink
            .change(|sink| held.tables[name].rows.values().for_each(|row| sink.put_row(name, row.clone())));
    }
    let totals = Totals { read: 20, written: 20, tables: 2, before: Some(0), ..Totals::default() };
    let offset = Offset { index: 2, next: 0 };
    place.shard.checkpoint = Checkpoint { epoch: Epoch(0), seq: 1, offset, totals, sum: Some(0) };
    stage.finish([place]).await;
    assert_same(&stage.source.held(), &stage.sink.held());
    assert_eq!(stage.sink.counters().rows_written(), 20);
}

#[tokio::test(start_paused = true)]
async fn rows_the_target_had_before_are_counted_and_do_no_harm() {
    let stage = Stage::prepared(Recipe::meters(5, (2, 50), (0, 0)).make());
    let place = stage.dense("meters");
    let id = place.shard.id.clone();
    let table = place.names[0].clone();
    let mut row = stage.source.held().tables[&table].rows.values().next().unwrap().clone();
    row[0] = tdferry_common::batch::Value::Timestamp(5);
    stage.sink.change(|sink| sink.put_row(&table, row));
    stage.finish([place]).await;
    let totals = stage.coordinator.shard(&id).checkpoint.totals;
    assert_eq!((totals.before, totals.written, totals.target_counted), (Some(1), 100, 101));
    let first = stage.coordinator.state().commits[0].checkpoint.clone().unwrap().totals.unwrap();
    assert_eq!((first.before, first.written), (Some(1), 0), "committed before the first write");
}

#[tokio::test(start_paused = true)]
async fn a_create_shard_goes_on_behind_its_offset() {
    let stage = Stage::prepared(Recipe::meters(6, (0, 0), (30, 0)).make());
    let names = stage.names("sensors");
    stage.sink.change(|sink| {
        names[20..].iter().for_each(|name| {
            sink.tables.remove(name);
        });
    });
    let mut place = stage.place("sensors", 0, ShardKind::Create);
    place.shard.checkpoint.offset.index = 20;
    stage.finish([place]).await;
    assert_same(&stage.source.held(), &stage.sink.held());
    let totals = stage.coordinator.shard(&ShardId::create(tdferry_common::id::GroupId(0))).checkpoint.totals;
    assert_eq!(totals.tables, 10);
}

#[tokio::test(start_paused = true)]
async fn a_worker_never_asks_for_more_leases_than_it_has_free_slots() {
    let stage = Stage::prepared(Recipe::meters(7, (6, 20), (0, 0)).make());
    let places = (0..6).map(|n| {
        let mut place = stage.place("meters", n, ShardKind::Copy(Density::Dense));
        place.shard.range = tdferry_common::shard::Range { from: n, to: n + 1 };
        place.shard.checkpoint.offset.index = n;
        place
    });
    stage.finish(places.collect::<Vec<_>>()).await;
    assert_same(&stage.source.held(), &stage.sink.held());
    let state = stage.coordinator.state();
    // and while it has none it does not ask, or a slot that is free a moment later would wait for the answer
    assert!(state.claims.iter().all(|claim| (1..=2).contains(&claim.slots)));
    assert!(state.heartbeats.iter().all(|beat| beat.held.len() <= 2));
}

#[tokio::test(start_paused = true)]
async fn what_a_lease_opened_that_ended_while_claims_were_asked_for_is_claimed_at_once() {
    let stage = Stage::prepared(Recipe::meters(9, (3, 20), (0, 0)).make());
    let wait = std::time::Duration::from_millis(500);
    stage.coordinator.state().claim_wait = wait;
    stage.coordinator.add([stage.dense("meters")]);
    let running = stage.start();
    stage.coordinator.until_terminal().await;
    // the worker asked for its other slot before, and is still to be told that there was nothing
    let (ended, opened) = (tokio::time::Instant::now(), stage.sparse("meters"));
    stage.coordinator.add([opened]);
    stage.coordinator.until_terminal().await;
    assert!(ended.elapsed() < wait + tdferry_common::timing::Timing::default().claim_poll / 2);
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn the_same_seed_gives_the_same_history() {
    let mut histories = Vec::new();
    for _ in 0..2 {
        let stage = Stage::prepared(Recipe::meters(8, (3, 100), (20, 4)).make());
        let history = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
        for server in [&stage.source, &stage.sink] {
            let history = std::sync::Arc::clone(&history);
            server.on_event(std::sync::Arc::new(move |event| {
                history.lock().unwrap().push(format!("{event:?}"))
            }));
        }
        stage.finish([stage.dense("meters"), stage.sparse("sensors")]).await;
        histories.push(history.lock().unwrap().clone());
    }
    assert_eq!(histories[0], histories[1]);
}

/// A swarm of ten tables with a few rows each, of which one holds far more than a slice should.
fn swarm_with_a_hot_table() -> MemDatabase {
    let mut database = MemDatabase::new("source", Precision::Milli);
    let text = Column { length: 16_000, ..column("text", DataType::Binary) };
    let columns = vec![column("ts", DataType::Timestamp), text];
    database.add_stable(Stable { name: "swarm".into(), columns, tags: vec![column("tag", DataType::Int)] });
    for n in 0..10 {
        let name = format!("s{n}");
        database.add_subtable("swarm", &name, vec![Value::Int(n)]);
        let (rows, length) = if n == 4 { (2_200, 16_000) } else { (3, 10) };
        for row in 0..rows {
            let values = vec![Value::Timestamp(1_600_000_000_000 + row), Value::Binary(vec![b'x'; length])];
            database.put_row(&name, values);
        }
    }
    database
}

#[tokio::test(start_paused = true)]
async fn a_table_that_is_too_much_for_a_slice_is_committed_by_time_and_gone_on_with() {
    let stage = Stage::prepared(swarm_with_a_hot_table());
    slow_writes(&stage, Duration::from_secs(2));
    let place = stage.sparse("swarm");
    let id = place.shard.id.clone();
    stage.coordinator.add([place]);
    let running = stage.start();
    let inside = |state: &State| {
        let offsets = state.commits.iter().filter_map(|commit| commit.checkpoint.as_ref()?.offset);
        offsets.map(|offset| (offset.index, offset.next > 0)).any(|at| at == (4, true))
    };
    stage.coordinator.until("the hot table is committed in the middle", inside).await;
    running.stop().await;
    let offset = stage.coordinator.shard(&id).checkpoint.offset;
    assert!(offset.index == 4 && offset.next > 0, "{offset}");
    let before = stage.source.counters().rows_read;
    let running = stage.start();
    stage.coordinator.until_terminal().await;
    running.stop().await;
    assert_same(&stage.source.held(), &stage.sink.held());
    let shard = stage.coordinator.shard(&id);
    assert_eq!((shard.state, shard.checkpoint.totals.read), (ShardState::Done, stage.row_count()));
    assert_eq!(shard.checkpoint.totals.tables, 10);
    assert!(stage.source.counters().rows_read - before < 2_200, "what was committed is not read again");
}
