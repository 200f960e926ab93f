//! Rows that the target refuses: kept whole and once before anything is said to be done with them, the others written.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tdferry_common::batch::{Block, BlockBuilder, Value};
use tdferry_common::digest::RowSum;
use tdferry_common::options::REJECTS_DATABASE;
use tdferry_common::port::{PortResult, RefusedRow};
use tdferry_common::schema::Column;
use tdferry_common::shard::ShardState;
use tdferry_common::spec::Spec;
use tdferry_common::testing::{Call, Fault, FaultPlan, MemDatabase, MemTable, Recipe};
use tdferry_common::time::Precision;
use tdferry_worker::reject::{Kept, Reject, Rejects, Visitor, open};
use tokio::time::sleep;

use crate::faults::slow_writes;
use crate::stage::Stage;

fn meters(seed: u64) -> Stage {
    Stage::prepared(Recipe::meters(seed, (3, 300), (60, 6)).make())
}

/// What is kept, by table and time; each row must be there once.
pub(crate) async fn kept(stage: &Stage) -> BTreeMap<(String, i64), Reject> {
    struct All(Vec<Kept>);
    #[async_trait]
    impl Visitor for All {
        async fn page(&mut self, page: Vec<Kept>) -> PortResult<bool> {
            self.0.extend(page);
            Ok(true)
        }
    }
    let spec = Spec::from_json(&stage.coordinator.state().spec).unwrap();
    let store: Arc<dyn Rejects> = open(stage.connector.as_ref(), &spec, "test").await.unwrap();
    let mut all = All(Vec::new());
    store.visit(&mut all).await.unwrap();
    let rows = all.0.len();
    let key = |reject: &Reject| (reject.origin.table.clone(), reject.origin.at);
    let kept: BTreeMap<_, _> = all.0.into_iter().map(|kept| (key(&kept.reject), kept.reject)).collect();
    assert_eq!(kept.len(), rows, "a row is kept once");
    kept
}

fn values(block: &Block) -> Vec<Value> {
    (0..block.columns().len()).map(|col| block.cell(0, col).to_value()).collect()
}

/// What is on neither side of the target but in the other: nothing.
pub(crate) fn assert_whole(
    source: &MemDatabase,
    target: &MemDatabase,
    kept: &BTreeMap<(String, i64), Reject>,
) {
    for (name, table) in &source.tables {
        for (at, row) in &table.rows {
            let written = target.tables.get(name).and_then(|table| table.rows.get(at));
            let rejected = kept
                .get(&(name.clone(), *at))
                .map(|reject| values(&Reject::to_block(&[reject]).unwrap().unwrap()));
            assert_eq!(written.or(rejected.as_ref()), Some(row), "`{name}` at {at}");
            assert!(written.is_none() || rejected.is_none(), "`{name}` at {at} is both written and kept");
        }
    }
}

/// Puts the edge of what the target keeps behind so many of each dense table's rows.
fn keep_all_but(stage: &Stage, rows: usize) -> i64 {
    let edge = *stage.source.held().tables["d0000"].rows.keys().nth(rows).unwrap();
    stage.sink.limit(|limits| limits.keep.from = edge);
    edge
}

#[tokio::test(start_paused = true)]
async fn rows_that_keep_refuses_are_kept_whole_and_the_others_arrive() {
    for sparse in [false, true] {
        let stage = meters(15);
        let edge = keep_all_but(&stage, 70);
        let place = if sparse { stage.sparse("meters") } else { stage.dense("meters") };
        let id = place.shard.id.clone();
        stage.finish([place]).await;
        let (source, kept) = (stage.source.held(), kept(&stage).await);
        let meters = || source.tables.values().filter(|table| table.stable.as_deref() == Some("meters"));
        let late: usize = meters().map(|table| table.rows.range(..edge).count()).sum();
        assert!(
            kept.values().all(|row| row.refusal.reason == RefusedRow::Keep && row.refusal.code == 0x060B)
        );
        assert!(kept.values().all(|row| row.origin.stable == "meters" && row.origin.database == "source"));
        let mut meters_only = source.clone();
        meters_only.tables.retain(|_, table| table.stable.as_deref() == Some("meters"));
        assert_whole(&meters_only, &stage.sink.held(), &kept);
        let totals = stage.coordinator.shard(&id).checkpoint.totals;
        assert_eq!((kept.len(), totals.rejected), (late, u64::try_from(late).unwrap()));
        assert_eq!((totals.read, totals.written), (900, 900 - totals.rejected));
        assert_eq!(stage.coordinator.shard(&id).state, ShardState::Done);
        assert_eq!(stage.sink.counters().rows_written(), totals.written);
        assert!(stage.sink.counters().refused <= 2, "the edge is learnt from the first refusal");
    }
}

