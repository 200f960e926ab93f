//! What the server says about itself, and about what it leaves out.

use etcd_client::{Client, Error};
use tdferry_embedded::{Embedded, MemoryStorage, Options};

async fn client() -> Client {
    let store = Embedded::in_memory(MemoryStorage::new(), Options::seeded(5)).await.expect("start");
    store.client().await.expect("client")
}

fn words<T>(answer: Result<T, Error>) -> (tonic::Code, String) {
    match answer {
        Err(Error::GRpcStatus(status)) => (status.code(), status.message().to_owned()),
        Err(other) => panic!("not from the server: {other}"),
        Ok(_) => panic!("this is not offered"),
    }
}

#[tokio::test]
async fn what_is_left_out_says_so() {
    let mut client = client().await;
    let refusals = [
        words(client.user_list().await),
        words(client.auth_enable().await),
        words(client.lock("l", None).await),
        words(client.leader("e").await),
        words(client.snapshot().await.map(|_| ())),
        words(client.defragment().await),
        words(client.member_remove(1).await),
        words(client.move_leader(1).await),
    ];
    for (code, words) in refusals {
        assert_eq!(code, tonic::Code::Unimplemented, "{words}");
        assert!(words.contains("does not offer") && words.contains("real etcd"), "{words}");
    }
}

#[tokio::test]
async fn status_members_alarms_and_hashes_are_told() {
    let mut client = client().await;
    let empty = client.hash_kv(0).await.expect("hash").hash();
    client.put("a", "1", None).await.expect("put");
    let status = client.status().await.expect("status");
    assert_eq!(status.version(), "3.4.0-embedded");
    assert!(status.db_size() > 0);
    let members = client.member_list().await.expect("members");
    assert_eq!(members.members().len(), 1);
    assert_eq!(members.members()[0].id(), status.leader());
    assert_eq!(members.header().expect("header").member_id(), status.leader());
    let alarms = client.alarm(etcd_client::AlarmAction::Get, etcd_client::AlarmType::None, None).await;
    assert!(alarms.expect("alarms").alarms().is_empty());
    let one = client.hash_kv(0).await.expect("hash").hash();
    assert_ne!(one, empty, "a put changes the hash");
    client.put("b", "1", None).await.expect("put");
    client.delete("b", None).await.expect("delete");
    assert_eq!(client.hash_kv(0).await.expect("hash").hash(), one, "the same keys, the same hash");
}

#[tokio::test]
async fn a_message_beyond_all_limits_is_refused_as_etcd_does() {
    let mut client = client().await;
    let (code, words) = words(client.put("a", "x".repeat(2_200_000), None).await);
    assert_eq!(code, tonic::Code::ResourceExhausted);
    assert!(words.starts_with("grpc: received message larger than max"), "{words}");
}
