//! Leases and history over time: tokio's clock is paused and moves only when everybody waits.

use std::time::Duration;

use etcd_client::{Client, GetOptions, LeaseGrantOptions, PutOptions, WatchOptions};
use tdferry_embedded::{Embedded, MemoryStorage, Options};
use tokio::time::{Instant, advance, sleep};

const TTL: i64 = 30;

async fn start(storage: MemoryStorage) -> (Embedded, Client) {
    let store = Embedded::in_memory(storage, Options::seeded(5)).await.expect("start");
    let client = store.client().await.expect("client");
    (store, client)
}

async fn leased_key(client: &mut Client, key: &str, ttl: i64) -> i64 {
    let lease = client.lease_grant(ttl, None).await.expect("grant").id();
    client.put(key, "1", Some(PutOptions::new().with_lease(lease))).await.expect("put");
    lease
}

async fn exists(client: &mut Client, key: &str) -> bool {
    !client.get(key, None).await.expect("get").kvs().is_empty()
}

async fn remaining(client: &mut Client, lease: i64) -> i64 {
    client.lease_time_to_live(lease, None).await.expect("time to live").ttl()
}

fn seconds(ttl: i64) -> Duration {
    Duration::from_secs(u64::try_from(ttl).expect("positive"))
}

#[tokio::test(start_paused = true)]
async fn a_lease_ends_at_its_time_and_not_before() {
    let (_store, mut client) = start(MemoryStorage::new()).await;
    let lease = leased_key(&mut client, "a", TTL).await;
    let began = Instant::now();
    let mut stream = client.watch("a", None).await.expect("watch");
    assert!(stream.message().await.expect("stream").expect("answer").created());
    sleep(seconds(TTL) - Duration::from_millis(1)).await;
    assert!(exists(&mut client, "a").await);
    let event = stream.message().await.expect("stream").expect("answer");
    assert_eq!(event.events().len(), 1);
    let late = began.elapsed() - seconds(TTL);
    assert!(late <= Duration::from_millis(500), "{late:?} late");
    assert_eq!(remaining(&mut client, lease).await, -1);
}

#[tokio::test(start_paused = true)]
async fn leases_end_in_the_order_of_their_times_each_in_one_revision() {
    let (_store, mut client) = start(MemoryStorage::new()).await;
    let options = WatchOptions::new().with_all_keys();
    for (key, ttl) in [("c", 5), ("a", 9), ("b", 7)] {
        let lease = leased_key(&mut client, key, ttl).await;
        client.put(format!("{key}2"), "1", Some(PutOptions::new().with_lease(lease))).await.expect("put");
    }
    let now = client.get("x", None).await.expect("get").header().expect("header").revision();
    let mut stream = client.watch("", Some(options.with_start_revision(now + 1))).await.expect("watch");
    let mut gone = Vec::new();
    while gone.len() < 6 {
        let answer = stream.message().await.expect("stream").expect("answer");
        for event in answer.events() {
            let kv = event.kv().expect("kv");
            gone.push((kv.key_str().expect("text").to_owned(), kv.mod_revision() - now));
        }
    }
    let expected = [("c", 1), ("c2", 1), ("b", 2), ("b2", 2), ("a", 3), ("a2", 3)];
    assert_eq!(gone, expected.map(|(key, at)| (key.to_owned(), at)));
}

#[tokio::test(start_paused = true)]
async fn a_silence_extends_leases_before_any_of_them_ends() {
    let (_store, mut client) = start(MemoryStorage::new()).await;
    let lease = leased_key(&mut client, "a", TTL).await;
    let short = leased_key(&mut client, "b", 3).await;
    sleep(Duration::from_secs(1)).await;
    // What a stopped process sees when it goes on: the clock has jumped over both ends.
    advance(seconds(TTL + 10)).await;
    assert_eq!(remaining(&mut client, lease).await, TTL);
    assert_eq!(remaining(&mut client, short).await, 3);
    assert!(exists(&mut client, "b").await);
    sleep(seconds(4)).await;
    assert!(!exists(&mut client, "b").await, "from then on time counts again");
    assert!(exists(&mut client, "a").await);
}

#[tokio::test(start_paused = true)]
async fn time_without_leases_is_no_silence() {
    let (_store, mut client) = start(MemoryStorage::new()).await;
    sleep(Duration::from_secs(300)).await;
    let lease = leased_key(&mut client, "a", 3).await;
    sleep(Duration::from_secs(1)).await;
    assert!(remaining(&mut client, lease).await <= 2, "the lease was extended for nothing");
    sleep(Duration::from_secs(3)).await;
    assert!(!exists(&mut client, "a").await);
}