#[tokio::test(start_paused = true)]
async fn a_row_that_is_too_long_is_rejected_alone() {
    let stage = Stage::prepared(Recipe { every_type: true, ..Recipe::meters(16, (0, 0), (0, 0)) }.make());
    // behind the back of the check, which would not let it come to this
    let length = |row: &Vec<Value>| match &row[8] {
        Value::Binary(bytes) => bytes.len(),
        _ => 0,
    };
    let most = stage.source.held().tables["types_1"].rows.values().map(length).max().unwrap();
    stage.sink.change(|sink| {
        let table = sink.tables.get_mut("types_1").unwrap();
        let mut columns = table.columns.to_vec();
        columns[8].length = u32::try_from(most - 1).unwrap();
        table.columns = columns.into();
    });
    let place = stage.dense("types");
    let id = place.shard.id.clone();
    stage.finish([place]).await;
    let totals = stage.coordinator.shard(&id).checkpoint.totals;
    assert!((1..20).contains(&totals.rejected), "{totals:?}");
    let kept = kept(&stage).await;
    assert_eq!(u64::try_from(kept.len()).unwrap(), totals.rejected);
    assert!(kept.values().all(|row| row.refusal.reason == RefusedRow::TooLong));
    assert_whole(&stage.source.held(), &stage.sink.held(), &kept);
    assert_eq!(stage.coordinator.shard(&id).state, ShardState::Done);
}

