//! Shards that fail, and what brings them back.

use tdferry_proto::v1::{self, Ending, Verdict};

use crate::world::{Fake, World, create, ended, get, until, until_state};

#[tokio::test(start_paused = true)]
async fn a_failed_shard_fails_its_task_when_the_others_are_through_and_a_retry_completes_it() {
    let (_world, coordinator, mut admin) = World::alone().await;
    create(&mut admin, "t", &[]).await;
    let mut worker = Fake::register(&coordinator, 1).await;
    for _ in 0..5 {
        let lease = worker.claim_one().await;
        worker.finish(&lease).await;
    }
    until_state(&admin, "t", "copying").await;
    let lease = worker.claim_one().await;
    assert_eq!(
        worker.commit(ended(&lease, Ending::Failed, "column `x` is missing")).await,
        Verdict::Committed
    );
    assert_eq!(get(&mut admin, "t").await.progress.unwrap().shards_failed, 1);
    worker.work_until(&admin, "t", "failed").await;
    let task = get(&mut admin, "t").await;
    assert!(task.reason.contains("column `x` is missing") && task.terminal, "{}", task.reason);

    let id = lease.shard.unwrap().id;
    let request = v1::RetryShardRequest { task: "t".into(), shard: id.clone() };
    assert_eq!(admin.retry_shard(request.clone()).await.unwrap().into_inner().retried, 1);
    assert_eq!(worker.work_until(&admin, "t", "completed").await, [id]);
    let refused = admin.retry_shard(request).await.unwrap_err();
    assert!(refused.message().contains("has not failed"), "{}", refused.message());
}

#[tokio::test(start_paused = true)]
async fn a_shard_that_is_claimed_five_times_without_a_commit_fails_alone_with_its_reason() {
    let (_world, coordinator, mut admin) = World::alone().await;
    create(&mut admin, "t", &[]).await;
    let mut worker = Fake::register(&coordinator, 1).await;
    for _ in 0..5 {
        worker.beat(&[]).await;
        let lease = worker.claim_one().await;
        worker.commit(ended(&lease, Ending::Erred, "disk of the moon")).await;
    }
    let task = until("failed", || {
        let (mut worker, mut admin) = (worker.clone(), admin.clone());
        async move {
            worker.beat(&[]).await;
            assert!(worker.claim(1).await.leases.is_empty());
            Some(get(&mut admin, "t").await).filter(|task| task.state == "failed")
        }
    })
    .await;
    assert!(task.reason.contains("5 times") && task.reason.contains("disk of the moon"), "{}", task.reason);
    admin.retry_shard(v1::RetryShardRequest { task: "t".into(), shard: String::new() }).await.unwrap();
    worker.work_until(&admin, "t", "completed").await;
}

#[tokio::test(start_paused = true)]
async fn without_the_structure_the_task_fails_at_once() {
    let (_world, coordinator, mut admin) = World::alone().await;
    create(&mut admin, "t", &[]).await;
    let mut worker = Fake::register(&coordinator, 1).await;
    let survey = worker.claim_one().await;
    worker.finish(&survey).await;
    let schema = worker.claim_one().await;
    worker.commit(ended(&schema, Ending::Failed, "the target has no room")).await;
    let task = until_state(&admin, "t", "failed").await;
    assert!(task.reason.contains("the target has no room"), "{}", task.reason);
}
