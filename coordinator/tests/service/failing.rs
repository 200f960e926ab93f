//! Shards that fail, and what brings them back.

use tdferry_proto::v1::{self, Ending, Verdict};
use tokio::time::Instant;

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
async fn a_poisoned_shard_is_tried_ever_later_fails_alone_and_is_brought_back_by_its_id() {
    let (_world, coordinator, mut admin) = World::alone().await;
    create(&mut admin, "t", &[("schema", "none")]).await;
    let mut worker = Fake::register(&coordinator, 1).await;
    for _ in 0..2 {
        let lease = worker.claim_one().await;
        worker.finish(&lease).await;
    }
    until_state(&admin, "t", "copying").await;
    let mut leases = worker.claim(64).await.leases;
    let mut poison = leases.pop().unwrap();
    let id = poison.shard.as_ref().unwrap().id.clone();
    for other in &leases {
        worker.finish(other).await;
    }
    let mut waits = Vec::new();
    for attempt in 1..=5 {
        worker.beat(&[&poison]).await;
        assert_eq!(poison.shard.as_ref().unwrap().claims, attempt);
        worker.commit(ended(&poison, Ending::Erred, "the row from hell")).await;
        let erred = Instant::now();
        assert!(get(&mut admin, "t").await.troubles[0].contains("the row from hell"));
        if attempt < 5 {
            poison = until("the next attempt", || {
                let mut worker = worker.clone();
                async move {
                    worker.beat(&[]).await;
                    worker.claim(1).await.leases.pop()
                }
            })
            .await;
            assert_eq!(poison.shard.as_ref().unwrap().id, id);
            waits.push(erred.elapsed());
        }
    }
    let step = World::timing().heartbeat;
    assert!(waits.iter().zip(1..).all(|(wait, n)| *wait >= step * n && *wait < step * (n + 1)), "{waits:?}");
    let task = until("poisoned", || {
        let (mut worker, mut admin) = (worker.clone(), admin.clone());
        async move {
            worker.beat(&[]).await;
            assert!(worker.claim(1).await.leases.is_empty());
            Some(get(&mut admin, "t").await).filter(|task| task.terminal)
        }
    })
    .await;
    let progress = task.progress.unwrap();
    assert_eq!((progress.shards_failed, progress.shards_done + 1), (1, progress.shards), "it fails alone");
    assert!(task.reason.contains(&id) && task.reason.contains("the row from hell"), "{}", task.reason);
    let retry = v1::RetryShardRequest { task: "t".into(), shard: id.clone() };
    assert_eq!(admin.retry_shard(retry).await.unwrap().into_inner().retried, 1);
    assert_eq!(worker.work_until(&admin, "t", "completed").await, [id]);
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
