//! What becomes of tables that the target cannot have under their names, and of columns that it lacks, by the task's options.

use std::sync::Arc;

use tdferry_common::batch::Value;
use tdferry_common::id::ShardId;
use tdferry_common::port::RefusedRow;
use tdferry_common::schema::DataType;
use tdferry_common::shard::{Density, ShardKind, ShardState};
use tdferry_common::testing::{MemDatabase, Recipe, assert_same, column};

use crate::rejecting::{assert_whole, kept};
use crate::stage::Stage;
use crate::surveys::survey;

/// The first moment of the rows that are put by hand.
const FIRST: i64 = 1_600_000_000_000;

/// Meters, dense and sparse, a subtable and a normal table with a dot in the name, and one that is too long.
fn badly_named() -> MemDatabase {
    let mut database = Recipe::meters(71, (2, 300), (40, 6)).make();
    database.add_normal_table("n.1", vec![column("ts", DataType::Timestamp), column("v", DataType::Int)]);
    database.add_normal_table("n1", vec![column("ts", DataType::Timestamp), column("v", DataType::Int)]);
    for at in 0..7 {
        database.put_row("n.1", vec![Value::Timestamp(FIRST + at), Value::Int(at)]);
        database.put_row("n1", vec![Value::Timestamp(FIRST + at), Value::Int(at)]);
    }
    for (like, name) in [("d0000", "a.b".to_owned()), ("d0001", "x".repeat(193))] {
        let table = database.tables[like].clone();
        database.tables.insert(name, table);
    }
    database
}

fn is_bad(name: &str) -> bool {
    name.contains('.') || name.len() > 192
}

#[tokio::test(start_paused = true)]
async fn all_rows_of_tables_that_the_target_cannot_have_are_kept_and_the_others_arrive() {
    for density in [Density::Dense, Density::Sparse] {
        let stage = Stage::with_options(badly_named(), &[("on-bad-name", "reject"), ("verify", "digest")]);
        stage.finish([stage.schema()]).await;
        stage.finish([stage.place("meters", 0, ShardKind::Create)]).await;
        let copy = stage.place("meters", 1, ShardKind::Copy(density));
        let normal = stage.place("", 2, ShardKind::Copy(Density::Dense));
        let ids = [copy.shard.id.clone(), normal.shard.id.clone()];
        stage.finish([copy, normal]).await;
        let (source, sink, kept) = (stage.source.held(), stage.sink.held(), kept(&stage).await);
        assert!(!sink.tables.keys().any(|name| is_bad(name)), "{:?}", sink.tables.keys());
        let mut taken = source.clone();
        taken.tables.retain(|name, table| table.stable.as_deref() == Some("meters") || name.starts_with('n'));
        assert_whole(&taken, &sink, &kept);
        assert!(kept.keys().all(|(table, _)| is_bad(table)));
        assert!(kept.values().all(|row| row.refusal.reason == RefusedRow::BadName));
        let rows = |name: &str| source.tables[name].rows.len();
        assert_eq!(kept.len(), rows("a.b") + rows(&"x".repeat(193)) + 7);
        let rejected = ids.map(|id| {
            let shard = stage.coordinator.shard(&id);
            assert_eq!(shard.state, ShardState::Done, "{}", stage.coordinator.failure(&id));
            let totals = shard.checkpoint.totals;
            assert_eq!(totals.read, totals.written + totals.rejected);
            usize::try_from(totals.rejected).unwrap()
        });
        assert_eq!(rejected.iter().sum::<usize>(), kept.len());
    }
}

#[tokio::test(start_paused = true)]
async fn a_name_that_the_target_cannot_have_fails_the_survey_unless_the_task_says_otherwise() {
    let stage = Stage::new(badly_named());
    stage.finish([stage.survey()]).await;
    let failure = stage.coordinator.failure(&ShardId::survey());
    assert!(failure.contains("has a dot") && failure.contains("on-bad-name=reject"), "{failure}");
    let stage = Stage::with_options(badly_named(), &[("on-bad-name", "reject")]);
    assert_eq!(survey(&stage).await.names()["meters"].len(), stage.names("meters").len());
}

/// A target whose stable and normal tables lack their last columns, in a task with this policy.
fn narrow(policy: &str, database: MemDatabase) -> Stage {
    let stage = Stage::with_options(database, &[("on-missing-column", policy), ("schema", "none")]);
    stage.prepare();
    stage.sink.change(|sink| {
        for stable in sink.stables.values_mut() {
            stable.columns.pop();
        }
        for table in sink.tables.values_mut() {
            table.columns = table.columns.iter().take(table.columns.len() - 1).cloned().collect();
        }
    });
    stage
}

async fn copied(stage: &Stage) {
    stage.finish([stage.schema()]).await;
    let stables: Vec<String> = stage.source.held().stables.into_keys().collect();
    let by_turns = |group| ShardKind::Copy(if group % 2 == 0 { Density::Dense } else { Density::Sparse });
    let places = (0_u32..).zip(&stables).map(|(group, stable)| stage.place(stable, group, by_turns(group)));
    stage.finish(places.collect::<Vec<_>>()).await;
    stage.finish([stage.place("", 99, ShardKind::Copy(Density::Dense))]).await;
    for (id, place) in &stage.coordinator.state().shards {
        assert_eq!(place.shard.state, ShardState::Done, "{id:?}: {}", stage.coordinator.failure(id));
    }
}

#[tokio::test(start_paused = true)]
async fn a_column_that_the_target_lacks_is_added_where_the_task_says_so() {
    let stage = narrow("widen", Recipe::small(72).make());
    copied(&stage).await;
    assert_same(&stage.source.held(), &stage.sink.held());
}

#[tokio::test(start_paused = true)]
async fn a_column_that_the_target_lacks_is_left_out_where_the_task_says_so() {
    let stage = narrow("null", Recipe::small(73).make());
    copied(&stage).await;
    let mut wanted = stage.source.held();
    wanted.stables.values_mut().for_each(|stable| drop(stable.columns.pop()));
    for table in wanted.tables.values_mut() {
        table.columns = Arc::from(&table.columns[..table.columns.len() - 1]);
        table.rows.values_mut().for_each(|row| drop(row.pop()));
    }
    assert_same(&wanted, &stage.sink.held());
}

#[tokio::test(start_paused = true)]
async fn a_column_that_the_target_lacks_stops_a_task_that_says_nothing_before_its_first_row() {
    for policy in ["fail", "null"] {
        let stage = narrow(policy, Recipe::meters(74, (2, 3), (0, 0)).make());
        if policy == "null" {
            // what no row can do without
            stage.sink.change(|sink| drop(sink.stables.get_mut("meters").unwrap().columns.remove(0)));
        }
        stage.finish([stage.schema()]).await;
        let failure = stage.coordinator.failure(&ShardId::schema());
        assert!(failure.contains("lacks the") && failure.contains("nothing was written"), "{failure}");
    }
}
