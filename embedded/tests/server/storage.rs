//! Nothing is shown before it is stored, and nothing after the storage has failed.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use etcd_client::WatchOptions;
use tdferry_embedded::{Batch, Embedded, Error, MemoryStorage, Options, Record, Storage};
use tokio::time::{Instant, sleep, timeout};

const LATENCY: Duration = Duration::from_secs(1);

/// Counts batches, and fails from the given one on.
#[derive(Clone)]
struct Probe {
    inner: MemoryStorage,
    commits: Arc<AtomicUsize>,
    fail_from: usize,
}

impl Probe {
    fn new(inner: MemoryStorage, fail_from: usize) -> Self {
        Self { inner, commits: Arc::default(), fail_from }
    }
}

#[async_trait]
impl Storage for Probe {
    async fn load(&mut self) -> Result<Vec<Record>, Error> {
        self.inner.load().await
    }

    async fn commit(&mut self, batch: Batch) -> Result<(), Error> {
        if self.commits.fetch_add(1, Ordering::Relaxed) >= self.fail_from {
            return Err(Error::Storage { doing: "write".to_owned(), cause: "the disk is full".to_owned() });
        }
        self.inner.commit(batch).await
    }

    fn size(&self) -> u64 {
        self.inner.size()
    }
}

async fn start(storage: impl Storage) -> (Embedded, etcd_client::Client) {
    let store = Embedded::open_with(storage, Options::seeded(5)).await.expect("start");
    let client = store.client().await.expect("client");
    (store, client)
}

#[tokio::test(start_paused = true)]
async fn neither_readers_nor_watchers_see_what_is_not_stored_yet() {
    let (_store, mut client) = start(MemoryStorage::new().with_latency(LATENCY)).await;
    let mut stream = client.watch("a", None).await.expect("watch");
    assert!(stream.message().await.expect("stream").expect("answer").created());
    let began = Instant::now();
    let mut writer = client.clone();
    let writing = tokio::spawn(async move { writer.put("a", "1", None).await.map(|_| Instant::now()) });
    sleep(LATENCY / 2).await;
    let early = client.get("a", None).await.expect("get");
    assert!(early.kvs().is_empty(), "a reader saw {early:?} before it was stored");
    let event = stream.message().await.expect("stream").expect("answer");
    assert_eq!(event.events().len(), 1);
    assert!(began.elapsed() >= LATENCY, "the watcher saw it after {:?}", began.elapsed());
    let answered = writing.await.expect("writer").expect("put");
    assert!(answered - began >= LATENCY);
}

#[tokio::test(start_paused = true)]
async fn operations_that_wait_share_one_batch() {
    let probe = Probe::new(MemoryStorage::new().with_latency(LATENCY), usize::MAX);
    let (_store, client) = start(probe.clone()).await;
    let before = probe.commits.load(Ordering::Relaxed);
    let began = Instant::now();
    let writers: Vec<_> = (0..256)
        .map(|n| {
            let mut client = client.clone();
            tokio::spawn(async move { client.put(format!("k{n}"), "v", None).await })
        })
        .collect();
    for writer in writers {
        writer.await.expect("writer").expect("put");
    }
    let commits = probe.commits.load(Ordering::Relaxed) - before;
    assert!((2..=4).contains(&commits), "256 puts took {commits} batches of at most 128");
    assert!(began.elapsed() < 5 * LATENCY);
}

#[tokio::test(start_paused = true)]
async fn a_single_operation_waits_for_nothing() {
    let (_store, mut client) = start(MemoryStorage::new()).await;
    let began = Instant::now();
    for n in 0..100 {
        client.put(format!("k{n}"), "v", None).await.expect("put");
    }
    assert_eq!(began.elapsed(), Duration::ZERO);
}

#[tokio::test]
async fn after_a_failure_nothing_is_answered_and_nothing_acknowledged_is_lost() {
    let memory = MemoryStorage::new();
    // Batch 0 makes the store, 1 is the first put, 2 fails.
    let (store, mut client) = start(Probe::new(memory.clone(), 2)).await;
    client.put("a", "kept", None).await.expect("put");
    let mut stream = client.watch("a", Some(WatchOptions::new().with_prefix())).await.expect("watch");
    assert!(stream.message().await.expect("stream").expect("answer").created());
    for _ in 0..2 {
        let refused = client.put("a", "lost", None).await.expect_err("the disk is full");
        assert!(refused.to_string().contains("the disk is full"), "{refused}");
        let refused = client.get("a", None).await.expect_err("memory is ahead of the disk");
        assert!(refused.to_string().contains("the disk is full"), "{refused}");
    }
    let ended = timeout(Duration::from_secs(10), stream.message()).await.expect("watches end, too");
    assert!(ended.expect_err("with the reason").to_string().contains("the disk is full"));
    store.close().await;
    let (_store, mut client) = start(memory).await;
    let kept = client.get("a", None).await.expect("get");
    assert_eq!(kept.kvs()[0].value(), b"kept");
    assert_eq!(kept.header().expect("header").revision(), 2);
}

#[tokio::test]
async fn a_file_of_a_newer_version_is_refused() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("store.redb");
    let database = redb::Database::create(&path).expect("create");
    let transaction = database.begin_write().expect("write");
    {
        let meta = redb::TableDefinition::<&[u8], &[u8]>::new("meta");
        let mut table = transaction.open_table(meta).expect("table");
        table.insert(b"format".as_slice(), 2_u64.to_be_bytes().as_slice()).expect("insert");
    }
    transaction.commit().expect("commit");
    drop(database);
    let refused = Embedded::open(&path).await.expect_err("format 2");
    assert!(matches!(refused, Error::Format { found: 2, known: 1 }), "{refused}");
}

#[tokio::test]
async fn a_file_that_is_no_store_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("store.redb");
    std::fs::write(&path, "somebody's letter").expect("write");
    let refused = Embedded::open(&path).await.expect_err("not a store");
    assert!(refused.to_string().contains("store.redb"), "{refused}");
    assert_eq!(std::fs::read_to_string(&path).expect("read"), "somebody's letter");
}

#[tokio::test]
async fn a_file_half_made_by_a_crash_is_made_again() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("store.redb");
    std::fs::write(folder.path().join("store.redb.new"), "half a file").expect("write");
    let store = Embedded::open(&path).await.expect("open");
    store.client().await.expect("client").put("a", "1", None).await.expect("put");
    assert!(!folder.path().join("store.redb.new").exists());
}
