//! The shortest way through everything: in process, in a file, over connections.

use std::time::Duration;

use etcd_client::{Compare, CompareOp, PutOptions, Txn, TxnOp};
use tdferry_embedded::{Embedded, MemoryStorage, Options};
use tokio_stream::wrappers::TcpListenerStream;

async fn walk_through(mut client: etcd_client::Client) {
    let lease = client.lease_grant(30, None).await.expect("grant").id();
    client.put("a", "1", Some(PutOptions::new().with_lease(lease))).await.expect("put");
    let mut stream = client
        .watch("a", Some(etcd_client::WatchOptions::new().with_start_revision(2)))
        .await
        .expect("watch");
    let txn =
        Txn::new().when([Compare::version("a", CompareOp::Equal, 1)]).and_then([TxnOp::put("a", "2", None)]);
    assert!(client.txn(txn).await.expect("txn").succeeded());
    client.lease_keep_alive(lease).await.expect("keep alive");
    client.lease_revoke(lease).await.expect("revoke");
    let mut events = Vec::new();
    while events.len() < 2 {
        let answer = tokio::time::timeout(Duration::from_secs(10), stream.message());
        let answer = answer.await.expect("in time").expect("stream").expect("answer");
        events.extend(answer.events().iter().map(|event| event.event_type()));
    }
    let value = client.get("a", None).await.expect("get");
    assert_eq!(value.kvs().len(), 1, "a put without a lease takes the key off its lease");
}

#[tokio::test]
async fn a_client_in_the_same_process_needs_no_socket() {
    let store = Embedded::in_memory(MemoryStorage::new(), Options::seeded(1)).await.expect("start");
    walk_through(store.client().await.expect("client")).await;
}

#[tokio::test]
async fn a_file_is_reopened_with_what_was_stored() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("store.redb");
    let store = Embedded::open(&path).await.expect("open");
    let mut client = store.client().await.expect("client");
    client.put("k", "v", None).await.expect("put");
    let refused = Embedded::open(&path).await.expect_err("locked");
    assert!(refused.to_string().contains("store.redb"), "{refused}");
    store.close().await;
    assert!(client.get("k", None).await.is_err(), "a closed store answers nothing");
    let store = Embedded::open(&path).await.expect("open again");
    let mut client = store.client().await.expect("client");
    assert_eq!(client.get("k", None).await.expect("get").kvs()[0].value(), b"v");
    walk_through(client).await;
}

#[tokio::test]
async fn connections_are_served_too() {
    let store = Embedded::in_memory(MemoryStorage::new(), Options::seeded(1)).await.expect("start");
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("bind");
    let address = listener.local_addr().expect("address").to_string();
    let serving = tokio::spawn(async move { store.serve(TcpListenerStream::new(listener)).await });
    walk_through(etcd_client::Client::connect([address], None).await.expect("connect")).await;
    serving.abort();
}