#[tokio::test(start_paused = true)]
async fn whoever_loses_the_lease_and_whoever_goes_on_keep_each_row_once() {
    for sparse in [false, true] {
        let stage = meters(17);
        keep_all_but(&stage, 150);
        slow_writes(&stage, Duration::from_secs(2));
        let rejects = stage.sink.beside(REJECTS_DATABASE);
        // the first writes are done and not answered: they come again
        let lost = FaultPlan::new(17, 3, 1_000).only(&[Fault::After]);
        rejects.set_faults(Some(lost.within(&[Call::WriteMany])));
        let place = if sparse { stage.sparse("meters") } else { stage.dense("meters") };
        let id = place.shard.id.clone();
        stage.coordinator.add([place]);
        let running = stage.start();
        for _ in 0..3 {
            let written = rejects.counters().rows_written();
            let more = |_: &crate::coordinator::State| rejects.counters().rows_written() > written;
            stage.coordinator.until("more rows are kept", more).await;
            stage.coordinator.end_session();
        }
        stage.coordinator.until_terminal().await;
        running.stop().await;
        let (kept, totals) = (kept(&stage).await, stage.coordinator.shard(&id).checkpoint.totals);
        assert_eq!(u64::try_from(kept.len()).unwrap(), totals.rejected);
        assert!(rejects.counters().rows_again() > 0, "nothing was kept twice: the test shows nothing");
        let mut source = stage.source.held();
        source.tables.retain(|_, table| table.stable.as_deref() == Some("meters"));
        assert_whole(&source, &stage.sink.held(), &kept);
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_committed_behind_a_row_that_cannot_be_kept_now() {
    let stage = meters(18);
    keep_all_but(&stage, 20);
    let rejects = stage.sink.beside(REJECTS_DATABASE);
    rejects.set_faults(Some(FaultPlan::new(1, u32::MAX, 1_000).only(&[Fault::Before])));
    let place = stage.dense("meters");
    let (id, start) = (place.shard.id.clone(), place.shard.checkpoint.offset);
    stage.coordinator.add([place]);
    let running = stage.start();
    sleep(Duration::from_secs(300)).await;
    let shard = stage.coordinator.shard(&id);
    assert_eq!((shard.checkpoint.offset, shard.checkpoint.totals.rejected), (start, 0));
    assert!(stage.sink.counters().rows_written() > 0, "the rows it takes were written");
    rejects.set_faults(None);
    stage.coordinator.until_terminal().await;
    running.stop().await;
    assert_eq!(stage.coordinator.shard(&id).state, ShardState::Done);
    let rejected = stage.coordinator.shard(&id).checkpoint.totals.rejected;
    assert_eq!(u64::try_from(kept(&stage).await.len()).unwrap(), rejected);
    assert!(rejected > 0);
}

#[tokio::test(start_paused = true)]
async fn a_folder_keeps_them_where_the_task_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let options = [("fails-to", folder.path().to_str().unwrap())];
    let stage = Stage::with_options(Recipe::meters(19, (3, 300), (0, 0)).make(), &options);
    stage.prepare();
    keep_all_but(&stage, 10);
    let place = stage.dense("meters");
    let id = place.shard.id.clone();
    stage.finish([place]).await;
    let (kept, rejected) = (kept(&stage).await, stage.coordinator.shard(&id).checkpoint.totals.rejected);
    assert!(rejected > 0);
    assert_eq!(u64::try_from(kept.len()).unwrap(), rejected);
    assert_whole(&stage.source.held(), &stage.sink.held(), &kept);
    assert!(folder.path().join("t").is_dir());
    assert_eq!(stage.sink.beside(REJECTS_DATABASE).counters().rows_written(), 0);
}

/// A stage whose target's BINARY column of `types` is too short for some rows by so many bytes, with options.
fn too_short(seed: u64, options: &[(&str, &str)]) -> (Stage, usize) {
    let recipe = Recipe { every_type: true, ..Recipe::meters(seed, (0, 0), (0, 0)) };
    let stage = Stage::with_options(recipe.make(), options);
    stage.prepare();
    let length = |row: &Vec<Value>| match &row[8] {
        Value::Binary(bytes) => bytes.len(),
        _ => 0,
    };
    let source = stage.source.held();
    let most = source.tables.values().flat_map(|table| table.rows.values()).map(length).max().unwrap() - 1;
    let shorter = |columns: &[Column]| {
        let mut columns = columns.to_vec();
        columns[8].length = u32::try_from(most).unwrap();
        columns
    };
    stage.sink.change(|sink| {
        let stable = sink.stables.get_mut("types").unwrap();
        stable.columns = shorter(&stable.columns);
        let own = |table: &&mut MemTable| table.stable.as_deref() == Some("types");
        sink.tables.values_mut().filter(own).for_each(|table| table.columns = shorter(&table.columns).into());
    });
    (stage, most)
}

/// The target's value of the column that is too short, for each row of the source that is too long for it.
fn made_of(stage: &Stage, most: usize) -> Vec<(Vec<u8>, Option<Value>)> {
    let (source, target) = (stage.source.held(), stage.sink.held());
    let mut made = Vec::new();
    for (name, table) in &source.tables {
        for (at, row) in &table.rows {
            if let Value::Binary(bytes) = &row[8]
                && bytes.len() > most
            {
                made.push((bytes.clone(), target.tables[name].rows.get(at).map(|row| row[8].clone())));
            }
        }
    }
    assert!(!made.is_empty(), "no value is too long: the test shows nothing");
    made
}

#[tokio::test(start_paused = true)]
async fn a_column_that_is_too_short_stops_a_shard_unless_the_task_says_what_to_do() {
    let (stage, _) = too_short(31, &[]);
    let place = stage.dense("types");
    let id = place.shard.id.clone();
    stage.finish([place]).await;
    assert!(stage.coordinator.failure(&id).contains("BINARY"), "{}", stage.coordinator.failure(&id));
    assert_eq!(stage.sink.counters().rows_written(), 0);
}

#[tokio::test(start_paused = true)]
async fn values_that_are_too_long_become_what_the_task_says() {
    for sparse in [false, true] {
        for policy in ["reject", "truncate", "null", "widen"] {
            let (stage, most) = too_short(32, &[("on-too-long", policy), ("verify", "digest")]);
            let place = if sparse { stage.sparse("types") } else { stage.dense("types") };
            let id = place.shard.id.clone();
            stage.finish([place]).await;
            let (shard, kept) = (stage.coordinator.shard(&id), kept(&stage).await);
            assert_eq!(shard.state, ShardState::Done, "{policy}: {shard:?}");
            let totals = shard.checkpoint.totals;
            let made = made_of(&stage, most);
            for (source, target) in &made {
                match policy {
                    "reject" => assert_eq!(*target, None),
                    "truncate" => {
                        let Some(Value::Binary(bytes)) = target else { panic!("{target:?}") };
                        assert!(bytes.len() <= most && bytes.len() + 4 > most && source.starts_with(bytes));
                    }
                    "null" => assert_eq!(*target, Some(Value::Null)),
                    _ => assert_eq!(*target, Some(Value::Binary(source.clone()))),
                }
            }
            let rejected = if policy == "reject" { made.len() } else { 0 };
            assert_eq!(
                (kept.len(), totals.rejected),
                (rejected, u64::try_from(rejected).unwrap()),
                "{policy}"
            );
            // what is compared with the target is what was written to it
            let target = stage.sink.held();
            let rows = target.tables.iter().filter(|(_, table)| table.stable.as_deref() == Some("types"));
            assert_eq!(shard.checkpoint.sum, Some(sum_of(rows)), "{policy}");
        }
    }
}

fn sum_of<'a>(tables: impl Iterator<Item = (&'a String, &'a MemTable)>) -> u128 {
    let mut sum = RowSum::ZERO;
    for (name, table) in tables {
        let mut builder = BlockBuilder::new(Arc::clone(&table.columns), Precision::Milli);
        table.rows.values().for_each(|row| builder.push_row(row).unwrap());
        sum.add(RowSum::of_block(name, &builder.finish().unwrap()));
    }
    sum.value()
}