#[tokio::test(start_paused = true)]
async fn a_restart_gives_leases_their_full_time_and_keeps_their_keys() {
    let storage = MemoryStorage::new();
    let (store, mut client) = start(storage.clone()).await;
    let lease = leased_key(&mut client, "a", TTL).await;
    let ended = leased_key(&mut client, "b", 2).await;
    sleep(seconds(TTL) - Duration::from_secs(2)).await;
    assert!(!exists(&mut client, "b").await);
    store.close().await;
    let (_store, mut client) = start(storage).await;
    assert_eq!(remaining(&mut client, lease).await, TTL);
    assert_eq!(remaining(&mut client, ended).await, -1, "an end is stored like anything else");
    assert!(!exists(&mut client, "b").await);
    sleep(seconds(TTL) + Duration::from_secs(1)).await;
    assert!(!exists(&mut client, "a").await, "the key is still held by its lease");
}

#[tokio::test(start_paused = true)]
async fn lease_ids_follow_from_the_seed_and_never_repeat() {
    let ids = |storage: MemoryStorage, count: usize| async move {
        let (store, mut client) = start(storage).await;
        let mut ids = Vec::new();
        for _ in 0..count {
            ids.push(client.lease_grant(TTL, None).await.expect("grant").id());
        }
        for id in &ids {
            client.lease_revoke(*id).await.expect("revoke");
        }
        store.close().await;
        ids
    };
    let storage = MemoryStorage::new();
    let mut in_two_lives = ids(storage.clone(), 3).await;
    in_two_lives.extend(ids(storage, 3).await);
    let in_one_life = ids(MemoryStorage::new(), 6).await;
    assert_eq!(in_two_lives, in_one_life);
    assert!(in_one_life.iter().all(|id| *id > 0));
    let distinct: std::collections::BTreeSet<_> = in_one_life.iter().collect();
    assert_eq!(distinct.len(), 6);
}

#[tokio::test(start_paused = true)]
async fn ten_minutes_of_history_stay_readable_and_older_goes_by_itself() {
    let storage = MemoryStorage::new();
    let (store, mut client) = start(storage.clone()).await;
    let mut stream = client.watch("a", None).await.expect("watch");
    assert!(stream.message().await.expect("stream").expect("answer").created());
    let first = client.put("a", "1", None).await.expect("put").header().expect("header").revision();
    client.put("a", "2", None).await.expect("put");
    let at = |revision: i64| Some(GetOptions::new().with_revision(revision));
    sleep(Duration::from_secs(590)).await;
    assert_eq!(client.get("a", at(first)).await.expect("still there").kvs()[0].value(), b"1");
    sleep(Duration::from_secs(90)).await;
    let refused = client.get("a", at(first)).await.expect_err("twelve minutes later");
    assert!(refused.to_string().contains("compacted"), "{refused}");
    assert_eq!(client.get("a", None).await.expect("get").kvs()[0].value(), b"2");
    let size = storage_size(&storage);
    client.put("a", "3", None).await.expect("put");
    let mut events = 0;
    while events < 3 {
        events += stream.message().await.expect("stream").expect("the watch lives on").events().len();
    }
    store.close().await;
    let (_store, mut client) = start(storage.clone()).await;
    assert!(client.get("a", at(first)).await.is_err(), "what was forgotten stays so");
    assert_eq!(client.get("a", at(first + 1)).await.expect("kept").kvs()[0].value(), b"2");
    assert!(size < 250, "the stored history is gone as well: {size} bytes");
}

fn storage_size(storage: &MemoryStorage) -> u64 {
    tdferry_embedded::Storage::size(storage)
}

#[tokio::test]
async fn history_is_bounded_by_bytes_whatever_its_age() {
    let storage = MemoryStorage::new();
    let (_store, mut client) = start(storage.clone()).await;
    let mebibyte = "x".repeat(1024 * 1024);
    for _ in 0..150 {
        client.put("a", mebibyte.as_str(), None).await.expect("put");
    }
    let size = storage_size(&storage) / (1024 * 1024);
    assert!(size <= 80, "{size} MiB are kept of 150 MiB written in a moment");
    assert!(size >= 32, "{size} MiB: more was forgotten than had to be");
}

#[tokio::test(start_paused = true)]
async fn a_watcher_that_asked_for_progress_hears_something_when_nothing_happens() {
    let (_store, mut client) = start(MemoryStorage::new()).await;
    let options = WatchOptions::new().with_progress_notify();
    let mut stream = client.watch("a", Some(options)).await.expect("watch");
    assert!(stream.message().await.expect("stream").expect("answer").created());
    let now = client.put("b", "1", None).await.expect("put").header().expect("header").revision();
    let progress = stream.message().await.expect("stream").expect("answer");
    assert!(progress.events().is_empty());
    assert_eq!(progress.header().expect("header").revision(), now);
}

#[tokio::test(start_paused = true)]
async fn a_lease_of_etcds_longest_time_can_be_held() {
    let (_store, mut client) = start(MemoryStorage::new()).await;
    let options = LeaseGrantOptions::new().with_id(9);
    client.lease_grant(9_000_000_000, Some(options)).await.expect("grant");
    sleep(Duration::from_secs(3600)).await;
    assert_eq!(remaining(&mut client, 9).await, 9_000_000_000 - 3600);
}
