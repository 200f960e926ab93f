//! The structure: created where it is missing, held against the source, and named where it does not fit.

use std::time::Duration;

use tdferry_common::id::ShardId;
use tdferry_common::schema::DataType;
use tdferry_common::shard::ShardState;
use tdferry_common::testing::{Call, Fault, FaultPlan, Recipe};
use tdferry_common::time::Precision;
use tokio::time::Instant;

use crate::stage::Stage;

fn database() -> tdferry_common::testing::MemDatabase {
    Recipe::small(51).make()
}

async fn schema(stage: &Stage) -> ShardState {
    stage.finish([stage.schema()]).await;
    stage.coordinator.shard(&ShardId::schema()).state
}

#[tokio::test(start_paused = true)]
async fn database_stables_and_normal_tables_are_created_as_the_source_has_them() {
    let mut database = Recipe { precision: Precision::Micro, ..Recipe::small(52) }.make();
    database.database.options.insert("keep".into(), "3650".into());
    let stage = Stage::new(database);
    assert_eq!(schema(&stage).await, ShardState::Done);
    let (source, sink) = (stage.source.held(), stage.sink.held());
    assert_eq!(sink.database.precision, Precision::Micro);
    assert_eq!(sink.database.options["keep"], "3660d");
    assert_eq!(sink.stables, source.stables);
    let normal: Vec<_> = source.tables.iter().filter(|(_, table)| table.stable.is_none()).collect();
    assert_eq!(sink.tables.len(), normal.len());
    assert!(normal.iter().all(|(name, table)| sink.tables[*name].columns == table.columns));
}

#[tokio::test(start_paused = true)]
async fn a_structure_that_is_there_already_is_left_as_it_is() {
    let stage = Stage::prepared(database());
    stage.sink.change(|sink| {
        let stable = sink.stables.get_mut("meters").unwrap();
        stable.columns.push(tdferry_common::testing::column("extra", DataType::Int));
    });
    let before = stage.sink.held();
    assert_eq!(schema(&stage).await, ShardState::Done);
    assert_eq!(stage.sink.held(), before);
}

#[tokio::test(start_paused = true)]
async fn a_target_that_does_not_fit_is_named_with_table_column_and_both_types() {
    let stage = Stage::prepared(database());
    stage.sink.change(|sink| {
        let stable = sink.stables.get_mut("meters").unwrap();
        stable.columns[2].data_type = DataType::BigInt;
        stable.tags.remove(1);
        let mut columns = sink.tables["n000"].columns.to_vec();
        columns.remove(3);
        sink.tables.get_mut("n000").unwrap().columns = columns.into();
    });
    schema(&stage).await;
    let failure = stage.coordinator.failure(&ShardId::schema());
    for part in [
        "`meters` has the column `voltage` as BIGINT at the target and as INT at the source",
        "`meters` lacks the tag `location` BINARY(64) at the target",
        "`n000` lacks the column `phase` DOUBLE at the target",
    ] {
        assert!(failure.contains(part), "{failure}");
    }
}

#[tokio::test(start_paused = true)]
async fn another_precision_at_the_target_is_named() {
    let stage = Stage::prepared(database());
    stage.sink.change(|sink| sink.database.precision = Precision::Nano);
    schema(&stage).await;
    assert!(stage.coordinator.failure(&ShardId::schema()).contains("precision ns"));
}

