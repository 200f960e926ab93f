//! One suite for every store of rejects: in a database of a target, and in a folder.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use tdferry_common::port::{PortResult, RefusedRow};
use tdferry_common::schema::DataType;
use tdferry_common::testing::{Fault, FaultPlan, MemServer, MemSink};

use super::super::{FolderRejects, Kept, Origin, Reject, Rejects, TargetRejects, Visitor};
use super::{column, refusal, reject};

/// A place, and the way for another process to open it again.
trait Stage {
    fn open(&self, task: &str) -> Arc<dyn Rejects>;
}

struct Folder(tempfile::TempDir);

impl Stage for Folder {
    fn open(&self, task: &str) -> Arc<dyn Rejects> {
        Arc::new(FolderRejects::new(task.parse().unwrap(), self.0.path(), "worker"))
    }
}

struct Target(Arc<MemServer>);

impl Stage for Target {
    fn open(&self, task: &str) -> Arc<dyn Rejects> {
        let sink = |server: &Arc<MemServer>| Arc::new(MemSink::new(Arc::clone(server)));
        Arc::new(TargetRejects::new(task.parse().unwrap(), sink(&self.0.beside("rejects")), sink(&self.0)))
    }
}

fn stages() -> [Box<dyn Stage>; 2] {
    [Box::new(Folder(tempfile::tempdir().unwrap())), Box::new(Target(MemServer::sink()))]
}

/// All of them, as they come.
#[derive(Default)]
struct All(Vec<Kept>);

#[async_trait]
impl Visitor for All {
    async fn page(&mut self, page: Vec<Kept>) -> PortResult<bool> {
        self.0.extend(page);
        Ok(true)
    }
}

pub(super) async fn all(store: &dyn Rejects) -> Vec<Kept> {
    let mut all = All::default();
    store.visit(&mut all).await.unwrap();
    all.0
}

pub(super) async fn held(store: &dyn Rejects) -> BTreeMap<Origin, Reject> {
    let kept = all(store).await;
    let count = kept.len();
    let held: BTreeMap<_, _> =
        kept.into_iter().map(|kept| (kept.reject.origin.clone(), kept.reject)).collect();
    assert_eq!(held.len(), count, "a row is shown once");
    held
}

fn by_origin(rejects: &[Reject]) -> BTreeMap<Origin, Reject> {
    rejects.iter().map(|reject| (reject.origin.clone(), reject.clone())).collect()
}

#[tokio::test]
async fn what_was_kept_is_there_for_whoever_opens_the_place_again() {
    let times = [i64::MIN + 1, -1, 0, 1, 1_700_000_000_000, i64::MAX - 1];
    let rows: Vec<_> =
        ["d1", "涛思 'x'"].iter().flat_map(|table| times.map(|at| reject(table, at))).collect();
    for stage in stages() {
        assert!(held(stage.open("t").as_ref()).await.is_empty(), "nothing was kept yet");
        stage.open("t").keep(&rows).await.unwrap();
        assert_eq!(held(stage.open("t").as_ref()).await, by_origin(&rows));
        assert!(held(stage.open("other").as_ref()).await.is_empty(), "of another task");
    }
}

#[tokio::test]
async fn a_row_kept_again_by_anybody_is_there_once_with_what_was_said_last() {
    for stage in stages() {
        let (one, other) = (stage.open("t"), stage.open("t"));
        let rows = [reject("d1", 1), reject("d1", 2)];
        one.keep(&rows).await.unwrap();
        other.keep(&rows[1..]).await.unwrap();
        let last = Reject { refusal: refusal(RefusedRow::Keep), ..rows[0].clone() };
        one.keep(std::slice::from_ref(&last)).await.unwrap();
        assert_eq!(held(one.as_ref()).await, by_origin(&[last, rows[1].clone()]));
    }
}

#[tokio::test]
async fn what_is_taken_off_is_gone_until_it_is_kept_again() {
    for stage in stages() {
        let (one, other) = (stage.open("t"), stage.open("t"));
        let rows = [reject("d1", 1), reject("d2", -1)];
        one.keep(&rows).await.unwrap();
        other.keep(&rows).await.unwrap();
        let kept = all(one.as_ref()).await;
        let first: Vec<_> = kept.into_iter().filter(|kept| kept.reject == rows[0]).collect();
        one.take(&first).await.unwrap();
        one.take(&first).await.unwrap();
        assert_eq!(held(other.as_ref()).await, by_origin(&rows[1..]));
        other.keep(&rows[..1]).await.unwrap();
        assert_eq!(held(one.as_ref()).await, by_origin(&rows), "it was refused once more");
    }
}

#[tokio::test]
async fn a_row_that_is_refused_again_says_why_it_was_this_time() {
    for stage in stages() {
        let store = stage.open("t");
        store.keep(&[reject("d1", 1)]).await.unwrap();
        let kept = all(store.as_ref()).await;
        store.renew(&kept[0], refusal(RefusedRow::Keep)).await.unwrap();
        let wanted = Reject { refusal: refusal(RefusedRow::Keep), ..reject("d1", 1) };
        assert_eq!(held(stage.open("t").as_ref()).await, by_origin(&[wanted]));
    }
}

