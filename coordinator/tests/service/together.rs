//! Several coordinators on one store, several workers on several tasks.

use std::collections::BTreeSet;

use tdferry_proto::v1::admin_service_client::AdminServiceClient;
use tdferry_proto::v1::{self, Verdict};

use crate::world::{Fake, World, create, done, get, until, until_state};

#[tokio::test(start_paused = true)]
async fn two_coordinators_on_one_store_do_and_show_the_same() {
    let world = World::new().await;
    let (one, two) = (world.coordinator(1).await, world.coordinator(2).await);
    let (mut ask_one, mut ask_two) =
        (AdminServiceClient::new(one.channel().await), AdminServiceClient::new(two.channel().await));
    create(&mut ask_one, "t", &[]).await;
    let mut worker = Fake::register(&one, 1).await;
    let mut elsewhere = worker.at(&two).await;
    loop {
        let (seen_by_one, seen_by_two) = (get(&mut ask_one, "t").await, get(&mut ask_two, "t").await);
        assert_eq!((&seen_by_one.name, &seen_by_one.found), (&seen_by_two.name, &seen_by_two.found));
        if seen_by_two.terminal {
            break;
        }
        // claimed of one, committed to the other
        for lease in worker.claim(2).await.leases {
            elsewhere.finish(&lease).await;
        }
        std::mem::swap(&mut worker, &mut elsewhere);
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    let agreed = until("both show the same", || {
        let (mut ask_one, mut ask_two) = (ask_one.clone(), ask_two.clone());
        async move {
            let (one, two) = (get(&mut ask_one, "t").await, get(&mut ask_two, "t").await);
            (one == two).then_some(one)
        }
    })
    .await;
    assert_eq!(agreed.state, "completed");
}

#[tokio::test(start_paused = true)]
async fn a_commit_through_a_coordinator_that_has_just_started_is_taken() {
    let (world, coordinator, mut admin) = World::alone().await;
    create(&mut admin, "t", &[]).await;
    let mut worker = Fake::register(&coordinator, 1).await;
    for _ in 0..2 {
        let lease = worker.claim_one().await;
        worker.finish(&lease).await;
    }
    let lease = worker.claim_one().await;
    let fresh = world.coordinator(9).await;
    assert_eq!(worker.at(&fresh).await.commit(done(&lease)).await, Verdict::Committed);
}

#[tokio::test(start_paused = true)]
async fn a_worker_gets_no_more_than_it_asks_for_and_of_every_task_something() {
    let (_world, coordinator, mut admin) = World::alone().await;
    for name in ["a", "b", "c"] {
        create(&mut admin, name, &[]).await;
    }
    let mut worker = Fake::register(&coordinator, 1).await;
    assert_eq!(worker.claim(2).await.leases.len(), 2);
    assert_eq!(worker.claim(0).await.leases.len(), 0);
    assert_eq!(worker.claim(9).await.leases.len(), 1);

    let (_world, coordinator, mut admin) = World::alone().await;
    let mut worker = Fake::register(&coordinator, 1).await;
    for name in ["a", "b", "c"] {
        create(&mut admin, name, &[("schema", "none")]).await;
        for _ in 0..2 {
            let lease = worker.claim_one().await;
            worker.finish(&lease).await;
        }
        until_state(&admin, name, "copying").await;
        admin
            .set_control(v1::SetControlRequest { name: name.into(), control: v1::Control::Pause.into() })
            .await
            .unwrap();
    }
    for name in ["a", "b", "c"] {
        admin
            .set_control(v1::SetControlRequest { name: name.into(), control: v1::Control::Run.into() })
            .await
            .unwrap();
    }
    let leases = worker.claim(3).await.leases;
    let tasks: BTreeSet<_> = leases.iter().map(|lease| lease.key.as_ref().unwrap().task.as_str()).collect();
    assert_eq!(tasks, ["a", "b", "c"].into());
}

#[tokio::test(start_paused = true)]
async fn no_shard_is_held_by_two_workers() {
    let (_world, coordinator, mut admin) = World::alone().await;
    create(&mut admin, "t", &[]).await;
    let workers: Vec<_> =
        futures_util::future::join_all((1..=8).map(|id| Fake::register(&coordinator, id))).await;
    for _ in 0..2 {
        let lease = workers[0].claim_one().await;
        workers[0].clone().finish(&lease).await;
    }
    let all = futures_util::future::join_all(
        workers.iter().cloned().map(|mut worker| async move { worker.claim(64).await.leases }),
    )
    .await;
    let ids: Vec<_> = all.iter().flatten().map(|lease| lease.shard.as_ref().unwrap().id.clone()).collect();
    assert_eq!(ids.len(), ids.iter().collect::<BTreeSet<_>>().len());
    assert!(!ids.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_waits_for_work_gets_it_when_it_comes_up_and_not_a_poll_later() {
    let (_world, coordinator, mut admin) = World::alone().await;
    let mut idle = Fake::register(&coordinator, 1).await;
    let began = tokio::time::Instant::now();
    let waiting = tokio::spawn(async move { idle.claim(1).await.leases });
    tokio::time::sleep(World::timing().claim_poll / 4).await;
    create(&mut admin, "t", &[]).await;
    assert_eq!(waiting.await.unwrap().len(), 1);
    assert!(began.elapsed() < World::timing().claim_poll / 2, "{:?}", began.elapsed());
}