#[tokio::test(start_paused = true)]
async fn a_copy_shard_writes_nothing_to_a_table_that_does_not_fit() {
    for normal in [false, true] {
        let stage = Stage::prepared(database());
        let spoil = |columns: &mut Vec<tdferry_common::schema::Column>| columns[1].name = "other".into();
        stage.sink.change(|sink| {
            spoil(&mut sink.stables.get_mut("meters").unwrap().columns);
            let mut columns = sink.tables["n000"].columns.to_vec();
            spoil(&mut columns);
            sink.tables.get_mut("n000").unwrap().columns = columns.into();
        });
        let place = stage.dense(if normal { "" } else { "meters" });
        let id = place.shard.id.clone();
        stage.finish([place]).await;
        let failure = stage.coordinator.failure(&id);
        assert!(failure.contains("lacks the column `current`"), "{failure}");
        assert_eq!(stage.sink.counters().calls(Call::Write), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn with_schema_none_a_prepared_target_is_only_looked_at() {
    let stage = Stage::with_options(database(), &[("schema", "none")]);
    stage.prepare();
    assert_eq!(schema(&stage).await, ShardState::Done);
    let counters = stage.sink.counters();
    for call in [Call::CreateDatabase, Call::CreateStable, Call::CreateTable, Call::CreateSubtables] {
        assert_eq!(counters.calls(call), 0, "{call:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn with_schema_none_what_is_missing_is_named_and_nothing_is_created() {
    let stage = Stage::with_options(database(), &[("schema", "none")]);
    schema(&stage).await;
    assert!(stage.coordinator.failure(&ShardId::schema()).contains("no database `target`"));

    let stage = Stage::with_options(database(), &[("schema", "none")]);
    stage.prepare();
    stage.sink.change(|sink| {
        sink.stables.remove("sensors");
        sink.tables.remove("n001");
    });
    schema(&stage).await;
    let failure = stage.coordinator.failure(&ShardId::schema());
    for part in ["no stable `sensors`", "no normal table `n001`"] {
        assert!(failure.contains(part), "{failure}");
    }
}

#[tokio::test(start_paused = true)]
async fn with_schema_none_a_missing_subtable_is_named_before_any_row_is_written() {
    let stage = Stage::with_options(database(), &[("schema", "none")]);
    stage.prepare();
    // it has no rows, so that no write would ever have found out
    stage.source.change(|source| source.tables.get_mut("d0002").unwrap().rows.clear());
    stage.sink.change(|sink| sink.tables.remove("d0002"));
    let place = stage.dense("meters");
    let id = place.shard.id.clone();
    stage.finish([place]).await;
    assert!(stage.coordinator.failure(&id).contains("`d0002`"));
    assert_eq!(stage.sink.counters().rows_written(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_database_that_may_not_be_created_must_be_there() {
    let stage = Stage::with_options(database(), &[("assert", "false")]);
    schema(&stage).await;
    assert!(stage.coordinator.failure(&ShardId::schema()).contains("no database `target`"));
    assert_eq!(stage.sink.counters().calls(Call::CreateDatabase), 0);
}

#[tokio::test(start_paused = true)]
async fn a_subtable_that_left_the_source_is_named_by_its_create_shard() {
    let stage = Stage::prepared(database());
    let place = stage.place("meters", 0, tdferry_common::shard::ShardKind::Create);
    let id = place.shard.id.clone();
    stage.source.change(|source| source.tables.remove("d0001"));
    stage.sink.change(|sink| sink.tables.remove("d0001"));
    stage.finish([place]).await;
    let failure = stage.coordinator.failure(&id);
    assert!(failure.contains("`d0001`") && failure.contains("the source does not have them"), "{failure}");
}

#[tokio::test(start_paused = true)]
async fn only_what_the_task_takes_is_created() {
    let stage = Stage::with_options(database(), &[("tables", "sensors.s00001,n001")]);
    assert_eq!(schema(&stage).await, ShardState::Done);
    let sink = stage.sink.held();
    assert_eq!(sink.stables.into_keys().collect::<Vec<_>>(), ["sensors"]);
    assert_eq!(sink.tables.into_keys().collect::<Vec<_>>(), ["n001"]);
}

#[tokio::test(start_paused = true)]
async fn normal_tables_may_be_listed_for_as_long_as_in_the_survey() {
    let stage = Stage::prepared(database());
    for place in [stage.schema(), stage.dense("")] {
        let slow = FaultPlan { delay: Duration::from_secs(110), ..FaultPlan::new(1, 1, 1_000) };
        stage.source.set_faults(Some(slow.only(&[Fault::Delay]).within(&[Call::NormalTables])));
        let begun = Instant::now();
        stage.finish([place]).await;
        assert!(begun.elapsed() > Duration::from_secs(40), "it took longer than a question may");
    }
    assert!(stage.coordinator.state().waited_for().is_empty(), "nothing was asked twice");
}