#[tokio::test]
async fn a_row_as_wide_as_any_comes_back_whole() {
    let text = |column: usize| format!("{column:>4000}").into_bytes();
    let columns: Vec<_> = (0..12).map(|n| column(&format!("c{n}"), DataType::Binary, 4_000)).collect();
    let narrow = reject("d1", 1);
    let mut wide = reject("d1", 2);
    wide.columns = narrow.columns.iter().cloned().chain(columns).collect();
    wide.cells.extend((0..12).map(|n| Some(text(n))));
    for stage in stages() {
        let store = stage.open("t");
        store.keep(&[wide.clone(), narrow.clone()]).await.unwrap();
        assert_eq!(held(store.as_ref()).await, by_origin(&[wide.clone(), narrow.clone()]));
    }
}

#[tokio::test]
async fn more_rows_than_a_page_are_shown_each_once_and_a_visitor_may_stop() {
    struct Stop(usize);
    #[async_trait]
    impl Visitor for Stop {
        async fn page(&mut self, page: Vec<Kept>) -> PortResult<bool> {
            self.0 += page.len();
            Ok(false)
        }
    }
    let rows: Vec<_> = (0..2_500).map(|n| reject(&format!("d{}", n % 250), n)).collect();
    for stage in stages() {
        let store = stage.open("t");
        store.keep(&rows).await.unwrap();
        assert_eq!(held(store.as_ref()).await, by_origin(&rows));
        let mut stop = Stop(0);
        store.visit(&mut stop).await.unwrap();
        assert!((1..2_500).contains(&stop.0), "{} rows", stop.0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_database_that_fails_half_way_has_each_row_once_when_it_is_asked_again() {
    let server = MemServer::sink();
    let store = Target(Arc::clone(&server)).open("t");
    let rejects = server.beside("rejects");
    rejects.set_faults(Some(FaultPlan::new(7, 12, 500).only(&[Fault::Before, Fault::After])));
    let rows: Vec<_> = (0..50).map(|n| reject(&format!("d{}", n % 5), n)).collect();
    for rows in rows.chunks(2) {
        while let Err(error) = store.keep(rows).await {
            assert!(error.is_away(), "{error}");
        }
    }
    assert_eq!(rejects.fired().values().sum::<u64>(), 12, "every fault fired");
    assert_eq!(held(store.as_ref()).await, by_origin(&rows));
}

#[tokio::test]
async fn a_database_of_rejects_that_was_dropped_is_made_anew() {
    let server = MemServer::sink();
    let store = Target(Arc::clone(&server)).open("t");
    store.keep(&[reject("d1", 1)]).await.unwrap();
    server.beside("rejects").drop_database();
    store.keep(&[reject("d1", 2)]).await.unwrap();
    assert_eq!(held(store.as_ref()).await, by_origin(&[reject("d1", 2)]));
}

/// The only file of a task's folder.
fn file(folder: &Path) -> std::path::PathBuf {
    std::fs::read_dir(folder.join("t")).unwrap().next().unwrap().unwrap().path()
}

#[tokio::test]
async fn what_a_crash_tore_off_a_line_was_never_told_and_the_next_writer_takes_another_file() {
    let stage = Folder(tempfile::tempdir().unwrap());
    let rows = [reject("d1", 1), reject("d1", 2)];
    stage.open("t").keep(&rows).await.unwrap();
    let path = file(stage.0.path());
    let whole = std::fs::read(&path).unwrap();
    std::fs::write(&path, &whole[..whole.len() - 9]).unwrap();
    let next = stage.open("t");
    assert_eq!(held(next.as_ref()).await, by_origin(&rows[..1]));
    next.keep(&rows).await.unwrap();
    assert_eq!(std::fs::read_dir(stage.0.path().join("t")).unwrap().count(), 2);
    assert_eq!(held(next.as_ref()).await, by_origin(&rows));
}

#[tokio::test]
async fn a_line_that_is_damaged_is_named_and_not_passed_over() {
    let stage = Folder(tempfile::tempdir().unwrap());
    stage.open("t").keep(&[reject("d1", 1)]).await.unwrap();
    let path = file(stage.0.path());
    let damaged = std::fs::read_to_string(&path).unwrap().replace("\"v\":1", "\"v\":9");
    std::fs::write(&path, damaged).unwrap();
    let error = stage.open("t").visit(&mut All::default()).await.unwrap_err().to_string();
    assert!(error.contains("worker-0000.jsonl") && error.contains("version 9"), "{error}");
}

#[tokio::test]
async fn a_share_that_is_not_mounted_is_waited_for_and_not_made() {
    let there = tempfile::tempdir().unwrap();
    let missing = there.path().join("share");
    let store = FolderRejects::new("t".parse().unwrap(), &missing, "worker");
    let error = store.keep(&[reject("d1", 1)]).await.unwrap_err();
    assert!(error.is_away() && error.to_string().contains("share"), "{error}");
    assert!(!missing.exists());
    std::fs::create_dir(&missing).unwrap();
    store.keep(&[reject("d1", 1)]).await.unwrap();
    assert_eq!(held(&store).await.len(), 1);
}