#[tokio::test(start_paused = true)]
async fn a_task_that_wants_no_row_passed_over_fails_its_shard_and_keeps_none() {
    for (option, words) in [("on-keep", "on-keep=fail"), ("on-too-long", "on-too-long=fail")] {
        let (stage, place) = if option == "on-keep" {
            let stage = Stage::with_options(Recipe::meters(33, (3, 300), (0, 0)).make(), &[(option, "fail")]);
            stage.prepare();
            keep_all_but(&stage, 20);
            let place = stage.dense("meters");
            (stage, place)
        } else {
            let (stage, _) = too_short(33, &[(option, "fail")]);
            let place = stage.dense("types");
            (stage, place)
        };
        let id = place.shard.id.clone();
        stage.finish([place]).await;
        let failure = stage.coordinator.failure(&id);
        assert!(failure.contains(words) && failure.contains("retry"), "{failure}");
        assert_eq!(stage.coordinator.shard(&id).checkpoint.totals.rejected, 0);
        assert!(kept(&stage).await.is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn a_target_that_is_to_keep_more_takes_every_row() {
    let stage = Stage::with_options(Recipe::meters(34, (3, 300), (0, 0)).make(), &[("on-keep", "widen")]);
    stage.prepare();
    keep_all_but(&stage, 100);
    stage.sink.limit(|limits| limits.clock = Some(crate::stage::NOW_MILLIS));
    let place = stage.dense("meters");
    let id = place.shard.id.clone();
    stage.finish([place]).await;
    assert_eq!(stage.coordinator.shard(&id).checkpoint.totals.rejected, 0);
    assert!(kept(&stage).await.is_empty());
    tdferry_common::testing::assert_same(&stage.source.held(), &stage.sink.held());
}

#[tokio::test(start_paused = true)]
async fn rows_that_the_target_has_are_left_as_they_are_where_the_task_says_so() {
    for (sparse, keeps) in [(false, true), (true, true), (false, false)] {
        let policy = if keeps { "keep-target" } else { "overwrite" };
        let options = [("on-conflict", policy)];
        let stage = Stage::with_options(Recipe::meters(35, (3, 300), (60, 6)).make(), &options);
        stage.prepare();
        let source = stage.source.held();
        let mut own = 0_u64;
        stage.sink.change(|sink| {
            for (name, table) in &source.tables {
                for (at, row) in table.rows.iter().step_by(7) {
                    let others = row.iter().map(|_| Value::Null).skip(1);
                    sink.put_row(name, std::iter::once(Value::Timestamp(*at)).chain(others).collect());
                    own += u64::from(table.stable.as_deref() == Some("meters"));
                }
            }
        });
        let place = if sparse { stage.sparse("meters") } else { stage.dense("meters") };
        let id = place.shard.id.clone();
        stage.finish([place]).await;
        let shard = stage.coordinator.shard(&id);
        let totals = shard.checkpoint.totals;
        assert_eq!(shard.state, ShardState::Done, "{shard:?}");
        let kept = if keeps { own } else { 0 };
        assert_eq!((totals.read, totals.written, totals.kept), (900, 900 - kept, kept));
        for (name, table) in source.tables.iter().filter(|(_, one)| one.stable.as_deref() == Some("meters")) {
            for (n, (at, row)) in table.rows.iter().enumerate() {
                let found = &stage.sink.held().tables[name].rows[at];
                assert_eq!(found == row, !(keeps && n % 7 == 0), "`{name}` at {at}");
            }
        }
    }
}
