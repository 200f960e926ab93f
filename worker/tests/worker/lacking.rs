//! What the source gets while it is followed by a task that alters nothing: the rest goes on, a person is told, and what
//! he adds to the target is filled.

use std::time::Duration;

use tdferry_common::batch::Value;
use tdferry_common::id::ShardId;
use tdferry_common::schema::DataType;
use tdferry_common::shard::ShardState;
use tdferry_common::testing::{MemDatabase, Recipe, column};
use tokio::time::{sleep, timeout};

use crate::changing::{alter, put, text, texts};
use crate::production::Live;
use crate::stage::{Stage, TAIL_GROUP};

const SECOND: Duration = Duration::from_secs(1);
/// Two looks at the structure and two heartbeats.
const TOLD: Duration = Duration::from_secs(20);

fn add_more(database: &mut MemDatabase) {
    alter(database, |columns| columns.push(column("more", DataType::Int)));
}

/// Rows with a value in the new column, a second apart.
async fn produce(live: &Live, rows: i64) {
    for n in 0..rows {
        put(live, "d0", &[text(3), Value::Int(n)]);
        sleep(SECOND).await;
    }
}

fn notices(live: &Live) -> Vec<String> {
    live.stage.coordinator.state().notices()
}

async fn until_told_nothing(live: &Live) {
    let quiet = async {
        while !notices(live).is_empty() {
            sleep(SECOND).await;
        }
    };
    assert!(timeout(10 * TOLD, quiet).await.is_ok(), "{:?}", notices(live));
}

fn rows(live: &Live, table: &str) -> usize {
    live.stage.sink.held().tables[table].rows.len()
}

#[tokio::test(start_paused = true)]
async fn a_column_that_the_target_lacks_is_told_and_filled_once_a_person_adds_it() {
    let live = Live::new(texts(), &[("schema", "none"), ("audit-window", "off")]).await;
    live.stage.source.change(add_more);
    produce(&live, 40).await;
    sleep(TOLD).await;
    assert_eq!(rows(&live, "d0"), 41, "the columns that both have go on");
    assert!(!live.differences().is_empty());
    let told = notices(&live);
    assert!(told.len() == 1 && told[0].contains("`meters` lacks the column `more` INT"), "{told:?}");
    live.stage.sink.change(add_more);
    live.until_same().await;
    until_told_nothing(&live).await;
    let again = live.stage.sink.counters().rows_again();
    assert!((40..=60).contains(&again), "{again} rows were written again");
    produce(&live, 5).await;
    live.until_same().await;
    live.stop().await;
}

#[tokio::test(start_paused = true)]
async fn whoever_follows_next_tells_it_as_well_and_fills_what_the_one_before_left_out() {
    let live = Live::new(texts(), &[("schema", "none")]).await;
    live.stage.source.change(add_more);
    produce(&live, 30).await;
    live.stage.coordinator.end_session();
    produce(&live, 90).await;
    assert_eq!(notices(&live).len(), 1);
    live.stage.sink.change(add_more);
    live.until_same().await;
    until_told_nothing(&live).await;
    live.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_the_operator_said_of_missing_columns_is_done() {
    let cases = [
        ("none", "fail", Err("lacks the column `more`")),
        ("always", "fail", Err("lacks the column `more`")),
        ("none", "null", Ok(false)),
        ("always", "null", Ok(false)),
        ("none", "widen", Ok(true)),
        ("always", "widen", Ok(true)),
    ];
    for (schema, said, becomes) in cases {
        let options = [("schema", schema), ("on-missing-column", said), ("audit-window", "off")];
        let live = Live::new(texts(), &options).await;
        live.stage.source.change(add_more);
        produce(&live, 30).await;
        sleep(TOLD).await;
        assert!(notices(&live).is_empty(), "{schema} {said}: nobody need be told");
        let tail = ShardId::tail(TAIL_GROUP);
        match becomes {
            Err(why) => {
                let reason = live.stage.coordinator.failure(&tail);
                assert!(reason.contains(why), "{schema} {said}: {reason}");
                live.running.stop().await;
            }
            Ok(is_added) => {
                assert_eq!(live.stage.coordinator.shard(&tail).state, ShardState::Open, "{schema} {said}");
                assert_eq!(
                    (rows(&live, "d0"), live.differences().is_empty()),
                    (31, is_added),
                    "{schema} {said}"
                );
                live.stop().await;
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_tag_that_the_target_lacks_stops_no_rows() {
    let options = [("schema", "none"), ("update-tags", "on"), ("audit-window", "off")];
    let live = Live::new(texts(), &options).await;
    live.stage.source.change(|source| {
        source.stables.get_mut("meters").unwrap().tags.push(column("place", DataType::Int));
        source.tables.values_mut().for_each(|table| table.tags.push(Value::Int(4)));
    });
    sleep(TOLD).await;
    put(&live, "d1", &[text(2)]);
    sleep(TOLD).await;
    assert_eq!(rows(&live, "d1"), 2);
    assert!(notices(&live)[0].contains("lacks the tag `place`"), "{:?}", notices(&live));
    live.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_text_that_became_longer_than_the_targets_stops_no_shorter_ones() {
    let live = Live::new(texts(), &[("schema", "none"), ("audit-window", "off")]).await;
    live.stage.source.change(|source| alter(source, |columns| columns[1].length = 200));
    sleep(TOLD).await;
    for length in [20, 150, 19] {
        put(&live, "d1", &[text(length)]);
        sleep(SECOND).await;
    }
    live.until_committed().await;
    assert_eq!((rows(&live, "d1"), live.totals().rejected), (3, 1));
    assert!(notices(&live)[0].contains("as BINARY(20) at the target"), "{:?}", notices(&live));
    live.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_column_that_the_targets_normal_table_lacks_is_told_and_filled() {
    let recipe = Recipe { normal: (2, 10), ..Recipe::meters(3, (0, 0), (0, 0)) };
    let options = [("mode", "both"), ("schema", "none"), ("audit-window", "off")];
    let stage = Stage::with_options(recipe.make(), &options);
    stage.prepare();
    let live = Live::over(stage, "").await;
    let widen = |database: &mut MemDatabase| {
        let table = database.tables.get_mut("n000").unwrap();
        table.columns = [&table.columns[..], &[column("more", DataType::Int)]].concat().into();
        let width = table.columns.len();
        table.rows.values_mut().for_each(|row| row.resize(width, Value::Null));
    };
    live.stage.source.change(widen);
    for n in 0..30 {
        let ts = Value::Timestamp(live.now());
        live.stage.source.change(|source| {
            let old = source.tables["n000"].rows.values().next().unwrap().clone();
            let row = [&[ts], &old[1..old.len() - 1], &[Value::Int(n)]].concat();
            source.put_row("n000", row);
        });
        sleep(SECOND).await;
    }
    sleep(TOLD).await;
    assert_eq!(rows(&live, "n000"), 40);
    assert!(notices(&live)[0].contains("`n000` lacks the column `more`"), "{:?}", notices(&live));
    live.stage.sink.change(widen);
    live.until_same().await;
    until_told_nothing(&live).await;
    live.stop().await;
}
