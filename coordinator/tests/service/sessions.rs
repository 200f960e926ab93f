//! Workers that come, go, fall silent and lose answers.

use std::time::Duration;

use tdferry_proto::v1::{self, Directive, Verdict};
use tokio::time::Instant;

use crate::world::{Fake, World, commit, create, done, get, until};

#[tokio::test(start_paused = true)]
async fn a_silent_workers_leases_are_claimed_by_another_where_it_last_committed() {
    let (_world, coordinator, mut admin) = World::alone().await;
    create(&mut admin, "t", &[("schema", "none")]).await;
    let mut silent = Fake::register(&coordinator, 1).await;
    for _ in 0..2 {
        let lease = silent.claim_one().await;
        silent.finish(&lease).await;
    }
    // all there is, so that the other gets nothing else
    let held = until("all leases", || {
        let mut silent = silent.clone();
        async move { Some(silent.claim(64).await.leases).filter(|leases| !leases.is_empty()) }
    })
    .await;
    silent.beat(&held.iter().collect::<Vec<_>>()).await;
    let totals = v1::Totals { read: 7, written: 7, before: Some(0), ..Default::default() };
    for lease in &held {
        silent.commit(commit(lease, None, totals, v1::Ending::Unspecified)).await;
    }
    let fell_silent = Instant::now();

    let other = Fake::register(&coordinator, 2).await;
    let mut beating = other.clone();
    let beats = async {
        loop {
            tokio::time::sleep(Duration::from_secs(5)).await;
            beating.beat(&[]).await;
        }
    };
    let taken = tokio::select! {
        lease = other.claim_one() => lease,
        () = beats => unreachable!("it beats for ever"),
    };
    assert!(fell_silent.elapsed() <= World::timing().takeover_bound(), "{:?}", fell_silent.elapsed());
    let checkpoint = taken.shard.as_ref().unwrap().checkpoint.clone().unwrap();
    assert_eq!((checkpoint.seq, checkpoint.totals.unwrap().read), (1, 7));

    let same = held
        .iter()
        .find(|lease| lease.shard.as_ref().unwrap().id == taken.shard.as_ref().unwrap().id)
        .unwrap();
    let mut late = done(same);
    late.checkpoint.as_mut().unwrap().seq = 2;
    assert_eq!(silent.commit(late).await, Verdict::Fenced);
    assert!(silent.beat(&[same]).await.session_lost);
    assert!(silent.claim(1).await.session_lost);
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_leaves_gives_its_leases_free_at_once() {
    let (_world, coordinator, mut admin) = World::alone().await;
    create(&mut admin, "t", &[]).await;
    let mut first = Fake::register(&coordinator, 1).await;
    first.claim_one().await;
    let second = Fake::register(&coordinator, 2).await;
    let left = Instant::now();
    first.client.leave(v1::LeaveRequest { session: first.session, worker: first.id }).await.unwrap();
    second.claim_one().await;
    assert!(left.elapsed() < Duration::from_secs(1));
    let workers = admin.list_workers(v1::ListWorkersRequest {}).await.unwrap().into_inner().workers;
    assert_eq!(workers.iter().map(|worker| (worker.id, worker.leases.len())).collect::<Vec<_>>(), [(2, 1)]);
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_its_worker_does_not_list_for_two_heartbeats_is_free_again() {
    let (_world, coordinator, mut admin) = World::alone().await;
    create(&mut admin, "t", &[]).await;
    let mut forgetful = Fake::register(&coordinator, 1).await;
    let lost = forgetful.claim_one().await;
    let mut other = Fake::register(&coordinator, 2).await;
    for _ in 0..2 {
        assert!(other.claim(1).await.leases.is_empty());
        forgetful.beat(&[]).await;
        tokio::time::sleep(World::timing().heartbeat).await;
        other.beat(&[]).await;
    }
    let found = other.claim_one().await;
    assert_eq!(found.shard.unwrap().id, lost.shard.as_ref().unwrap().id);
    assert_eq!(forgetful.directive(&lost).await, Directive::Abandon);
    assert_eq!(get(&mut admin, "t").await.progress.unwrap().shards_leased, 1);
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_is_listed_is_never_taken_for_an_orphan() {
    let (_world, coordinator, mut admin) = World::alone().await;
    create(&mut admin, "t", &[]).await;
    let mut worker = Fake::register(&coordinator, 1).await;
    let lease = worker.claim_one().await;
    for _ in 0..10 {
        assert_eq!(worker.directive(&lease).await, Directive::Continue);
        tokio::time::sleep(World::timing().heartbeat).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_beats_and_never_commits_loses_its_lease() {
    let (_world, coordinator, mut admin) = World::alone().await;
    create(&mut admin, "t", &[]).await;
    let mut stuck = Fake::register(&coordinator, 1).await;
    let survey = stuck.claim_one().await;
    stuck.finish(&survey).await;
    let schema = stuck.claim_one().await;
    let started = Instant::now();
    while stuck.directive(&schema).await == Directive::Continue {
        tokio::time::sleep(World::timing().heartbeat).await;
        assert!(started.elapsed() < Duration::from_secs(700));
    }
    assert!(started.elapsed() >= World::timing().stall_floor);
    let task = get(&mut admin, "t").await;
    let told = &task.troubles[0];
    for part in
        ["shard schema", "stalled", "worker 0000000000000001 on h", "since 2023-11-14T22:13:2", "taken away"]
    {
        assert!(told.contains(part), "{told}");
    }
    let listed = v1::ListShardsRequest { task: "t".into(), ..Default::default() };
    let shards = admin.list_shards(listed).await.unwrap().into_inner().shards;
    let told = |view: &v1::ShardView| view.shard.as_ref().unwrap().last_error.starts_with("stalled: ");
    assert_eq!(shards.iter().filter(|view| told(view)).count(), 1);
    // another takes it up after a while, and a stall counts as an attempt
    let again = Fake::register(&coordinator, 2).await.claim_one().await;
    assert_eq!(again.shard.unwrap().claims, 2);
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_waits_for_a_database_is_not_stuck_and_its_task_says_so() {
    let (_world, coordinator, mut admin) = World::alone().await;
    create(&mut admin, "t", &[]).await;
    let mut worker = Fake::register(&coordinator, 1).await;
    let survey = worker.claim_one().await;
    worker.finish(&survey).await;
    let schema = worker.claim_one().await;
    let waiting = |what: v1::waiting::For| {
        vec![v1::Waiting {
            task: "t".into(),
            what: what.into(),
            message: "refused".into(),
            since_unix_millis: 5,
        }]
    };
    for _ in 0..140 {
        let answer = worker.beat_with(&[&schema], waiting(v1::waiting::For::Sink)).await;
        assert_eq!(answer.directives[0].directive(), Directive::Continue);
        tokio::time::sleep(World::timing().heartbeat).await;
    }
    let task = get(&mut admin, "t").await;
    assert_eq!((task.state.as_str(), task.reason.as_str()), ("waiting for sink", "refused"));
    assert_eq!(task.waiting.len(), 1);
    worker.beat_with(&[&schema], waiting(v1::waiting::For::Source)).await;
    assert_eq!(get(&mut admin, "t").await.state, "waiting for source");
    worker.beat(&[&schema]).await;
    assert_eq!(get(&mut admin, "t").await.state, "creating");
}

#[tokio::test(start_paused = true)]
async fn the_owner_of_the_store_ends_the_sessions_of_the_dead_at_once() {
    let (world, coordinator, mut admin) = World::alone().await;
    create(&mut admin, "t", &[]).await;
    Fake::register(&coordinator, 1).await.claim_one().await;
    coordinator.stop();
    let restarted = world.coordinator(2).await;
    let began = Instant::now();
    restarted.end_former_sessions().await.unwrap();
    Fake::register(&restarted, 2).await.claim_one().await;
    assert!(began.elapsed() < Duration::from_secs(1));
}
