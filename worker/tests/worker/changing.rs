//! A source whose structure changes while it is followed: what is added is followed, what is dropped stops nobody.

use std::time::Duration;

use tdferry_common::batch::Value;
use tdferry_common::id::{GroupId, ShardId};
use tdferry_common::schema::{Column, DataType, Stable};
use tdferry_common::shard::{Density, Estimate, Range, ShardKind, ShardState};
use tdferry_common::testing::{MemDatabase, column};
use tdferry_common::time::Precision;
use tokio::time::sleep;

use crate::production::Live;
use crate::stage::{NOW_MILLIS, Stage};

const SECOND: Duration = Duration::from_secs(1);

/// Two subtables with a text of at most 20 bytes.
pub(crate) fn texts() -> MemDatabase {
    let mut database = MemDatabase::new("source", Precision::Milli);
    let columns = vec![column("ts", DataType::Timestamp), column("text", DataType::Binary)];
    database.add_stable(Stable { name: "meters".into(), columns, tags: vec![column("tag", DataType::Int)] });
    for n in 0..2 {
        let name = format!("d{n}");
        database.add_subtable("meters", &name, vec![Value::Int(n)]);
        database
            .put_row(&name, vec![Value::Timestamp(1_600_000_000_000 + n), Value::Binary(b"old".to_vec())]);
    }
    database
}

/// Production alters the stable: its columns, with what old rows have in new ones.
pub(crate) fn alter(source: &mut MemDatabase, change: impl Fn(&mut Vec<Column>)) {
    let stable = source.stables.get_mut("meters").unwrap();
    change(&mut stable.columns);
    let columns = stable.columns.clone();
    for table in source.tables.values_mut() {
        table.columns = columns.clone().into();
        table.rows.values_mut().for_each(|row| row.resize(columns.len(), Value::Null));
    }
}

pub(crate) fn put(live: &Live, table: &str, cells: &[Value]) {
    let row = [&[Value::Timestamp(live.now())], cells].concat();
    live.stage.source.change(|source| source.put_row(table, row));
}

pub(crate) fn text(length: usize) -> Value {
    Value::Binary(vec![b'x'; length])
}

