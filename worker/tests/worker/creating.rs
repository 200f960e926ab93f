//! Create shards: every subtable with its tags, read at once where there are many and by name where that fails.

use std::time::Duration;

use tdferry_common::batch::Value;
use tdferry_common::schema::Stable;
use tdferry_common::shard::{Range, ShardKind};
use tdferry_common::testing::{Call, Fault, FaultPlan, MemDatabase, Recipe};

use crate::stage::Stage;

/// More than one page, and enough that a stable is read as a whole.
const MANY: usize = 2_500;

/// A target that has the stables, and no subtable of theirs.
fn stage(database: MemDatabase) -> Stage {
    let stage = Stage::prepared(database);
    stage.sink.change(|sink| sink.tables.retain(|_, table| table.stable.is_none()));
    stage
}

fn many() -> MemDatabase {
    let mut database = Recipe::small(61).make();
    for n in 0..MANY {
        let group = i64::try_from(n).ok().filter(|n| n % 11 > 0).map_or(Value::Null, Value::Int);
        database.add_subtable("meters", &format!("many{n}"), vec![group, Value::Binary(b"there".to_vec())]);
    }
    database
}

async fn create(stage: &Stage) {
    stage.finish([stage.place("meters", 0, ShardKind::Create)]).await;
    let (source, sink) = (stage.source.held(), stage.sink.held());
    let wanted: Vec<_> = source.subtables_of("meters").map(|(name, table)| (name, &table.tags)).collect();
    let created: Vec<_> = sink.subtables_of("meters").map(|(name, table)| (name, &table.tags)).collect();
    assert!(wanted == created, "{} of {} subtables as they are at the source", created.len(), wanted.len());
}

#[tokio::test(start_paused = true)]
async fn tags_of_many_subtables_are_read_with_one_query() {
    let stage = stage(many());
    create(&stage).await;
    let counters = stage.source.counters();
    assert_eq!((counters.calls(Call::AllTags), counters.calls(Call::Tags)), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn tags_of_few_subtables_are_asked_for_by_name() {
    let stage = stage(Recipe::small(62).make());
    create(&stage).await;
    let counters = stage.source.counters();
    assert_eq!((counters.calls(Call::AllTags), counters.calls(Call::Tags)), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn what_reading_all_tags_did_not_bring_is_asked_for_by_name() {
    for fault in [Fault::Cut, Fault::Before] {
        let stage = stage(many());
        stage.source.set_faults(Some(FaultPlan::new(1, 1, 1_000).only(&[fault]).within(&[Call::AllTags])));
        create(&stage).await;
        assert_eq!(stage.source.fired().values().sum::<u64>(), 1, "{fault:?}");
        assert!(stage.source.counters().calls(Call::Tags) > 0, "{fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn shards_worked_on_together_look_once_for_all_they_created() {
    let stage = stage(Recipe::small(63).make());
    let half = |from: u32, to: u32, group: u32| {
        let mut place = stage.place("meters", group, ShardKind::Create);
        place.shard.range = Range { from, to };
        place
    };
    let all = u32::try_from(stage.names("meters").len()).unwrap();
    stage.finish([half(0, all / 2, 0), half(all / 2, all, 1)]).await;
    assert_eq!(stage.sink.held().subtables_of("meters").count(), stage.names("meters").len());
    assert_eq!(stage.sink.counters().calls(Call::MissingSubtables), 1);
}

#[tokio::test(start_paused = true)]
async fn stables_that_others_create_as_well_hold_few_connections_and_in_the_end_none() {
    let mut database = Recipe::small(64).make();
    let stables: Vec<String> = (0..14).map(|n| format!("many{n}")).collect();
    for stable in &stables {
        database.add_stable(Stable { name: stable.clone(), ..database.stables["meters"].clone() });
        for n in 0..1_300 {
            database.add_subtable(stable, &format!("{stable}_{n}"), vec![Value::Int(n), Value::Null]);
        }
    }
    let stage = stage(database);
    stage.source.limit(|limits| limits.page_names = 100);
    let first = |(group, stable): (u32, &String)| {
        let mut place = stage.place(stable, group, ShardKind::Create);
        place.shard.range.to = 1_000;
        place
    };
    stage.coordinator.add((0..).zip(&stables).map(first));
    let running = stage.start();
    stage.coordinator.until_terminal().await;
    assert_eq!(stage.sink.held().tables.values().filter(|table| table.stable.is_some()).count(), 14_000);
    let open = || stage.source.counters().open(Call::AllTags);
    assert!((1..=8).contains(&open()), "{} stables are being read", open());
    assert!(stage.source.counters().calls(Call::AllTags) > 8, "the others are read all the same");
    tokio::time::sleep(Duration::from_secs(120)).await;
    assert_eq!(open(), 0);
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn shards_of_a_stable_one_after_the_other_read_it_once() {
    let mut stage = stage(many());
    stage.slots = 1;
    let part = |group: u32| {
        let mut place = stage.place("meters", group, ShardKind::Create);
        place.shard.range = Range { from: group * 1_000, to: (group + 1) * 1_000 };
        place.shard.checkpoint.offset.index = place.shard.range.from;
        place
    };
    stage.finish((0..2).map(part)).await;
    let counters = stage.source.counters();
    assert_eq!((counters.calls(Call::AllTags), counters.calls(Call::Tags)), (1, 0));
}
