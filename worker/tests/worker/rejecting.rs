//! Rows that the target refuses: kept whole and once before anything is said to be done with them, the others written.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tdferry_common::batch::{Block, Value};
use tdferry_common::options::REJECTS_DATABASE;
use tdferry_common::port::{PortResult, RefusedRow};
use tdferry_common::shard::ShardState;
use tdferry_common::spec::Spec;
use tdferry_common::testing::{Call, Fault, FaultPlan, MemDatabase, Recipe};
use tdferry_worker::reject::{Kept, Reject, Rejects, Visitor, open};
use tokio::time::sleep;

use crate::faults::slow_writes;
use crate::stage::Stage;

fn meters(seed: u64) -> Stage {
    Stage::prepared(Recipe::meters(seed, (3, 300), (60, 6)).make())
}

/// What is kept, by table and time; each row must be there once.
async fn kept(stage: &Stage) -> BTreeMap<(String, i64), Reject> {
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
fn assert_whole(source: &MemDatabase, target: &MemDatabase, kept: &BTreeMap<(String, i64), Reject>) {
    for (name, table) in &source.tables {
        for (at, row) in &table.rows {
            let written = target.tables[name].rows.get(at);
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
        let lost = FaultPlan::new(17, 6, 500).only(&[Fault::Before, Fault::After, Fault::Delay]);
        rejects.set_faults(Some(lost.within(&[Call::WriteMany, Call::CreateSubtables])));
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