#[tokio::test(start_paused = true)]
async fn rows_written_as_soon_as_a_column_is_added_have_it_in_the_target() {
    for millis in [0, 700, 1_900, 3_100, 4_999] {
        let live = Live::new(texts(), &[("audit-window", "off")]).await;
        sleep(20 * SECOND + Duration::from_millis(millis)).await;
        live.stage.source.change(|source| {
            alter(source, |columns| columns.push(column("more", DataType::Int)));
        });
        for n in 0..10 {
            put(&live, "d0", &[text(3), Value::Int(n)]);
            sleep(SECOND).await;
        }
        live.until_same().await;
        live.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_late_row_has_the_new_column_whenever_it_is_found() {
    // counts are taken once a minute: in some cases between the change and the look that finds it, since looks keep
    // another time
    for seconds in (0..60).step_by(2) {
        let live = Live::new(texts(), &[("audit-window", "10m"), ("schema-polling-interval", "7s")]).await;
        sleep((120 + seconds) * SECOND).await;
        live.stage.source.change(|source| {
            alter(source, |columns| columns.push(column("more", DataType::Int)));
        });
        let ago = live.now() - 60_000;
        let row = vec![Value::Timestamp(ago), text(3), Value::Int(7)];
        live.stage.source.change(|source| source.put_row("d0", row));
        live.until_same().await;
        live.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_normal_table_that_is_newer_than_what_is_known_is_copied_and_followed_from_the_first() {
    let columns = texts().stables["meters"].columns.clone();
    let mut database = MemDatabase::new("source", Precision::Milli);
    database.add_normal_table("old", columns.clone());
    let stage = Stage::with_options(database, &[("mode", "both"), ("audit-window", "off")]);
    stage.prepare();
    let live = Live::over(stage, "").await;
    sleep(120 * SECOND).await;
    let followed = vec![Value::Timestamp(live.now() - 60_000), text(3)];
    for server in [&live.stage.source, &live.stage.sink] {
        server.change(|held| held.add_normal_table("new", columns.clone()));
    }
    live.stage.source.change(|source| source.put_row("new", followed));
    let (group, range) = (GroupId(98), Range { from: 0, to: 1 });
    let [mut tail, mut copy] = [live.stage.tail(""), live.stage.dense("")].map(|mut place| {
        place.names = vec!["new".to_owned()];
        (place.shard.group, place.shard.range) = (Some(group), range);
        place
    });
    (tail.shard.id, copy.shard.id) = (ShardId::tail(group), ShardId::copy(group, 0));
    live.stage.coordinator.add([tail, copy]);
    live.until_same().await;
    live.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_is_new_is_taken_up_though_another_stable_waits_for_its_new_column() {
    let stage = Stage::with_options(texts(), &[("mode", "both")]);
    stage.prepare();
    stage.source.change(|source| {
        alter(source, |columns| columns.push(column("more", DataType::Int)));
        let columns = source.stables["meters"].columns.clone();
        source.add_normal_table("new", columns);
    });
    stage.coordinator.add([stage.database_tail()]);
    let running = stage.start();
    let taken_up = |grow: &tdferry_proto::v1::GrowRequest| grow.names == ["new"];
    stage.coordinator.until("it is taken up", |state| state.grows.iter().any(taken_up)).await;
    running.stop().await;
    assert!(stage.sink.held().tables.contains_key("new"));
}

#[tokio::test(start_paused = true)]
async fn a_tail_that_hears_of_its_mark_when_it_has_passed_it_ends() {
    let stage = Stage::with_options(texts(), &[("mode", "both")]);
    stage.prepare();
    let tails = [stage.tail("meters"), stage.database_tail()].map(|mut place| {
        place.shard.checkpoint.offset.next = NOW_MILLIS + 9_000;
        place.shard.period.to = NOW_MILLIS + 5_000;
        place
    });
    let ids = tails.clone().map(|place| place.shard.id);
    stage.coordinator.add(tails);
    let running = stage.start();
    stage.coordinator.until_terminal().await;
    running.stop().await;
    for id in ids {
        assert_eq!(stage.coordinator.shard(&id).state, ShardState::Done, "{id}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_column_that_became_longer_takes_longer_values() {
    for millis in [0, 1_300, 4_900] {
        let live = Live::new(texts(), &[("audit-window", "off")]).await;
        sleep(20 * SECOND + Duration::from_millis(millis)).await;
        live.stage.source.change(|source| alter(source, |columns| columns[1].length = 200));
        for _ in 0..10 {
            put(&live, "d1", &[text(150)]);
            sleep(SECOND).await;
        }
        live.until_same().await;
        live.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_tag_that_is_added_is_added_to_the_target_and_new_subtables_have_it() {
    let live = Live::new(texts(), &[]).await;
    live.stage.source.change(|source| {
        source.stables.get_mut("meters").unwrap().tags.push(column("place", DataType::Int));
        source.tables.values_mut().for_each(|table| table.tags.push(Value::Null));
    });
    sleep(30 * SECOND).await;
    live.stage
        .source
        .change(|source| source.add_subtable("meters", "d2", vec![Value::Int(2), Value::Int(9)]));
    put(&live, "d2", &[text(1)]);
    live.until_same().await;
    live.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_subtable_of_a_stable_with_a_new_tag_that_comes_at_once_is_created_whole() {
    let live = Live::new(texts(), &[]).await;
    live.stage.source.change(|source| {
        source.stables.get_mut("meters").unwrap().tags.push(column("place", DataType::Int));
        source.tables.values_mut().for_each(|table| table.tags.push(Value::Null));
        source.add_subtable("meters", "d2", vec![Value::Int(2), Value::Int(9)]);
    });
    put(&live, "d2", &[text(1)]);
    live.until_same().await;
    live.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_changed_while_nobody_followed_is_followed_by_whoever_comes_next() {
    let live = Live::new(texts(), &[("audit-window", "off")]).await;
    live.stage.coordinator.state().paused = true;
    live.stage.coordinator.end_session();
    sleep(30 * SECOND).await;
    live.stage.source.change(|source| {
        alter(source, |columns| {
            columns[1].length = 200;
            columns.push(column("more", DataType::Int));
        });
    });
    put(&live, "d0", &[text(150), Value::Int(5)]);
    live.stage.coordinator.state().paused = false;
    live.until_same().await;
    live.stop().await;
}

/// The history of texts is copied, and half a minute ago.
async fn copied_and_not_followed() -> Live {
    // looks are so far apart that what the copy knew of the structure still counts
    let options = [("mode", "both"), ("audit-window", "off"), ("schema-polling-interval", "1h")];
    let stage = Stage::with_options(texts(), &options);
    stage.prepare();
    stage.coordinator.add([stage.dense("meters")]);
    let live = Live { running: stage.start(), stage };
    live.until_same().await;
    sleep(10 * SECOND).await;
    live.stage.source.change(|source| alter(source, |columns| columns.push(column("more", DataType::Int))));
    live
}

#[tokio::test(start_paused = true)]
async fn whoever_begins_to_follow_reads_by_the_columns_of_now_not_by_those_it_copied() {
    let live = copied_and_not_followed().await;
    put(&live, "d0", &[text(3), Value::Int(5)]);
    sleep(20 * SECOND).await;
    live.stage.coordinator.add([live.stage.tail("meters")]);
    live.until_same().await;
    live.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_a_new_subtable_holds_is_copied_by_columns_as_young_as_it_is_whoever_copies_it() {
    let live = copied_and_not_followed().await;
    let new = |database: &mut MemDatabase| database.add_subtable("meters", "d2", vec![Value::Int(2)]);
    live.stage.source.change(new);
    live.stage.sink.change(new);
    put(&live, "d2", &[text(3), Value::Int(5)]);
    sleep(SECOND).await;
    // another worker follows, and had it added
    let mut found = live.stage.place("meters", 1, ShardKind::Copy(Density::Sparse));
    found.names = vec!["d2".into()];
    (found.shard.range.to, found.shard.period.to) = (1, live.now());
    found.shard.estimate = Estimate::default();
    live.stage.coordinator.add([found]);
    live.until_same().await;
    live.stop().await;
}

#[tokio::test(start_paused = true)]
async fn rows_that_come_late_have_what_came_in_columns_that_were_just_added() {
    let live = Live::new(texts(), &[("schema-polling-interval", "7s")]).await;
    // as long as from one count to the next, so that one falls between a column and the look that finds it; each row is
    // alone in its bucket, which is read once
    for n in 0..30 {
        live.stage.source.change(|source| {
            alter(source, |columns| columns.push(column(&format!("more{n}"), DataType::Int)));
            let mut row = vec![Value::Timestamp(live.now() - 200_000 - 22_000 * n), text(3)];
            row.extend((0..=n).map(Value::Int));
            source.put_row("d0", row);
        });
        sleep(2 * SECOND).await;
    }
    live.until_same().await;
    live.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_structure_that_stays_is_not_read_by_again() {
    let stage = Stage::with_options(
        texts(),
        &[("mode", "both"), ("schema", "none"), ("on-missing-column", "null"), ("audit-window", "off")],
    );
    stage.prepare();
    // the target was made without it, and the task leaves it out
    stage.source.change(|source| alter(source, |columns| columns.push(column("more", DataType::Int))));
    stage.coordinator.add([stage.dense("meters"), stage.tail("meters")]);
    let live = Live { running: stage.start(), stage };
    sleep(60 * SECOND).await;
    for n in 0..120 {
        put(&live, "d0", &[text(1), Value::Int(n)]);
        sleep(SECOND).await;
    }
    sleep(30 * SECOND).await;
    assert_eq!(live.stage.sink.held().tables["d0"].rows.len(), 121);
    assert_eq!(live.stage.sink.counters().rows_again(), 0, "rows were read again for no change");
    live.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_dropped_subtable_stops_nobody_and_one_of_its_name_is_followed_again() {
    let live = Live::new(texts(), &[]).await;
    put(&live, "d1", &[text(2)]);
    live.until_same().await;
    live.stage.source.change(|source| source.tables.remove("d1"));
    for _ in 0..200 {
        put(&live, "d0", &[text(1)]);
        sleep(SECOND).await;
    }
    live.until_committed().await;
    let held = live.stage.sink.held();
    assert_eq!((held.tables["d0"].rows.len(), held.tables["d1"].rows.len()), (201, 2));
    live.stage.source.change(|source| source.add_subtable("meters", "d1", vec![Value::Int(1)]));
    put(&live, "d1", &[text(4)]);
    live.until_committed().await;
    live.until_committed().await;
    assert_eq!(live.stage.sink.held().tables["d1"].rows.len(), 3);
    live.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_dropped_stable_is_waited_for_and_followed_when_it_is_back() {
    for lost in [false, true] {
        let live = Live::new(texts(), &[]).await;
        let before = live.stage.source.held();
        live.stage.source.change(|source| {
            source.stables.clear();
            source.tables.clear();
        });
        sleep(200 * SECOND).await;
        if lost {
            // whoever follows next finds no stable from the first
            live.stage.coordinator.end_session();
            sleep(200 * SECOND).await;
        }
        assert_eq!(live.stage.sink.held().row_count(), 2, "what was copied stays");
        live.stage.source.change(|source| *source = before);
        for _ in 0..5 {
            put(&live, "d0", &[text(2)]);
            sleep(SECOND).await;
        }
        live.until_same().await;
        live.stop().await;
    }
}
