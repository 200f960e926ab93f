//! Trying kept rows again.

use std::collections::BTreeMap;
use std::sync::Arc;

use tdferry_common::batch::Value;
use tdferry_common::port::{PortResult, RefusedRow, Sink};
use tdferry_common::schema::{DataType, Stable};
use tdferry_common::spec::{Spec, TaskKind};
use tdferry_common::testing::{Fault, FaultPlan, MemConnector, MemDatabase, MemServer, MemSink};
use tdferry_common::time::{Period, Precision};

use super::super::{Redriven, Reject, Rejects, TargetRejects, redrive};
use super::stores::held;
use super::{column, refusal, reject};

/// A target with `d1` and `d2` of `meters`, whose text may be so long.
fn target(length: u32) -> Arc<MemServer> {
    let server = MemServer::sink();
    let columns = vec![column("ts", DataType::Timestamp, 8), column("c", DataType::Binary, length)];
    let tags = vec![column("t", DataType::Int, 4)];
    server.change(|database: &mut MemDatabase| {
        database.database.precision = Precision::Milli;
        database.add_stable(Stable { name: "meters".into(), columns, tags });
        for name in ["d1", "d2"] {
            database.add_subtable("meters", name, vec![Value::Null]);
        }
    });
    server
}

fn sink(server: &Arc<MemServer>) -> Arc<dyn Sink> {
    Arc::new(MemSink::new(Arc::clone(server)))
}

async fn again(
    server: &Arc<MemServer>,
    store: &TargetRejects,
    wanted: &(dyn Fn(&Reject) -> bool + Sync),
) -> PortResult<Redriven> {
    let connector = MemConnector::new(MemServer::source(MemDatabase::default()), Arc::clone(server));
    let (from, to) = ("taos+ws://old:6041/power", "taos+ws://new:6041");
    let spec = Spec::build("t", TaskKind::TDengine2, from, to, &BTreeMap::new()).unwrap();
    redrive(&connector, &spec, store, wanted).await
}

async fn kept(server: &Arc<MemServer>, rows: &[Reject]) -> TargetRejects {
    let store = TargetRejects::new("t".parse().unwrap(), sink(&server.beside("rejects")), sink(server));
    store.keep(rows).await.unwrap();
    store
}

#[tokio::test]
async fn what_the_target_takes_now_is_taken_off_and_the_rest_says_why_not() {
    let server = target(20);
    server.limit(|limits| limits.keep = Period { from: 100, to: i64::MAX });
    let rows: Vec<_> = (0..200).flat_map(|at| [reject("d1", at), reject("d2", at)]).collect();
    let store = kept(&server, &rows).await;
    let done = again(&server, &store, &|_| true).await.unwrap();
    assert_eq!(done, Redriven { taken: 200, refused: 200 });
    let left = held(&store).await;
    assert_eq!(left.len(), 200);
    assert!(left.values().all(|row| row.origin.at < 100 && row.refusal.reason == RefusedRow::Keep));
    server.limit(|limits| limits.keep = Period::ALL);
    assert_eq!(again(&server, &store, &|_| true).await.unwrap(), Redriven { taken: 200, refused: 0 });
    assert!(held(&store).await.is_empty());
    assert_eq!(server.held().row_count(), 400);
    assert_eq!(server.held().tables["d1"].rows[&5][1], Value::Binary(b"far too long".to_vec()));
}

#[tokio::test]
async fn one_row_that_is_refused_does_not_keep_the_others_away() {
    let server = target(20);
    let mut rows: Vec<_> = (0..100).map(|at| reject("d1", at)).collect();
    rows[37].cells[1] = Some(vec![b'x'; 21]);
    let store = kept(&server, &rows).await;
    let done = again(&server, &store, &|_| true).await.unwrap();
    assert_eq!(done, Redriven { taken: 99, refused: 1 });
    assert_eq!(held(&store).await.keys().map(|origin| origin.at).collect::<Vec<_>>(), [37]);
}

#[tokio::test]
async fn only_what_is_wanted_is_tried() {
    let server = target(20);
    let store = kept(&server, &[reject("d1", 1), reject("d2", 2)]).await;
    let done = again(&server, &store, &|row| row.origin.table == "d2").await.unwrap();
    assert_eq!(done, Redriven { taken: 1, refused: 0 });
    assert_eq!(held(&store).await.keys().map(|origin| origin.table.as_str()).collect::<Vec<_>>(), ["d1"]);
}

#[tokio::test(start_paused = true)]
async fn killed_anywhere_and_run_again_every_row_ends_in_the_target_once() {
    let server = target(20);
    let rows: Vec<_> =
        (0..300).map(|at| Reject { refusal: refusal(RefusedRow::Keep), ..reject("d1", at) }).collect();
    let store = kept(&server, &rows).await;
    let faults = |seed| FaultPlan::new(seed, 5, 300).only(&[Fault::Before, Fault::After, Fault::Cut]);
    server.set_faults(Some(faults(3)));
    server.beside("rejects").set_faults(Some(faults(4)));
    let mut failed = 0;
    while again(&server, &store, &|_| true).await.is_err() {
        failed += 1;
    }
    assert!(failed > 0, "no fault ended it");
    assert_eq!(server.held().row_count(), 300);
    assert!(held(&store).await.is_empty());
}
